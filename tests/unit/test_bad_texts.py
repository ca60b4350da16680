"""Texts of a teacher that cannot be used are dropped, and say why."""

from __future__ import annotations

import pytest

from elad_exp.tasks.texts import EntityTask
from elad_exp.types import Annotation, Status
from tests.unit.test_evokd import Scripted, lesson

TEXT = "Ada Lovelace left Paris for Rome."


def labelled(text: str, answer: str) -> Annotation:
    """A text with entities that was written and labelled so."""
    teacher = Scripted({"easy": [text], "hard": []}, {"answers": [answer]})
    teacher.task = EntityTask(
        path="none.jsonl", types={"PER": "Persons.", "LOC": "Places."}, tokens="marks"
    )
    teacher.descriptions = teacher.task.descriptions
    [found] = teacher.write_now(lesson(easy=1, hard=0))
    return found


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("LOC: Berlin", id="not in the text"),
        pytest.param("LOC: Paris; LOC: Paris", id="more often than in the text"),
        pytest.param("LOC: Par", id="a part of a word"),
        pytest.param("PER: Ada Lovelace; PER: Ada", id="nested"),
        pytest.param("PER: Lovelace; PER: Ada Lovelace", id="around another"),
        pytest.param("PER: Ada Lovelace; LOC: Lovelace left", id="overlapping"),
        pytest.param("CITY: Paris", id="no such type"),
        pytest.param("Paris", id="without a type"),
        pytest.param("[['LOC', 18, 23]]", id="no JSON"),
    ],
)
def test_a_text_whose_entities_cannot_be_placed_is_dropped(answer: str) -> None:
    found = labelled(TEXT, answer)
    assert (found.status, found.explanation) == (Status.UNPARSED, None)
    assert found.reason == f"the answer cannot be used: {answer!r}"
    assert found.sample.question == TEXT


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ("PER: Ada Lovelace; LOC: Paris; LOC: Rome", '[["PER",0,12],["LOC",18,23],["LOC",28,32]]'),
        ("none", "[]"),
    ],
)
def test_a_text_whose_entities_stand_in_it_is_used(answer: str, wanted: str) -> None:
    found = labelled(TEXT, answer)
    assert (found.status, found.reason) == (Status.OK, "")
    assert found.explanation is not None
    assert found.explanation.answer == wanted


def test_an_empty_text_is_dropped() -> None:
    written = {"easy": [" \n"], "hard": ["Fish."], "answers": ["market", "market"]}
    found = Scripted(written, one_call=True).write_now(lesson(easy=1, hard=1))
    assert [(a.status, a.reason) for a in found] == [
        (Status.UNPARSED, "an empty text"),
        (Status.OK, ""),
    ]


def test_a_class_that_the_teacher_invents_is_dropped() -> None:
    teacher = Scripted({"easy": ["Fish."], "hard": []}, {"answers": ["opera"]})
    [found] = teacher.write_now(lesson(easy=1, hard=0))
    assert (found.status, found.reason) == (Status.UNPARSED, "the answer cannot be used: 'opera'")
