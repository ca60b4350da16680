"""Selectors around another selector: on a part of the candidates, spread out, or balanced."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence

import numpy as np

from elad_exp.errors import ConfigError
from elad_exp.protocols import Selector
from elad_exp.selectors.base import attempt_of, parted, query_item, shuffled
from elad_exp.selectors.components import ATTEMPT, FEATURES
from elad_exp.selectors.geometry import feature_matrix
from elad_exp.selectors.kmeans import clusters
from elad_exp.types import Candidate, QueryItem


class Wrapper(ABC):
    """Chooses by the order of another selector.

    What guided scoring has left without a score that `inner` needs comes after all others, in
    drawn order.

    Args:
        inner: ranks; asked for more than is chosen.
        name: of the selector, in files and plots; by default `kind(inner)`.
        kind: of the wrapper.
        needs: what it needs beside what `inner` does.
    """

    def __init__(
        self,
        inner: Selector,
        *,
        name: str | None,
        kind: str,
        needs: frozenset[str] = frozenset(),
    ) -> None:
        self.inner = inner
        self.name = f"{kind}({inner.name})" if name is None else name
        self.needs = inner.needs | needs

    def select(
        self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator
    ) -> list[QueryItem]:
        ready, late = parted(shuffled(candidates, n, rng), self.needs)
        first = min(n, len(ready))
        chosen = self.choose(ready, first, rng) if first else []
        return chosen + [query_item(candidate) for candidate in late[: n - first]]

    @abstractmethod
    def choose(
        self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator
    ) -> list[QueryItem]:
        """`n` of the candidates, which stand in drawn order; 1 to all."""


class Subsample(Wrapper):
    """`inner` chooses among a part of the candidates that is drawn uniformly.

    What is most uncertain is often alike; a part of the candidates holds less of each kind. The
    part is never smaller than what is to be chosen.

    Args:
        inner: chooses.
        fraction: of the candidates, rounded up; above 0, up to 1.
        name: of the selector, in files and plots.

    Raises:
        ConfigError: `fraction` is out of range.
    """

    def __init__(self, inner: Selector, *, fraction: float, name: str | None = None) -> None:
        super().__init__(inner, name=name, kind="subsample")
        if not 0 < fraction <= 1:
            raise ConfigError(
                f"selector {self.name}: fraction={fraction}; allowed: above 0, up to 1"
            )
        self.fraction = fraction

    def choose(
        self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator
    ) -> list[QueryItem]:
        part = max(n, math.ceil(round(self.fraction * len(candidates), 9)))
        return self.inner.select(candidates[:part], n, rng)


class Diversify(Wrapper):
    """Puts the candidates into as many clusters as are to be chosen, and takes the one of each
    that `inner` ranks highest.

    Clusters are made by k-means over the features. Where fewer than `n` are to be had, because
    candidates coincide, the rest is taken in the order of `inner`. The chosen stand in that order.

    Args:
        inner: ranks all candidates.
        name: of the selector, in files and plots.
    """

    def __init__(self, inner: Selector, *, name: str | None = None) -> None:
        super().__init__(inner, name=name, kind="diversify", needs=FEATURES)

    def choose(
        self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator
    ) -> list[QueryItem]:
        groups = clusters(feature_matrix(candidates, name=self.name), n, rng)
        group = {c.sample.id: g for c, g in zip(candidates, groups.tolist(), strict=True)}
        ranked = self.inner.select(candidates, len(candidates), rng)
        seen: set[int] = set()
        first: list[QueryItem] = []
        others: list[QueryItem] = []
        for item in ranked:
            found = group[item.sample.id]
            (others if found in seen else first).append(item)
            seen.add(found)
        return first + others[: n - len(first)]


class ClassBalanced(Wrapper):
    """Equal numbers of each answer that the student gave, as far as there are so many.

    The answers take turns; in a turn each gives the candidate that `inner` ranks highest of those
    left. An answer that could not be read is a class of its own.

    Args:
        inner: ranks all candidates.
        name: of the selector, in files and plots.
    """

    def __init__(self, inner: Selector, *, name: str | None = None) -> None:
        super().__init__(inner, name=name, kind="class_balanced", needs=ATTEMPT)

    def choose(
        self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator
    ) -> list[QueryItem]:
        answers = {c.sample.id: attempt_of(c, self.name).answer for c in candidates}
        ranked = self.inner.select(candidates, len(candidates), rng)
        given: Counter[str | None] = Counter()
        turns = []
        for item in ranked:
            answer = answers[item.sample.id]
            turns.append(given[answer])
            given[answer] += 1
        # A stable sort keeps the order of `inner` within a turn.
        order = sorted(range(len(ranked)), key=lambda i: turns[i])
        return [ranked[i] for i in order[:n]]
