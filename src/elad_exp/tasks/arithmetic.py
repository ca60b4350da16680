r"""Whether short arithmetic, as tokens such as `2`, `\sqrt`, `{`, `3`, `}`, has a value.

It says whether an expression is well formed and has a finite real value, without importing sympy.
It is exact where roots, pi and fractional powers do not take part.

    sum     = ["-"] product (("+" | "-") ["-"] product)*
    product = power (("*" | "/" | \cdot | \times | \div) ["-"] power | power)*
    power   = atom ["^" (number | group)]
    atom    = number | \pi | "(" sum ")" | \sqrt "{" sum "}" | \frac "{" sum "}" "{" sum "}"

Two factors without a sign between them are a product if the second is no number: `2 \pi`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TypeAlias

Real: TypeAlias = Fraction | float
_TIMES = ("*", r"\cdot", r"\times")
_OVER = ("/", r"\div")
_TINY = 1e-9
"""A divisor this small may be zero: roots and pi are rounded."""


def value(tokens: Sequence[str]) -> Real | None:
    """The value; None if the tokens are not well formed or have no finite real one.

    The caller bounds the length, the depth and the exponents: nothing here does.
    """
    reader = _Reader(tokens)
    try:
        found = reader.sum()
        return found if reader.next == "" and math.isfinite(found) else None
    except (ValueError, ArithmeticError):
        return None


class _Reader:
    """Reads one rule of the grammar after another. Raises ValueError and ArithmeticError."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._left = list(reversed(tokens))

    @property
    def next(self) -> str:
        return self._left[-1] if self._left else ""

    def sum(self) -> Real:
        total = self._signed(self._product)
        while self.next in ("+", "-"):
            sign = -1 if self._left.pop() == "-" else 1
            total += sign * self._signed(self._product)
        return total

    def _signed(self, rule: Callable[[], Real]) -> Real:
        if self.next != "-":
            return rule()
        self._left.pop()
        return -rule()

    def _product(self) -> Real:
        total = self._power()
        while True:
            if self.next in _TIMES:
                self._left.pop()
                total *= self._signed(self._power)
            elif self.next in _OVER:
                self._left.pop()
                total = _divided(total, self._signed(self._power))
            elif self.next.startswith(("(", "\\")):
                total *= self._power()
            else:
                return total

    def _power(self) -> Real:
        base = self._atom()
        if self.next != "^":
            return base
        self._left.pop()
        exponent = self._group() if self.next in ("(", "{") else self._number()
        found = base**exponent
        if isinstance(found, complex):
            raise ValueError("no real value")
        return found

    def _atom(self) -> Real:
        if self.next == "(":
            return self._group()
        if not self.next.startswith("\\"):
            return self._number()
        name = self._left.pop()
        if name == r"\pi":
            return math.pi
        if name == r"\sqrt":
            return math.sqrt(self._braced())
        if name.endswith("frac"):
            return _divided(self._braced(), self._braced())
        raise ValueError(f"{name} is no number")

    def _braced(self) -> Real:
        if self.next != "{":
            raise ValueError("{ expected")
        return self._group()

    def _group(self) -> Real:
        closing = {"(": ")", "{": "}"}[self._left.pop()]
        found = self.sum()
        if self.next != closing:
            raise ValueError(f"{closing} expected")
        self._left.pop()
        return found

    def _number(self) -> Real:
        return Fraction(self._left.pop() if self._left else "")


def _divided(total: Real, divisor: Real) -> Real:
    if not divisor or (isinstance(divisor, float) and abs(divisor) < _TINY):
        raise ZeroDivisionError
    return total / divisor
