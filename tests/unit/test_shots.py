"""The few examples of each class that a run begins with."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elad_exp.data.samples import ListedSamples
from elad_exp.errors import ConfigError
from elad_exp.selectors.query import draw_uniform, in_drawn_order
from elad_exp.selectors.shots import few_shot_query, first_query, gold_classes
from elad_exp.types import Sample
from tests.unit.label_toys import EntityToy, LabelToy, sample

CLASSES = ("a", "b", "c")
OWN = {f"text {i}": [CLASSES[i % 3], *(["b"] if i % 7 == 0 else [])] for i in range(60)}
POOL = [sample(text) for text in OWN]


def drawn(shots: int, seed: int = 0, pool: list = POOL) -> list[str]:
    query = few_shot_query(pool, lambda s: OWN[s.question], shots=shots, classes=CLASSES, seed=seed)
    assert query.round == 0
    assert query.note == "initial"
    return [item.sample.question for item in query.items]


@given(st.integers(1, 5), st.integers(0, 100), st.randoms())
def test_every_class_has_its_shots_and_no_sample_is_idle(shots: int, seed: int, random) -> None:
    chosen = drawn(shots, seed)
    had = Counter(name for text in chosen for name in set(OWN[text]))
    assert min(had[name] for name in CLASSES) >= shots
    before: Counter[str] = Counter()
    for text in chosen:
        assert any(before[name] < shots for name in OWN[text])
        before.update(set(OWN[text]))
    shuffled = POOL[:]
    random.shuffle(shuffled)
    assert drawn(shots, seed, shuffled) == chosen
    assert set(chosen) <= set(drawn(shots + 1, seed))


class Counting(ListedSamples):
    """Counts what is read of it."""

    def __init__(self, samples) -> None:
        super().__init__(samples)
        self.read, self.asked = 0, 0

    def get(self, sample_id: str) -> Sample:
        self.read += 1
        return super().get(sample_id)

    def admits(self, found: Sample) -> bool:
        self.asked += 1
        return not found.question.endswith("5")


def test_of_a_large_pool_only_what_is_looked_at_is_read() -> None:
    texts = {f"text {i}": "rare" if i % 100 == 7 else "often" for i in range(5000)}
    pool = Counting(sample(text) for text in texts)
    options = {"shots": 3, "classes": ("often", "rare"), "seed": 0}
    found = few_shot_query(pool, lambda s: [texts[s.question]], **options)
    assert pool.read == pool.asked < 1000
    fitting = [s for s in pool if not s.question.endswith("5")]
    assert few_shot_query(fitting, lambda s: [texts[s.question]], **options) == found


@given(st.integers(0, 70), st.integers(1, 70))
def test_the_order_of_draws_depends_on_nothing_else(n: int, expected: int) -> None:
    whole = draw_uniform(POOL, len(POOL), seed=1, purpose=("initial",))
    found = in_drawn_order(POOL, seed=1, purpose=("initial",), expected=expected)
    assert list(found) == whole
    assert sorted(s.id for s in whole) == sorted(s.id for s in POOL)
    n = min(n, len(POOL))
    assert draw_uniform(POOL, n, seed=1, purpose=("initial",)) == whole[:n]


def test_a_class_that_is_too_rare_is_named() -> None:
    with pytest.raises(ConfigError, match=r"shots=21: .*\(a: 20, c: 20\)"):
        drawn(21)
    with pytest.raises(ConfigError, match="shots=0: must be at least 1"):
        drawn(0)


def test_classes_are_labels_or_entity_types() -> None:
    for task, classes in ((LabelToy(), ("concert", "market")), (EntityToy(), ("PERSON", "TOWN"))):
        splits = task.load()
        names, of = gold_classes(task, splits)
        assert names == classes
        assert set(of(splits.pool[0])) <= set(classes)
        query = first_query(task, splits, splits.pool, initial_size=None, shots=2, seed=0)
        assert len(query.items) == (2 if isinstance(task, EntityToy) else 4)
    task = LabelToy(None)
    splits = task.load()
    with pytest.raises(ConfigError, match=r"shots=null and schedule\.initial_size"):
        gold_classes(task, splits)
