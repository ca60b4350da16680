"""Selectors around another one, and how they are composed."""

import math
from collections import Counter

import pytest
from hydra.utils import instantiate

from elad_exp.config import compose_config
from elad_exp.errors import ConfigError
from elad_exp.rng import generator
from elad_exp.selectors.combine import ComponentSelector, RandomSelector
from elad_exp.selectors.wrappers import ClassBalanced, Diversify, Subsample
from elad_exp.types import Candidate, Explanation, Sample

INTER = ComponentSelector("inter")


def candidates(scores, *, answers=None, angles=None):
    return [
        Candidate(
            Sample(f"id{i:03}", "q"),
            {"inter": float(score)},
            Explanation.of(["s"], answers[i] if answers else "yes"),
            features=(math.cos(angles[i]), math.sin(angles[i])) if angles else (1.0, 0.0),
        )
        for i, score in enumerate(scores)
    ]


def ids(items):
    return [item.sample.id for item in items]


def test_names_and_needs_contain_those_of_the_inner_selector():
    assert Subsample(INTER, fraction=0.5).name == "subsample(inter)"
    assert Subsample(INTER, fraction=0.5).needs == {"inter"}
    assert Diversify(INTER).needs == {"inter", "features"}
    assert ClassBalanced(RandomSelector()).needs == {"attempt"}
    nested = ClassBalanced(Diversify(INTER), name="mine")
    assert (nested.name, nested.needs) == ("mine", {"inter", "features", "attempt"})


def test_subsample_takes_the_highest_of_a_uniform_part():
    pool = candidates(range(100))
    counts: Counter[str] = Counter()
    for seed in range(200):
        chosen = ids(Subsample(INTER, fraction=0.1).select(pool, 1, generator(seed)))
        counts.update(chosen)
    # The highest is in a tenth of the parts; the highest of a part is seldom below the middle.
    assert 8 <= counts["id099"] <= 35
    assert sum(n for i, n in counts.items() if i < "id050") <= 2


def test_subsample_of_everything_is_the_inner_selector():
    pool = candidates(range(30))
    chosen = ids(Subsample(INTER, fraction=1.0).select(pool, 7, generator(3)))
    assert chosen == ids(INTER.select(pool, 7, generator(3)))


@pytest.mark.parametrize("fraction", [0, -0.1, 1.5])
def test_subsample_refuses_fractions(fraction):
    with pytest.raises(ConfigError, match=r"subsample\(inter\): fraction=.*; allowed"):
        Subsample(INTER, fraction=fraction)


def test_diversify_takes_the_highest_of_each_cluster():
    # Three groups; the first has all the highest scores.
    angles = [0.0, 0.01, 0.02, 2.0, 2.01, 2.02, 4.0, 4.01, 4.02]
    pool = candidates([9, 8, 7, 3, 6, 4, 1, 2, 5], angles=angles)
    for seed in range(5):
        assert ids(Diversify(INTER).select(pool, 3, generator(seed))) == ["id000", "id004", "id008"]


def test_diversify_fills_up_by_the_inner_order_where_candidates_coincide():
    pool = candidates([1, 2, 3, 4], angles=[0.0, 0.0, 0.0, 2.0])
    assert ids(Diversify(INTER).select(pool, 3, generator(0))) == ["id003", "id002", "id001"]


def test_class_balanced_takes_turns():
    pool = candidates([9, 8, 7, 6, 5, 4, 3], answers=["yes", "yes", "yes", "yes", "no", "no", None])
    balanced = ClassBalanced(INTER)
    assert ids(balanced.select(pool, 3, generator(0))) == ["id000", "id004", "id006"]
    # The third answer is used up after its only candidate.
    assert ids(balanced.select(pool, 5, generator(0)))[3:] == ["id001", "id005"]
    assert ids(balanced.select(pool, 7, generator(0)))[5:] == ["id002", "id003"]


def test_an_inner_selector_is_chosen_on_the_command_line():
    def built(*overrides):
        return instantiate(compose_config(list(overrides)).selector)

    assert built("selector=diversify").name == "diversify(elad)"
    assert built("selector=diversify", "selector@selector.inner=step_entropy").needs == {
        "features",
        "step_entropy",
    }
    weighted = built("selector=class_balanced", "selector.inner.weights.inter=7")
    assert weighted.inner.weights["inter"] == 0.7
    nested = built(
        "selector=subsample",
        "selector.fraction=0.2",
        "selector@selector.inner=diversify",
        "selector@selector.inner.inner=random",
    )
    assert (nested.name, nested.fraction) == ("subsample(diversify(random))", 0.2)
    with pytest.raises(ConfigError, match=r"selector=entropy: there is no such option"):
        compose_config(["selector=diversify", "selector@selector.inner=entropy"])
