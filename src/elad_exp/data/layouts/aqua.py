"""`deepmind/aqua_rat` (subset `raw`): options such as `A)21` or `B) 22 cm`, and a rationale."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from elad_exp.data.layouts.base import text, text_lines
from elad_exp.errors import DataError

_OPTION = re.compile(r"\s*\(?([A-Za-z])\s*\)(.*)", re.DOTALL)


def convert(record: Mapping[str, Any]) -> dict[str, Any]:
    """A line of the rationale is a step. Raises DataError for an option without a letter."""
    options = record["options"]
    if not isinstance(options, list):
        raise DataError(f"options: a list is expected, not {type(options).__name__}")
    return {
        **({"id": record["id"]} if "id" in record else {}),
        "question": text(record["question"], "question"),
        "choices": [_choice(option, number) for number, option in enumerate(options, 1)],
        "answer": text(record["correct"], "correct"),
        "explanation": text_lines(record["rationale"], "rationale"),
    }


def _choice(option: Any, number: int) -> dict[str, str]:
    match = _OPTION.fullmatch(text(option, f"option {number}"))
    if match is None:
        raise DataError(f"option {number}: {option!r} does not begin with a letter and )")
    return {"label": match[1].upper(), "text": match[2].strip()}
