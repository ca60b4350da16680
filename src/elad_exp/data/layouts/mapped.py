"""Any other dataset: which of its columns hold question, answer, choices, explanation and id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elad_exp.data.layouts.base import LETTERS, Layout, text
from elad_exp.data.layouts.lettered import options
from elad_exp.data.sentences import split_steps
from elad_exp.errors import ConfigError, DataError

FIELDS = ("question", "answer", "choices", "explanation", "id")


def mapped(columns: Mapping[str, str | None]) -> Layout:
    """The layout in which each field stands in the column that `columns` names.

    `choices` may be a list of texts (labels A, B, C... by position), a list of objects with `label`
    and `text`, or an object of two lists. The answer is then a label, or else a position from 0 (a
    whole number; not where the labels are whole numbers), or else the text of exactly one choice.
    Without choices it is a string, a number, or a truth value (yes or no). A string of explanation
    is split into lines and each line into sentences; a list has a step in each item.

    Args:
        columns: Field -> column, see `FIELDS`; `question` and `answer` are needed.

    Raises:
        ConfigError: A field is unknown, or question or answer has no column.
    """
    if unknown := sorted(set(columns) - set(FIELDS)):
        raise ConfigError(
            f"dataset.columns: {', '.join(unknown)} is not one of {', '.join(FIELDS)}"
        )
    given = {field: column for field, column in columns.items() if column is not None}
    if missing := [field for field in ("question", "answer") if field not in given]:
        raise ConfigError(
            f"dataset.columns.{missing[0]} is not set: name the column that holds the "
            f"{missing[0]}, as in dataset.columns.{missing[0]}=COLUMN"
        )

    def convert(record: Mapping[str, Any]) -> dict[str, Any]:
        found = {field: record[column] for field, column in given.items()}
        choices = _choices(found.get("choices"))
        row = {
            "question": found["question"],
            "choices": [{"label": label, "text": words} for label, words in choices],
            "answer": _answer(found["answer"], choices),
            "explanation": _steps(found.get("explanation")),
        }
        return row | ({"id": found["id"]} if "id" in found else {})

    return Layout("columns", "auto", tuple(given.values()), convert)


def _choices(value: Any) -> list[tuple[str, str]]:
    if not value:
        return []
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        if len(value) > len(LETTERS):
            raise DataError(f"{len(value)} choices without labels; at most {len(LETTERS)} can be")
        return [(LETTERS[i], words.strip()) for i, words in enumerate(value)]
    return options(value)


def _answer(value: Any, choices: list[tuple[str, str]]) -> Any:
    """The label that `value` means, or an open answer as text; what is neither is left alone."""
    labels = [label for label, _ in choices]
    if not choices:
        if isinstance(value, bool):
            return "yes" if value else "no"
        return str(value) if isinstance(value, (int, float)) else value
    if str(value).strip() in labels:
        return str(value).strip()
    if isinstance(value, int) and not isinstance(value, bool):
        # Read as positions here and as labels in the rows above, 0, 1, 2 would mean 1, 1, 2.
        if all(label.isdecimal() for label in labels):
            raise DataError(
                f"answer {value} is none of the labels {', '.join(labels)}; where these are whole "
                "numbers a whole number is a label, and no position"
            )
        if not 0 <= value < len(choices):
            raise DataError(f"answer {value} is no position among {len(choices)} choices (from 0)")
        return labels[value]
    meant = [label for label, words in choices if words == str(value).strip()]
    if len(meant) != 1:
        raise DataError(f"answer {value!r} is neither a label nor the text of exactly one choice")
    return meant[0]


def _steps(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, list):
        return [step for step in (text(v, "explanation") for v in value) if step]
    return list(split_steps(text(value, "explanation")))
