"""What every selector promises: each file in conf/selector, and what SELECTORS adds to them."""

import copy
import dataclasses
import math
import typing
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elad_exp.config import config_dir
from elad_exp.rng import generator
from elad_exp.selectors.combine import ComponentSelector, RandomSelector, RankSum, ZSum
from elad_exp.selectors.components import ATTEMPT, COMPONENTS, FEATURES, SAMPLED
from elad_exp.selectors.coreset import VoteK
from elad_exp.selectors.scorer import Scorer
from elad_exp.selectors.wrappers import ClassBalanced, Diversify, Subsample
from elad_exp.student.base import explain_then_force
from elad_exp.types import Candidate, Explanation, Gold, GoldBook, QueryItem, Sample, Step
from tests.helpers_config import selector as configured

SELECTORS = {
    "elad_weighted": lambda: RankSum({"step_entropy": 0.7, "step_content": 0.3}, name="weighted"),
    "z_weighted": lambda: ZSum({"step_entropy": 0.7, "intra": 0.3}),
    "vote_for_all": lambda: VoteK(share=1.0, rho=2.0),
    "subsampled": lambda: Subsample(Diversify(RandomSelector()), fraction=0.3),
    "diverse_graph": lambda: Diversify(VoteK()),
    "balanced_twice": lambda: ClassBalanced(ClassBalanced(ComponentSelector("inter"))),
}
CONFIGURED = sorted(path.stem for path in (config_dir() / "selector").glob("*.yaml"))
CANARY = "canary-of-gold"

# Few different values, so that ties are the rule.
tables = st.lists(st.integers(0, 3), min_size=1, max_size=12)


pytestmark = pytest.mark.parametrize(
    "selector",
    [*(partial(configured, name) for name in CONFIGURED), *SELECTORS.values()],
    ids=[*CONFIGURED, *(f"direct-{name}" for name in SELECTORS)],
    indirect=True,
)


@pytest.fixture(scope="module")
def selector(request):
    return request.param()


def pool_of(values, needs=COMPONENTS, *, screened=()):
    """Candidates with every needed score, different from component to component.

    The `screened` ones lack what costs samples.
    """
    return [
        Candidate(
            Sample(f"id{i:02}", f"question {i}"),
            {
                name: float((value * (j + 1)) % 5)
                for j, name in enumerate(sorted(needs & COMPONENTS))
                if i not in screened or name not in SAMPLED
            },
            Explanation.of([f"step {i}"], (None, "yes", "no")[value % 3]),
            ("yes", None),
            features=(math.cos(value), math.sin(value)),
            near=(value / 4, 1.0),
            screened=i in screened,
        )
        for i, value in enumerate(values)
    ]


def state(selector):
    """All that a selector holds, and the selectors within it."""
    return {k: state(v) if hasattr(v, "select") else v for k, v in vars(selector).items()}


def ids(items):
    return [item.sample.id for item in items]


def test_every_component_is_a_selector(selector):
    assert set(CONFIGURED) >= COMPONENTS


def test_declares_name_and_needs(selector):
    assert isinstance(selector.name, str)
    assert selector.name
    assert isinstance(selector.needs, frozenset)
    assert selector.needs <= COMPONENTS | ATTEMPT | FEATURES


def test_declared_needs_suffice(selector):
    assert len(selector.select(pool_of([0, 1, 2], selector.needs), 2, generator(0))) == 2


@given(values=tables, data=st.data())
def test_exactly_n_different_candidates_unchanged(selector, values, data):
    pool = pool_of(values)
    before = copy.deepcopy((pool, state(selector)))
    n = data.draw(st.integers(0, len(pool)))
    items = selector.select(pool, n, generator(0))
    assert (pool, state(selector)) == before
    assert len(items) == len(set(ids(items))) == n
    by_id = {c.sample.id: c for c in pool}
    for item in items:
        source = by_id[item.sample.id]
        assert isinstance(item, QueryItem)
        assert (item.sample, item.attempt, item.scores, item.audit) == (
            source.sample,
            source.attempt,
            source.scores,
            False,
        )
        assert item.scores is not source.scores


@given(values=tables, seed=st.integers(0, 9), data=st.data())
def test_order_of_the_pool_is_irrelevant_and_the_generator_decides(selector, values, seed, data):
    pool = pool_of(values)
    n = data.draw(st.integers(0, len(pool)))
    mixed = data.draw(st.permutations(pool))
    chosen = selector.select(pool, n, generator(seed))
    assert selector.select(mixed, n, generator(seed)) == chosen


