r"""Short expressions that have a value, `3 * 4` or `2\sqrt{3}`, compared by math-verify.

The texts come from a model and are compared inside the training process, whose signals are in use,
so none of math-verify's time limits, which need SIGALRM, is set. Instead a text is refused before
it gets there unless it is arithmetic with numbers, roots and pi that cannot take long: few and
short numbers, no power with a large exponent, no power of a power. And it must have a value.

    3 * 4, (1+2)/3, 2\sqrt{3}, 2^10, \frac{\pi}{2}, 2 pi     read
    9^9^9, 2^{100}, 2x + 1, 5!, 1e400, sin(1), [1, 2]        refused
    +2, ^3, 18\sqrt, 2--, (2)3, 1/0, \sqrt{-1}                refused: see `arithmetic`

As math-verify has it, values are the same if they are equal, or if one is written as a decimal
and they agree to six places.
"""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from math import prod
from typing import Any

from elad_exp.tasks import arithmetic

LONGEST = 80
"""Characters."""
_MOST = {"digits": 12, "numbers": 8, "roots": 2, "depth": 4, "exponents": 100}
_NEAR = 1e-5
# What sympy raises where there is no value to compare: 0.0^{-1}, 0.0/0, sets.
_NO_VALUE = (ArithmeticError, AttributeError, TypeError, ValueError, RecursionError)
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+")
_TOKEN = re.compile(
    rf"{_NUMBER.pattern}|\\[dt]?frac(?![a-zA-Z])|\\(?:sqrt|pi|cdot|times|div)(?![a-zA-Z])"
    r"|[-+*/^(){}]|\s"
)
_ROOT = r"\sqrt"
# `^3`, `^{12}`, `^(-1/2)`, the whole exponent, and no power of the result.
_EXPONENT = r"(?:-?(?P<bare>[0-9]{1,2})(?![0-9.])|[{(]-?(?P<braced>[0-9]{1,2})(?:/[0-9]{1,2})?[})])"
_POWER = re.compile(rf"\^{_EXPONENT}(?!\s*[)}}]*\s*\^)")
_UNIT = re.compile(r"(?<=[\s0-9})])(?!(?:pi|sqrt)\b)[A-Za-z][A-Za-z ]*$")
_PLAIN = (
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"(?<![\\a-zA-Z])sqrt\b|\u221a"), r"\\sqrt "),
    (re.compile(r"(?<![\\a-zA-Z])pi\b|\u03c0"), r"\\pi "),
    (re.compile(r"\\pi\s*\("), r"\\pi*("),  # no function
    (re.compile(r"\u00d7|\u00b7"), "*"),
    (re.compile(r"\u00f7"), "/"),
)


def written(text: str) -> str | None:
    """An expression without the unit after it, as it stands; None if it is none that we read."""
    bare = _UNIT.sub("", text).strip()
    return bare if _latex(bare) is not None else None


def same(one: str, other: str) -> bool:
    """Whether both are expressions and have one value. Never raises; a fraction of a second."""
    latex, other_latex = _latex(one), _latex(other)
    if latex is None or other_latex is None:
        return False
    try:
        value, other_value = _parsed(latex), _parsed(other_latex)
        if value is None or other_value is None or _far(value, other_value):
            return False
    except _NO_VALUE:
        return False
    return bool(_math_verify().verify(other_value, value, timeout_seconds=None))


def _latex(text: str) -> str | None:
    """The expression in LaTeX, or None if it is none or could take long."""
    if len(text) > LONGEST:
        return None
    for pattern, replacement in _PLAIN:
        text = pattern.sub(replacement, text)
    text = re.sub(r"\\sqrt\s*\(([^()]*)\)", r"\\sqrt{\1}", text)
    text = re.sub(r"\\sqrt\s*([0-9]+)", r"\\sqrt{\1}", text)
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != text or not _small(text, tokens):
        return None
    found = arithmetic.value([token for token in tokens if token.strip()])
    return text.strip() if found is not None else None


def _small(text: str, tokens: list[str]) -> bool:
    numbers = [token for token in tokens if _NUMBER.fullmatch(token)]
    powers = [int(match["bare"] or match["braced"]) for match in _POWER.finditer(text)]
    exponents = prod(max(power, 1) for power in powers)
    depth = deepest = 0
    for token in tokens:
        depth += (token in ("(", "{")) - (token in (")", "}"))
        deepest = max(deepest, depth)
    return (
        (bool(numbers) or r"\pi" in tokens)
        and len(numbers) <= _MOST["numbers"]
        and max(map(len, numbers), default=0) <= _MOST["digits"]
        and len(powers) == tokens.count("^")
        and exponents <= _MOST["exponents"]
        and tokens.count(_ROOT) <= _MOST["roots"]
        and deepest <= _MOST["depth"]
        and depth == 0
    )


@lru_cache(maxsize=1024)
def _parsed(latex: str) -> Any | None:
    """What math-verify reads; None if it cannot, or if that has no finite real value.

    The rounded value is asked: of products with zero, left as they stand, sympy cannot tell.
    """
    library = _math_verify()
    found = library.parse(
        f"${latex}$",
        [library.LatexExtractionConfig()],
        fallback_mode="no_fallback",
        parsing_timeout=None,
    )
    return found[0] if found and found[0].evalf().is_real else None


def _far(one: Any, other: Any) -> bool:
    """Whether the values differ. Without this, different ones are simplified, which is slow."""
    difference = (one - other).evalf()
    return bool(abs(difference) > _NEAR * max(1, abs(other.evalf())))


@lru_cache(maxsize=1)
def _math_verify() -> Any:
    """The library: imported late, because with sympy it takes more than a second, and quiet."""
    import math_verify

    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    return math_verify
