"""What a round says of the teacher's study and of its lessons."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from elad_exp.budget.store import Store
from elad_exp.tasks.bulletin.task import BulletinTask
from elad_exp.teachers.annotator import Lesson
from elad_exp.teachers.calling import Billed, CallFailed
from elad_exp.teachers.lessons.evokd import EvoKDTeacher
from elad_exp.teachers.lessons.grammar import GrammarSpeaker
from elad_exp.teachers.lessons.made import evokd_oracle
from elad_exp.teachers.tally import notes_of
from elad_exp.types import Annotation, Answer, Query, QueryItem, Request, Status
from tests.unit.label_toys import sample
from tests.unit.lesson_toys import Described, Script
from tests.unit.teacher_toys import Scripted as Explaining
from tests.unit.teacher_toys import metered as metered_explaining
from tests.unit.teacher_toys import query as questions
from tests.unit.test_evokd import ANALYSIS, IDS, QUERY, Scripted, bulletin, metered, predictions

TEXTS = {"easy": ["Fresh fish."], "hard": ["A fiddle by the sea.", "Fresh fish."]}
ANSWERS = {"answers": ["market", "opera"]}  # nobody is asked about the same text twice


def noted(folder: Path, teacher: Any, query: Query = QUERY, **limits: Any) -> dict[str, Any]:
    with Store(folder / "store.sqlite") as store:
        bought = metered(store, teacher, **limits)
        bought.annotate(query)
        notes = bought.last_notes
        assert json.loads(json.dumps(notes)) == notes
        for lesson in notes.get("lessons", []):
            assert lesson["asked"] == lesson["usable"] + sum(lesson["dropped"].values())
        again = metered(store, teacher, **limits)
        again.annotate(query)  # as a run that is resumed does
        assert again.last_notes == notes
        return notes


def small(*replies: Any, **options: Any) -> Scripted:
    return Scripted(*replies, texts=3, lesson_size=3, easy_fraction=0.33, **options)


def test_the_study_and_each_lesson_are_told(tmp_path: Path) -> None:
    notes = noted(tmp_path, small(ANALYSIS, TEXTS, ANSWERS))
    assert (notes["studied"], notes["wrong"]) == (3, 2)
    [confused] = notes["analysis"]["confused"]
    assert confused == {
        "right": "concert",
        "predicted": "market",
        "evidence": [IDS[0], IDS[2]],  # not the one that was never shown
        "score": 1.0,
    }
    assert notes["analysis"]["missing"][0]["phenomenon"] == "irony"
    assert notes["analysis"]["text"] == "It shops."
    assert notes["lessons"] == [
        {
            "name": "lesson-2-0",
            "asked": 3,
            "came": 3,
            "usable": 1,
            "dropped": {"the answer cannot be used": 1, "the same as another of this round": 1},
            "why": "",
        }
    ]


def test_without_an_analysis_it_is_told_why(tmp_path: Path) -> None:
    unusable = noted(tmp_path / "a", small("no idea", TEXTS, ANSWERS))
    assert unusable["no_analysis"].startswith("the reply cannot be used: ")
    assert "analysis" not in unusable
    off = noted(tmp_path / "b", small(TEXTS, ANSWERS, analyse=False))
    assert off["no_analysis"] == "switched off (teacher.analyse=false)"
    assert "studied" not in off
    right = Query(2, (QueryItem(sample("notice"), QUERY.items[1].attempt, known="market"),))
    nothing = noted(tmp_path / "c", small(TEXTS, ANSWERS, show_right=False), right)
    assert nothing["no_analysis"].startswith("no wrong prediction")
    infinite = {"confused": [], "missing": [{"phenomenon": "irony", "score": float("inf")}]}
    refused = noted(tmp_path / "d", small(infinite, TEXTS, ANSWERS))
    assert "score" in refused["no_analysis"]


def test_a_lesson_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    [lesson] = noted(tmp_path, small(ANALYSIS, "sorry"))["lessons"]
    assert (lesson["asked"], lesson["came"], lesson["usable"]) == (3, 0, 0)
    assert lesson["dropped"] == {"did not come": 3}
    assert lesson["why"]


def test_what_the_budget_leaves_out_was_not_asked_for(tmp_path: Path) -> None:
    task, splits = bulletin()
    teacher = evokd_oracle(task, splits.gold, texts=12, lesson_size=5)
    lessons = noted(tmp_path / "a", teacher, predictions(BulletinTask), max_calls=6)["lessons"]
    assert [x["asked"] for x in lessons] == [5, 5, 0]
    assert "max_calls=6" in lessons[2]["why"]
    first = noted(tmp_path / "b", teacher, predictions(BulletinTask), max_calls=2)["lessons"]
    assert first == []  # two calls are no lesson, so that nothing is studied
    unstudied = noted(tmp_path / "c", teacher, predictions(BulletinTask), max_calls=2)
    assert "max_calls=2" in unstudied["no_lessons"]


def test_a_call_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task, splits = bulletin()
    teacher = evokd_oracle(task, splits.gold, texts=10, lesson_size=5)
    answer = GrammarSpeaker.answer

    async def failing(self: GrammarSpeaker, step: str, request: Request, plan: Any) -> Answer:
        if step == failed[0] and plan.get("number") == failed[1]:
            raise CallFailed("no such model", billed=Billed.NO, retry=False)
        return await answer(self, step, request, plan)

    monkeypatch.setattr(GrammarSpeaker, "answer", failing)
    failed = ("write", 1)
    first, second = noted(tmp_path / "a", teacher, predictions(BulletinTask))["lessons"]
    assert (first["came"], first["why"]) == (5, "")
    assert (second["dropped"], second["why"]) == ({"did not come": 5}, "no such model")
    failed = ("analyse", None)
    notes = noted(tmp_path / "b", teacher, predictions(BulletinTask))
    assert (notes["lessons"], notes["no_lessons"]) == ([], "no such model")


def test_nothing_is_noted_of_given_examples_and_of_other_teachers(tmp_path: Path) -> None:
    pool = bulletin()[1].pool[:3]
    task, splits = bulletin()
    teacher = evokd_oracle(task, splits.gold)
    teacher.notes = {"studied": 3}  # of an earlier query
    assert noted(tmp_path, teacher, Query(0, tuple(QueryItem(s) for s in pool))) == {}
    with Store(tmp_path / "other.sqlite") as store:
        other = metered_explaining(store, Explaining())
        other.annotate(questions(1, 2))
        assert other.last_notes == {}


def test_lessons_are_told_apart_by_what_came_of_each() -> None:
    def made(reason: str) -> Annotation:
        status = Status.UNPARSED if reason else Status.OK
        return Annotation(sample("a"), None, status, "toy", reason=reason)

    planned = [Lesson(name, 2, {}) for name in "abc"]
    found = [made("odd: this one"), made(""), made("odd: that one"), made("odd: another")]
    notes = notes_of(
        {"unusable": {"b": "not read"}, "x": 1},
        planned,
        came={0: 2, 1: 0, 2: 2},
        found=found,
        lost={},
        refusal=None,
    )
    assert notes["x"] == 1
    assert [x["usable"] for x in notes["lessons"]] == [1, 0, 0]
    assert [x["dropped"] for x in notes["lessons"]] == [{"odd": 1}, {"did not come": 2}, {"odd": 2}]
    assert [x["why"] for x in notes["lessons"]] == ["", "not read", ""]


def test_classes_that_the_study_invents_are_taken_out(tmp_path: Path) -> None:
    pairs = [
        ("Concert. ", "market"),
        ("opera", "market"),
        ("market", "?"),
        ("market", "fair"),
        ("none", "concert"),
        ("opera", "fair"),
    ]
    confused = [{"right": right, "predicted": said, "evidence": [1]} for right, said in pairs]
    analysis = {"confused": confused, "missing": [], "text": "It takes opera for fair."}
    teacher = small(analysis, TEXTS, ANSWERS)
    notes = noted(tmp_path, teacher)
    named = [(c["right"], c["predicted"]) for c in notes["analysis"]["confused"]]
    assert named == [("concert", "market"), ("market", "?"), ("none", "concert")]
    assert notes["analysis"]["text"] == "It takes opera for fair."
    assert notes["invented"] == ["opera", "fair"]
    written = dict(teacher.asked)["write"]
    assert "it takes concert for market" in written
    assert "it takes opera" not in written
    assert "for fair\n" not in written


class Wordy(Script):
    """Each reply costs all that was set aside for it."""

    async def answer(self, step: str, request: Request, plan: Any) -> Answer:
        return replace(await super().answer(step, request, plan), usage=request.bound)


def test_weaknesses_can_make_a_lesson_longer_than_what_was_left_for_it(tmp_path: Path) -> None:
    task = Described()

    def teacher(*replies: Any) -> EvoKDTeacher:
        return EvoKDTeacher(task, task.load().gold, Wordy(*replies), texts=3, easy_fraction=0.33)

    free = teacher(ANALYSIS)
    [(study, _), *_] = free.lesson_requests(QUERY)[0].requests
    most = (study.bound + study.ahead).tokens
    none = {"confused": [], "missing": []}
    notes = noted(tmp_path / "a", teacher(none, TEXTS, ANSWERS), max_tokens=most)
    assert notes["lessons"][0]["came"] == 3
    notes = noted(tmp_path / "b", teacher(ANALYSIS, TEXTS, ANSWERS), max_tokens=most)
    assert notes["studied"] == 3
    [lesson] = notes["lessons"]
    assert (lesson["asked"], lesson["came"]) == (0, 0)
    assert f"max_tokens={most}" in lesson["why"]
    notes = noted(tmp_path / "c", teacher(ANALYSIS, TEXTS, ANSWERS), max_tokens=most - 1)
    assert (notes["lessons"], "studied" in notes) == ([], True)
    assert f"max_tokens={most - 1}" in notes["no_lessons"]
