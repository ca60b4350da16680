"""Numbers: how they are written, when two are the same, and what is none."""

from __future__ import annotations

import time
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elad_exp.tasks.number import Number, is_number
from elad_exp.types import Sample

SAMPLE = Sample("s", "How many?")
NUMBER = Number()


def read(text: str) -> str | None:
    return NUMBER.read(SAMPLE, text)


def right(text: str, gold: str) -> bool:
    answer = read(text)
    return answer is not None and NUMBER.same(SAMPLE, answer, gold)


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        *(("1,000", "1000.0"), ("18.0", "18"), ("+18", "18"), ("007", "7"), (".5", "0.50")),
        *(("$18", "18"), ("18 dollars", "$18"), ("US$ 18", "18"), ("Rs. 18", "18"), ("18 €", "18")),
        *(("5 km", "5"), ("5 km/h", "5"), ("5 m^2", "5"), ("5 m²", "5"), ("5 cm3", "5 cm")),
        *(("-$5", "-5"), ("$-5", "-5"), ("- 5", "-5"), ("\u22125", "-5"), ("(-5)", "-5")),
        *(("1/2", "0.5"), ("1 1/2", "1.5"), ("1½ cups", "3/2"), ("\\frac12", "1/2"), ("½", ".5")),
        *(("-\\frac{1}{2}", "-0.5"), ("$2\\frac{3}{4}$", "2.75"), ("\\dfrac{6}{3}", "2")),
        *(("\\boxed{18}", "18"), ("$\\boxed{\\text{18 km}}$", "18"), ("\\(18\\)", "18")),
        *(("\\$1{,}000", "1000"), ("50\\%", "50"), ("18\\,\\text{dollars}", "18")),
        *(("50%", "50"), ("50%", "0.5"), ("0.5", "50%"), ("50 percent", "50 %"), ("50", "50%")),
        *(("5 million", "5000000"), ("1.5 thousand people", "1,500"), ("1e3", "1000")),
        *(("**18**", "18"), ("18.", "18"), ("#### 18", "18"), ("The answer is 18.", "18")),
        *(("x = 18", "18"), ("3 * 6 = 18 dollars", "18"), ("18 (or $18.00)", "18")),
        *(("about 18", "18"), ("an 18-year-old", "18"), ("the 3rd", "3"), ("\uff11\uff18", "18")),
    ],
)
def test_ways_to_write_a_number(text: str, gold: str) -> None:
    assert right(text, gold)


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        *(("1.000", "1000"), ("0.33", "1/3"), ("5", "-5"), ("50%", "5"), ("0.5%", "50%")),
        *(("5 million", "5"), ("1/2", "12"), ("1 1/2", "11/2"), ("10²", "102"), ("18", "five")),
    ],
)
def test_what_only_looks_alike_is_wrong(text: str, gold: str) -> None:
    assert not right(text, gold)


