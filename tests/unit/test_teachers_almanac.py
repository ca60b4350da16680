"""The oracle on the bundled dataset."""

from dataclasses import replace

import pytest

from elad_exp.protocols import CheckableTask
from elad_exp.tasks.almanac import AlmanacTask
from elad_exp.teachers.metered import MeteredTeacher
from elad_exp.teachers.oracle import OracleTeacher
from elad_exp.types import Explanation, Query, QueryItem, Status
from tests.unit.teacher_toys import metered, open_store


@pytest.fixture(scope="module")
def task():
    return AlmanacTask(n_pool=60, n_dev=10, n_test=10)


@pytest.fixture(scope="module")
def gold_items(task):
    splits = task.load()
    return [
        QueryItem(s, Explanation.of(splits.gold[s.id].explanation, splits.gold[s.id].answer))
        for s in splits.pool
    ]


def test_the_almanac_is_checkable(task):
    assert isinstance(task, CheckableTask)


def test_gold_attempts_are_accepted_unchanged(task, gold_items):
    teacher = OracleTeacher(task)
    for item in gold_items:
        annotation, usage = teacher.answer(item)
        assert annotation.accepted
        assert annotation.explanation == item.attempt
        assert usage.tokens <= teacher.bound(item).tokens


def test_a_corrupted_step_is_found_and_the_right_answer_restored(task, gold_items):
    teacher = OracleTeacher(task)
    for n, item in enumerate(gold_items):
        texts, answer = list(item.attempt.texts), item.attempt.answer
        at = n % len(texts)
        texts[at] = "The moon is made of cheese."
        annotation, _ = teacher.answer(replace(item, attempt=Explanation.of(texts, answer)))
        assert annotation.first_error == at + 1
        assert annotation.explanation.texts[:at] == tuple(texts[:at])
        assert annotation.explanation.answer == answer
        for i, step in enumerate(annotation.explanation.texts):
            assert task.check_step(item.sample, annotation.explanation.texts[:i], step)


def test_a_missing_step_and_a_wrong_answer_are_the_error_after_the_last(task, gold_items):
    teacher = OracleTeacher(task)
    for item in gold_items:
        texts, answer = item.attempt.texts, item.attempt.answer
        wrong = next(label for label in task.labels(item.sample) if label != answer)
        short, _ = teacher.answer(replace(item, attempt=Explanation.of(texts[:-1], answer)))
        assert short.first_error == len(texts)
        assert short.explanation.answer == answer
        flipped, _ = teacher.answer(replace(item, attempt=Explanation.of(texts, wrong)))
        assert flipped.first_error == len(texts) + 1
        assert flipped.explanation == item.attempt


def test_no_answer_is_truncated_by_the_default_maximum(task, gold_items):
    teacher = OracleTeacher(task)
    for item in gold_items:
        asked = (QueryItem(item.sample), replace(item, attempt=Explanation.of(["x"] * 12, None)))
        assert all(teacher.answer(a)[0].status is Status.OK for a in asked)


def test_a_query_of_the_almanac_is_bought(tmp_path, task, gold_items):
    with open_store(tmp_path) as store:
        teacher: MeteredTeacher = metered(store, OracleTeacher(task), max_annotations=50)
        bought = teacher.annotate(Query(0, tuple(gold_items)))
        spent = teacher.spent()
    assert len(bought) == spent.annotations == 50
    assert spent.usd == 0
    assert spent.tokens > 50 * 100
