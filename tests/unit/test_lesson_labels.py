"""Which label belongs to which text of a lesson, and what is told where none can."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from elad_exp.budget.budget import Limits
from elad_exp.budget.store import Store
from elad_exp.errors import BudgetExceeded, ConfigError
from elad_exp.teachers.calling import Billed, CallFailed
from elad_exp.teachers.lessons.evokd import EvoKDTeacher
from elad_exp.teachers.lessons.model import ModelSpeaker
from elad_exp.teachers.litellm import Reply
from elad_exp.types import Annotation, Answer, Request, Status, Usage
from tests.unit.label_toys import sample
from tests.unit.lesson_toys import Described, Script, direct, metered
from tests.unit.test_evokd import ANALYSIS, QUERY, TEXTS, Scripted, lesson, reasons

MODEL = {"model": "openai/scripted", "prompt_usd": 1e-6, "completion_usd": 1e-6}


def told(why: str) -> list[str]:
    return [f"no answer came for it: {why}"] * 3


@pytest.mark.parametrize("answers", [["market", "concert"], ["market"] * 4, []])
def test_labels_that_are_not_as_many_as_texts_are_used_for_none(answers: list[str]) -> None:
    why = told(f"{len(answers)} labels came for 3 texts")
    assert reasons(TEXTS, {"answers": answers}) == why
    assert reasons(TEXTS | {"answers": answers}, one_call=True) == why


def test_a_second_look_with_another_count_gave_no_answers() -> None:
    right = {"answers": ["market", "concert", "concert"]}
    fewer = {"answers": ["market", "concert"]}
    assert reasons(TEXTS, right, fewer, votes=2) == told("2 labels came for 3 texts")
    # After a look without answers no text can be used, so that no other is paid for.
    teacher = Scripted(TEXTS, fewer, votes=3)
    assert [a.reason for a in teacher.write_now(lesson())] == told("2 labels came for 3 texts")
    assert [step for step, _ in teacher.asked] == ["write", "label"]


@pytest.mark.parametrize("one_call", [False, True])
def test_of_each_kind_so_many_texts_are_kept_as_were_asked_for(one_call: bool) -> None:
    written = {"easy": ["a b", "c d", "e f"], "hard": ["g h", "i j", "k l"]}
    answers = ["market", "concert", "concert", "concert", "market", "market"]
    replies = (
        [written | {"answers": answers}]
        if one_call
        else [written, {"answers": ["market", "concert", "market"]}]
    )
    found = Scripted(*replies, one_call=one_call).write_now(lesson(easy=1, hard=2))
    assert [(a.aim, a.sample.question, a.explanation and a.explanation.answer) for a in found] == [
        ("easy", "a b", "market"),
        ("hard", "g h", "concert"),
        ("hard", "i j", "market"),
    ]
    fewer = {"easy": [], "hard": ["g h"], "answers": ["market"]}
    [one] = Scripted(fewer, one_call=True).write_now(lesson(easy=1, hard=2))
    assert (one.aim, one.status) == ("hard", Status.OK)


class Says(Script):
    """The label step has this status, or raises this."""

    def __init__(self, outcome: Any, *replies: Any) -> None:
        super().__init__(*replies)
        self.outcome = outcome

    async def answer(self, step: str, request: Request, plan: Any) -> Answer:
        if step != "label":
            return await super().answer(step, request, plan)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return Answer("", self.outcome, Usage(1, 1), f"why it is {self.outcome}")


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        (Status.REFUSED, "why it is refused"),
        (Status.TRUNCATED, "why it is truncated"),
        (CallFailed("no such model", billed=Billed.NO, retry=False), "no such model"),
        (BudgetExceeded("max_tokens=9 does not cover it"), "max_tokens=9 does not cover it"),
    ],
)
def test_texts_whose_labels_did_not_come_are_told_of_with_the_cause(outcome: Any, why: str) -> None:
    task = Described()
    teacher = EvoKDTeacher(task, task.load().gold, Says(outcome, TEXTS))
    found = asyncio.run(teacher.write(lesson(), direct))
    assert [a.reason for a in found] == told(why)
    assert found[0].sample.question == "Fresh fish."
    assert {a.status for a in found} == {Status.UNPARSED}


def test_a_label_reply_that_is_no_json_says_so() -> None:
    assert reasons(TEXTS, "sorry") == told("not one JSON object")


# -- replies that say nothing --------------------------------------------------------------------

NOTHING = [{}, {"easy": [], "hard": []}, {"texts": ["Fresh fish."]}, {"hard": ["Fresh fish."]}]


@pytest.mark.parametrize("reply", NOTHING, ids=str)
@pytest.mark.parametrize("one_call", [False, True])
def test_a_lesson_without_texts_is_no_reply(reply: Any, one_call: bool) -> None:
    reply = reply | {"answers": ["market"] * len(reply.get("hard", []))} if one_call else reply
    teacher = Scripted(reply, one_call=one_call)
    assert teacher.write_now(lesson()) == []
    assert teacher.notes["unusable"]["lesson-2-0"]


def test_an_analysis_names_weaknesses_or_says_that_there_are_none() -> None:
    for reply in ({}, {"text": "fine"}, {"weaknesses": []}, {"confused": []}):
        teacher = Scripted(reply)
        assert teacher.study_now(QUERY)[0].plan["analysis"] is None
        assert "Field required" in teacher.notes["no_analysis"]
    none = Scripted({"confused": [], "missing": []})
    assert none.study_now(QUERY)[0].plan["analysis"] == {"confused": [], "missing": [], "text": ""}


@pytest.mark.parametrize(
    ("step", "reply", "why"),
    [
        ("analyse", {}, "confused: Field required"),
        ("write", {"easy": [], "hard": []}, "it has no texts"),
        ("write_labelled", TEXTS | {"answers": ["market"]}, "1 label came for 3 texts"),
        ("rephrase", {"texts": []}, "it has no texts"),
        ("label", {"answers": ["market"]}, "1 label came for 2 texts"),
    ],
)
def test_what_says_nothing_is_never_served_again(
    step: str, reply: Any, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("litellm", reason="litellm is not installed (extra `litellm`)")
    speaker = ModelSpeaker(**MODEL)
    speaker.check_price(Limits())

    async def called(*given: Any, **options: Any) -> Reply:
        return Reply(json.dumps(reply), Status.OK, 5, 5)

    monkeypatch.setattr("elad_exp.teachers.litellm.call", called)
    plan = {"texts": ["a", "b"]}
    request = speaker.ask_for(step, "Tell.", most_tokens=9, plan=plan)
    answer = asyncio.run(speaker.answer(step, request, plan))
    # Only `ok` answers are shared; this one is billed all the same.
    assert (answer.status, answer.reason, answer.usage.tokens) == (Status.UNPARSED, why, 10)


# -- second looks that would say nothing new -----------------------------------------------------


def test_looks_that_cannot_differ_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"votes=2: with teacher\.one_call=true"):
        Scripted(votes=2, one_call=True)
    task = Described()
    gold = task.load().gold
    with pytest.raises(ConfigError, match=r"votes=2: at teacher\.temperature=0 .*null"):
        EvoKDTeacher(task, gold, ModelSpeaker(temperature=0, **MODEL), votes=2)
    for temperature in (None, 0.7):
        EvoKDTeacher(task, gold, ModelSpeaker(temperature=temperature, **MODEL), votes=2)
    EvoKDTeacher(task, gold, ModelSpeaker(temperature=0, **MODEL))


# -- texts that say nothing new ------------------------------------------------------------------

HERRING = "Fresh herring in the harbour of Sundry until noon on Friday."
NEARLY = "Fresh herring in the harbour of Sundry until noon, on Friday!"
AGAIN = {"easy": [NEARLY], "hard": ["A fiddle and a drum.", "A fiddle and a drum."]}


@pytest.mark.parametrize("near", [True, False])
def test_labels_of_texts_that_say_nothing_new_are_not_paid_for(near: bool, tmp_path: Path) -> None:
    answers = ["concert"] if near else ["market", "concert"]
    teacher = Scripted(
        ANALYSIS, AGAIN, {"answers": answers}, texts=3, easy_fraction=0.33, near_duplicates=near
    )
    earlier = [sample(HERRING)]
    with Store(tmp_path / "store.sqlite") as store:
        bought = metered(store, teacher)
        bought.annotated = lambda: earlier
        found = bought.annotate(QUERY)
        assert bought.spent().annotations == 3
    _, prompt = teacher.asked[-1]
    assert (NEARLY in prompt) == (not near)
    assert prompt.count("A fiddle and a drum.") == 1
    assert [a.sample.question for a in found] == [NEARLY, *AGAIN["hard"]]
    whys = [a.reason for a in found]
    assert whys[1:] == ["", "the same as another of this round"]
    assert whys[0].startswith(f"nearly the same as an earlier text: {earlier[0].id}") == near


def test_where_no_text_is_new_nothing_is_asked(tmp_path: Path) -> None:
    teacher = Scripted(ANALYSIS, {"easy": [HERRING], "hard": []}, texts=1, easy_fraction=1)
    with Store(tmp_path / "store.sqlite") as store:
        bought = metered(store, teacher)
        bought.annotated = lambda: [sample(HERRING)]
        found: list[Annotation] = bought.annotate(QUERY)
    assert [a.reason for a in found] == ["the same as an earlier text"]
    assert [step for step, _ in teacher.asked] == ["analyse", "write"]