@pytest.mark.parametrize(
    "text",
    [
        *("18, no wait: 20", "18 or 20", "5 to 6 km", "2 hours 30 minutes", "10:30", "12:12"),
        *("1,2", "1234,567", "1.000,50", "1 000", "3.5.2", "18+", "~", "1e400", "eighteen"),
        *("more than 18", "at least 18", "not 18", "minus 18", "18 or more", "> 18", "H2O"),
        *("", "...", "-", "\\boxed{}", "2x + 1", "sin(1)", "\u221e", "5 / 0 km", "1" * 300),
    ],
)
def test_what_is_no_one_number(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *("x=5, y=6", "x = 5 or x = 6", "18, no wait = 20", "18 (or 9+11=20)", "5=6", "2x = 10"),
        *("not 18 but x=20", "x <= 5", "x != 5", "x \u2260 5", "x \\neq y = 5", "at least x = 18"),
        *("9 + 11 = 21", "9 + 11 = 20, then 20 + 5 = 25", "10/3 \u2248 3.33", "18 = 20 dollars"),
        *("36 items - 4 items = 36 items", "=> 18", "x => 18", "6 or 3 = 9"),
    ],
)
def test_an_equation_whose_sides_differ_is_no_number(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        *(
            ("9 + 11 = 20", "20"),
            ("3*4 = 12", "12"),
            ("3 x 4 = 12 cm", "12"),
            *(
                ("18 = 18.0", "18.0"),
                ("20 chairs - 2 chairs = 18 chairs", "18"),
                ("=> x = 18", "18"),
            ),
            *(("6 packs x $3 = $18", "18"), ("2 feet * 4 feet = 8 square feet", "8")),
        ),
        *(("total = 18", "18"), ("the total cost = $18", "18"), ("**x** = 18", "18")),
        *(("x_1 = 18", "18"), ("\\theta = 30", "30"), ("Tom's total: x = 18", "18")),
        *(("x = 9 + 11 = 20", "20"), ("1,000 + 500 = $1,500", "1,500"), ("10 - 4 = 6", "6")),
        *(("So, 3 * 6 = 18", "18"), ("x = 2\\sqrt{3}", "2\\sqrt{3}"), ("50% = 0.5", "0.5")),
        *(
            ("x \u2248 3.14", "3.14"),
            ("3 * 4 = 2 * 6", "2 * 6"),
            ("(x = 18)", "18"),
            *(
                ("18 = 18.0", "18.0"),
                ("20 chairs - 2 chairs = 18 chairs", "18"),
                ("=> x = 18", "18"),
            ),
            *(("6 packs x $3 = $18", "18"), ("2 feet * 4 feet = 8 square feet", "8")),
        ),
    ],
)
def test_of_an_equation_the_last_side_counts_if_the_others_agree(text: str, wanted: str) -> None:
    assert read(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        *("$10K", "10k", "10 k", "$5M", "5M", "$5 m", "$5m", "5bn", "\u20ac5 bn", "2 dozen"),
        *("2 dozens of eggs", "5million", "5-million", "5 millions", "5 hundred thousand"),
        *("5 lakh", "3 crore rupees", "3 * 10k", "1,000k"),
    ],
)
def test_a_scale_that_is_not_understood_is_no_unit(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize("text", ["5 m", "5m", "$5$ m", "$5 \\text{ m}$", "5 km", "5 kg", "5 men"])
def test_a_unit_that_begins_like_a_scale_is_one(text: str) -> None:
    assert read(text) == "5"


@pytest.mark.parametrize(
    "text", ["5-6", "5 - 6 km", "5\u20136", "(5-6)", "$5-$6", "1.5-2.5", "2023-05-01", "555-0123"]
)
def test_a_range_or_a_date_is_no_difference(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("$1,000.00", "1,000.00"),
        ("18 km", "18"),
        ("2 1/2 cups", "2 1/2"),
        ("5 Million", "5 Million"),
    ],
)
def test_the_canonical_answer_is_the_number_as_written(text: str, wanted: str) -> None:
    assert read(text) == wanted


@pytest.mark.parametrize("text", ["18", "-5", "$1,000", "50%", "1/2", ".5", "1 1/2", "3 million"])
def test_bare_numbers(text: str) -> None:
    assert is_number(text)


@pytest.mark.parametrize("text", ["18 km", "in 1905", "two", "", "1-2", "2 pi", "1/0", "a 5"])
def test_what_more_than_a_number_is_no_bare_one(text: str) -> None:
    assert not is_number(text)


@pytest.mark.parametrize(
    "text",
    ["++2", "18\\sqrt", "\u00b3", "1/0", "2 *- 3 /", "3 0/", "(2)3", "1/(2-2)", "\\sqrt{-4}"],
)
def test_what_has_no_value_is_not_read(text: str) -> None:
    assert read(text) is None


SIGNS = (
    r"0 1 2 18 1,000 0.5 + - * / ^ ( ) { } \sqrt \sqrt{ \frac{1}{ \pi \boxed{ \text{ $ % = . : ; "
    "! , x k km million dozen not e \u00b3 \u00bd \u00d7 \u2013 \u221a \u03c0 \u2248 \uff11"
)
MATHEMATICS = st.lists(st.sampled_from([*SIGNS.split(), " "]), max_size=9).map("".join)


@given(MATHEMATICS)
def test_what_is_read_is_read_as_itself(text: str) -> None:
    answer = read(text)
    assert answer is None or read(answer) == answer


@given(MATHEMATICS)
def test_what_is_read_is_the_same_as_itself(text: str) -> None:
    answer = read(text)
    assert answer is None or NUMBER.same(SAMPLE, answer, answer)


DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9))


@given(DECIMALS, st.sampled_from(["{}", "${}", "{} km", "**{}**", "\\boxed{{{}}}", "x = {}."]))
def test_a_number_is_right_however_it_stands_and_the_next_one_is_wrong(
    value: Decimal, form: str
) -> None:
    for written in (f"{value}", f"{value:,}"):
        assert right(form.format(written), str(value))
        assert not right(form.format(written), str(value + 1))


@given(st.fractions(max_denominator=999))
def test_fractions_are_compared_exactly(value: Fraction) -> None:
    sign = "-" * (value < 0)
    latex = f"{sign}\\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"
    assert right(latex, str(value))
    assert right(str(value), latex)
    assert not right(latex, str(value + Fraction(1, 1000)))


def test_a_test_set_of_plain_numbers_is_graded_in_no_time() -> None:
    answers = [f"${n:,}.00 a day" for n in range(1319)]
    start = time.perf_counter()
    assert all(right(answer, str(n)) for n, answer in enumerate(answers))
    assert time.perf_counter() - start < 5  # 0.3 s on an idle core
