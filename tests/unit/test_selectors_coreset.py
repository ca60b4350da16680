"""Selectors that cover the pool, against the definitions written out one by one."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elad_exp.errors import ConfigError
from elad_exp.rng import generator
from elad_exp.selectors.coreset import KCenter, VoteK
from elad_exp.selectors.kmeans import clusters
from elad_exp.types import Candidate, Sample


def candidates(points, labelled=()):
    return [
        Candidate(
            Sample(f"id{i:03}", "q"),
            features=tuple(float(x) for x in p),
            near=tuple(sorted(float(np.linalg.norm(np.subtract(p, x))) for x in labelled)[:10]),
        )
        for i, p in enumerate(points)
    ]


def ids(items):
    return [item.sample.id for item in items]


def test_k_center_takes_the_farthest_from_labelled_and_taken():
    pool = candidates([(0,), (1,), (4,), (10,), (-6,)], labelled=[(0,), (8,)])
    items = KCenter().select(pool, 5, generator(0))
    assert ids(items) == ["id004", "id002", "id003", "id001", "id000"]
    assert [item.score for item in items] == pytest.approx([6, 4, 2, 1, 0])


def test_k_center_without_labels_begins_anywhere_and_has_no_score_there():
    pool = candidates([(0,), (1,), (10,)])
    first = {ids(KCenter().select(pool, 1, generator(seed)))[0] for seed in range(20)}
    assert len(first) == 3
    scores = [item.score for item in KCenter().select(pool, 3, generator(0))]
    assert scores[0] is None
    assert scores[1] > scores[2] > 0


@given(st.integers(0, 10_000), st.integers(0, 3))
def test_k_center_covers_at_least_half_as_well_as_any_choice(seed, labelled):
    """The guarantee of the greedy choice: its radius is at most twice the smallest."""
    rng = np.random.default_rng(seed)
    points, known = rng.normal(size=(9, 2)), rng.normal(size=(labelled, 2))

    def radius(chosen):
        centres = np.vstack([points[list(chosen)], known])
        return np.linalg.norm(points[:, None] - centres, axis=2).min(axis=1).max()

    items = KCenter().select(candidates(points, known), 3, generator(seed))
    greedy = radius([int(i[2:]) for i in ids(items)])
    assert greedy <= 2 * min(radius(c) for c in combinations(range(9), 3)) + 1e-9


def vote_k_by_hand(points, labelled, k, rho, n):
    """Su et al. (2022), graph stage, as its formulas read; None where votes tie."""
    everything = [*points, *labelled]
    neighbours = []
    for i, p in enumerate(points):
        others = [j for j in range(len(everything)) if j != i]
        neighbours.append(sorted(others, key=lambda j: np.linalg.norm(p - everything[j]))[:k])
    known, chosen = set(range(len(points), len(everything))), []
    for _ in range(n):
        votes = {}
        for u in range(len(points)):
            if u not in known:
                voters = [v for v in range(len(points)) if v not in known and u in neighbours[v]]
                votes[u] = sum(rho ** -len(known & set(neighbours[v])) for v in voters)
        best = max(votes.values())
        first = [u for u, vote in votes.items() if vote >= best * (1 - 1e-9)]
        chosen.append((first, best))
        if len(first) > 1:
            return chosen
        known.add(first[0])
    return chosen


@given(st.integers(0, 10_000), st.integers(0, 12), st.integers(1, 6))
def test_vote_k_by_its_formula(seed, labelled, k):
    rng = np.random.default_rng(seed)
    points, known = rng.normal(size=(12, 2)), rng.normal(size=(labelled, 2))
    expected = vote_k_by_hand(points, known, k, 10.0, 6)
    items = VoteK(share=k / 12).select(candidates(points, known), 6, generator(seed))
    for item, (first, best) in zip(items, expected, strict=False):
        assert int(item.sample.id[2:]) in first
        assert item.score == pytest.approx(best)


def test_vote_k_takes_the_middle_of_the_largest_group_and_then_another_group():
    large = [(0, 0), (0.1, 0), (-0.1, 0), (0, 0.1), (0, -0.1)]
    small = [(9, 9), (9.1, 9), (8.9, 9)]
    first, second = ids(VoteK(share=0.25).select(candidates(large + small), 2, generator(0)))
    assert first == "id000"
    assert second in ("id005", "id006", "id007")


def test_vote_k_leaves_groups_that_are_labelled():
    large = [(0, 0), (0.1, 0), (-0.1, 0), (0, 0.1), (0, -0.1)]
    small = [(9, 9), (9.1, 9), (8.9, 9)]
    pool = candidates(large + small, labelled=[(0.01, 0), (0, 0.01)])
    assert ids(VoteK(share=0.25).select(pool, 1, generator(0)))[0] in ("id005", "id006", "id007")


def test_one_candidate_has_no_neighbours():
    (item,) = VoteK().select(candidates([(1, 0)], labelled=[(0, 1)]), 1, generator(0))
    assert item.score == 0


@pytest.mark.parametrize("options", [{"share": 0}, {"share": 1.1}, {"rho": 1}, {"rho": np.inf}])
def test_vote_k_refuses_values_out_of_range(options):
    with pytest.raises(ConfigError, match=f"{next(iter(options))}=.*; allowed"):
        VoteK(**options)


@pytest.mark.parametrize("wrong", [(), (1.0,), (1.0, np.nan)])
def test_missing_features_are_named(wrong):
    pool = [*candidates([(0, 1)] * 3), Candidate(Sample("z", "q"), features=wrong)]
    with pytest.raises(ValueError, match=r"k_center needs.*features"):
        KCenter().select(pool, 1, generator(0))


def test_clusters_find_groups_that_lie_apart():
    rng = np.random.default_rng(0)
    centres = np.array([(0, 0), (50, 0), (0, 50), (50, 50)])
    truth = rng.integers(4, size=80)
    points = centres[truth] + rng.normal(size=(80, 2))
    found = clusters(points, 4, generator(1))
    assert len({(t, f) for t, f in zip(truth, found, strict=True)}) == 4
    assert (clusters(points, 4, generator(1)) == found).all()


def test_points_that_coincide_share_a_cluster():
    found = clusters(np.array([[0.0], [0.0], [0.0], [1.0], [1.0]]), 4, generator(0))
    assert len(set(found[:3])) == len(set(found[3:])) == 1
    assert found[0] != found[3]


def test_as_many_clusters_as_points():
    assert sorted(clusters(np.zeros((3, 2)), 3, generator(0))) == [0, 1, 2]
