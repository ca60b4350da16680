"""The few examples of each class that a run begins with."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elad_exp.errors import ConfigError
from elad_exp.selectors.shots import few_shot_query, first_query, gold_classes
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
