import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elad_exp.errors import ConfigError
from elad_exp.selectors.combine import ComponentSelector, RandomSelector
from elad_exp.selectors.query import (
    audit_size,
    build_query,
    draw_candidates,
    draw_uniform,
    initial_query,
    whole_pool_warning,
)
from elad_exp.types import Candidate, Explanation, Sample


def samples(n):
    return [Sample(f"id{i:03}", f"q{i}") for i in range(n)]


def candidates(n):
    attempt = Explanation.of(["a"], "yes")
    return [Candidate(s, {"inter": float(i)}, attempt) for i, s in enumerate(samples(n))]


def build(selector=None, pool=None, *, n=20, audit_fraction=0.1, seed=0, round=1):
    return build_query(
        round=round,
        candidates=candidates(100) if pool is None else pool,
        selector=selector or ComponentSelector("inter"),
        n=n,
        audit_fraction=audit_fraction,
        seed=seed,
    )


def ids(items):
    return [item.sample.id for item in items]


def audit(query):
    return [item for item in query.items if item.audit]


def selected(query):
    return [item for item in query.items if not item.audit]


@pytest.mark.parametrize(
    ("n", "fraction", "expected"),
    [
        (40, 0.1, 4),
        (45, 0.1, 5),
        (44, 0.1, 4),
        (50, 0.29, 15),
        (3, 0.1, 1),
        (2, 0.9, 1),
        (1, 0.9, 0),
        (0, 0.5, 0),
        (20, 0, 0),
        (20, 1, 20),
    ],
)
def test_audit_size(n, fraction, expected):
    assert audit_size(n, fraction) == expected


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_audit_fraction_out_of_range(fraction):
    with pytest.raises(ConfigError, match="allowed: 0 to 1"):
        build(audit_fraction=fraction)


def test_query_holds_the_best_of_the_rest_and_the_audit():
    query = build()
    assert query.round == 1
    assert len(set(ids(query.items))) == 20
    assert len(audit(query)) == 2
    rest = sorted(set(ids(candidates(100))) - set(ids(audit(query))), reverse=True)
    assert ids(selected(query)) == rest[:18]


def test_audit_is_equal_for_all_selectors_and_new_in_each_round_and_seed():
    expected = ids(audit(build()))
    assert ids(audit(build(RandomSelector()))) == expected
    assert ids(audit(build(pool=candidates(100)[::-1]))) == expected
    others = [build(round=2), build(seed=1)]
    assert all(ids(audit(other)) != expected for other in others)


def test_audit_positions_do_not_depend_on_the_selector():
    def positions(query):
        return [i for i, item in enumerate(query.items) if item.audit]

    assert positions(build(n=40)) == positions(build(RandomSelector(), n=40)) == [5, 15, 25, 35]


def test_audit_items_carry_attempt_and_components_but_no_combined_score():
    for item in audit(build()):
        assert item.attempt is not None
        assert item.scores == {"inter": float(item.sample.id[2:])}
        assert item.score is None


@given(n=st.integers(0, 40), fraction=st.floats(0, 1), seed=st.integers(0, 99))
def test_every_front_of_a_query_has_its_share_of_audit(n, fraction, seed):
    query = build(pool=candidates(40), n=n, audit_fraction=fraction, seed=seed)
    assert len(set(ids(query.items))) == len(query.items) == n
    total = audit_size(n, fraction)
    assert len(audit(query)) == total
    for m in range(n + 1):
        assert abs(sum(i.audit for i in query.items[:m]) - m * total / n if n else 0) <= 1


def test_audit_is_drawn_uniformly():
    counts = np.zeros(10)
    for seed in range(1000):
        for item in audit(build(pool=candidates(10), n=4, audit_fraction=0.5, seed=seed)):
            counts[int(item.sample.id[2:])] += 1
    assert counts.sum() == 2000
    assert np.abs(counts - 200).max() < 50


def test_selector_draws_differ_between_rounds_not_between_calls():
    one, again, later = (
        build(RandomSelector()),
        build(RandomSelector()),
        build(RandomSelector(), round=2),
    )
    assert one == again
    assert ids(selected(one)) != ids(selected(later))


@pytest.mark.parametrize("n", [-1, 101])
def test_query_size_out_of_range(n):
    with pytest.raises(ValueError, match="from 100 candidates"):
        build(n=n)


def test_repeated_candidate_is_refused():
    with pytest.raises(ValueError, match="twice"):
        build(pool=candidates(3) * 2, n=2)


def test_draw_candidates():
    pool = samples(50)
    drawn = draw_candidates(pool, size=20, seed=0, round=1)
    assert len(set(drawn)) == 20
    assert set(drawn) <= set(pool)
    assert draw_candidates(pool[::-1], size=20, seed=0, round=1) == drawn
    assert draw_candidates(pool, size=20, seed=0, round=2) != drawn
    assert draw_candidates(pool, size=20, seed=1, round=1) != drawn
    for size in (None, 50, 99):
        assert draw_candidates(pool[::-1], size=size, seed=0, round=1) == pool
    with pytest.raises(ConfigError, match="candidate size 0"):
        draw_candidates(pool, size=0, seed=0, round=1)


def test_draws_from_pools_that_differ_little_differ_little():
    pool = samples(200)
    gone = {s.id for s in pool[:20]}
    one = draw_candidates(pool, size=100, seed=0, round=1)
    other = draw_candidates(pool[20:], size=100, seed=0, round=1)
    assert {s.id for s in one} - gone <= {s.id for s in other}


def test_larger_draws_extend_smaller_ones():
    pool = samples(30)
    draws = [draw_uniform(pool, n, seed=0, purpose=("x",)) for n in (0, 5, 30)]
    assert draws[0] == []
    assert draws[1] == draws[2][:5]
    with pytest.raises(ValueError, match="cannot draw 31 of 30"):
        draw_uniform(pool, 31, seed=0, purpose=("x",))


def test_scoring_a_very_large_pool_whole_is_warned_of():
    assert whole_pool_warning(20_000, None) == whole_pool_warning(10**6, 2000) == []
    [warning] = whole_pool_warning(10**6, None)
    assert "candidates=null: every round reads and scores all 1,000,000 questions" in warning


def test_initial_query():
    pool = samples(50)
    query = initial_query(pool, 10, 0)
    assert (query.round, query.note, len(query.items)) == (0, "initial", 10)
    assert initial_query(pool[::-1], 10, 0) == query
    assert initial_query(pool, 10, 1) != query
    assert all(i.attempt is None and i.score is None and not i.audit for i in query.items)
    for n in (0, 51):
        with pytest.raises(ValueError, match=f"{n}"):
            initial_query(pool, n, 0)
