"""Small edits of a text that leave its entities as they are: EDA's four operations.

After Wei & Zou 2019 ("EDA: Easy Data Augmentation Techniques for Boosting Performance on Text
Classification Tasks", arXiv 1901.11196). Unlike there, case and punctuation stay, and there is no
list of stop words: a word is replaced if it has a synonym.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

import numpy as np

from elad_exp.entities import Place, Span

_T = TypeVar("_T")

Synonyms = Mapping[str, Sequence[str]]
"""Case-folded word -> other words for it."""

TRIES = 8
"""So many operations in a row without a new text, and the text is given up."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A token, or all tokens of an entity, which has a `type`; `gap` is the white space before."""

    text: str
    gap: str = ""
    type: str = ""

    @property
    def worded(self) -> bool:
        """Whether it is more than punctuation."""
        return any(map(str.isalnum, self.text))

    @property
    def free(self) -> bool:
        """Whether it may be replaced, moved or deleted."""
        return self.worded and not self.type


def cut(text: str, places: Iterable[Place], spans: Iterable[Span] = ()) -> list[Piece]:
    """The pieces of `text`, whose tokens stand at `places` and whose entities are `spans`."""
    entities = {span.start: span for span in spans}
    pieces, end = [], 0
    for start, stop in places:
        if start < end:  # inside the last entity
            continue
        entity = entities.get(start)
        stop = entity.end if entity else stop
        pieces.append(Piece(text[start:stop], text[end:start], entity.type if entity else ""))
        end = stop
    return pieces


def joined(pieces: Sequence[Piece]) -> tuple[str, tuple[Span, ...]]:
    """Inverse of `cut`: the text, without white space around it, and where its entities stand."""
    text, spans = "", []
    for piece in pieces:
        text += piece.gap if text else ""
        if piece.type:
            spans.append(Span(piece.type, len(text), len(text) + len(piece.text)))
        text += piece.text
    return text, tuple(spans)


def variants(
    pieces: Sequence[Piece],
    n: int,
    *,
    alpha: float,
    synonyms: Synonyms,
    rng: np.random.Generator,
) -> list[tuple[str, tuple[Span, ...]]]:
    """Up to `n` new texts with their entities, by one operation each, the operations in turn.

    Fewer where a text is too short to differ in so many ways.

    Args:
        pieces: Of the text.
        n: At least 0.
        alpha: Share of the words that an operation changes; one word at least.
        synonyms: May be empty. Then nothing is replaced, and what is inserted is another word of
            the text.
        rng: Of this text.
    """
    order = [OPERATIONS[i] for i in rng.permutation(len(OPERATIONS))]
    seen, found = {joined(pieces)[0]}, []
    for number in range(n):
        for attempt in range(TRIES):
            operation = order[(number + attempt) % len(order)]
            new = joined(operation(pieces, alpha, synonyms, rng))
            if new[0] not in seen:
                seen.add(new[0])
                found.append(new)
                break
    return found


def replaced(
    pieces: Sequence[Piece], alpha: float, synonyms: Synonyms, rng: np.random.Generator
) -> list[Piece]:
    """Some words by synonyms, each wherever it stands."""
    words = [w for w in dict.fromkeys(_words(pieces)) if synonyms.get(w)]
    drawn = rng.permutation(words)[: _share(pieces, alpha)] if words else ()
    others = {str(w): _one_of(synonyms[str(w)], rng) for w in drawn}
    return [
        replace(p, text=_cased_like(p.text, others[p.text.casefold()]))
        if p.free and p.text.casefold() in others
        else p
        for p in pieces
    ]


def inserted(
    pieces: Sequence[Piece], alpha: float, synonyms: Synonyms, rng: np.random.Generator
) -> list[Piece]:
    """Synonyms of some words at random places, see `variants`."""
    made, words = list(pieces), _words(pieces)
    others = [other for word in words for other in synonyms.get(word, ())] or words
    if not others:
        return made
    space = _space(pieces)
    for _ in range(_share(pieces, alpha)):
        # Not into what is written without a space, such as the quotation mark before a word.
        open_ = [i for i, p in enumerate(made) if i == 0 or p.gap or not space]
        place = _one_of(open_, rng)
        new = Piece(_one_of(others, rng), made[place].gap)
        made[place : place + 1] = [new, replace(made[place], gap=space)]
    return made


def swapped(
    pieces: Sequence[Piece], alpha: float, synonyms: Synonyms, rng: np.random.Generator
) -> list[Piece]:
    """Pairs of words change places."""
    made = list(pieces)
    free = [i for i, piece in enumerate(pieces) if piece.free]
    if len(free) < 2:
        return made
    for _ in range(_share(pieces, alpha)):
        one, other = map(int, rng.choice(free, 2, replace=False))
        first, second = made[one], made[other]
        made[one] = replace(first, text=second.text)
        made[other] = replace(second, text=first.text)
    return made


def deleted(
    pieces: Sequence[Piece], alpha: float, synonyms: Synonyms, rng: np.random.Generator
) -> list[Piece]:
    """Without each word by the chance `alpha`; one goes and one stays in any case."""
    free = [i for i, piece in enumerate(pieces) if piece.free]
    if len(free) < 2:
        return list(pieces)
    order = [int(i) for i in rng.permutation(free)]
    n = min(max(1, int(rng.binomial(len(free), alpha))), len(free) - 1)
    gone = set(order[:n])
    return [piece for i, piece in enumerate(pieces) if i not in gone]


Operation = Callable[[Sequence[Piece], float, Synonyms, np.random.Generator], list[Piece]]
OPERATIONS: tuple[Operation, ...] = (replaced, inserted, swapped, deleted)


def _words(pieces: Sequence[Piece]) -> list[str]:
    return [piece.text.casefold() for piece in pieces if piece.free]


def _share(pieces: Sequence[Piece], alpha: float) -> int:
    return max(1, int(alpha * len(_words(pieces))))


def _one_of(things: Sequence[_T], rng: np.random.Generator) -> _T:
    return things[int(rng.integers(len(things)))]


def _space(pieces: Sequence[Piece]) -> str:
    """What stands between most words: nothing in a text without spaces."""
    pairs = [(a, b) for a, b in pairwise(pieces) if a.worded and b.worded]
    return "" if 2 * sum(not b.gap for _, b in pairs) > len(pairs) else " "


def _cased_like(word: str, other: str) -> str:
    return other[:1].upper() + other[1:] if word[:1].isupper() else other
