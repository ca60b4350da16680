"""`facebook/anli` and e-SNLI: a premise, a hypothesis, and which of three relations holds.

The question of a pair:

    Premise: A man inspects a uniform.
    Hypothesis: The man is asleep.
    Does the premise entail the hypothesis, contradict it, or neither?
    (A) entailment (B) neutral (C) contradiction
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elad_exp.data.layouts.base import LETTERS, text
from elad_exp.errors import DataError
from elad_exp.tasks.nli import CLASSES

_ASK = "Does the premise entail the hypothesis, contradict it, or neither?"


def anli(record: Mapping[str, Any]) -> dict[str, Any]:
    """`reason` is one step; most training records have none."""
    return _row(record, [_optional(record, "reason")], record["uid"])


def esnli(record: Mapping[str, Any]) -> dict[str, Any]:
    """The first explanation is the step; up to three, which are alternatives, go to `meta`."""
    names = ("explanation_1", "explanation_2", "explanation_3")
    found = [words for words in (_optional(record, name) for name in names) if words]
    row = _row(record, found[:1], record.get("pairID"))
    row["meta"]["explanations"] = found
    return row


def _row(record: Mapping[str, Any], steps: list[str], source_id: Any) -> dict[str, Any]:
    premise, hypothesis = (text(record[name], name) for name in ("premise", "hypothesis"))
    for name, words in (("premise", premise), ("hypothesis", hypothesis)):
        if not words:
            raise DataError(f"{name} is empty")
    number = _relation(record["label"])
    return {
        **({"id": source_id} if source_id else {}),
        "question": f"Premise: {premise}\nHypothesis: {hypothesis}\n{_ASK}",
        "choices": [{"label": LETTERS[i], "text": word} for i, word in enumerate(CLASSES)],
        "answer": LETTERS[number],
        "explanation": [step for step in steps if step],
        "meta": {"premise": premise, "hypothesis": hypothesis, "label": CLASSES[number]},
    }


def _relation(label: Any) -> int:
    """Its place in `CLASSES`, which is the order of both datasets' class labels 0, 1, 2."""
    if label in CLASSES:
        return CLASSES.index(label)
    if isinstance(label, int) and not isinstance(label, bool) and 0 <= label < len(CLASSES):
        return label
    hint = " (-1: the annotators did not agree)" if label == -1 else ""
    raise DataError(f"label {label!r} is none of 0, 1, 2, {', '.join(CLASSES)}{hint}")


def _optional(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    return "" if value is None else text(value, name)
