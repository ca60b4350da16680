"""What is told of lessons before anything is asked: replies that would be cut off."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("litellm", reason="litellm is not installed (extra `litellm`)")

from elad_exp.budget.budget import Limits
from elad_exp.teachers.lessons.base import LessonTeacher
from elad_exp.teachers.lessons.made import auggpt, evokd, evokd_oracle, llm_da, zerogen
from elad_exp.types import Request
from tests.unit.lesson_toys import Described, DescribedEntities, bulletin, labelled
from tests.unit.test_evokd import QUERY

TASK, ENTITIES = Described(), DescribedEntities()
MODEL = {"model": "openai/scripted", "prompt_usd": 1e-6, "completion_usd": 1e-6}
MADE = {
    "evokd": (evokd, TASK, {}, {"analyse", "write", "label"}),
    "one call": (evokd, TASK, {"one_call": True}, {"analyse", "write_labelled"}),
    "static": (evokd, TASK, {"analyse": False}, {"write", "label"}),
    "auggpt": (auggpt, TASK, {}, {"rephrase"}),
    "zerogen": (zerogen, TASK, {}, {"imagine"}),
    "llm_da": (llm_da, ENTITIES, {}, {"rewrite", "name"}),
}


def made(make: Any, task: Any, **options: Any) -> LessonTeacher:
    teacher: LessonTeacher = make(task, task.load().gold, **(MODEL | options))
    teacher.check_price(Limits())
    return teacher


def told(most: int, **options: Any) -> list[str]:
    teacher = made(evokd, TASK, text_tokens=96, max_completion_tokens=most, **options)
    return teacher.warnings(studied=32, given=10)


def test_replies_that_would_be_cut_off_are_named_with_what_to_set() -> None:
    [text] = told(2048, lesson_size=40)
    assert text.startswith("teacher.max_completion_tokens=2048 is less than replies may need: ")
    assert ": write 3,904. " in text
    assert "set teacher.max_completion_tokens=3904, or" in text
    [text] = told(512, texts=8, lesson_size=4)
    assert ": analyse 1,408. " in text
    assert told(2048) == told(3904, lesson_size=40) == []
    assert told(3903, lesson_size=40) != []


@pytest.mark.parametrize("name", MADE)
def test_what_is_told_is_what_is_asked_for(name: str) -> None:
    make, task, options, steps = MADE[name]
    teacher = made(make, task, texts=7, max_completion_tokens=9000, **options)
    asked: dict[str, int] = {}
    ask_for = teacher.speaker.ask_for

    def kept(step: str, prompt: str, *, most_tokens: int, plan: Any) -> Request:
        asked[step] = max(most_tokens, asked.get(step, 0))
        return ask_for(step, prompt, most_tokens=most_tokens, plan=plan)

    teacher.speaker.ask_for = kept  # type: ignore[method-assign]
    query = QUERY if make is evokd else labelled(task, 3)
    teacher.lesson_requests(query)
    assert asked == teacher.reply_tokens(studied=3, given=3)
    assert asked.keys() == steps


def test_a_lesson_of_paraphrases_counts_only_what_there_is_to_say_anew() -> None:
    first = made(evokd, TASK, texts=40, init="auggpt", text_tokens=96, max_completion_tokens=2048)
    [text] = first.warnings(studied=32, given=1)
    assert ": rephrase 3,904. " in text
    assert first.warnings(studied=32, given=2) == []


def test_programs_have_no_limit_of_their_own() -> None:
    task, splits = bulletin()
    teacher = evokd_oracle(task, splits.gold, lesson_size=400, texts=400)
    assert teacher.warnings(studied=500, given=10) == []
