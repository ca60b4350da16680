"""`tau/commonsense_qa` and `allenai/ai2_arc`: options as labels and texts, and `answerKey`.

    {"choices": {"label": ["A", "B"], "text": ["bank", "library"]}, "answerKey": "A"}

A list of objects with `label` and `text`, as in the authors' own files, is read as well. Neither
dataset has explanations; those of CommonsenseQA are in ECQA (`elad_exp.data.ecqa`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elad_exp.data.layouts.base import LETTERS, text
from elad_exp.errors import DataError


def options(value: Any) -> list[tuple[str, str]]:
    """Labels and texts. Raises DataError unless there are as many labels as texts."""
    if isinstance(value, Mapping) and {"label", "text"} <= value.keys():
        labels, texts = value["label"], value["text"]
    elif isinstance(value, list) and all(isinstance(v, Mapping) for v in value):
        labels, texts = [v.get("label") for v in value], [v.get("text") for v in value]
    else:
        raise DataError(
            "choices: labels and texts are expected, as {label: [...], text: [...]} or as a list "
            f"of objects with label and text, not {str(value)[:60]!r}"
        )
    if not (isinstance(labels, list) and isinstance(texts, list) and len(labels) == len(texts)):
        raise DataError("choices: label and text must be lists of one length")
    return [
        (text(label, f"choice {i}, label"), text(words, f"choice {i}, text"))
        for i, (label, words) in enumerate(zip(labels, texts, strict=True), 1)
    ]


def commonsenseqa(record: Mapping[str, Any]) -> dict[str, Any]:
    """The concept goes to `meta`. Raises DataError where the answer is not public."""
    return _row(record, options(record["choices"])) | {
        "meta": {"concept": record["question_concept"]}
    }


def arc(record: Mapping[str, Any]) -> dict[str, Any]:
    """Some questions label their options 1 to 4: labels become A, B, C... by position."""
    found = options(record["choices"])
    if len(found) > len(LETTERS):
        raise DataError(f"{len(found)} choices; at most {len(LETTERS)} can be")
    letters = {label: LETTERS[i] for i, (label, _) in enumerate(found)}
    key = text(record["answerKey"], "answerKey")
    if key and key not in letters:
        raise DataError(f"answerKey {key!r} is not among the choices {', '.join(letters)}")
    relabelled = [(letters[label], words) for label, words in found]
    return _row({**record, "answerKey": letters.get(key, "")}, relabelled)


def _row(record: Mapping[str, Any], choices: list[tuple[str, str]]) -> dict[str, Any]:
    key = text(record["answerKey"], "answerKey")
    if not key:
        raise DataError("answerKey is empty: this split has no public answers")
    return {
        "id": record["id"],
        "question": text(record["question"], "question"),
        "choices": [{"label": label, "text": words} for label, words in choices],
        "answer": key,
    }