def test_equal_scores_are_chosen_at_random(selector):
    pool = pool_of([1] * 20)
    draws = {tuple(ids(selector.select(pool, 5, generator(seed)))) for seed in range(5)}
    assert len(draws) == 5


def test_what_guided_scoring_left_out_comes_last(selector):
    screened = {0, 1, 2, 3, 4}
    pool = pool_of([3, 3, 2, 2, 1, 0, 1, 0, 2, 1], screened=screened)
    everything = pool_of([3, 3, 2, 2, 1, 0, 1, 0, 2, 1])
    late = {pool[i].sample.id for i in screened}
    for seed in range(5):
        chosen = ids(selector.select(pool, 7, generator(seed)))
        if selector.needs & SAMPLED:
            assert not late & set(chosen[:5])
            assert late > set(chosen[5:])
        else:  # its choice must not depend on what else was scored
            assert chosen == ids(selector.select(everything, 7, generator(seed)))


def test_asking_for_all_gives_all(selector):
    pool = pool_of([0, 3, 1, 2])
    assert sorted(ids(selector.select(pool, 4, generator(0)))) == sorted(ids(pool))


@pytest.mark.parametrize(("size", "n"), [(0, 1), (3, 4), (3, -1)])
def test_impossible_sizes_are_refused(selector, size, n):
    with pytest.raises(ValueError, match=f"{n} of {size}"):
        selector.select(pool_of([1] * size), n, generator(0))


def test_nothing_from_nothing_is_nothing(selector):
    assert selector.select([], 0, generator(0)) == []


def test_repeated_candidates_are_refused(selector):
    with pytest.raises(ValueError, match="twice"):
        selector.select(pool_of([1, 2]) * 2, 1, generator(0))


def test_missing_scores_are_refused(selector):
    pool = [Candidate(Sample("a", "q")), *pool_of([1])]
    if selector.needs:
        with pytest.raises(
            ValueError, match=r"needs (finite |a finite )?(score|features|attempts)"
        ):
            selector.select(pool, 2, generator(0))
    else:
        assert len(selector.select(pool, 2, generator(0))) == 2


def strings(value):
    if dataclasses.is_dataclass(value):
        value = [getattr(value, f.name) for f in dataclasses.fields(value)]
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, (list, tuple)):
        return [text for part in value for text in strings(part)]
    return [value] if isinstance(value, str) else []


class TaskWithGold:
    """Knows the gold, as real tasks do, and has it in every text that is not for the student."""

    gold = GoldBook({f"id{i:02}": Gold(CANARY, (CANARY,), {"note": CANARY}) for i in range(5)})

    def labels(self, sample):
        return ("yes", "no")

    def prompt(self, sample):
        return sample.question

    def teacher_context(self, sample):
        return CANARY


class StudentOfFewWords:
    def __init__(self):
        self.read = []

    def explain(self, samples, *, k=1, temperature=0.0, seed=0, greedy=False):
        self.read.append(list(samples))
        said = Explanation((Step(1, "a step", -1.0, 0.5),), "yes", logprob=-1.0)
        return [[said] * (k + greedy) for _ in samples]

    def explain_forced(self, *args, **drawn):
        return explain_then_force(self, *args, **drawn)

    def answer_distributions(self, items):
        self.read.append(list(items))
        return [{"yes": 0.5, "no": 0.5} for _ in items]

    def dropout_distributions(self, items, *, passes, seed):
        return [self.answer_distributions(items) for _ in range(passes)]

    def embed(self, texts):
        self.read.append(list(texts))
        angles = np.arange(len(texts))
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def types_within(hint):
    """All classes that values of a type can hold, through fields and containers."""
    found = {hint} if isinstance(hint, type) else set()
    inner = list(typing.get_args(hint))
    if dataclasses.is_dataclass(hint):
        inner += typing.get_type_hints(hint).values()
    return found.union(*map(types_within, inner))


def test_gold_is_out_of_reach(selector):
    """What a selector is given holds no gold by type, nor what it and the student were shown."""
    assert Sample in types_within(Candidate)
    assert not {Gold, GoldBook, object} & types_within(Candidate)
    student = StudentOfFewWords()
    samples = [c.sample for c in pool_of([0] * 5)]
    scorer = Scorer(TaskWithGold(), student, seed=0)
    scored = scorer.score(samples, selector.needs, labelled=samples[:1], round=1)
    items = selector.select(scored, 2, generator(0))
    shown = strings(scored) + strings(items) + strings(student.read)
    assert "question 1" in shown
    assert not any(CANARY in text for text in shown)
