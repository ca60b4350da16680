r"""Answers that are one number, with or without a unit, or a short expression that has a value.

    Answer: 18                  18
    Answer: $1,000.00           1,000.00: the number as written, without currency and unit ...
    Answer: 18 dollars a day    18
    Answer: 50%                 50%: ... but with the sign of a percentage
    Answer: 1 1/2 cups          1 1/2
    Answer: 5 million people    5 million
    Answer: \boxed{18}          18
    Answer: x = -\frac{1}{2}    -1/2: of an equation, the last side ...
    Answer: 9 + 11 = 20         20
    Answer: x = 5, y = 6        None: ... if every other is a name or has the same value
    Answer: 2\sqrt{3} cm        2\sqrt{3}: an expression stays as it is, see `expressions`
    Answer: 18, no wait: 20     None: two numbers
    Answer: 2 hours 30 minutes  None
    Answer: more than 18        None: that is not the number
    Answer: $10K                None: 10 or 10,000? Nor are 5M, $5m, 5bn and 2 dozen read
    Answer: 5-6                 None: a range, no difference; the same goes for a date
    Answer: eighteen            None: no digits

Two numbers are the same if their values are, exactly: 1,000 is 1000.0, and 0.33 is not 1/3. A
percentage is the same as the number before its sign and as a hundredth of it, because questions
ask for either. Units are not compared, and an exclamation mark is punctuation, no factorial.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from elad_exp.tasks import expressions
from elad_exp.tasks.answers import Asked, one_line
from elad_exp.tasks.latex import plain_text

LONGEST = 200
"""Characters; a longer answer names no number. No unit needs that many."""
_SCALES = {
    "hundred": 10**2,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9,])|[0-9]+)"
_NUMBER = re.compile(
    r"(?P<sign>(?:(?:(?<=[\s(:])|^)-\s?)?)"
    rf"(?P<written>(?<![\w.,^])(?:(?P<whole>{_DIGITS})\s(?=[0-9]+\s?/\s?[0-9]))?"
    rf"(?P<number>(?:{_DIGITS}(?:\.[0-9]+)?|\.[0-9]+)(?:e[-+]?[0-9]{{1,2}}(?!\w))?)"
    r"(?:\s?/\s?(?P<divisor>[0-9]+))?)(?![0-9]|[.,][0-9])"
    rf"(?:\s?(?P<percent>%|per\s?cent\b)|\s(?P<scale>{'|'.join(_SCALES)})\b)?",
    re.IGNORECASE,
)
_HERE = "\0"
_OPERATION = re.compile(rf"{_HERE}\)?\s*[-+*/^:\u00d7\u00f7\u00b7]\s*\(?{_HERE}|\w\({_HERE}")
# The power of a unit, as in m^2, m2 and H2O.
_POWER = re.compile(r"(?<![0-9][eE])(?<=[^\W\d_])\^?[0-9]")
_SYMBOL = re.compile(r"[\d\\^*+\u221a\u221e\u03c0]|\b(?:pi|sqrt|log|ln)\b", re.IGNORECASE)
_QUALIFIED = re.compile(
    r"\b(?:not|never|than|least|most|minus|negative|between|or (?:more|less|fewer|above|below))\b"
    r"|[<>\u2264\u2265\u2260]|!=|\\(?:neq?|[lg](?:eq?|t))(?![a-z])",
    re.IGNORECASE,
)
_SIDES = re.compile(r"[=\u2248]")
_CURRENCY = re.compile(r"[$\u00a3\u00a5\u20ac\u20b9]")
# A letter for a scale. After a currency sign that opens no LaTeX, "m" is no metre.
_LETTER = re.compile(
    r"(?<=[0-9])(?:\s?k|[KMB]|[bmt]n|[BMT]N)\b"
    rf"|{_CURRENCY.pattern}\s?[0-9.,]+\s?(?:[KMBTkmbt]n?|[BMT]N)\b(?!\s*\$)"
)
# What `_NUMBER` took as its scale is masked: 5million, 5 hundred thousand, 2 dozen.
_SCALE_LEFT = re.compile(rf"\b(?:{'|'.join(_SCALES)}|dozen|lakh|crore)s?\b", re.IGNORECASE)
_RANGE = re.compile(r"\(?[0-9.]+(?:\s?-\s?[0-9.]+)+\)?")
_WORD = r"\\?[^\W\d_]+(?:['\u2019]s)?(?:_\{?\w+\}?)?"
_NAME = re.compile(rf"\(?{_WORD}(?:[,:]?\s{_WORD})*")
_LEAD = re.compile(rf"^{_WORD}(?:[,:]?\s{_WORD})*[,:]?\s(?=[-(.0-9])")
_UNITS = re.compile(r"(?<=[0-9])\s[^\W\d_]{2,}(?=\s?[-+*/)]|\sx\s|$)")
_ARROW = re.compile(r"^(?:=>|[\u21d2\u2192])\s?(?=[^\W\d_])")
_THOUSANDS = re.compile(r"(?<=[0-9]),(?=[0-9]{3})")
_TIMES = re.compile(r"(?<=[0-9)])\s?x\s?(?=[0-9(])")


@dataclass(frozen=True, slots=True)
class Value:
    """A number: its exact value before any percent sign, and how it was written."""

    size: Fraction
    percent: bool
    written: str

    @property
    def meant(self) -> frozenset[Fraction]:
        """The numbers that it may stand for: a percentage also for a hundredth."""
        return frozenset((self.size, self.size / 100) if self.percent else (self.size,))

    @property
    def decimal(self) -> bool:
        return "/" not in self.written

    def same(self, other: Value) -> bool:
        if self.percent == other.percent:
            return self.size == other.size
        return bool(self.meant & other.meant)


class Number:
    """One number; see the module for what is read as which, and when two are the same."""

    kind = "number"
    of_choices = False

    def labels(self, asked: Asked) -> None:
        return None

    def read(self, asked: Asked, text: str) -> str | None:
        found = _understood(text)
        return found.written if isinstance(found, Value) else found

    def same(self, asked: Asked, answer: str, right: str) -> bool:
        return _same(_understood(answer), _understood(right))

    def check(self, asked: Asked, answer: str) -> str | None:
        fits = self.same(asked, answer, answer)
        return None if fits else f"answer {answer!r} is not one number"


def is_number(text: str) -> bool:
    """Whether `text` is a number and nothing else, but for a currency or percent sign."""
    if not isinstance(_understood(text), Value):
        return False
    return _NUMBER.fullmatch(_sides(_line(text))[-1]) is not None


@lru_cache(maxsize=1 << 13)
def _understood(text: str) -> Value | str | None:
    """A number, or an expression as written. Cached: gold answers are asked for in each round."""
    line = _line(text)
    if _QUALIFIED.search(line) or _LETTER.search(line):
        return None
    *others, last = _sides(line) or [""]
    found = _one(last)
    if isinstance(found, str) and _RANGE.fullmatch(found):
        return None
    return found if all(_NAME.fullmatch(side) or _agrees(side, found) for side in others) else None


def _line(text: str) -> str:
    """The text in plain text; empty if it is too long."""
    line = one_line(text)
    return _ARROW.sub("", plain_text(line)) if len(line) <= LONGEST else ""


def _sides(line: str) -> list[str]:
    """The sides of an equation, without currency and the punctuation around them."""
    sides = [side for side in _SIDES.split(_CURRENCY.sub("", line)) if side.strip()]
    return [side.strip(" \t:;!?,\"'*`_").rstrip(".").removeprefix("+") for side in sides]


def _one(side: str) -> Value | str | None:
    if _SCALE_LEFT.search(_NUMBER.sub(_HERE, side)):
        return None
    return _value(side) or expressions.written(side)


def _agrees(side: str, found: Value | str | None) -> bool:
    """Whether a side before the last has its value: `9 + 11`, `so 3 x 4`, `1,000 m + 500 m`."""
    bare = _LEAD.sub("", side)
    return _same(
        _one(bare) or _one(_THOUSANDS.sub("", _TIMES.sub("*", _UNITS.sub("", bare)))), found
    )


def _same(one: Value | str | None, other: Value | str | None) -> bool:
    if isinstance(one, Value) and isinstance(other, Value):
        return one.same(other)
    return any(expressions.same(a, b) for a in _plainly(one) for b in _plainly(other))


def _plainly(found: Value | str | None) -> tuple[str, ...]:
    """What to compare with expressions: one text, or two for a percentage."""
    if isinstance(found, Value):
        numbers = (number.as_integer_ratio() for number in found.meant)
        return tuple(f"{Decimal(n) / d:f}" if found.decimal else f"{n}/{d}" for n, d in numbers)
    return () if found is None else (found,)


def _value(line: str) -> Value | None:
    """The one number of a line of plain text; None if there is none, or more than that."""
    text = _POWER.sub("", line) if "\\" not in line else line
    masked = _NUMBER.sub(_HERE, text)
    if _OPERATION.search(masked) or _SYMBOL.search(masked):
        return None
    first, *more = [_read(match) for match in _NUMBER.finditer(text)] or [None]
    if first is None or any(value is None or not value.same(first) for value in more):
        return None
    return first


def _read(match: re.Match[str]) -> Value | None:
    """None: it divides by zero."""
    whole, number, divisor = (
        Fraction((match[part] or default).replace(",", ""))
        for part, default in (("whole", "0"), ("number", ""), ("divisor", "1"))
    )
    if not divisor:
        return None
    scale, sign, mark = match["scale"], match["sign"].strip(), "%" if match["percent"] else ""
    size = (whole + number / divisor) * (_SCALES[scale.casefold()] if scale else 1)
    written = match["written"] + (f" {scale}" if scale else mark)
    return Value(-size if sign else size, bool(mark), sign + written)
