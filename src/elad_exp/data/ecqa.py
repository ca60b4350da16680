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
from elad_exp.data.rows import Row
from elad_exp.data.sentences import split_sentences
from elad_exp.errors import DataError
from elad_exp.types import normalise

COLUMNS = ("q_text", "q_op1", "q_op2", "q_op3", "q_op4", "q_op5", "q_ans", "taskB")
Key = tuple[str, frozenset[str], str]


def explanations(records: Iterable[Any]) -> dict[Key, tuple[str, ...]]:
    """Steps (sentences) by question, options and answer.

    Raises:
        DataError: A record lacks columns; names them and what was found.
    """
    found: dict[Key, tuple[str, ...]] = {}
    for record in records:
        missing = [c for c in COLUMNS if not isinstance(record, Mapping) or c not in record]
        if missing:
            have = ", ".join(record) if isinstance(record, Mapping) else type(record).__name__
            raise DataError(f"ECQA: no column {', '.join(missing)} (found: {have})")
        values = {column: text(record[column], column) for column in COLUMNS}
        texts = frozenset(normalise(values[f"q_op{i}"]) for i in range(1, 6))
        lines = text_lines(values["taskB"], "taskB")
        steps = tuple(step for line in lines for step in split_sentences(line))
        found[normalise(values["q_text"]), texts, normalise(values["q_ans"])] = steps
    return found


def explained(row: Row, known: Mapping[Key, tuple[str, ...]]) -> Row:
    """`row` with its explanation, if there is one."""
    texts = {choice.label: normalise(choice.text) for choice in row.choices}
    steps = known.get((normalise(row.question), frozenset(texts.values()), texts[row.answer]))
    return replace(row, explanation=steps) if steps else row
