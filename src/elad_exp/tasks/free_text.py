"""Open answers: any text that is not empty.

    Answer: **Paris.**     Paris
    Answer: .5             .5
    Answer: U.S.           U.S
    Answer: ...            ...: an answer that is all punctuation stays

Two answers are the same if they are equal without regard to case, or as finite numbers: 1,000 is
1000.0, and a dollar or percent sign does not matter.
"""

from __future__ import annotations

import math
import re

from elad_exp.tasks.answers import EDGES, Asked, one_line

# A comma is part of a number only where it sets off thousands: "1,2" is not 12.
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")


class FreeText:
    """Any text; see the module for which texts are the same."""

    kind = "open"
    of_choices = False

    def labels(self, asked: Asked) -> None:
        return None

    def read(self, asked: Asked, text: str) -> str | None:
        return _bare(text) or None

    def same(self, asked: Asked, answer: str, right: str) -> bool:
        return _comparable(answer) == _comparable(right)

    def check(self, asked: Asked, answer: str) -> str | None:
        return None


def _bare(text: str) -> str:
    """An open answer without the punctuation around it; `_bare` of the result is the result."""
    line = one_line(text)
    # ".5" is a number and must not become "5"; an answer that is all punctuation stays.
    number = line.lstrip(EDGES.replace(".", "")).rstrip(EDGES)
    return number if _number(number) is not None else line.strip(EDGES) or line


def _number(text: str) -> float | None:
    """The finite number that `text` is, or None; a dollar or percent sign does not matter."""
    plain = _THOUSANDS.sub(lambda match: match.group().replace(",", ""), text, count=1)
    try:
        value = float(plain.removeprefix("$").removesuffix("%"))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _comparable(text: str) -> float | str:
    bare = _bare(text)
    number = _number(bare)
    return bare.casefold() if number is None else number
