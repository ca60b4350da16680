"""Says what is in a file of questions before anything is trained on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from elad_exp.data.rows import Problems, Row, answer_kind, read_rows
from elad_exp.data.sources import collect
from elad_exp.tasks.families import check_answers
from elad_exp.types import Record


@dataclass(frozen=True, slots=True)
class Lengths(Record):
    """Numbers of words (or of steps): smallest, median, largest."""

    least: int
    median: int
    most: int


@dataclass(frozen=True, slots=True)
class Report(Record):
    """What a file holds.

    Attributes:
        path: The file.
        rows: Rows that can be used, duplicates included.
        problems: Place and reason of each row that cannot.
        answers: The family of the answers, see `elad_exp.tasks.families`.
        balance: Answer -> number of rows, the most frequent first; at most ten.
        distinct_answers: Number of different answers.
        question_words: Words in the questions.
        steps: Steps in the explanations that are not empty; None without any.
        step_words: Words in those steps; None without any.
        without_explanation: Rows without one.
        duplicates: Place or id -> why it would be left out.
    """

    path: str
    rows: int
    problems: dict[str, str]
    answers: str
    balance: dict[str, int]
    distinct_answers: int
    question_words: Lengths | None
    steps: Lengths | None
    step_words: Lengths | None
    without_explanation: int
    duplicates: dict[str, str]

    @property
    def ok(self) -> bool:
        """Whether every row can be used. `JsonlTask` also needs enough of them for its splits."""
        return not self.problems


def check_file(path: Path, *, answers: str = "auto") -> Report:
    """Reads `path` like `JsonlTask` and reports everything found; raises nothing about rows.

    Args:
        path: The file.
        answers: See `JsonlTask`.

    Raises:
        ConfigError: `answers` is unknown.
    """
    check_answers(answers)
    problems = Problems()
    read = read_rows(path, problems)
    kind, rows = answer_kind(read, answers, problems)
    balance = Counter(row.answer for row in rows)
    steps = [step for row in rows for step in row.explanation]
    return Report(
        path=str(path),
        rows=len(rows),
        problems=dict(problems.items),
        answers=kind if read else "",
        balance=dict(balance.most_common(10)),
        distinct_answers=len(balance),
        question_words=_words(row.question for row in rows),
        steps=_lengths(len(row.explanation) for row in rows if row.explanation),
        step_words=_words(steps),
        without_explanation=sum(not row.explanation for row in rows),
        duplicates=_duplicates(rows),
    )


def to_text(report: Report) -> str:
    """The report for a terminal; ends with a newline."""
    lines = [
        f"{report.path}: {report.rows:,} usable rows, {len(report.problems):,} problems, "
        f"{len(report.duplicates):,} duplicates or contradictions"
    ]
    if report.rows:
        shown = ", ".join(
            f"{answer} {n:,} ({n / report.rows:.0%})" for answer, n in report.balance.items()
        )
        more = report.distinct_answers - len(report.balance)
        lines.append(f"answers ({report.answers}): {shown}" + (f", {more:,} others" * bool(more)))
    for title, lengths in (
        ("words in a question", report.question_words),
        ("steps in an explanation", report.steps),
        ("words in a step", report.step_words),
    ):
        if lengths:
            lines.append(f"{title}: {lengths.least} to {lengths.most}, median {lengths.median}")
    if report.rows:
        lines.append(f"rows without an explanation: {report.without_explanation:,}")
    for title, found in (("problem", report.problems), ("left out", report.duplicates)):
        lines += [f"{title}: {where}: {reason}" for where, reason in list(found.items())[:10]]
        if len(found) > 10:
            lines.append(f"{title}: and {len(found) - 10:,} more")
    return "\n".join(lines) + "\n"


def _duplicates(rows: list[Row]) -> dict[str, str]:
    return collect({"pool": rows}).skipped if rows else {}


def _words(texts: Iterable[str]) -> Lengths | None:
    return _lengths(len(text.split()) for text in texts)


def _lengths(numbers: Iterable[int]) -> Lengths | None:
    ordered = sorted(numbers)
    if not ordered:
        return None
    return Lengths(ordered[0], ordered[len(ordered) // 2], ordered[-1])
