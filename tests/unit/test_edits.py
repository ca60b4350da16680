"""Edits of texts by program: what they change, and that entities stay where they can be found."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elad_exp.entities import Span, mentions, problem_of, tokens
from elad_exp.errors import DataError
from elad_exp.teachers.lessons.eda import words
from elad_exp.teachers.lessons.edits import (
    Operation,
    cut,
    deleted,
    inserted,
    joined,
    replaced,
    swapped,
    variants,
)
from elad_exp.teachers.lessons.synonyms import read_synonyms

TEXT = 'Ada Lane sells fresh fish, in "Upper Keld", at six o\'clock.'
SPANS = (Span("PERSON", 0, 8), Span("TOWN", 31, 41))
SYNONYMS = {"fish": ("herring", "sea food"), "fresh": ("new",), "ada": ("Eve",)}


def edited(operation: Operation, *, alpha: float = 0.1, synonyms: Any = SYNONYMS) -> set[str]:
    """Everything that an operation made of the text; its entities are looked after."""
    pieces = cut(TEXT, tokens(TEXT, "marks"), SPANS)
    assert joined(pieces) == (TEXT, SPANS)
    found = set()
    for seed in range(60):
        text, spans = joined(operation(pieces, alpha, synonyms, np.random.default_rng(seed)))
        assert mentions(text, spans) == mentions(TEXT, SPANS)
        assert problem_of(text, spans, "marks") == ""
        found.add(text)
    return found


def test_words_are_replaced_by_synonyms_outside_of_entities() -> None:
    assert edited(replaced) == {
        TEXT.replace("fresh", "new"),
        TEXT.replace("fish", "herring"),
        TEXT.replace("fish", "sea food"),
    }
    assert edited(replaced, synonyms={}) == {TEXT}
    both = cut("Fish and fish", tokens("Fish and fish"))
    found = joined(replaced(both, 0.1, {"fish": ("cod",)}, np.random.default_rng(0)))
    assert found == ("Cod and cod", ())


def test_words_are_inserted_where_there_is_a_space() -> None:
    found = edited(inserted, synonyms={"fish": ("herring",)})
    assert len(found) > 5
    assert all(text.split().count("herring") == 1 for text in found)
    assert all(" ".join(text.replace("herring", " ").split()) == TEXT for text in found)
    without = edited(inserted, synonyms={})
    assert {
        sum((Counter(words_of(text)) - Counter(words_of(TEXT))).values()) for text in without
    } == {1}
    assert all(set(words_of(text)) == set(words_of(TEXT)) for text in without)


def words_of(text: str) -> list[str]:
    return [text[a:b] for a, b in tokens(text, "marks")]


def test_words_change_places() -> None:
    found = edited(swapped) - {TEXT}
    assert len(found) > 10
    assert all(sorted(words_of(text)) == sorted(words_of(TEXT)) for text in found)


def test_words_are_deleted_and_one_is_left() -> None:
    assert all(len(words_of(text)) < len(words_of(TEXT)) for text in edited(deleted))
    for text in edited(deleted, alpha=1.0):
        assert sum(word.isalnum() for word in words_of(text)) == 1 + 4  # and those of entities
    alone = cut("Fish.", tokens("Fish.", "marks"))
    assert joined(deleted(alone, 1.0, {}, np.random.default_rng(0))) == ("Fish.", ())


@pytest.mark.parametrize(("alpha", "least", "most"), [(0.01, 1, 1), (0.3, 3, 3)])
def test_alpha_is_the_share_of_words(alpha: float, least: int, most: int) -> None:
    text = "one two three four five six seven eight nine ten"
    pieces = cut(text, tokens(text))
    for seed in range(20):
        new, _ = joined(inserted(pieces, alpha, {}, np.random.default_rng(seed)))
        assert least <= len(new.split()) - 10 <= most


def test_variants_differ_and_use_every_operation() -> None:
    pieces = cut(TEXT, tokens(TEXT, "marks"), SPANS)

    def made(n: int, seed: int = 0) -> list[str]:
        rng = np.random.default_rng(seed)
        found = variants(pieces, n, alpha=0.1, synonyms=SYNONYMS, rng=rng)
        return [text for text, _ in found]

    found = made(16)
    assert len({*found, TEXT}) == 17
    sizes = Counter(np.sign(len(words_of(text)) - len(words_of(TEXT))) for text in found)
    assert set(sizes) == {-1, 0, 1}
    assert made(3) == found[:3]
    assert made(16, seed=1) != found
    assert variants(
        cut("Fish", [(0, 4)]), 5, alpha=0.1, synonyms={}, rng=np.random.default_rng(0)
    ) == [(text, ()) for text in ("fish Fish",)]


def test_chinese_is_edited_by_characters() -> None:
    text = "\u660e\u5929\u6709\u97f3\u4e50\u4f1a\uff0cAda Lane\u6f14\u51fa\u3002"
    assert [text[a:b] for a, b in words(text)] == [
        *"\u660e\u5929\u6709\u97f3\u4e50\u4f1a\uff0c",
        "Ada",
        "Lane",
        *"\u6f14\u51fa\u3002",
    ]
    pieces = cut(text, words(text))
    found = variants(pieces, 12, alpha=0.1, synonyms={}, rng=np.random.default_rng(0))
    assert len(found) == 12
    assert all(
        set(new.casefold()) <= set(text.casefold()) and new.count(" ") <= 1 for new, _ in found
    )
    spans = (Span("PERSON", 7, 15),)
    pieces = cut(text, tokens(text, "characters"), spans)
    for new, own in variants(pieces, 12, alpha=0.2, synonyms={}, rng=np.random.default_rng(1)):
        assert mentions(new, own) == [("Ada Lane", "PERSON")]
        assert problem_of(new, own, "characters") == ""


WORDS = st.sampled_from(["fish", "sings", "Ada", "12", ",", ".", '"', "-", "'", "\u9c7c", "_"])


@st.composite
def texts_with_entities(draw: st.DrawFn) -> tuple[str, tuple[Span, ...], str]:
    parts = draw(
        st.lists(st.tuples(WORDS, st.sampled_from(["", " ", "  "])), min_size=1, max_size=12)
    )
    text = "".join(word + gap for word, gap in parts)
    by = draw(st.sampled_from(["spaces", "marks", "characters"]))
    places = tokens(text, by)
    spans, place = [], 0
    while place < len(places):
        place += draw(st.integers(0, 3))
        length = draw(st.integers(1, 2))
        if place + length <= len(places) and draw(st.booleans()):
            spans.append(Span("X", places[place][0], places[place + length - 1][1]))
        place += length
    return text, tuple(spans), by


@given(texts_with_entities(), st.floats(0.05, 1.0), st.integers(0, 99))
def test_entities_stay_whatever_the_text(
    case: tuple[str, tuple[Span, ...], str], alpha: float, seed: int
) -> None:
    text, spans, by = case
    pieces = cut(text, tokens(text, by), spans)
    same, places = joined(pieces)
    assert same == text.strip()
    assert mentions(same, places) == mentions(text, spans)
    found = variants(pieces, 6, alpha=alpha, synonyms=SYNONYMS, rng=np.random.default_rng(seed))
    assert len({same, *(new for new, _ in found)}) == len(found) + 1
    for new, own in found:
        assert mentions(new, own) == mentions(text, spans)
        assert problem_of(new, own, by) == ""


def test_synonyms_are_read_from_groups(tmp_path: Path) -> None:
    path = tmp_path / "synonyms.txt"
    path.write_text(
        "# groups\n\nbig, Large, huge\nlarge,  wide open ,\nBig,grand\n", encoding="utf-8"
    )
    assert read_synonyms(str(path)) == {
        "big": ("Large", "huge", "grand"),
        "large": ("big", "huge", "wide open"),
        "huge": ("big", "Large"),
        "wide open": ("large",),
        "grand": ("Big",),
    }


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "no such file; name one, or null for none"),
        (b"big, large\nsmall\n", "line 2: 'small' is no group: give two words or more"),
        (b"# nothing\n", "there is no group of synonyms in it"),
        (b"gro\xdf, big\n", "not UTF-8 text"),
    ],
)
def test_files_that_are_none_of_synonyms(content: bytes | None, told: str, tmp_path: Path) -> None:
    path = tmp_path / "synonyms.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=told) as caught:
        read_synonyms(str(path))
    assert f"teacher.synonyms={path}" in str(caught.value)
