"""How texts that a teacher brings differ from those that were given, round by round.

Of usable texts alone: those that no dataset has, and those that came in lessons.

A *word* is a run of letters and digits of the case-folded text; in writing without spaces between
words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) each letter is a word.

The *likeness* of two texts is the cosine of their TF-IDF vectors: how often each word comes, times
ln((1 + n) / (1 + m)) + 1 where m of the n seed texts have it (scikit-learn's smooth IDF). These
weights are of the seed texts alone, so that rounds can be compared; a text without words is like
none. The *seed texts* are those that the run was given in round 0.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elad_exp.data.pool import Pool
from elad_exp.entities import from_answer
from elad_exp.protocols import SpanTask, Task
from elad_exp.types import SYNTHETIC, Annotation, Record, Sample, Status, normalise
from elad_exp.words import CHARACTER, LETTERS

_WORD = re.compile(f"{CHARACTER}|{LETTERS}")
_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Drift(Record):
    """Of the new texts of a round; shares are rounded to four digits.

    Attributes:
        texts: How many.
        classes: Share of each class among their answers; of each entity type among all their
            entities. Also of those that none has; empty where answers are free.
        words: Different words in them.
        new_words: Share of these that no text has which was annotated before.
        seed_distance: 1 - the likeness to the seed text that is most like it, on average; None
            without seed texts.
        self_similarity: The likeness to the other new text that is most like it, on average: high
            where a teacher repeats itself. None of a single text.
    """

    texts: int
    classes: dict[str, float]
    words: int
    new_words: float | None
    seed_distance: float | None
    self_similarity: float | None


def drift_of(
    task: Task, pool: Pool, bought: Sequence[Annotation], *, lessons: bool = False
) -> dict[str, Any]:
    """The drift of a purchase that `pool` has taken in, as primitives; {} without new texts.

    Args:
        task: See `measured`.
        pool: Has what was annotated before.
        bought: New are the usable ones that no dataset has.
        lessons: All came in lessons: then those of a dataset are new as well.
    """
    usable = [a for a in bought if a.status is Status.OK]
    new = [a for a in usable if lessons or a.sample.origin == SYNTHETIC]
    if not new:
        return {}
    mine = {a.sample.id for a in new}
    earlier = [a.sample for a in pool.labelled if a.sample.id not in mine]
    seeds = [s for s in earlier if s.origin != SYNTHETIC and pool.bought_in(s.id) == 0]
    return measured(task, new, earlier=earlier, seeds=seeds).to_dict()


def measured(
    task: Task, new: Sequence[Annotation], *, earlier: Sequence[Sample], seeds: Sequence[Sample]
) -> Drift:
    """The drift of some texts.

    Args:
        task: Says what their answers are.
        new: With their answers; at least one.
        earlier: What was annotated before, the seed texts included.
        seeds: The seed texts.
    """
    texts = [a.sample.question for a in new]
    vocabulary = {word for text in texts for word in words(text)}
    known = {word for sample in earlier for word in words(sample.question)}
    if not vocabulary:
        return Drift(len(texts), _shares(task, new), 0, None, None, None)
    distance, similarity = _likeness(texts, [sample.question for sample in seeds])
    return Drift(
        texts=len(texts),
        classes=_shares(task, new),
        words=len(vocabulary),
        new_words=round(len(vocabulary - known) / len(vocabulary), 4),
        seed_distance=distance,
        self_similarity=similarity,
    )


def words(text: str) -> list[str]:
    """The words of a text, in order; see the module."""
    return _WORD.findall(normalise(text))


def _shares(task: Task, new: Sequence[Annotation]) -> dict[str, float]:
    counts: Counter[str] = Counter()
    for annotation in new:
        assert annotation.explanation is not None
        answer = annotation.explanation.answer or ""
        if isinstance(task, SpanTask):
            counts.update(dict.fromkeys(task.descriptions, 0))
            counts.update(span.type for span in from_answer(answer))
        elif labels := task.labels(annotation.sample):
            counts.update(dict.fromkeys(labels, 0))
            counts[answer] += 1
    total = counts.total()
    return {name: round(n / total, 4) for name, n in counts.items()} if total else {}


def _likeness(texts: Sequence[str], seeds: Sequence[str]) -> tuple[float | None, float | None]:
    """`seed_distance` and `self_similarity` of texts, one of which at least has a word."""
    from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

    counts = CountVectorizer(analyzer=words).fit_transform([*seeds, *texts])
    weights = TfidfTransformer(use_idf=bool(seeds)).fit(counts[: len(seeds) or None])
    vectors = weights.transform(counts)
    given, new = vectors[: len(seeds)], vectors[len(seeds) :]
    distance = _mean(1 - _greatest(new, given)) if seeds else None
    return distance, _mean(_greatest(new, new, same=True)) if len(texts) > 1 else None


def _mean(values: np.ndarray[Any, Any]) -> float:
    return round(float(np.mean(values)), 4) + 0.0  # no -0.0


def _greatest(rows: Any, others: Any, *, same: bool = False) -> np.ndarray[Any, Any]:
    """Of each row the greatest product with one of `others`, not with itself if they are the
    `same`; in batches, since all products of many texts do not fit into memory.
    """
    found = []
    for start in range(0, rows.shape[0], _BATCH):
        products = (rows[start : start + _BATCH] @ others.T).toarray()
        if same:
            np.fill_diagonal(products[:, start:], -np.inf)
        found.append(products.max(axis=1))
    return np.concatenate(found)
