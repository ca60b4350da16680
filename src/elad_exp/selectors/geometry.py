"""Where candidates lie: their features as a matrix, and distances that tie where they are equal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from elad_exp.types import Candidate

Floats = NDArray[np.float64]

DIGITS = 9
"""Squared distances that agree to so many decimals are equal: they come from rounded features."""


def feature_matrix(candidates: Sequence[Candidate], *, name: str) -> Floats:
    """(candidates, width). `name` is that of the selector that needs them.

    Raises:
        ValueError: a candidate has no features, others than the rest, or features not finite.
    """
    width = len(candidates[0].features) if candidates else 0
    for candidate in candidates:
        if not candidate.features or len(candidate.features) != width:
            raise ValueError(
                f"selector {name} needs features, but candidate {candidate.sample.id} has "
                f"{len(candidate.features)} numbers where the first has {width}. Score with the "
                "selector's `needs` first."
            )
    matrix: Floats = np.array([c.features for c in candidates], float).reshape(-1, max(width, 1))
    if not np.isfinite(matrix).all():
        bad = int(np.flatnonzero(~np.isfinite(matrix).all(axis=1))[0])
        raise ValueError(
            f"selector {name} needs finite features, but candidate {candidates[bad].sample.id} "
            "has others"
        )
    return matrix


def squared_norms(rows: Floats) -> Floats:
    """(rows,): squared lengths."""
    found: Floats = np.einsum("ij,ij->i", rows, rows)
    return found


def squared_distances(
    rows: Floats, others: Floats, row_norms: Floats, other_norms: Floats
) -> Floats:
    """(rows, others): squared Euclidean distances, rounded so that equal ones tie.

    Args:
        rows: (rows, width).
        others: (others, width).
        row_norms: `squared_norms` of `rows`.
        other_norms: `squared_norms` of `others`.
    """
    found: Floats = row_norms[:, None] + other_norms - 2 * (rows @ others.T)
    return np.maximum(found, 0.0).round(DIGITS)
