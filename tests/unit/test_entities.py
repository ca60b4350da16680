"""Spans, their canonical answer, tags of tokens, and quoted mentions."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elad_exp.entities import (
    TOKENS,
    Span,
    from_answer,
    located,
    mentions,
    problem_of,
    spans_of_tags,
    tags_of_spans,
    to_answer,
    tokens,
)
from elad_exp.errors import DataError

TEXT = "Ada Lovelace died in London ."
SPANS = (Span("PER", 0, 12), Span("LOC", 21, 27))
ANSWER = '[["PER",0,12],["LOC",21,27]]'
TAGS = ["B-PER", "I-PER", "O", "O", "B-LOC", "O"]
WAYS = st.sampled_from(TOKENS)
TEXTS = st.text(st.sampled_from("ab é京.;；：“”-' \n\u3000"), max_size=40)


@st.composite
def marked(draw: st.DrawFn) -> tuple[str, str, tuple[Span, ...]]:
    """A text, how it is cut, and spans of it."""
    text, by = draw(TEXTS), draw(WAYS)
    places = tokens(text, by)
    tags, before = [], "O"
    for _ in places:
        kinds = ["O", "B-PER", "B-LOC"] + ([f"I-{before[2:]}"] if before != "O" else [])
        before = draw(st.sampled_from(kinds))
        tags.append(before)
    return text, by, spans_of_tags(tags, places)


def test_the_example_of_the_module() -> None:
    places = tokens(TEXT)
    assert [TEXT[start:end] for start, end in places] == TEXT.split()
    assert spans_of_tags(TAGS, places) == SPANS
    assert tags_of_spans(SPANS, places) == TAGS
    assert to_answer(reversed(SPANS)) == ANSWER
    assert from_answer(ANSWER) == SPANS
    assert from_answer(to_answer(())) == ()
    assert mentions(TEXT, SPANS) == [("Ada Lovelace", "PER"), ("London", "LOC")]


@pytest.mark.parametrize(
    ("by", "wanted"),
    [
        ("spaces", ["U.S.", "banks,", "北京"]),
        ("marks", ["U", ".", "S", ".", "banks", ",", "北京"]),
        ("characters", [*"U.S.banks,北京"]),
    ],
)
def test_ways_to_cut_a_text(by: str, wanted: list[str]) -> None:
    text = "U.S. banks,\u3000北京"
    assert [text[start:end] for start, end in tokens(text, by)] == wanted


@given(TEXTS, WAYS)
def test_tokens_are_all_of_a_text_but_its_white_space(text: str, by: str) -> None:
    places = tokens(text, by)
    assert "".join(text[start:end] for start, end in places) == re.sub(r"\s", "", text)
    assert places == sorted(places)


@given(marked())
def test_spans_come_back_from_tags_and_from_the_answer(
    case: tuple[str, str, tuple[Span, ...]],
) -> None:
    text, by, spans = case
    places = tokens(text, by)
    assert spans_of_tags(tags_of_spans(spans, places), places) == spans
    assert from_answer(to_answer(spans)) == spans
    assert problem_of(text, spans, by) == ""


@given(marked())
def test_quoted_spans_are_found_with_their_texts_and_types(
    case: tuple[str, str, tuple[Span, ...]],
) -> None:
    text, by, spans = case
    found = located(text, mentions(text, spans), by)
    assert problem_of(text, found.spans, by) == ""
    if not found.problems:
        quoted = [(m.split(), kind) for m, kind in mentions(text, spans)]
        again = [(m.split(), kind) for m, kind in mentions(text, found.spans)]
        assert sorted(quoted) == sorted(again)


@given(st.integers(1, 12), st.data())
def test_spans_of_a_text_without_repeated_words_are_found_exactly(
    n: int, data: st.DataObject
) -> None:
    text = " ".join(f"w{i}" for i in range(n))
    places = tokens(text)
    cuts = sorted(data.draw(st.sets(st.integers(0, n), max_size=n)))
    pairs = list(zip(cuts[::2], cuts[1::2], strict=False))
    spans = tuple(Span("X", places[a][0], places[b - 1][1]) for a, b in pairs)
    assert located(text, mentions(text, spans)).spans == spans
    shuffled = data.draw(st.permutations(mentions(text, spans)))
    assert located(text, shuffled).spans == spans


@given(TEXTS, st.lists(st.tuples(TEXTS, st.sampled_from(["A", "B"])), max_size=5), WAYS)
def test_any_mentions_are_located_or_explained(
    text: str, quoted: list[tuple[str, str]], by: str
) -> None:
    found = located(text, quoted, by)
    assert len(found.spans) + len(found.problems) == len(quoted)
    assert problem_of(text, found.spans, by) == ""


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        (["I-PER", "O", "O"], "tag 1 is 'I-PER' after 'O': in BIO2 it follows B-PER or I-PER"),
        (["O", "B-PER", "I-LOC"], "tag 3 is 'I-LOC' after 'B-PER'"),
        (["B-PER", "O", "I-PER"], "tag 3 is 'I-PER' after 'O'"),
        (["O", "S-PER", "O"], "tag 2 is 'S-PER'; BIO2 has O, B-TYPE and I-TYPE"),
        (["O", "B-", "O"], "tag 2 is 'B-'"),
        (["O", "O", 3], "tag 3 is 3"),
        (["O", "B-A B", "O"], "entity type 'A B' must be one word"),
        (["O", "O"], "3 tokens have 2 tags"),
    ],
)
def test_tags_that_are_not_bio2_are_named_with_their_position(tags: list[str], reason: str) -> None:
    with pytest.raises(DataError, match=re.escape(reason)):
        spans_of_tags(tags, tokens("a b c"))


@pytest.mark.parametrize(
    ("spans", "reason"),
    [
        ((Span("PER", 0, 5),), "span PER from 0 to 5 cuts the token from 4 to 12"),
        ((Span("PER", 3, 4),), "span PER from 3 to 4 holds no token"),
        ((Span("PER", 0, 12), Span("X", 4, 12)), "span X from 4 to 12 overlaps another"),
    ],
)
def test_spans_that_have_no_tags_are_named(spans: tuple[Span, ...], reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        tags_of_spans(spans, tokens(TEXT))


@pytest.mark.parametrize(
    ("spans", "reason"),
    [
        ((Span("PER", 0, 99),), "PER from 0 to 99 is no part of a text of 29 characters"),
        ((Span("PER", 5, 5),), "PER from 5 to 5 is no part"),
        ((Span("PER", 0, 13),), "'Ada Lovelace ', does not begin and end with a token"),
        (
            (Span("X", 0, 12), Span("Y", 4, 17)),
            "'Ada Lovelace' (X) and 'Lovelace died' (Y) overlap",
        ),
    ],
)
def test_spans_that_cannot_be_are_named(spans: tuple[Span, ...], reason: str) -> None:
    assert reason in problem_of(TEXT, spans)


@pytest.mark.parametrize(
    "answer",
    ["", "PER", "{}", "[1]", '[["PER",0]]', '[["PER",0,true]]', '[["PER","0",1]]', "[" * 9],
)
def test_what_is_no_canonical_answer_is_refused(answer: str) -> None:
    with pytest.raises(DataError, match="is no list of"):
        from_answer(answer)


def places_of(text: str, *quoted: str, by: str = "spaces") -> list[int]:
    found = located(text, [(mention, "X") for mention in quoted], by)
    assert found.problems == ()
    return [span.start for span in found.spans]


def test_a_mention_takes_the_next_free_occurrence() -> None:
    text = "Paris Hilton left Paris for Paris"
    assert places_of(text, "Paris Hilton", "Paris") == [0, 18]
    assert places_of(text, "Paris", "Paris") == [0, 18]
    assert places_of(text, "left", "Paris") == [13, 18]
    assert places_of(text, "for", "Paris", "Paris") == [0, 24, 28]  # none is free after the last
    assert places_of("a b a", "b", "a") == [2, 4]


def test_only_whole_tokens_are_found() -> None:
    assert places_of("USA or US", "US") == [7]
    assert places_of("He left London.", "London", by="marks") == [8]
    assert places_of("在北京大学", "北京", by="characters") == [1]
    assert places_of("New\n York", "New York") == [0]


@pytest.mark.parametrize(
    ("quoted", "problem"),
    [
        (["Oslo"], "'Oslo' (X) does not stand in the text"),
        ([" "], "' ' (X) does not stand in the text"),
        (["Hil"], "'Hil' (X) stands only inside longer tokens of the text"),
        (["Paris", "Paris"], "is quoted more often than it stands in the text (1 time)"),
        (["Paris Hilton", "Hilton"], "'Hilton' (X) lies inside 'Paris Hilton' (X)"),
        (["Hilton", "Paris Hilton"], "'Paris Hilton' (X) has 'Hilton' (X) inside it"),
        (["Paris Hilton", "Hilton slept"], "'Hilton slept' (X) overlaps 'Paris Hilton' (X)"),
    ],
)
def test_a_mention_that_cannot_be_placed_is_explained(quoted: list[str], problem: str) -> None:
    found = located("Paris Hilton slept", [(mention, "X") for mention in quoted])
    assert len(found.spans) == len(quoted) - 1
    assert len(found.problems) == 1
    assert problem in found.problems[0]
