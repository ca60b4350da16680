"""k-means, small and repeatable: equal arguments give equal clusters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from elad_exp.selectors.geometry import Floats, squared_distances, squared_norms

_ROUNDS = 30


def clusters(points: Floats, k: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """(points,): the cluster of each point, 0 to k - 1; some are empty where points coincide.

    Lloyd's algorithm (1982) from centres seeded as in k-means++ (Arthur and Vassilvitskii, 2007):
    at most 30 rounds, or until no point changes its cluster.

    Args:
        points: (points, width).
        k: clusters, 1 to the number of points. As many as there are points: each its own.
        rng: draws the first centres.
    """
    n = len(points)
    if k == n:
        return np.arange(n)
    norms = squared_norms(points)
    centres = points[_seeds(points, norms, k, rng)]
    found = np.full(n, -1)
    for _ in range(_ROUNDS):
        now = squared_distances(points, centres, norms, squared_norms(centres)).argmin(axis=1)
        if (now == found).all():
            break
        found = now
        sizes = np.bincount(found, minlength=len(centres))
        member = csr_array((np.ones(n), (found, np.arange(n))), shape=(len(centres), n))
        full = sizes > 0  # an empty cluster keeps its centre
        centres[full] = (member @ points)[full] / sizes[full, None]
    return found


def _seeds(points: Floats, norms: Floats, k: int, rng: np.random.Generator) -> list[int]:
    """Places of k points, each drawn with a chance proportional to its squared distance from the
    nearest of those before it; of fewer, where the other points coincide with them.
    """
    seeds = [int(rng.integers(len(points)))]
    gaps = np.full(len(points), np.inf)
    while len(seeds) < k:
        last = slice(seeds[-1], seeds[-1] + 1)
        gaps = np.minimum(gaps, squared_distances(points, points[last], norms, norms[last])[:, 0])
        total = gaps.sum()
        if total == 0:
            break
        seeds.append(int(rng.choice(len(points), p=gaps / total)))
    return seeds
