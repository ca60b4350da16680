"""Texts of a teacher that say nothing new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from elad_exp.data.near import near_pairs
from elad_exp.types import Annotation, Sample, Status


def repeats(
    samples: Sequence[Sample], earlier: Sequence[Sample], *, near_duplicates: bool
) -> dict[int, str]:
    """Places of samples that say what an earlier one says, each with the reason to drop it.

    Args:
        samples: Of a round, in order.
        earlier: What is annotated already.
        near_duplicates: Also those whose words are nearly those of an earlier one, see `data.near`.
    """
    seen = {sample.id: "an earlier text" for sample in earlier}
    reasons: dict[int, str] = {}
    for place, sample in enumerate(samples):
        if sample.id in seen:
            reasons[place] = f"the same as {seen[sample.id]}"
        seen.setdefault(sample.id, "another of this round")
    if near_duplicates:
        fine = [(place, s) for place, s in enumerate(samples) if place not in reasons]
        texts = [(s.id, s.question) for s in (*earlier, *(sample for _, sample in fine))]
        near = {pair.second: pair for pair in near_pairs(texts)}
        for place, sample in fine:
            if pair := near.get(sample.id):
                which = f"{pair.first} ({pair.similarity:.2f})"
                reasons[place] = f"nearly the same as {seen[pair.first]}: {which}"
    return reasons


def sifted(
    annotations: Sequence[Annotation], earlier: Sequence[Sample], *, near_duplicates: bool
) -> list[Annotation]:
    """The same, but texts that say what an earlier one says are not usable, and say why.

    Args:
        annotations: Of a round, in order; those that are not ok are left as they are.
        earlier: See `repeats`.
        near_duplicates: See there.
    """
    fine = [place for place, a in enumerate(annotations) if a.status is Status.OK]
    samples = [annotations[place].sample for place in fine]
    found = repeats(samples, earlier, near_duplicates=near_duplicates)
    reasons = {fine[n]: reason for n, reason in found.items()}
    return [
        replace(a, explanation=None, status=Status.UNPARSED, reason=reasons[place])
        if place in reasons
        else a
        for place, a in enumerate(annotations)
    ]
