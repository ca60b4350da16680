"""Random draws whose results never change: built on `random.Random.random` alone.

Python guarantees the sequence of `random()` for a seed; `choice`, `shuffle` and NumPy's
distributions come without that promise, and the benchmark's bytes must not depend on versions.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import TypeVar

from elad_exp.errors import ConfigError
from elad_exp.rng import derive_seed

T = TypeVar("T")
_REDRAWS = 20_000


class Draw:
    """Draws for one purpose, see `elad_exp.rng.derive_seed`."""

    def __init__(self, seed: int, *purpose: str | int) -> None:
        self._random = random.Random(derive_seed(seed, *purpose)).random

    def below(self, n: int) -> int:
        """A whole number from 0 to n - 1."""
        return int(self._random() * n)

    def coin(self) -> bool:
        return self._random() < 0.5

    def pick(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]

    def weighted(self, items: Sequence[T], cumulative: Sequence[float]) -> T:
        """One item; `cumulative` holds the running sums of the weights."""
        place = bisect_right(cumulative, self._random() * cumulative[-1])
        return items[min(place, len(items) - 1)]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """A new list in random order (Fisher-Yates)."""
        mixed = list(items)
        for i in range(len(mixed) - 1, 0, -1):
            j = self.below(i + 1)
            mixed[i], mixed[j] = mixed[j], mixed[i]
        return mixed

    def until(self, make: Callable[[], T], fits: Callable[[T], bool], *, what: str) -> T:
        """Draw again until it fits; a world that is too small is a `ConfigError`."""
        for _ in range(_REDRAWS):
            if fits(made := make()):
                return made
        raise ConfigError(
            f"almanac: no {what} after {_REDRAWS} draws; use more entities or a wider number range"
        )


def running(weights: Mapping[str, float] | Sequence[float]) -> list[float]:
    """Running sums, as `Draw.weighted` takes them."""
    return list(accumulate(weights.values() if isinstance(weights, Mapping) else weights))
