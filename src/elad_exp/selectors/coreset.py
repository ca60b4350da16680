"""Selectors that cover the pool: k-center and vote-k, from features instead of scores.

Neither asks whether the student is certain. Both read `Candidate.features` and `Candidate.near`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from elad_exp.errors import ConfigError
from elad_exp.selectors.base import query_item, shuffled
from elad_exp.selectors.components import FEATURES
from elad_exp.selectors.geometry import (
    DIGITS,
    Floats,
    feature_matrix,
    squared_distances,
    squared_norms,
)
from elad_exp.types import Candidate, QueryItem

_ROWS = 1024
"""So many rows of a matrix of distances are looked at together."""


class FeatureSelector(ABC):
    """Takes candidates one by one, each in view of those taken before; ties in drawn order."""

    def __init__(self, *, name: str) -> None:
        self.name = name
        self.needs: frozenset[str] = FEATURES

    @abstractmethod
    def order(self, features: Floats, near: Floats) -> Iterator[tuple[int, float | None]]:
        """Places of all candidates in the order in which they are taken, and their scores then.

        Args:
            features: (candidates, width).
            near: (candidates, labelled): distances to the nearest labelled questions, ascending.
        """

    def select(
        self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator
    ) -> list[QueryItem]:
        drawn = shuffled(candidates, n, rng)
        if n == 0:
            return []
        features = feature_matrix(drawn, name=self.name)
        known = min(len(candidate.near) for candidate in drawn)
        near: Floats = np.array([c.near[:known] for c in drawn], float).reshape(len(drawn), known)
        taken = zip(range(n), self.order(features, near), strict=False)
        return [query_item(drawn[place], score=score) for _, (place, score) in taken]


class KCenter(FeatureSelector):
    """k-center greedy core-set (Sener and Savarese, 2018): always the farthest candidate.

    The score is its Euclidean distance to the nearest question that is labelled or was taken
    before; without any, the first candidate is drawn at random and has no score.
    Time: candidates x taken x width.
    """

    def __init__(self, *, name: str = "k_center") -> None:
        super().__init__(name=name)

    def order(self, features: Floats, near: Floats) -> Iterator[tuple[int, float | None]]:
        norms = squared_norms(features)
        n = len(features)
        gap = np.round(near[:, 0] ** 2, DIGITS) if near.shape[1] else np.full(n, np.inf)
        for _ in range(n):
            farthest = int(gap.argmax())
            distance = math.sqrt(gap[farthest])
            yield farthest, distance if math.isfinite(distance) else None
            one = slice(farthest, farthest + 1)
            gap = np.minimum(
                gap, squared_distances(features, features[one], norms, norms[one])[:, 0]
            )
            gap[farthest] = -np.inf  # below every distance: it is never taken again


class VoteK(FeatureSelector):
    """The graph stage of vote-k (Su et al., 2022): candidates that stand for many others.

    Every candidate votes for its k nearest neighbours among candidates and labelled questions.
    Its vote weighs `rho ** -c`, c = how many of these neighbours are labelled or were taken before;
    what was taken votes no more. The candidate with the most votes is taken next; that is its
    score. Of the labelled questions only those in `Candidate.near` are known; more of them would
    weigh nothing. The second stage of the paper, buckets of the model's confidence, is left out.
    Time: candidates squared x width, then k x candidates for each one taken.

    Args:
        share: k as a share of the candidates, rounded up. The paper has 150 of 3,000.
        rho: how much a neighbour that is labelled or taken takes away from a vote; above 1.
        name: of the selector, in files and plots.

    Raises:
        ConfigError: a value out of range.
    """

    def __init__(self, *, share: float = 0.05, rho: float = 10.0, name: str = "vote_k") -> None:
        super().__init__(name=name)
        if not 0 < share <= 1:
            raise ConfigError(f"selector {name}: share={share}; allowed: above 0, up to 1")
        if not (rho > 1 and math.isfinite(rho)):
            raise ConfigError(f"selector {name}: rho={rho}; allowed: finite numbers above 1")
        self.share, self.rho = share, rho

    def order(self, features: Floats, near: Floats) -> Iterator[tuple[int, float | None]]:
        n = len(features)
        k = min(math.ceil(self.share * n), n - 1)
        voters, labelled = neighbour_graph(features, near, k)
        weights = np.power(self.rho, -labelled.astype(float))
        taken = np.zeros(n, bool)
        for _ in range(n):
            votes = voters @ weights
            votes[taken] = -1.0
            # Sums that are equal on paper differ by rounding; the first in drawn order is taken.
            best = int((votes >= votes.max() * (1 - 1e-9)).argmax())
            yield best, float(votes[best])
            taken[best] = True
            weights[best] = 0.0
            weights[voters.indices[voters.indptr[best] : voters.indptr[best + 1]]] /= self.rho


def neighbour_graph(features: Floats, near: Floats, k: int) -> tuple[csr_array, NDArray[np.intp]]:
    """Who has whom among its k nearest neighbours, candidates and labelled questions together.

    Args:
        features: (n, width), of the candidates.
        near: (n, labelled): distances to the nearest labelled questions, ascending.
        k: neighbours of each candidate, itself not counted; 0 to n - 1.

    Returns:
        (n, n) matrix with 1 at [u, v] where u is a neighbour of v, and (n,) how many neighbours of
        each candidate are labelled.
    """
    n = len(features)
    norms = squared_norms(features)
    none = np.zeros(0, np.intp)
    heard, voting = [none], [none]
    labelled = np.zeros(n, np.intp)
    for start in range(0, n if k else 0, _ROWS):
        rows = np.arange(start, min(start + _ROWS, n))
        gaps = squared_distances(features[rows], features, norms[rows], norms)
        gaps[np.arange(len(rows)), rows] = np.inf  # nobody is a neighbour of itself
        # Ties go to the first in drawn order: argpartition would break them in its own way.
        nearest = np.argsort(gaps, axis=1, kind="stable")[:, :k]
        together = np.hstack(
            [np.round(near[rows] ** 2, DIGITS), np.take_along_axis(gaps, nearest, axis=1)]
        )
        kept = np.argsort(together, axis=1, kind="stable")[:, :k] - near.shape[1]
        labelled[rows] = (kept < 0).sum(axis=1)
        row, column = np.nonzero(kept >= 0)
        heard.append(nearest[row, kept[row, column]])
        voting.append(rows[row])
    places = (np.concatenate(heard), np.concatenate(voting))
    return csr_array((np.ones(len(places[0])), places), shape=(n, n)), labelled
