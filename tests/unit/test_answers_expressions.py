"""Expressions: their values are compared, and no text takes long."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elad_exp.tasks import expressions
from elad_exp.tasks.number import Number
from elad_exp.types import Sample

SAMPLE = Sample("s", "How many?")
NUMBER = Number()
LIMIT_S = 20
"""Seconds; what cannot be bounded takes hours. A text takes up to one on a core of its own."""


@pytest.fixture(autouse=True, scope="module")
def _imported() -> None:
    expressions.same("1 + 1", "2")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("3 * 4", "12"), ("3 \u00d7 4", "12"), ("3\\times4", "12"), ("7 - 2*3", "1")),
        *(("2\\sqrt{3}", "\\sqrt{12}"), ("2\u221a3", "sqrt(12)"), ("\\sqrt{16}", "4")),
        *(("2^10", "1024"), ("2**{10}", "1024"), ("10\u00b2", "100"), ("5 \\cdot 10^{3}", "5000")),
        *(("\\frac{\\pi}{2}", "pi/2"), ("2 pi", "6.283185"), ("\\frac{1+2}{4}", "75%")),
        *(("\\sqrt{0\\pi}", "0"), ("2\\pi(9)^{-1}", "2 pi/9")),
        *(("(1 + 2)/3 km", "1"), ("2(3+4)", "14"), ("1/2 + 1/3", "5/6"), ("8^(1/3)", "2")),
    ],
)
def test_equal_values(one: str, other: str) -> None:
    for answer, gold in ((one, other), (other, one)):
        read = NUMBER.read(SAMPLE, answer)
        assert read is not None
        assert NUMBER.same(SAMPLE, read, gold)


def test_products_with_zero_have_a_value() -> None:
    for factor in range(100):
        assert expressions.same(f"{factor} * 0", f"0*{factor}")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("3 * 4", "13"), ("2\\sqrt{3}", "3.46"), ("2^10", "1023"), ("\\pi", "3.14")),
        *(("1/0", "1/0"), ("0/0", "0/0"), ("\\sqrt{-1}", "\\sqrt{-1}"), ("2 +", "2")),
        *(("0.0^{-3}", "0.5"), ("0.0^{99}0.0", "1/3"), ("0.0\\div0", "1"), ("{1}{2}", "{1}")),
    ],
)
def test_other_values_and_those_that_are_none(one: str, other: str) -> None:
    assert not expressions.same(one, other)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "9^9^9^9",
            "9**9**9",
            "9^{9^9}",
            "(9^9)^{99}",
            "2^{1000}",
            "9^99*9^99",
            "2^{0.5}",
            "9^(99*99*99)",
            "9^{9}^{9}",
            "((9^9))^{12}",
            "9^{9+99}",
        ),
        *(
            "99999999999999999999!",
            "100!!",
            "1" * 1000,
            "1+" * 500 + "1",
        ),
        *("\\sqrt{" * 20 + "2" + "}" * 20, "\\sqrt[99999]{2}", "10^{-999999999}", "1e999999999"),
        *("\\int_0^1 x", "\\sum_{n=1}^{999999999} n", "x^2 + y^2", "__import__('os').getpid()"),
        *("lambda: 0", "\\input{/etc/passwd}", "{}", "()", "^", "\\", "\\frac", "1 2 3 * 4"),
        *(
            "+2",
            "*2",
            "/2",
            "^3",
            "2 --",
            "2 * / 3",
            "18\\sqrt",
            "(2)3",
            "{2}",
            "()2",
            "1/0",
            "1/(2-2)",
        ),
    ],
)
def test_what_could_take_long_or_is_no_arithmetic_is_refused_at_once(text: str) -> None:
    start = time.perf_counter()
    assert expressions.written(text) is None
    assert not expressions.same(text, text)
    assert not NUMBER.same(SAMPLE, text, "1")
    assert time.perf_counter() - start < 1


SIGNS = (
    r"0 0.0 1 2 9 99 999999999999 0.5 + - * / ^ ^2 ^{99} ^{-99} ( ) { } \sqrt{ \frac{ }{ \pi sqrt( "
    r"\cdot \times ! = % x , . \boxed{ \left( \right) $ km"
)
ATOMS = st.sampled_from(SIGNS.split())


@settings(deadline=LIMIT_S * 1000, max_examples=60)
@given(st.lists(ATOMS, max_size=14).map("".join), st.lists(ATOMS, max_size=6).map(" ".join))
def test_no_text_made_of_mathematics_fails_or_takes_long(one: str, other: str) -> None:
    NUMBER.same(SAMPLE, one, other)
    expressions.same(one, other)


def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def form(shape: str) -> st.SearchStrategy[str]:
        return st.tuples(inner, inner).map(lambda parts: shape.format(*parts))

    return st.sampled_from(
        [
            *(r"\sqrt{{{0}}}", r"\frac{{{0}}}{{{1}}}", "({0})^{{99}}", "({0})^(1/3)"),
            *("({0}+{1})", "({0}-{1})", "{0}*{1}", "({0}/{1})"),
        ]
    ).flatmap(form)


LEAVES = st.sampled_from(["1", "2", "99", "999999999989", "0.5", "3.14159", r"\pi"])
VALUES = st.recursive(LEAVES, nested, max_leaves=6).filter(lambda x: expressions.written(x) == x)


@settings(deadline=LIMIT_S * 1000, max_examples=25)
@given(VALUES, VALUES)
def test_the_largest_that_is_let_through_takes_no_long_either(one: str, other: str) -> None:
    expressions.same(one, other)


@given(st.text(max_size=60))
def test_no_text_fails(text: str) -> None:
    NUMBER.same(SAMPLE, text, "1")
    expressions.written(text)


def test_neither_signals_nor_threads_nor_logs_matter(
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a signal was asked for")

    for name in ("signal", "alarm", "setitimer"):
        monkeypatch.setattr(signal, name, refuse)
    found: list[bool] = []
    with caplog.at_level(logging.DEBUG):
        thread = threading.Thread(target=lambda: found.append(expressions.same("4 * 5", "20")))
        thread.start()
        thread.join()
        assert not expressions.same(")(1", "\\frac{1}1}")
    assert found == [True]
    assert expressions.same("4 * 5 + 1", "21")
    printed = capfd.readouterr()
    assert (printed.out, printed.err, caplog.text) == ("", "", "")


def test_plain_numbers_need_no_symbolic_mathematics() -> None:
    code = (
        "import sys; from elad_exp.tasks.number import Number; from elad_exp.types import Sample\n"
        "n, s = Number(), Sample('s', '?')\n"
        "assert n.same(s, n.read(s, '$1,000'), '1000.0') and not n.same(s, '1', '2')\n"
        "assert n.read(s, '3 * 4') == '3 * 4'\n"
        "assert not {'sympy', 'math_verify'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
