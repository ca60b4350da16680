"""What selectors share: fair draws, checks of the scores, and ranking by one number."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from elad_exp.selectors.components import check_components
from elad_exp.types import Candidate, QueryItem


def shuffled(candidates: Sequence[Candidate], n: int, rng: np.random.Generator) -> list[Candidate]:
    """All candidates in an order drawn from `rng` alone, whatever order they came in.

    Raises:
        ValueError: `n` is negative or exceeds the candidates, or a sample occurs twice.
    """
    if not 0 <= n <= len(candidates):
        raise ValueError(
            f"cannot select {n} of {len(candidates)} candidates; ask for 0 to {len(candidates)}"
        )
    ordered = sorted(candidates, key=lambda c: c.sample.id)
    for one, other in pairwise(ordered):
        if one.sample.id == other.sample.id:
            raise ValueError(f"sample {one.sample.id} is a candidate twice")
    return [ordered[i] for i in rng.permutation(len(ordered))]


def query_item(
    candidate: Candidate, *, score: float | None = None, audit: bool = False
) -> QueryItem:
    """A chosen candidate with its attempt and a copy of all its scores."""
    return QueryItem(candidate.sample, candidate.attempt, score, dict(candidate.scores), audit)


class ScoreSelector(ABC):
    """Takes the `n` candidates with the highest combined score, highest first.

    Ties are broken at random: where every score is equal, the choice is that of `RandomSelector`
    with the same generator.

    Raises:
        ConfigError: a component in `needs` does not exist.
    """

    def __init__(self, needs: Iterable[str], *, name: str) -> None:
        self.name = name
        self.needs = check_components(needs)

    @abstractmethod
    def combine(self, candidates: Sequence[Candidate]) -> Sequence[float]:
        """One finite number per candidate; the highest are chosen."""

    def select(
        self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator
    ) -> list[QueryItem]:
        drawn = shuffled(candidates, n, rng)
        self._check_scores(drawn)
        pairs = zip(self.combine(drawn) if drawn else (), drawn, strict=True)
        # A stable sort keeps the drawn order among equal scores.
        ranked = sorted(pairs, key=lambda pair: -pair[0])
        return [query_item(candidate, score=float(score)) for score, candidate in ranked[:n]]

    def _check_scores(self, candidates: Sequence[Candidate]) -> None:
        for candidate in candidates:
            for name in sorted(self.needs):
                value = candidate.scores.get(name)
                if value is None or not math.isfinite(value):
                    raise ValueError(
                        f"selector {self.name} needs a finite score {name}, but candidate "
                        f"{candidate.sample.id} has {value}; it has "
                        f"{sorted(candidate.scores) or 'no scores'}. Score with the selector's "
                        "`needs` first."
                    )
