"""Texts of a teacher that say nothing new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from elad_exp.data.near import near_pairs
from elad_exp.types import Annotation, Sample, Status


def sifted(
    annotations: Sequence[Annotation], earlier: Sequence[Sample], *, near_duplicates: bool
) -> list[Annotation]:
    """The same, but texts that say what an earlier one says are not usable, and say why.

    Args:
        annotations: Of a round, in order; those that are not ok are left as they are.
        earlier: What is annotated already.
        near_duplicates: Also those whose words are nearly those of an earlier one, see `data.near`.
    """
    seen = {sample.id: "an earlier text" for sample in earlier}
    reasons: dict[int, str] = {}
    for place, annotation in enumerate(annotations):
        if annotation.status is not Status.OK:
            continue
        if annotation.sample.id in seen:
            reasons[place] = f"the same as {seen[annotation.sample.id]}"
        seen.setdefault(annotation.sample.id, "another of this round")
    if near_duplicates:
        fine = [
            (place, a.sample)
            for place, a in enumerate(annotations)
            if a.status is Status.OK and place not in reasons
        ]
        texts = [(s.id, s.question) for s in (*earlier, *(sample for _, sample in fine))]
        near = {pair.second: pair for pair in near_pairs(texts)}
        for place, sample in fine:
            if pair := near.get(sample.id):
                which = f"{pair.first} ({pair.similarity:.2f})"
                reasons[place] = f"nearly the same as {seen[pair.first]}: {which}"
    return [
        replace(a, explanation=None, status=Status.UNPARSED, reason=reasons[place])
        if place in reasons
        else a
        for place, a in enumerate(annotations)
    ]
