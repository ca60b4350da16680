import pytest
from hypothesis import given
from hypothesis import strategies as st

from elad_exp.teachers.tokens import TOKENIZER, count_tokens, cut


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("", 0),
        (" \n\t", 0),
        ("four", 1),
        ("fives", 2),
        ("Is it so?", 4),
        ("12345678", 2),
        ("größe", 2),
        ("世界", 1),
        ("a-b", 3),
    ],
)
def test_the_count_is_pinned(text, n):
    assert TOKENIZER == "regex-v1"
    assert count_tokens(text) == n


@given(st.text(), st.integers(0, 30))
def test_cut_keeps_a_prefix_of_at_most_n_tokens(text, n):
    kept = cut(text, n)
    assert text.startswith(kept)
    assert count_tokens(kept) == min(n, count_tokens(text))


@given(st.text(), st.text())
def test_lines_are_counted_apart(one, other):
    assert count_tokens(f"{one}\n{other}") == count_tokens(one) + count_tokens(other)
