"""Exercises: the almanac's language without its facts."""

from __future__ import annotations

from itertools import chain

from elad_exp.protocols import ExerciseTask
from elad_exp.tasks.almanac import AlmanacTask
from elad_exp.tasks.almanac.grammar import parse
from elad_exp.types import Explanation, Sample

SIZES = {"n_pool": 400, "n_dev": 50, "n_test": 50}


def made(task: AlmanacTask, batches: int = 20) -> list[list[tuple[Sample, Explanation]]]:
    return list(task.exercises(batches, 16))


def test_the_same_exercises_every_time_and_other_ones_in_every_batch() -> None:
    batches = made(AlmanacTask(**SIZES))
    assert made(AlmanacTask(**SIZES)) == batches
    assert batches[0] != batches[1]
    assert made(AlmanacTask(**SIZES, split_seed=3)) != batches


def test_no_exercise_is_a_question_of_the_study() -> None:
    # So few single facts that exercises would meet the study's questions.
    task = AlmanacTask(n_pool=150, n_dev=20, n_test=20, entities=40, families={"fact": 1})
    known = set(task.load().gold)
    batches = made(task)
    assert all(sample.id not in known for sample, _ in chain(*batches))
    assert any(len(batch) < 16 for batch in batches), "the test needs a collision"


def test_exercises_use_the_names_and_not_the_facts() -> None:
    task = AlmanacTask(**SIZES)
    assert isinstance(task, ExerciseTask)
    true = total = 0
    for _, explanation in chain(*made(task)):
        for text in explanation.texts:
            claim = parse(text)
            assert claim is not None
            if "." in claim.kind:
                name, value = claim.args
                total += 1
                true += task.world.facts[name][claim.kind] == value
    # 6 to 30 values are possible for an attribute: a guess is right in about one case in ten.
    assert 0.03 < true / total < 0.2


def test_exercises_are_consistent_within_a_batch() -> None:
    for batch in made(AlmanacTask(**SIZES, entities=40), 5):
        values: dict[tuple[str, str], str] = {}
        for _, explanation in batch:
            for claim in map(parse, explanation.texts):
                assert claim is not None
                if "." in claim.kind:
                    name, value = claim.args
                    assert values.setdefault((claim.kind, name), value) == value
