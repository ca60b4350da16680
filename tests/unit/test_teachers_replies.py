"""Replies of a language model: repaired, validated, checked for contradictions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("json_repair", reason="json-repair is not installed (extra `litellm`)")

import contextlib

from elad_exp.tasks.reasoning import ReasoningTask
from elad_exp.teachers.replies import (
    LONGEST,
    Check,
    Revision,
    Unusable,
    Written,
    corrected,
    read,
    revised,
    written,
)
from elad_exp.types import Choice, Explanation, QueryItem, Sample

TASK = ReasoningTask(name="t", answers="yes_no")
STEPS = ("Ann was born in 1901.", "Bob was born in 1950.", "1901 is after 1950.")


def item(steps: tuple[str, ...] = STEPS, answer: str | None = "yes", **sample: Any) -> QueryItem:
    return QueryItem(
        Sample("s", "Is Ann younger than Bob?", **sample), Explanation.of(steps, answer)
    )


def reply(first: int | None, steps: list[str], answer: str, **verdicts: bool) -> Revision:
    judged = [{"step": int(k[1:]), "ok": v, "reason": "why"} for k, v in verdicts.items()]
    return Revision.model_validate(
        {"verdicts": judged, "first_error": first, "steps": steps, "answer": answer}
    )


@pytest.mark.parametrize(
    "text",
    [
        '{"steps": ["a"], "answer": "no"}',
        '```json\n{"steps": ["a"], "answer": "no"}\n```',
        'Sure, here it is: {"steps": ["a"], "answer": "no"} I hope that helps.',
        '{"steps": ["a",], "answer": "no",}',
        "{'steps': ['a'], 'answer': 'no'}",
        '{"steps": ["a"], "answer": "no", "remark": "more than was asked"}',
    ],
    ids=["plain", "fence", "prose", "commas", "quotes", "more"],
)
def test_a_reply_is_read_and_repaired_once(text: str) -> None:
    assert read(text, Written) == Written(steps=["a"], answer="no")


def test_of_several_objects_the_last_counts_as_of_several_answers() -> None:
    text = '{"steps": ["a"], "answer": "no"} No: {"steps": ["b"], "answer": "yes"}'
    assert read(text, Written) == Written(steps=["b"], answer="yes")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("I cannot help with that.", "not one JSON object"),
        ('{"steps": "a", "answer": "no"}', "steps"),
        ('{"steps": ["a"]}', "answer"),
        ('{"steps": ["a"], "ans', "answer"),
        ('{"steps": [null], "answer": "no"}', "steps.0"),
        ("[1, 2]", "not one JSON"),
        ("x" * (LONGEST + 1), "more than"),
    ],
)
def test_what_does_not_fit_says_why(text: str, why: str) -> None:
    with pytest.raises(Unusable, match=why):
        read(text, Written)


@given(st.text(max_size=200))
def test_reading_never_fails_otherwise(text: str) -> None:
    for schema in (Written, Check, Revision):
        with contextlib.suppress(Unusable):
            assert isinstance(read(text, schema), schema)


@given(st.lists(st.text(min_size=1)), st.text())
def test_what_is_written_as_json_is_read_as_it_was(steps: list[str], answer: str) -> None:
    text = json.dumps({"steps": steps, "answer": answer})
    if len(text) <= LONGEST:
        assert read(text, Written) == Written(steps=steps, answer=answer)


def test_steps_before_the_first_error_are_kept_word_for_word() -> None:
    found, verdicts, first = revised(
        TASK, item(), reply(3, ["1901 is\nbefore 1950."], "No.", s1=True, s2=True, s3=False)
    )
    assert found.texts == (*STEPS[:2], "1901 is before 1950.")
    assert (found.answer, first) == ("no", 3)
    assert [(v.index, v.ok) for v in verdicts] == [(1, True), (2, True), (3, False)]
    assert (verdicts[2].correction, verdicts[2].reason) == ("1901 is before 1950.", "why")


def test_an_accepted_attempt_is_the_annotation() -> None:
    found, verdicts, first = revised(TASK, item(), reply(None, [], "yes", s1=True))
    assert (found.texts, found.answer, first) == (STEPS, "yes", None)
    assert [v.ok for v in verdicts] == [True] * 3  # what was not named is implied


def test_a_wrong_answer_after_right_steps_is_error_n_plus_1() -> None:
    found, verdicts, first = revised(TASK, item(), reply(4, [], "no"))
    assert (found.texts, found.answer, first) == (STEPS, "no", 4)
    assert verdicts[-1].correction == "no"


def test_a_missing_step_is_error_n_plus_1() -> None:
    found, verdicts, _ = revised(TASK, item(), reply(4, ["So Ann is younger."], "yes"))
    assert found.texts == (*STEPS, "So Ann is younger.")
    assert verdicts[-1].correction == "So Ann is younger."


def test_a_step_that_is_not_needed_has_no_correction() -> None:
    found, verdicts, _ = revised(TASK, item(), reply(3, [], "no"))
    assert found.texts == STEPS[:2]
    assert verdicts[-1].correction is None


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (reply(None, ["another"], "yes"), "nothing is wrong, but"),
        (reply(None, [], "no"), "nothing is wrong, but"),
        (reply(3, [" 1901  is after 1950."], "no"), "left as it is"),
        (reply(4, [], "yes"), "nothing was changed"),
        (reply(0, [], "no"), "none of 1..4"),
        (reply(5, [], "no"), "none of 1..4"),
        (reply(2, ["x"], "no", s1=False), "contradicts first_error 2"),
        (reply(None, [], "yes", s2=False), "contradicts first_error None"),
        (reply(2, ["x"], "no", s2=True), "contradicts first_error 2"),
        (reply(2, ["x"], "no", s3=True), "after the first error"),
        (reply(2, ["x"], "no", s7=True), "verdict on step 7"),
        (reply(1, [], "no"), "no step is left"),
        (reply(3, ["x"], "maybe"), "none of: yes, no"),
        (reply(3, ["Answer: yes"], "no"), "reads like an answer"),
    ],
)
def test_contradictions_cannot_be_used(given: Revision, why: str) -> None:
    with pytest.raises(Unusable, match=why):
        revised(TASK, item(), given)


def test_labels_are_those_of_the_sample() -> None:
    chosen = item(choices=(Choice("A", "red"), Choice("B", "blue")))
    assert written(TASK, chosen, ["It is."], "(b)").answer == "B"
    with pytest.raises(Unusable, match="none of: A, B"):
        written(TASK, chosen, ["It is."], "C")


NLI = tuple(map(Choice, "ABC", ("entailment", "neutral", "contradiction")))


@pytest.mark.parametrize(
    ("family", "choices", "answer", "canonical"),
    [
        ("yes_no", (), "**Yes.**", "yes"),
        ("number", (), "$1,000 a day", "1,000"),
        ("number", (), "\\boxed{18}", "18"),
        ("nli", NLI, "It contradicts the premise.", "C"),
        ("choice", NLI, "neutral", "B"),
        ("open", (), "'Paris'.", "Paris"),
    ],
)
def test_an_answer_is_read_as_the_student_s_is(
    family: str, choices: tuple[Choice, ...], answer: str, canonical: str
) -> None:
    task = ReasoningTask(name="t", answers=family)
    assert written(task, item(choices=choices), ["It is."], answer).answer == canonical


@pytest.mark.parametrize(
    ("family", "choices", "answer", "why"),
    [
        ("yes_no", (), "yes, or rather no", "is none of: yes, no"),
        ("choice", NLI, "A. No, wait: B", "is none of: A, B, C"),
        ("nli", NLI, "neutral or contradiction", "is none of: A, B, C"),
        ("number", (), "18, no: 20", "is no number answer"),
        ("open", (), " ", "is no open answer"),
    ],
)
def test_two_answers_or_none_cannot_be_used(
    family: str, choices: tuple[Choice, ...], answer: str, why: str
) -> None:
    with pytest.raises(Unusable, match=why):
        written(ReasoningTask(name="t", answers=family), item(choices=choices), ["It is."], answer)


def test_an_attempt_without_an_answer_cannot_be_accepted() -> None:
    with pytest.raises(Unusable, match="something was changed"):
        revised(TASK, item(answer=None), reply(None, [], "yes"))


lines = st.lists(st.text(max_size=12), max_size=4)


@given(
    attempt=st.lists(st.sampled_from(["a b", "c", "d."]), max_size=3).map(tuple),
    first=st.none() | st.integers(-1, 5),
    steps=lines,
    answer=st.sampled_from(["yes", "no", "No.", "", "perhaps"]),
)
def test_what_is_used_keeps_the_prefix_and_survives_the_target(
    attempt: tuple[str, ...], first: int | None, steps: list[str], answer: str
) -> None:
    asked = item(attempt)
    try:
        found, verdicts, error = revised(TASK, asked, reply(first, steps, answer))
    except Unusable:
        return
    assert error == first
    kept = len(attempt) if first is None else first - 1
    assert found.texts[:kept] == attempt[:kept]
    assert [v.ok for v in verdicts] == [True] * kept + [False] * (first is not None)
    changed = (found.texts, found.answer) != (attempt, "yes")
    assert changed == (first is not None)
    again = TASK.parse(asked.sample, TASK.target(asked.sample, found))
    assert (again.texts, again.answer) == (found.texts, found.answer)


def test_sequential_revision_uses_the_same_rules() -> None:
    with pytest.raises(Unusable, match="left as it is"):
        corrected(TASK, item(), 1, [STEPS[0]], "no")
