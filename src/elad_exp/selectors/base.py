"""What selectors share: fair draws, checks of the scores, and ranking by one number."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from elad_exp.errors import ConfigError
from elad_exp.selectors.components import COMPONENTS, check_components
from elad_exp.types import Candidate, Explanation, QueryItem


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


def parted(
    candidates: Sequence[Candidate], needs: frozenset[str]
) -> tuple[list[Candidate], list[Candidate]]:
    """Candidates that can be ranked, and those that guided scoring has left without a needed score.

    The second are to be taken after all others. A selector whose needs cost no samples ranks what
    was left out like the rest: what else a run scores must not change its choice.
    """
    wanted = needs & COMPONENTS
    late = [c.screened and not wanted <= c.scores.keys() for c in candidates]
    return (
        [c for c, is_late in zip(candidates, late, strict=True) if not is_late],
        [c for c, is_late in zip(candidates, late, strict=True) if is_late],
    )


def attempt_of(candidate: Candidate, selector: str) -> Explanation:
    """What the student has answered. Raises ValueError where it was not asked."""
    if candidate.attempt is None:
        raise ValueError(
            f"selector {selector} needs attempts, but candidate {candidate.sample.id} has none. "
            "Score with the selector's `needs` first."
        )
    return candidate.attempt


def query_item(
    candidate: Candidate, *, score: float | None = None, audit: bool = False
) -> QueryItem:
    """A chosen candidate with its attempt and a copy of all its scores."""
    return QueryItem(
        candidate.sample, candidate.attempt, score, dict(candidate.scores), audit, candidate.known
    )


class ScoreSelector(ABC):
    """Takes the `n` candidates with the highest combined score, highest first.

    Ties are broken at random: where every score is equal, the choice is that of `RandomSelector`
    with the same generator. Candidates that guided scoring has left without a needed score come
    last, in drawn order and without a score.

    Raises:
        ConfigError: a component in `needs` does not exist, or is no score.
    """

    def __init__(self, needs: Iterable[str], *, name: str) -> None:
        self.name = name
        self.needs = check_components(needs)
        if no_score := sorted(self.needs - COMPONENTS):
            raise ConfigError(
                f"selector {name}: {', '.join(no_score)} cannot be ranked by; allowed: "
                f"{', '.join(sorted(COMPONENTS))}"
            )

    @abstractmethod
    def combine(self, candidates: Sequence[Candidate]) -> Sequence[float]:
        """One finite number per candidate; the highest are chosen."""

    def select(
        self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator
    ) -> list[QueryItem]:
        ready, late = parted(shuffled(candidates, n, rng), self.needs)
        self._check_scores(ready)
        pairs = zip(self.combine(ready) if ready else (), ready, strict=True)
        # A stable sort keeps the drawn order among equal scores.
        ranked = sorted(pairs, key=lambda pair: -pair[0])
        items = [query_item(candidate, score=float(score)) for score, candidate in ranked[:n]]
        return items + [query_item(candidate) for candidate in late[: n - len(items)]]

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
