"""What a student is weak at, from its right and wrong predictions.

Two kinds of weaknesses, each with the ids that show it. Batches are small, so scores shrink: one
mistake in one try is less than three in four.

- a *confusion*: the share of what is `right` that was taken for `predicted`, as n / (N + 1)
  for n of N. Right predictions count in N: without them a frequent class looks weaker than it is.
- a *phenomenon*: its share among the wrong texts minus its share among the right ones, each as
  (n + 1) / (N + 2). Only a positive difference counts. Without any right text the share among
  the wrong ones is all there is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from elad_exp.entities import from_answer
from elad_exp.types import Record

NONE = "none"
"""What was predicted, or right, where there was nothing to be read or found."""

Evidence = tuple[str, str, str, str | None]
"""Id, text, right answer, predicted answer."""


@dataclass(frozen=True, slots=True)
class Confusion(Record):
    """A class (or entity type) that is taken for another; `score` is over 0, and under 1."""

    right: str
    predicted: str
    evidence: tuple[str, ...]
    score: float


@dataclass(frozen=True, slots=True)
class Missing(Record):
    """A phenomenon that the student has not learnt; `score` is over 0, and under 1."""

    phenomenon: str
    evidence: tuple[str, ...]
    score: float


@dataclass(frozen=True, slots=True)
class Weaknesses(Record):
    """Confusions and missing phenomena, the weightiest first, and both in a sentence."""

    confusions: tuple[Confusion, ...] = ()
    phenomena: tuple[Missing, ...] = ()
    text: str = ""


def analyse(
    evidence: Sequence[Evidence],
    *,
    phenomena: Callable[[str], frozenset[str]],
    compared: Callable[[str, str | None], list[tuple[str, str]]],
) -> Weaknesses:
    """The weaknesses that the evidence shows; equal ones in the order of their names.

    Args:
        evidence: Right and wrong predictions.
        phenomena: Which phenomena a text has.
        compared: The decisions of a prediction: (right, predicted) for each, equal where it is
            right.
    """
    confusions = _confusions(evidence, compared)
    missing = _missing(evidence, phenomena)
    return Weaknesses(confusions, missing, _sentence(confusions, missing))


def replied(found: Weaknesses) -> dict[str, Any]:
    """As a teacher replies it to the step `analyse` of a lesson."""
    return {
        "confused": [
            {"right": c.right, "predicted": c.predicted, "evidence": list(c.evidence)}
            | {"score": c.score}
            for c in found.confusions
        ],
        "missing": [
            {"phenomenon": m.phenomenon, "evidence": list(m.evidence), "score": m.score}
            for m in found.phenomena
        ],
        "text": found.text,
    }


def compared_labels(right: str, predicted: str | None) -> list[tuple[str, str]]:
    """One pair of labels; a prediction that could not be read is `none`."""
    return [(right, NONE if predicted is None else predicted)]


def compared_entities(right: str, predicted: str | None) -> list[tuple[str, str]]:
    """Of canonical answers (see `elad_exp.entities`) a pair of types for each entity and each one
    that was made up.

    An entity whose bounds are missed was predicted as the other type that lies over it, or as
    `none`; what is no entity, but predicted as one, is `none` on the right side.
    """
    gold, found = (
        {(s.start, s.end): s.type for s in from_answer(answer or "[]")}
        for answer in (right, predicted)
    )
    pairs: list[tuple[str, str]] = []
    met: set[tuple[int, int]] = set()
    for bounds, kind in gold.items():
        over = [place for place in found if place[0] < bounds[1] and bounds[0] < place[1]]
        met.update(over)
        wrong = next((found[place] for place in over if found[place] != kind), NONE)
        pairs.append((kind, found.get(bounds, wrong)))
    return [*pairs, *((NONE, kind) for place, kind in found.items() if place not in met)]


def _confusions(
    evidence: Sequence[Evidence], compared: Callable[[str, str | None], list[tuple[str, str]]]
) -> tuple[Confusion, ...]:
    total: Counter[str] = Counter()
    times: Counter[tuple[str, str]] = Counter()
    ids: dict[tuple[str, str], dict[str, None]] = {}
    for key, _, right, predicted in evidence:
        for pair in compared(right, predicted):
            total[pair[0]] += 1
            if pair[0] != pair[1]:
                times[pair] += 1
                ids.setdefault(pair, {})[key] = None
    found = [
        Confusion(*pair, tuple(ids[pair]), n / (total[pair[0]] + 1)) for pair, n in times.items()
    ]
    return tuple(sorted(found, key=lambda c: (-c.score, c.right, c.predicted)))


def _missing(
    evidence: Sequence[Evidence], phenomena: Callable[[str], frozenset[str]]
) -> tuple[Missing, ...]:
    wrong: dict[str, list[str]] = {}
    fine: Counter[str] = Counter()
    n_wrong = n_fine = 0
    for key, text, right, predicted in evidence:
        if right == predicted:
            n_fine += 1
            fine.update(phenomena(text))
            continue
        n_wrong += 1
        for name in phenomena(text):
            wrong.setdefault(name, []).append(key)
    found = []
    for name, keys in wrong.items():
        usual = (fine[name] + 1) / (n_fine + 2) if n_fine else 0.0
        score = (len(keys) + 1) / (n_wrong + 2) - usual
        if score > 0:
            found.append(Missing(name, tuple(keys), score))
    return tuple(sorted(found, key=lambda m: (-m.score, m.phenomenon)))


def _sentence(confusions: Sequence[Confusion], missing: Sequence[Missing]) -> str:
    taken = ", ".join(f"{c.right} for {c.predicted} ({len(c.evidence)})" for c in confusions[:3])
    hard = ", ".join(f"{m.phenomenon} ({len(m.evidence)})" for m in missing[:3])
    parts = []
    if taken:
        parts.append(f"it takes {taken}")
    if hard:
        parts.append(f"it errs where there is {hard}")
    return f"Weaknesses of the student: {'; '.join(parts)}." if parts else "No weakness is seen."
