"""Answers that are one class of a fixed set.

With the classes sports, science/technology and not a topic:

    Answer: sports                       sports
    Answer: **Sports.**                  sports
    Answer: the answer is sports         sports
    Answer: sports, it is about a match  sports: what follows a mark is a remark ...
    Answer: sports, or politics          None: ... unless it names another class
    Answer: sports is wrong              None
    Answer: probably sports              None: the answer is not the first thing said

Full-width marks are read as the others are. A class that begins or ends with a Chinese character is
named wherever it stands in a remark, for no space tells words apart.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from elad_exp.tasks.answers import Asked, one_line, spoken
from elad_exp.tasks.choice import denied
from elad_exp.words import UNSPACED

_REMARK = re.compile(
    r"\s*[.,;:!?()\[\]。．，、；：！？（）［］【】\u2013\u2014]|\s+(?:-|because\b|since\b)"
)
_UNSPACED = re.compile(f"[{UNSPACED}]")
_SHOWN = 10


def by_folded(names: Sequence[str]) -> dict[str, str]:
    """Name by its case-folded form, of those that no other has."""
    counts = Counter(name.casefold() for name in names)
    return {name.casefold(): name for name in names if counts[name.casefold()] == 1}


def _whole(name: str) -> str:
    """Matches a name that is no part of a longer word."""
    before = "" if _UNSPACED.match(name[0]) else r"(?<!\w)"
    after = "" if _UNSPACED.match(name[-1]) else r"(?!\w)"
    return f"{before}{re.escape(name)}{after}"


class OneLabel:
    """One of `classes`; see the module for what is read as which.

    Args:
        classes: Distinct; None where any may be: its rows are to tell.
    """

    kind = "label"
    of_choices = False

    def __init__(self, classes: Sequence[str] | None = None) -> None:
        self.classes = None if classes is None else tuple(classes)
        self._folded = by_folded(self.classes or ())
        # The longest first: "oos" must not be found where "oos in scope" stands.
        names = sorted(self._folded, key=len, reverse=True)
        whole = "|".join(map(_whole, names))
        self._named = re.compile(whole or r"(?!)")

    def labels(self, asked: Asked) -> tuple[str, ...] | None:
        return self.classes

    def read(self, asked: Asked, text: str) -> str | None:
        line = one_line(text)
        if self.classes is None or line in self.classes:
            return line or None
        for form in (line, spoken(line)):
            if exact := self._folded.get(form.casefold()):
                return exact
        said = spoken(line).casefold()
        first = self._named.match(said)
        if first is None or denied(rest := said[first.end() :]) or not _REMARK.match(rest):
            return None
        others = {match[0] for match in self._named.finditer(rest)} - {first[0]}
        return None if others else self._folded[first[0]]

    def same(self, asked: Asked, answer: str, right: str) -> bool:
        return answer == right

    def check(self, asked: Asked, answer: str) -> str | None:
        if answer != one_line(answer):
            return f"label {answer!r} must be one line with single spaces"
        if self.classes is None or answer in self.classes:
            return None
        more = len(self.classes) - _SHOWN
        shown = ", ".join(self.classes[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        return f"label {answer!r} is not one of {shown}"
