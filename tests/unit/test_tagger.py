"""Tags of tokens and of the pieces that a tokenizer makes of them."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from elad_exp.data.collate import IGNORE
from elad_exp.entities import Place, Span, spans_of_tags, tags_of_spans, to_answer, tokens
from elad_exp.protocols import Splits
from elad_exp.student.tagger import first_pieces, tag_set, tags_of_pieces, tags_of_words
from elad_exp.types import Gold, GoldBook
from tests.unit.label_toys import LabelToy, annotations, sample, taught
from tests.unit.test_encoder_student import tiny

words_and_pieces = st.lists(
    st.tuples(st.integers(0, 2), st.lists(st.integers(1, 3), max_size=3)), max_size=8
)


@given(words_and_pieces)
def test_first_pieces_are_those_that_begin_a_word(
    layout: list[tuple[int, list[int]]],
) -> None:
    """Words as gaps before them and lengths of their pieces; one without pieces was dropped."""
    at, words, offsets, expected = 0, [], [(0, 0)], []
    for gap, pieces in layout:
        at += gap
        start = at
        expected.append(len(offsets) if pieces else None)
        for length in pieces:
            offsets.append((at, at + length))
            at += length
        at += not pieces
        words.append((start, at))
    offsets.append((0, 0))
    assert first_pieces(offsets, words) == expected


shared_pieces = st.lists(
    st.tuples(st.integers(0, 1), st.integers(1, 5), st.sampled_from("AB.ab")), max_size=8
)


@given(shared_pieces)
def test_what_pieces_of_several_characters_learn_they_say(
    layout: list[tuple[int, int, str]],
) -> None:
    """Pieces as gaps before them, lengths, and an entity of A or B that begins (a, b: goes on)."""
    at, offsets, spans = 0, [(0, 0)], []
    for gap, length, kind in layout:
        at += gap
        begins = kind != "." and (kind.isupper() or not spans or spans[-1].type != kind.upper())
        if begins:
            spans.append(Span(kind.upper(), at, at + length))
        elif kind != "." and spans[-1].end == at:
            spans[-1] = Span(spans[-1].type, spans[-1].start, at + length)
        offsets.append((at, at + length))
        at += length
    text = "".join("x" if any(a <= i < b for a, b in offsets) else " " for i in range(at))
    places = tokens(text, "characters")
    pieces = first_pieces(offsets, places)
    assert pieces == [n for n, (a, b) in enumerate(offsets) for _ in range(a, b)]
    tags = tags_of_spans(spans, places)
    learnt = tags_of_pieces(pieces, tags)
    assert learnt == {
        n: next(t for t, p in zip(tags, places, strict=True) if p[0] == a)
        for n, (a, b) in enumerate(offsets)
        if a < b
    }
    assert spans_of_tags(tags_of_words(pieces, learnt), places) == tuple(spans)


class DatesToy(LabelToy):
    """Dates in Chinese, whose numbers are one word piece of several characters."""

    name = "dates toy"
    descriptions: Mapping[str, str] = {"DATE": "when it is"}
    rows = tuple((f"他 {year} 年 来", str(year)) for year in range(2001, 2009))

    def __init__(self) -> None:
        super().__init__(None)

    def load(self) -> Splits:
        pool = [sample(text) for text, _ in self.rows]
        spans = [Span("DATE", t.index(y), t.index(y) + len(y) + 2) for t, y in self.rows]
        gold = {s.id: Gold(to_answer([span])) for s, span in zip(pool, spans, strict=True)}
        return Splits(pool, pool, pool, GoldBook(gold), {})

    def tokens(self, text: str) -> list[Place]:
        return tokens(text, "characters")


def test_an_entity_of_shared_pieces_begins_once_and_is_found_whole() -> None:
    task = DatesToy()
    built = taught(tiny(task), task)
    [first, *_] = annotations(task)
    row = built.encoder(task, train_on="full").whole(first)
    assert row is not None
    marks = built.tokenizer.convert_ids_to_tokens(row.ids)
    assert marks[2] == "2001"
    assert [built.outputs[n] for n in row.labels if n != IGNORE][:3] == ["O", "B-DATE", "I-DATE"]
    pool, gold = task.load().pool, task.load().gold
    found = built.engine(task).explain(pool)
    assert [e[0].answer for e in found] == [gold[s.id].answer for s in pool]


def test_an_entity_that_was_not_begun_begins() -> None:
    said = dict(enumerate(["I-A", "I-A", "I-B", "O", "I-B", "B-B", "I-B"]))
    begun = ["B-A", "I-A", "B-B", "O", "B-B", "B-B", "I-B"]
    assert tags_of_words(list(said), said) == begun


def test_a_word_without_a_piece_is_outside() -> None:
    assert tags_of_words([None, 1, None, 2], {1: "B-A", 2: "I-A"}) == ["O", "B-A", "O", "B-A"]


def test_tags_of_types() -> None:
    assert tag_set(("A", "B")) == ("O", "B-A", "I-A", "B-B", "I-B")
