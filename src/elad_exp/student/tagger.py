"""An encoder that tags the tokens of a text (BIO2), and what that says about its entities."""

from __future__ import annotations

from collections.abc import Sequence
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
        tags = [OUTSIDE if p is None else self.tags[drawn[p]] for p in pieces]
        known = [p for p in pieces if p is not None]
        sure = float(np.mean([logp[p, drawn[p]] for p in known])) if known else 0.0
        answer = to_answer(spans_of_tags(begun(tags), places))
        return Explanation((), answer, logprob=sure)


def begun(tags: Sequence[str]) -> list[str]:
    """BIO2 out of what a model says: an `I-X` that goes on with no X begins one."""
    found, before = [], OUTSIDE
    for tag in tags:
        begins = tag.startswith("I-") and before[2:] != tag[2:]
        found.append(f"B-{tag[2:]}" if begins else tag)
        before = tag
    return found
