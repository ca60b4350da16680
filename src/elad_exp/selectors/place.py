"""Where questions lie for the student, and how near to what is labelled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elad_exp.errors import EladError
from elad_exp.protocols import Student, Task
from elad_exp.types import Sample

NEIGHBOURS = 10
"""So many distances to labelled questions are kept."""
_ROWS = 1024  # of distances at a time

Floats = np.ndarray[Any, np.dtype[np.float32]]
Embed = Callable[[Sequence[str]], Floats]
"""`Student.embed`, or what does the same."""


@dataclass(frozen=True, slots=True)
class Place:
    """`features` and `near` of a candidate.

    Features have the precision of half floats and distances six decimals, which is how they are
    stored: what ranks candidates again sees what the selector saw.
    """

    features: tuple[float, ...]
    near: tuple[float, ...]


def embedded(embed: Embed, texts: Sequence[str]) -> Floats:
    """(texts, width): where the student, or an encoder, has them, length 1.

    Raises:
        EladError: they are not finite.
    """
    found = embed(texts)
    if not np.isfinite(found).all():
        raise EladError(
            "the student's hidden states are not finite: training has diverged; lower the "
            "learning rate"
        )
    return found


def places(
    student: Student, task: Task, samples: Sequence[Sample], labelled: Sequence[Sample]
) -> list[Place]:
    """One place per sample. Questions as the task has them in prompts; one call of the student.

    Cost: a forward pass over every sample and every labelled question.
    """
    vectors = embedded(student.embed, [task.prompt(s) for s in [*samples, *labelled]])
    nearest = nearest_distances(vectors[: len(samples)], vectors[len(samples) :], NEIGHBOURS)
    return [
        Place(tuple(row.astype(np.float16).tolist()), tuple(np.round(near, 6).tolist()))
        for row, near in zip(vectors, nearest, strict=False)
    ]


def nearest_distances(points: Floats, others: Floats, n: int) -> np.ndarray[Any, Any]:
    """(points, min(n, others)): Euclidean distances to the `n` nearest others, nearest first."""
    n = min(n, len(others))
    if n == 0:
        return np.zeros((len(points), 0))
    there = others.astype(np.float64)
    square = (there**2).sum(axis=1)
    found = []
    for start in range(0, len(points), _ROWS):
        here = points[start : start + _ROWS].astype(np.float64)
        squares = (here**2).sum(axis=1)[:, None] + square - 2 * here @ there.T
        nearest = np.sort(np.partition(squares, n - 1, axis=1)[:, :n], axis=1)
        found.append(np.sqrt(nearest.clip(0)))
    return np.concatenate(found)
