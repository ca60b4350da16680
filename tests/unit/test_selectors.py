import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elad_exp.errors import ConfigError
from elad_exp.rng import generator
from elad_exp.selectors.combine import ComponentSelector, RandomSelector, RankSum, ZSum
from elad_exp.types import Candidate, Explanation, Sample


def candidates(**columns):
    rows = zip(*columns.values(), strict=True)
    return [
        Candidate(Sample(f"id{i}", f"q{i}"), dict(zip(columns, row, strict=True)))
        for i, row in enumerate(rows)
    ]


def ids(items):
    return [item.sample.id for item in items]


def test_component_selector_takes_the_highest_first():
    pool = candidates(inter=[0.1, 0.9, 0.5], margin=[1.0, 0.0, 0.0])
    items = ComponentSelector("inter").select(pool, 2, generator(0))
    assert [(i.sample.id, i.score, i.audit) for i in items] == [
        ("id1", 0.9, False),
        ("id2", 0.5, False),
    ]
    assert items[0].scores == {"inter": 0.9, "margin": 0.0}


def test_items_carry_the_attempt():
    attempt = Explanation.of(["a"], "yes")
    pool = [Candidate(Sample("x", "q"), {"inter": 0.0}, attempt)]
    for selector in (RandomSelector(), ComponentSelector("inter")):
        assert selector.select(pool, 1, generator(0))[0].attempt is attempt


def test_names_and_needs():
    assert (RandomSelector().name, RandomSelector().needs) == ("random", frozenset())
    assert ComponentSelector("inter").name == "inter"
    elad = RankSum({"inter": 1, "step_entropy": 2})
    assert (elad.name, elad.needs) == ("elad", {"inter", "step_entropy"})
    assert RankSum({"inter": 1}, name="votes").name == "votes"


def test_ties_are_drawn_uniformly():
    pool = candidates(inter=[1.0] * 4 + [2.0])
    selector = ComponentSelector("inter")
    counts = np.zeros(4)
    for seed in range(400):
        top, second = ids(selector.select(pool, 2, generator(seed)))
        assert top == "id4"
        counts[int(second[2:])] += 1
    assert counts.min() > 70
    assert counts.max() < 130


@pytest.mark.parametrize("selector", [ComponentSelector("inter"), RankSum({"inter": 0.3})])
def test_equal_scores_choose_as_random_does(selector):
    pool = candidates(inter=[0.5] * 20)
    chosen = selector.select(pool, 7, generator(3))
    assert ids(chosen) == ids(RandomSelector().select(pool, 7, generator(3)))


def test_rank_sum_by_hand():
    pool = candidates(inter=[0.0, 5.0, 5.0, 9.0], margin=[4.0, 3.0, 2.0, 1.0])
    items = RankSum({"inter": 3, "margin": 1}).select(pool, 4, generator(0))
    got = {item.sample.id: item.score for item in items}
    ranks = {"id0": (1, 4), "id1": (2.5, 3), "id2": (2.5, 2), "id3": (4, 1)}
    assert got == pytest.approx({k: (3 * a + b) / 16 for k, (a, b) in ranks.items()})
    assert ids(items) == ["id3", "id1", "id2", "id0"]


def test_rank_sum_of_sums_equal_on_paper_is_a_tie():
    # Ranks (1, 2, 3), (3, 1, 2), (2, 3, 1): 0.1 times each adds up to different floats.
    pool = candidates(inter=[1, 2, 3], margin=[3, 1, 2], intra=[2, 3, 1])
    selector = RankSum({"inter": 0.1, "margin": 0.1, "intra": 0.1})
    assert len({item.score for item in selector.select(pool, 3, generator(0))}) == 1


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=30))
def test_rank_sum_is_scale_free_and_ignores_the_order_of_weights(rows):
    one = candidates(inter=[float(a) for a, _ in rows], margin=[float(b) for _, b in rows])
    other = candidates(inter=[math.exp(a) for a, _ in rows], margin=[3.0 * b for _, b in rows])
    n = len(rows)
    expected = RankSum({"inter": 1, "margin": 2}).select(one, n, generator(1))
    got = RankSum({"margin": 20, "inter": 10}).select(other, n, generator(1))
    assert [(i.sample.id, i.score) for i in got] == [(i.sample.id, i.score) for i in expected]
    assert all(0 < i.score <= 1 for i in got)


def test_z_sum_by_hand():
    pool = candidates(inter=[0.0, 0.0, 6.0], margin=[1.0, 3.0, 2.0])
    items = ZSum({"inter": 3, "margin": 1}).select(pool, 3, generator(0))
    got = {item.sample.id: item.score for item in items}
    z = {"id0": (-0.5, -1.0), "id1": (-0.5, 1.0), "id2": (1.0, 0.0)}
    expected = {k: (3 * a * math.sqrt(2) + b * math.sqrt(1.5)) / 4 for k, (a, b) in z.items()}
    assert got == pytest.approx(expected)
    assert ids(items) == ["id2", "id1", "id0"]


def test_z_sum_of_components_without_spread_leaves_the_choice_to_the_draw():
    # The mean of these equal numbers is not exactly one of them.
    pool = candidates(inter=[0.1] * 13, margin=[1.3] * 13)
    items = ZSum({"inter": 1, "margin": 1}).select(pool, 5, generator(2))
    assert [item.score for item in items] == [0.0] * 5
    assert ids(items) == ids(RandomSelector().select(pool, 5, generator(2)))


@pytest.mark.parametrize("kind", [RankSum, ZSum])
def test_what_was_left_out_is_not_ranked_and_comes_last(kind):
    pool = candidates(inter=[1.0, 2.0, 3.0], margin=[3.0, 2.0, 1.0])
    late = Candidate(Sample("id9", "q"), {"margin": 99.0}, screened=True)
    selector = kind({"inter": 2, "margin": 1})
    without = selector.select(pool, 3, generator(0))
    items = selector.select([late, *pool], 4, generator(0))
    assert [(i.sample.id, i.score) for i in items[:3]] == [(i.sample.id, i.score) for i in without]
    assert (items[3].sample.id, items[3].score) == ("id9", None)
    # Margins are known of all: what was left out elsewhere is ranked like the rest.
    assert ids(ComponentSelector("margin").select([late, *pool], 1, generator(0))) == ["id9"]


@pytest.mark.parametrize("kind", [RankSum, ZSum])
@pytest.mark.parametrize("weight", [0, -1, math.nan, math.inf, "1", None, True])
def test_sums_refuse_weights(kind, weight):
    with pytest.raises(ConfigError, match="inter; allowed: positive finite"):
        kind({"inter": weight})


def test_no_weights_and_what_is_no_score_are_refused():
    with pytest.raises(ConfigError, match="no weights"):
        RankSum({})
    with pytest.raises(ConfigError, match=r"'intro'; allowed: .*intra"):
        RankSum({"intro": 1})
    with pytest.raises(ConfigError, match="allowed"):
        ComponentSelector("intro")
    with pytest.raises(ConfigError, match=r"features cannot be ranked by; allowed: .*bald"):
        ComponentSelector("features")


@pytest.mark.parametrize("scores", [{}, {"margin": 1.0}, {"inter": math.nan}])
def test_missing_or_undefined_score_is_named(scores):
    pool = [Candidate(Sample("x", "q"), scores), *candidates(inter=[1.0])]
    with pytest.raises(ValueError, match="finite score inter, but candidate x has"):
        ComponentSelector("inter").select(pool, 1, generator(0))
