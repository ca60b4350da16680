"""`openai/gsm8k` (subset `main`): `question` and `answer`, a solution with its result.

    She makes 9 * 2 = $<<9*2=18>>18 every day.
    #### 18

A line is a step; the calculator's notes are taken out and kept in `meta`. The result loses the
commas between its thousands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from elad_exp.data.layouts.base import text, text_lines
from elad_exp.errors import DataError

MARK = "####"
_NOTE = re.compile(r"<<(.*?)>>")


def convert(record: Mapping[str, Any]) -> dict[str, Any]:
    """Raises DataError where the solution does not end with one `####` line."""
    lines = text_lines(record["answer"], "answer")
    results = [line for line in lines if line.startswith(MARK)]
    if len(results) != 1 or lines[-1] != results[0]:
        raise DataError(f"answer: its last line, and no other, must begin with {MARK}")
    raw = results[0].removeprefix(MARK).strip()
    steps = [line for line in lines[:-1] if _NOTE.sub("", line).strip()]
    meta: dict[str, Any] = {"calculator": [_NOTE.findall(line) for line in steps]}
    answer = raw.replace(",", "")
    if answer != raw:
        meta["raw_answer"] = raw
    return {
        **({"id": record["id"]} if "id" in record else {}),
        "question": text(record["question"], "question"),
        "answer": answer,
        "explanation": [_NOTE.sub("", line).strip() for line in steps],
        "meta": meta,
    }
