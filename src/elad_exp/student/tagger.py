"""An encoder that tags the tokens of a text (BIO2), and what that says about its entities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from elad_exp.entities import spans_of_tags, to_answer
from elad_exp.protocols import SpanTask
from elad_exp.student.encoder import EncoderEngine
from elad_exp.types import Explanation, Sample

OUTSIDE = "O"


def tag_set(types: Sequence[str]) -> tuple[str, ...]:
    """All tags of BIO2 over entity types, in the order of the model's outputs."""
    return (OUTSIDE, *(f"{part}-{kind}" for kind in types for part in "BI"))


def first_pieces(
    offsets: Sequence[tuple[int, int]], words: Sequence[tuple[int, int]]
) -> list[int | None]:
    """For each word the number of its first piece; None where the tokenizer has dropped it.

    Words that are characters may share one: "2008" is a piece of "2008年".

    Args:
        offsets: Of the pieces in the text, in order; (0, 0) for special tokens.
        words: Begin and end of the words in the text, in order and apart.
    """
    found: list[int | None] = [None] * len(words)
    piece = 0
    for n, (start, end) in enumerate(words):
        while piece < len(offsets) and (
            offsets[piece][0] == offsets[piece][1] or offsets[piece][1] <= start
        ):
            piece += 1
        if piece < len(offsets) and offsets[piece][0] < end:
            found[n] = piece
    return found


def tags_of_pieces(pieces: Sequence[int | None], tags: Sequence[str]) -> dict[int, str]:
    """The tag of each piece that begins a word: of the words that share it the first one's.

    Args:
        pieces: See `first_pieces`.
        tags: Of the words.
    """
    found: dict[int, str] = {}
    for piece, tag in zip(pieces, tags, strict=True):
        if piece is not None:
            found.setdefault(piece, tag)
    return found


def tags_of_words(pieces: Sequence[int | None], said: Mapping[int, str]) -> list[str]:
    """BIO2 of words from the tags of pieces: within a piece what was begun goes on.

    An `I-X` that goes on with no X begins one.

    Args:
        pieces: See `first_pieces`; a word without a piece is outside of entities.
        said: The tag of each of these pieces.
    """
    tags: list[str] = []
    before, last = OUTSIDE, None
    for piece in pieces:
        tag = OUTSIDE if piece is None else said[piece]
        if tag != OUTSIDE:
            goes_on = piece == last or (tag[0] == "I" and before[2:] == tag[2:])
            tag = f"{'I' if goes_on else 'B'}-{tag[2:]}"
        tags.append(tag)
        before, last = tag, piece
    return tags


class TaggerEngine(EncoderEngine):
    """A tag for every token of a text; a token's first piece decides."""

    task: SpanTask

    def __init__(self, *given: Any, **settings: Any) -> None:
        super().__init__(*given, **settings)
        self.tags = tag_set(tuple(self.task.descriptions))

    def text(self, sample: Sample) -> str:
        return sample.question

    def _kept(self, logp: Any, length: int) -> Any:
        return logp[:length]

    def _answer(self, sample: Sample, logp: Any, drawn: Any) -> Explanation:
        found = self.tokenizer(
            sample.question, split_special_tokens=True, return_offsets_mapping=True
        )
        places = self.task.tokens(sample.question)
        pieces = first_pieces(found.offset_mapping, places)
        known = [p for p in pieces if p is not None]
        sure = float(np.mean([logp[p, drawn[p]] for p in known])) if known else 0.0
        tags = tags_of_words(pieces, {p: self.tags[drawn[p]] for p in known})
        answer = to_answer(spans_of_tags(tags, places))
        return Explanation((), answer, logprob=sure)
