"""The values of short arithmetic, and what has none."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from elad_exp.tasks.arithmetic import value


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        *(("7 - 2 * 3", 1), ("- 2 ^ 2", -4), ("2 * - 3", -6), ("1 / 3 + 1 / 6", Fraction(1, 2))),
        *((r"2 \sqrt { 4 }", 4), (r"\frac { 1 + 2 } { 4 }", Fraction(3, 4)), ("8 ^ ( 1 / 3 )", 2)),
        *(
            (r"2 \pi", 2 * math.pi),
            ("2 ( 3 + 4 )", 14),
            (r"6 \div 4", Fraction(3, 2)),
            ("0 * 9", 0),
        ),
    ],
)
def test_values(text: str, wanted: Fraction | float) -> None:
    assert value(text.split()) == pytest.approx(wanted)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "+ 2",
            "* 2",
            "2 +",
            "2 + + 3",
            "- - 2",
            "( 2",
            "2 )",
            "( 2 }",
            "( )",
            "( 2 ) 3",
            "2 3",
        ),
        *(r"\sqrt", r"18 \sqrt", r"\frac { 1 }", r"\cdot", "^ 3", "2 ^", "{ 2 }", "2 ^ 3 ^ 2"),
        *("1 / 0", "1 / ( 2 - 2 )", r"1 / ( \sqrt { 2 } * \sqrt { 2 } - 2 )", "0 ^ ( - 1 )"),
        *(r"\sqrt { - 1 }", "( - 8 ) ^ ( 1 / 3 )"),
    ],
)
def test_what_is_not_well_formed_or_has_no_real_value(text: str) -> None:
    assert value(text.split()) is None
