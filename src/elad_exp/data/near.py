"""Finds questions that are nearly the same: the words of one are the words of the other.

Two questions are near-duplicates where the sets of their words share `THRESHOLD` of what is in
either (the Jaccard index; Broder 1997, "On the resemblance and containment of documents"); words
that more than half of all questions have, those of a form, are set aside. Candidates come from
MinHash and banding; each is then compared exactly, so what is reported is right, and a pair at the
threshold is missed with a probability below 0.0001.

A text in a script that is written without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) has
pairs of neighbouring characters in place of words: they need no dictionary, and in Chinese most
words have two. Whatever else stands in it, such as a number or a Latin name, is a word as
elsewhere. A text counts as such if most of its letters are of these scripts and fewer than one
space comes on four of them: a Chinese name in an English text is a word, and so is each word of a
Chinese text that was cut into words. To replace a character changes two pairs, so two texts may
differ in about one character in eighteen, and this is stricter than words: with two neighbouring
characters replaced, 75 % of the Chinese sentences of SIB-200 are found, of the English ones with a
word replaced 99 %. Single characters would find more, but long texts all have the same ones.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, pairwise
from typing import Any

from elad_exp.protocols import Splits
from elad_exp.types import Record, Sample, normalise
from elad_exp.words import UNSPACED

THRESHOLD = 0.8
SAMPLE = 10_000
_BANDS, _BAND = 25, 5
_BATCH = 500
_COMPARED = 50
# Among fewer texts a word in more than half of them may be one of a few near-duplicates.
_LEAST = 20
_WORD = re.compile(r"\w+(?:[.,]\d+)*")
_RUN = re.compile(f"([{UNSPACED}]+)")
_SPACE = re.compile(f"(?<=[{UNSPACED}])\\s+(?=[{UNSPACED}])")
_LETTER = re.compile(f"[{UNSPACED}]|[^\\W\\d_]")
_PER_SPACE = 4
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Pair(Record):
    """Two near-duplicates by key, and the Jaccard index of their words."""

    first: str
    second: str
    similarity: float


def near_pairs(
    first: Sequence[tuple[str, str]], second: Iterable[tuple[str, str]] | None = None
) -> list[Pair]:
    """The questions of `second` that have a near-duplicate in `first`, each with the first one.

    One is enough to name, and of the candidates for a question the first `_COMPARED` are compared:
    questions made from a template are all candidates for one another.

    Args:
        first: Key and text; held in memory.
        second: Key and text; read once, in batches: the longer of the two. None: `first`, of which
            each question is compared with those before it.
    """
    from rensa import RMinHashLSH

    common = _common(text for _, text in first)
    # Banding alone decides which pairs are candidates; the library wants a threshold all the same.
    index = RMinHashLSH(threshold=THRESHOLD, num_perm=_BANDS * _BAND, num_bands=_BANDS)
    for start in range(0, len(first), _BATCH):
        batch = first[start : start + _BATCH]
        index.insert_many(_digests(_words(text, common) for _, text in batch), start)

    @lru_cache(maxsize=SAMPLE)  # of all of a large file they would take gigabytes
    def words_of(number: int) -> set[str]:
        return _words(first[number][1], common)

    found, number = [], -1
    for batch in _batches(first if second is None else second):
        sets = [_words(text, common) for _, text in batch]
        near = index.query_all(_digests(sets))
        for (key, _), mine, candidates in zip(batch, sets, near, strict=True):
            number += 1
            last = len(first) if second is not None else number
            earlier = sorted(c for c in set(candidates) if c < last)
            for other in earlier[:_COMPARED]:
                similarity = _jaccard(words_of(other), mine)
                if similarity >= THRESHOLD:
                    found.append(Pair(first[other][0], key, similarity))
                    break
    return found


def near_warnings(splits: Splits, *, sample: int = SAMPLE) -> list[str]:
    """What to warn of: near-duplicates between test and pool, of `sample` questions together.

    At most half of them are of test. Both come in hash order, so the first are a random sample.
    """
    test = _texts(splits.test, sample // 2)
    pool = _texts(splits.pool, sample - len(test))
    pairs = near_pairs(test, pool)
    if not pairs:
        return []
    shown = ", ".join(f"{p.second} and {p.first} ({p.similarity:.2f})" for p in pairs[:_SHOWN])
    return [
        f"{len(pairs):,} of {len(pool):,} questions of the pool are near-duplicates of one of "
        f"{len(test):,} of test: {shown}{', ...' if len(pairs) > _SHOWN else ''}; accuracy on test "
        "may owe something to them"
    ]


def _texts(samples: Iterable[Sample], n: int) -> list[tuple[str, str]]:
    return [(sample.id, sample.question) for sample in islice(samples, n)]


def _words(text: str, common: frozenset[str] = frozenset()) -> set[str]:
    text = normalise(text)
    return set(_pairs(text) if _has_no_spaces(text) else _WORD.findall(text)) - common


def _has_no_spaces(text: str) -> bool:
    """Whether a text, which is normalised, has no spaces between its words."""
    letters = 0 if text.isascii() else sum(map(len, _RUN.findall(text)))
    if not letters or 2 * letters <= len(_LETTER.findall(text)):
        return False
    return _PER_SPACE * len(_SPACE.findall(text)) < letters


def _pairs(text: str) -> Iterator[str]:
    """Pairs of neighbouring characters, a single one where it stands alone; and other words."""
    for number, part in enumerate(_RUN.split(text)):
        if number % 2 == 0:
            yield from _WORD.findall(part)
        elif len(part) == 1:
            yield part
        else:
            yield from map("".join, pairwise(part))


def _common(texts: Iterable[str]) -> frozenset[str]:
    """Words that most texts have, such as those of a form: they say nothing about two of them."""
    counts: Counter[str] = Counter()
    n = 0
    for n, text in enumerate(texts, 1):  # noqa: B007
        counts.update(_words(text))
    return frozenset(word for word, count in counts.items() if n >= _LEAST and count > n / 2)


def _jaccard(a: set[str], b: set[str]) -> float:
    """Of two texts without any words of their own nothing can be said: 0."""
    return len(a & b) / len(a | b) if a and b else 0.0


def _digests(sets: Iterable[set[str]]) -> Any:
    from rensa import RMinHash

    return RMinHash.from_token_sets(sets, _BANDS * _BAND, 1)


def _batches(items: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    remaining = iter(items)
    while batch := list(islice(remaining, _BATCH)):
        yield batch
