"""The shape of `result.json`: a JSON Schema (draft 2020-12) that ships with the package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from elad_exp.errors import DataError

_SHOWN = 8


@cache
def result_schema() -> dict[str, Any]:
    """The schema as a dictionary; the file is `result.schema.json` beside this module."""
    text = resources.files(__package__).joinpath("result.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def validate(result: Mapping[str, Any]) -> None:
    """Check a result against the schema.

    Raises:
        DataError: It does not fit; the message names every field that is wrong, up to eight.
    """
    from jsonschema import Draft202012Validator

    found = Draft202012Validator(result_schema()).iter_errors(dict(result))
    errors = sorted(found, key=lambda error: list(map(str, error.absolute_path)))
    if not errors:
        return
    lines = [
        f"{'.'.join(map(str, error.absolute_path)) or 'top level'}: {_short(error.message)}"
        for error in errors[:_SHOWN]
    ]
    if len(errors) > _SHOWN:
        lines.append(f"and {len(errors) - _SHOWN} more")
    raise DataError("result.json does not fit its schema:\n  " + "\n  ".join(lines))


def _short(message: str, limit: int = 200) -> str:
    return message if len(message) <= limit else f"{message[:limit]}..."
