"""ECQA: human explanations of CommonsenseQA's questions, which stand in a dataset of their own.

Aggarwal et al. 2021, "Explanations for CommonsenseQA". A record has the question (`q_text`), five
options (`q_op1` ... `q_op5`), the answer's text (`q_ans`) and the free-flow explanation (`taskB`).
It has no id of CommonsenseQA, so it is joined by question, options and answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from elad_exp.data.layouts.base import text, text_lines
from elad_exp.data.rows import Problems, Row
from elad_exp.data.sentences import split_sentences
from elad_exp.errors import DataError
from elad_exp.types import normalise

COLUMNS = ("q_text", "q_op1", "q_op2", "q_op3", "q_op4", "q_op5", "q_ans", "taskB")
Key = tuple[str, frozenset[str], str]


def explanations(
    records: Iterable[tuple[str, Any]], problems: Problems
) -> dict[Key, tuple[str, ...]]:
    """Steps (sentences) by question, options and answer.

    Args:
        records: Place and value of each record.
        problems: Receives the records that lack columns or have no text in them.
    """
    found: dict[Key, tuple[str, ...]] = {}
    for where, record in records:
        try:
            key, steps = _explanation(record)
        except DataError as error:
            problems.add(where, f"ECQA: {error}")
        else:
            found[key] = steps
    return found


def _explanation(record: Any) -> tuple[Key, tuple[str, ...]]:
    missing = [c for c in COLUMNS if not isinstance(record, Mapping) or c not in record]
    if missing:
        have = ", ".join(record) if isinstance(record, Mapping) else type(record).__name__
        raise DataError(f"no column {', '.join(missing)} (found: {have})")
    values = {column: text(record[column], column) for column in COLUMNS}
    texts = frozenset(normalise(values[f"q_op{i}"]) for i in range(1, 6))
    lines = text_lines(values["taskB"], "taskB")
    steps = tuple(step for line in lines for step in split_sentences(line))
    return (normalise(values["q_text"]), texts, normalise(values["q_ans"])), steps


def explained(row: Row, known: Mapping[Key, tuple[str, ...]]) -> Row:
    """`row` with its explanation, if there is one."""
    texts = {choice.label: normalise(choice.text) for choice in row.choices}
    steps = known.get((normalise(row.question), frozenset(texts.values()), texts[row.answer]))
    return replace(row, explanation=steps) if steps else row


class Joined:
    """Adds explanations to rows that have none of their own, and counts how many it found.

    Args:
        known: See `explanations`.
    """

    def __init__(self, known: Mapping[Key, tuple[str, ...]]) -> None:
        self._known = known
        self._own = self._asked = self._found = 0

    def __call__(self, row: Row) -> Row:
        if row.explanation:
            self._own += 1
            return row
        joined = explained(row, self._known)
        self._asked += 1
        self._found += bool(joined.explanation)
        return joined

    def warnings(self) -> list[str]:
        """Says for people that fewer than half of the rows were found, if so.

        Raises:
            DataError: None was, and no row has an explanation of its own.
        """
        if 2 * self._found >= self._asked:
            return []
        if not self._found and not self._own:
            raise DataError(
                f"none of {self._asked:,} questions has an explanation in ECQA: it is joined by "
                "question, options and answer, so it must be of the same questions; "
                "dataset.explanations=null goes without"
            )
        lacking = "questions without one of their own" if self._own else "questions"
        return [f"{self._found:,} of {self._asked:,} {lacking} have an explanation in ECQA"]
