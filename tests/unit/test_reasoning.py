"""The grammar of targets, and open answers: what a student copies from gold is right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elad_exp.tasks.families import FAMILIES
from elad_exp.tasks.reasoning import ReasoningTask, rendered_step
from elad_exp.types import Choice, Explanation, Gold, GoldBook, Sample

TASK = ReasoningTask(name="open", answers="open")
SAMPLE = Sample("s", "What is it?")


def right(answer: str | None, gold: str) -> bool:
    return TASK.grade(SAMPLE, answer, GoldBook({"s": Gold(gold)}))


def read(text: str) -> str | None:
    return TASK.parse(SAMPLE, text).answer


def copied(gold: str) -> str | None:
    """What is read from a target with this answer."""
    return read(TASK.target(SAMPLE, Explanation.of(["A step."], gold)))


@pytest.mark.parametrize(
    "gold",
    [
        *("U.S.", "(3, 4)", "[1, 2]", "f(x)", "What?", '"Hamlet"', ".5", "New  York", "3\n4"),
        *("Nan", "inf", "*", "...", "-.5", "(.5)", "$1,000.50", "50%", "1,2", "1e400"),
    ],
)
def test_a_copy_of_gold_is_right(gold: str) -> None:
    assert right(copied(gold), gold)


@given(st.text(min_size=1).filter(lambda text: bool(text.strip())))
def test_a_copy_of_any_gold_is_right(gold: str) -> None:
    assert right(copied(gold), gold)


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("18.", "18"),
        ("**18**", "18"),
        ("$1,000", "1000"),
        ("1,234,567", "1234567.0"),
        ("50 %", "50"),
        ("-7", "-7.0"),
        ("(0.5)", ".5"),
        ("'paris'.", "Paris"),
    ],
)
def test_other_ways_to_write_it_are_right(answer: str, gold: str) -> None:
    assert right(read(f"Answer: {answer}"), gold)


@pytest.mark.parametrize(
    ("answer", "gold"),
    [(".5", "5"), (".5.", "5"), ("12", "1,2"), ("1,23", "123"), ("1234,567", "1234567")],
)
def test_what_only_looks_alike_is_wrong(answer: str, gold: str) -> None:
    assert not right(read(f"Answer: {answer}"), gold)


def test_full_width_marks_are_read_as_the_others() -> None:
    assert right(read("Answer：“北京”。"), "北京")
    assert right(read("**Answer**： 18。"), "18")
    assert rendered_step("Answer：北京") == "The answer: 北京"


@pytest.mark.parametrize("text", ["", "Answer:", "Answer：", "Answer:  \n", "no answer line"])
def test_no_answer_is_wrong(text: str) -> None:
    assert read(text) is None
    assert not right(read(text), "18")


def test_real_open_answers_come_back(shared_data: Path) -> None:
    lines = (shared_data / "gsm8k" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    golds = [json.loads(line)["answer"] for line in lines]
    assert len(golds) > 1000
    assert [gold for gold in golds if copied(gold) != gold or not right(gold, gold)] == []


LETTERED = tuple(map(Choice, "ABC", ("entailment", "neutral", "contradiction")))
TASKS = {kind: ReasoningTask(name=kind, answers=kind) for kind in FAMILIES}
CANONICAL = {
    "yes_no": st.sampled_from(["yes", "no"]),
    "choice": st.sampled_from("ABC"),
    "nli": st.sampled_from("ABC"),
    "number": st.decimals(allow_nan=False, allow_infinity=False, places=2).map("{:f}".format)
    | st.sampled_from(["1/2", "1 1/2", "-3", "50%", "5 million", "1,000", "2\\sqrt{3}", "3 * 4"]),
    "open": st.text(min_size=1).map(lambda text: TASK.read_answer(SAMPLE, text)).filter(bool),
}
MARKERS = st.sampled_from(
    [
        "Answer: A",
        "answer:",
        "**Answer:** yes",
        "# Answer : 18 or 21",
        "Correct answer - A",
        ">Answer:A",
    ]
)
STEPS = st.lists(
    st.text(max_size=30)
    | MARKERS
    | st.tuples(st.sampled_from(["", "\n", "\u2028 ", "So\r\n"]), MARKERS).map("".join),
    max_size=5,
)


def of(kind: str) -> Sample:
    return Sample("s", "What is it?", LETTERED if FAMILIES[kind].of_choices else ())


@pytest.mark.parametrize("kind", FAMILIES)
@settings(deadline=None)  # the first expression imports sympy
@given(data=st.data(), steps=STEPS)
def test_what_is_rendered_is_parsed_as_it_was(
    kind: str, data: st.DataObject, steps: list[str]
) -> None:
    task, sample = TASKS[kind], of(kind)
    answer = data.draw(CANONICAL[kind])
    target = task.target(sample, Explanation.of(steps, answer))
    found = task.parse(sample, target)
    assert found.texts == tuple(filter(None, map(rendered_step, steps)))
    assert found.answer == answer
    assert task.target(sample, found) == target
    assert task.grade(sample, found.answer, GoldBook({"s": Gold(answer)}))


@pytest.mark.parametrize("kind", FAMILIES)
@given(text=st.text() | st.lists(MARKERS | st.text(max_size=9)).map("\n".join))
def test_any_text_is_parsed_to_what_can_be_rendered(kind: str, text: str) -> None:
    task, sample = TASKS[kind], of(kind)
    found = task.parse(sample, text)
    if found.answer is None:
        assert not task.grade(sample, None, GoldBook({"s": Gold("A")}))
        return
    again = task.parse(sample, task.target(sample, found))
    assert (again.texts, again.answer) == (found.texts, found.answer)


@pytest.mark.parametrize(
    ("step", "rendered"),
    [
        ("Answer: A", "The answer: A"),
        (" answer : 21  is it", "The answer: 21 is it"),
        ("**Answer:** A", "The answer: ** A"),
        ("Answer:", "The answer:"),
        ("Correct answer - A", "Correct answer - A"),
        ("So the answer: A", "So the answer: A"),
        ("two\nlines", "two lines"),
        ("1.\u2028Answer: A", "1. Answer: A"),
        ("\n", ""),
    ],
)
def test_a_step_that_reads_like_an_answer_is_kept_as_a_step(step: str, rendered: str) -> None:
    assert rendered_step(step) == rendered
    task, sample = TASKS["choice"], of("choice")
    found = task.parse(sample, task.target(sample, Explanation.of(["One.", step, "Two."], "B")))
    assert found.texts == ("One.", *filter(None, [rendered]), "Two.")
    assert found.answer == "B"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Answer: A\nNo, it is a lie.\nAnswer: C", "C"),
        ("Answer: B\nand that is all", "B"),
        ("**Answer:** (B)", "B"),
        ("### Answer : b", "B"),
        ("> _Answer_: B", "B"),
        ("Answer: A\nAnswer: neither", None),
        ("Answer: A. No, wait: C", None),
        ("The answer: B", None),
        ("Answer B", None),
    ],
)
def test_the_last_answer_line_counts(text: str, wanted: str | None) -> None:
    found = TASKS["choice"].parse(of("choice"), text)
    assert found.answer == wanted
    assert not any(step.startswith("Answer:") for step in found.texts)
