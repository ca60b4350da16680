"""The selectors: random, one component, and ELAD's weighted sums of components."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from elad_exp.errors import ConfigError
from elad_exp.selectors.base import ScoreSelector, query_item, shuffled
from elad_exp.types import Candidate, QueryItem

Floats = NDArray[np.float64]


class RandomSelector:
    """Uniform at random; needs no scores."""

    def __init__(self, *, name: str = "random") -> None:
        self.name = name
        self.needs: frozenset[str] = frozenset()

    def select(
        self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator
    ) -> list[QueryItem]:
        return [query_item(candidate) for candidate in shuffled(candidates, n, rng)[:n]]


class ComponentSelector(ScoreSelector):
    """Ranks by one component, e.g. `step_entropy`; named after it unless told otherwise."""

    def __init__(self, component: str, *, name: str | None = None) -> None:
        super().__init__([component], name=component if name is None else name)
        self.component = component

    def combine(self, candidates: Sequence[Candidate]) -> list[float]:
        return [candidate.scores[self.component] for candidate in candidates]


class WeightedSum(ScoreSelector):
    """Ranks by a weighted mean of components, each first put on a common scale.

    Args:
        weights: positive weight of each component; leave out what should not count.
        name: of the selector, in files and plots.

    Raises:
        ConfigError: no weights, an unknown component, or a weight that is not positive and finite.
    """

    def __init__(self, weights: Mapping[str, float], *, name: str) -> None:
        if not weights:
            raise ConfigError(f"selector {name} has no weights; give at least one component")
        super().__init__(weights, name=name)
        for component, weight in weights.items():
            number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
            if not number or not math.isfinite(weight) or weight <= 0:
                raise ConfigError(
                    f"selector {name}: weight {weight!r} of {component}; allowed: positive finite "
                    "numbers. To leave it out, write '~selector.weights."
                    f"{component}' ('~weights.{component}' for elad-exp select)."
                )
        # Sorted, so that the order in a configuration file cannot change a rounding error.
        total = math.fsum(weights.values())
        self.weights = {c: float(weights[c]) / total for c in sorted(weights)}

    @abstractmethod
    def scaled(self, values: Floats) -> Floats:
        """One component of all candidates (N >= 1 values) on the common scale."""

    def combine(self, candidates: Sequence[Candidate]) -> list[float]:
        combined = np.zeros(len(candidates))
        for component, weight in self.weights.items():
            values = np.array([candidate.scores[component] for candidate in candidates])
            combined += weight * self.scaled(values)
        # Sums that are equal on paper must tie, or rounding would break ties instead of the rng.
        return [float(value) for value in np.round(combined, 12)]


class RankSum(WeightedSum):
    """Ranks by a weighted mean of the candidates' ranks in each component.

    The combined score is `sum_c w_c rank_c / (N sum_c w_c)`, in (0, 1], where `rank_c` is 1 for
    the most certain and N for the least certain of N candidates, and ties share their average
    rank. Only the order of each component matters, not its scale. The published description of
    ELAD leaves the combination open; this one is ours. Arguments as of `WeightedSum`.
    """

    def __init__(self, weights: Mapping[str, float], *, name: str = "elad") -> None:
        super().__init__(weights, name=name)

    def scaled(self, values: Floats) -> Floats:
        ranks: Floats = rankdata(values) / len(values)
        return ranks


class ZSum(WeightedSum):
    """Ranks by a weighted mean of the components' z-scores over the candidates.

    `sum_c w_c z_c / sum_c w_c` with `z = (x - mean) / standard deviation`; a component without
    spread counts 0. Unlike `RankSum` it keeps how far a candidate stands out, and one extreme
    value can outweigh the other components. Arguments as of `WeightedSum`.
    """

    def __init__(self, weights: Mapping[str, float], *, name: str = "elad_zsum") -> None:
        super().__init__(weights, name=name)

    def scaled(self, values: Floats) -> Floats:
        # Equal values can have a mean that differs from them by rounding, hence not std() == 0.
        if values.min() == values.max():
            return np.zeros(len(values))
        z: Floats = (values - values.mean()) / values.std()
        return z
