"""The grammar of open answers: what a student copies from gold is right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elad_exp.tasks.reasoning import ReasoningTask
from elad_exp.types import Explanation, Gold, GoldBook, Sample

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


@pytest.mark.parametrize("text", ["", "Answer:", "Answer:  \n", "no answer line"])
def test_no_answer_is_wrong(text: str) -> None:
    assert read(text) is None
    assert not right(read(text), "18")


def test_real_open_answers_come_back(shared_data: Path) -> None:
    lines = (shared_data / "gsm8k" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    golds = [json.loads(line)["answer"] for line in lines]
    assert len(golds) > 1000
    assert [gold for gold in golds if copied(gold) != gold or not right(gold, gold)] == []
