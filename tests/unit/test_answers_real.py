"""Rows of the real datasets: the gold, rendered and parsed back, is right; another answer is wrong.

Three rows are exceptions, in which the text of a choice is the label of another. Where two choices
have one text (181 questions, most of CommonsenseQA), that text names neither, and the label
alone is read.
"""

from __future__ import annotations

import zlib
from fractions import Fraction
from pathlib import Path

import pytest

from elad_exp.data.rows import Problems, Row, answer_kind, read_rows
from elad_exp.tasks.reasoning import ReasoningTask, rendered_step
from elad_exp.types import Explanation, Gold, GoldBook, Sample

FAMILY = {
    "gsm8k": "number",
    "strategyqa": "yes_no",
    "aqua": "choice",
    "commonsenseqa": "choice",
    "arc_challenge": "choice",
    "esnli": "nli",
    "cogcomp_arithmetic": "number",
}
# The text of a choice is the label of another, "C" for carbon: it is read as the label.
A_TEXT_IS_A_LABEL = {"arc-c-Mercury_402547", "aqua-train-01794", "aqua-train-02197"}
FORMS = ("{0.text}", "{0.label}) {0.text}", "({0.label}) {0.text}", "**{0.label}. {0.text}**")


def rows_of(folder: Path, name: str) -> list[Row]:
    if not (folder / name).is_dir():
        pytest.skip(f"{name} is not at hand")
    problems = Problems()
    files = sorted(p for p in (folder / name).glob("*.jsonl*") if not p.name.startswith("palm_"))
    rows = [row for path in files for row in read_rows(path, problems)]
    kind, rows = answer_kind(rows, "auto", problems)
    problems.check()
    assert kind == FAMILY[name]
    return rows


def wrong_answers(task: ReasoningTask, sample: Sample, right: str) -> list[str]:
    labels = task.labels(sample)
    if labels is None:
        return [str(Fraction(right.replace(",", "")) + 1)]
    return [label for label in labels if label != right]


def check(task: ReasoningTask, row: Row) -> None:
    sample = Sample(row.source_id, row.question, row.choices)
    gold = GoldBook({sample.id: Gold(row.answer, row.explanation)})
    target = task.target(sample, Explanation.of(row.explanation, row.answer))
    found = task.parse(sample, target)
    assert found.answer == row.answer
    assert found.texts == tuple(map(rendered_step, row.explanation))
    assert task.grade(sample, found.answer, gold)
    for wrong in wrong_answers(task, sample, row.answer):
        said = task.parse(sample, task.target(sample, Explanation.of(row.explanation, wrong)))
        assert not task.grade(sample, said.answer, gold)
    check_texts(task, sample)


def check_texts(task: ReasoningTask, sample: Sample) -> None:
    """A choice is also named by its text, unless that is another's text or label."""
    texts = [" ".join(choice.text.split()) for choice in sample.choices]
    for choice, text in zip(sample.choices, texts, strict=True):
        for form in FORMS:
            if form == FORMS[0] and (texts.count(text) > 1 or sample.id in A_TEXT_IS_A_LABEL):
                continue
            assert task.read_answer(sample, form.format(choice)) == choice.label


@pytest.mark.parametrize("name", FAMILY)
def test_a_part_of_the_rows(shared_data: Path, name: str) -> None:
    rows = rows_of(shared_data, name)
    part = [
        row for row in rows if zlib.crc32(row.source_id.encode()) % max(1, len(rows) // 250) == 0
    ]
    assert len(part) > 150
    for row in part:
        check(ReasoningTask(name=name, answers=FAMILY[name]), row)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILY)
def test_every_row(shared_data: Path, name: str) -> None:
    rows = rows_of(shared_data, name)
    assert len(rows) > 1000
    for row in rows:
        check(ReasoningTask(name=name, answers=FAMILY[name]), row)


def test_the_exceptions_are_still_such(shared_data: Path) -> None:
    rows = [*rows_of(shared_data, "arc_challenge"), *rows_of(shared_data, "aqua")]
    found = [row for row in rows if row.source_id in A_TEXT_IS_A_LABEL]
    assert len(found) == len(A_TEXT_IS_A_LABEL)
    for row in found:
        assert {c.label for c in row.choices} & {c.text.upper() for c in row.choices}
