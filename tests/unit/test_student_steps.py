"""Which tokens wrote which step."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elad_exp.data.collate import target_ids
from elad_exp.student.steps import TokenTexts, with_uncertainty
from elad_exp.types import Explanation
from tests.unit.student_toys import TASK, sample, tiny

TOKENIZER = tiny()[1]
QUESTION = sample("Is Ana taller than Bo?")


def annotated(text: str) -> Explanation:
    """Each token's entropy is its line's number (from 0), its log-probability the negative."""
    ids = target_ids(TOKENIZER, [text])[0][:-1]
    found, ends = TokenTexts(TOKENIZER).spans(ids)
    assert found == text
    starts = [0, *ends[:-1]]
    line = [float(text[:s].count("\n")) for s in starts]
    return with_uncertainty(
        TASK.parse(QUESTION, text), text, ends, logprobs=[-x for x in line], entropies=line
    )


@given(st.text(max_size=40))
def test_token_ends_rise_to_the_length_of_the_text(text: str) -> None:
    ids = target_ids(TOKENIZER, [text])[0][:-1]
    found, ends = TokenTexts(TOKENIZER).spans(ids)
    assert found == text
    assert all(a <= b for a, b in pairwise(ends))
    assert len(ends) == len(ids)
    assert not ends or ends[-1] == len(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ana measures 3 feet.\nBo measures 17 feet.\nAnswer: no", [0.0, 1.0]),
        ("\nfirst\n\n  second   one \nAnswer: no", [1.0, 3.0]),
        ("Anaïs misst 3 Fuß 漢字.\nBø 🙂 too.\nAnswer: no", [0.0, 1.0]),
        ("yes\nAnswer: yes\nyes\nAnswer: no", [0.0, 2.0]),
        ("same\nsame\nno answer", [0.0, 1.0, 2.0]),
    ],
)
def test_a_step_owns_the_tokens_of_its_line(text: str, expected: list[float]) -> None:
    steps = annotated(text).steps
    assert [s.entropy for s in steps] == expected
    assert [s.logprob for s in steps] == [-x for x in expected]


def test_means_are_over_the_tokens_line_break_included() -> None:
    text, ends = "ab\nc", [1, 2, 3, 4]
    found = with_uncertainty(
        Explanation.of(["ab", "c"], None), text, ends, logprobs=[-1, -2, -6, -4], entropies=[1] * 4
    )
    assert [s.logprob for s in found.steps] == [-3.0, -4.0]


def test_a_step_that_stands_nowhere_in_the_text_has_no_numbers() -> None:
    found = with_uncertainty(
        Explanation.of(["unseen", "b"], None), "a\nb", [2, 3], logprobs=[-1, -2], entropies=[1, 2]
    )
    assert [s.entropy for s in found.steps] == [None, 2.0]


def test_a_step_inside_a_numbered_line_is_found() -> None:
    found = with_uncertainty(
        Explanation.of(["first", "second"], None),
        "1. first\n2. second",
        [9, 18],
        logprobs=[-1, -2],
        entropies=[1, 2],
    )
    assert [s.entropy for s in found.steps] == [1.0, 2.0]


def test_nothing_generated_is_no_explanation() -> None:
    found = annotated("")
    assert found.steps == ()
    assert found.answer is None
