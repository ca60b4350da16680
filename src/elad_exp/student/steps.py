"""From tokens to steps: which tokens wrote which step, and how uncertain they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

from elad_exp.types import Explanation


class TokenTexts:
    """Where in a decoded text each token ends."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._pieces: dict[int, str] = {}

    def _decode(self, ids: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(
            ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text

    def spans(self, ids: Sequence[int]) -> tuple[str, list[int]]:
        """The text of `ids`, and for each token the number of characters up to its end.

        A token that holds only some bytes of a character ends where that character begins or,
        as the last of them, ends.
        """
        text = self._decode(ids)
        for token in set(ids) - self._pieces.keys():
            self._pieces[token] = self._decode([token])
        pieces = [self._pieces[token] for token in ids]
        if "".join(pieces) == text:
            return text, list(accumulate(map(len, pieces)))
        # Pieces that are parts of a character, or of SentencePiece, whose words lose their space
        # alone: decode every prefix, which is slow.
        prefixes = (self._decode(ids[: i + 1]) for i in range(len(ids)))
        ends = [_common_length(prefix, text) for prefix in prefixes]
        return text, list(accumulate(ends, max))


def _common_length(a: str, b: str) -> int:
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return i
    return min(len(a), len(b))


def with_uncertainty(
    explanation: Explanation,
    text: str,
    ends: Sequence[int],
    *,
    logprobs: Sequence[float],
    entropies: Sequence[float],
    begin: int = 0,
) -> Explanation:
    """`explanation` with the mean log-probability and entropy (nats) of each step's tokens, and
    the mean log-probability of all.

    A step owns the tokens that begin in its line, line break included: whether to go on is part
    of what is uncertain. A step that stands in no line of `text` keeps None.

    Args:
        explanation: What the task parsed from `text`.
        text: The generated text.
        ends: Number of characters up to the end of each token.
        logprobs: Per token.
        entropies: Per token.
        begin: Where in `text` the first token begins; what stands before was given.
    """
    starts = [begin, *ends[:-1]] if ends else []
    steps = []
    for step, span in zip(explanation.steps, _lines_of(explanation, text), strict=True):
        own = [i for i, s in enumerate(starts) if span and span[0] <= s < span[1]]
        if own:
            step = replace(
                step,
                logprob=sum(logprobs[i] for i in own) / len(own),
                entropy=sum(entropies[i] for i in own) / len(own),
            )
        steps.append(step)
    logprob = sum(logprobs) / len(logprobs) if logprobs else None
    return replace(explanation, steps=tuple(steps), logprob=logprob)


def _lines_of(explanation: Explanation, text: str) -> Iterator[tuple[int, int] | None]:
    """For each step the span of the line it was read from: the next one with the same words."""
    lines, end = [], 0
    for line in text.splitlines(keepends=True):
        start, end = end, end + len(line)
        lines.append((" ".join(line.split()), (start, end)))
    cursor = 0
    for step in explanation.steps:
        words = " ".join(step.text.split())
        same = (i for i in range(cursor, len(lines)) if lines[i][0] == words)
        inside = (i for i in range(cursor, len(lines)) if words in lines[i][0])
        at = next(same, next(inside, None))
        if at is None:
            yield None
        else:
            cursor = at + 1
            yield lines[at][1]
