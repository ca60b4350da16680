"""How much a run buys, and how long it trains on it."""

from __future__ import annotations

from dataclasses import dataclass

from elad_exp.errors import ConfigError

ALL = "all"
"""As `initial_size`: the whole pool, without the texts that are too long for the student."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How much is bought and trained.

    Args:
        rounds: Purchases, the initial one included; also the number of training phases.
        initial_size: Samples of the initial query, or `all`; null with `shots`.
        shots: Samples of each class in the initial query, see `selectors.shots`; or null.
        query_size: Samples of every later query.
        steps_per_round: Optimizer steps after each purchase.
        reset: `warm` trains on from the last round, `scratch` starts from the initial weights.
    """

    rounds: int
    initial_size: int | str | None
    query_size: int
    steps_per_round: int
    reset: str = "warm"
    shots: int | None = None

    def first_size(self, pool: int, *, most: int | None = None) -> int | None:
        """Samples of the initial query; None with `shots`.

        Args:
            pool: Samples in the pool.
            most: Annotations that the budget covers; None for any number.

        Raises:
            ConfigError: They are more than the pool or the budget has.
        """
        size = pool if self.initial_size == ALL else self.initial_size
        if size is None:
            return None
        if not isinstance(size, int):
            raise ConfigError(
                f"schedule.initial_size={size}: choose a whole number, {ALL} (the whole pool) or "
                "null"
            )
        if size > pool:
            raise ConfigError(
                f"schedule.initial_size={size} exceeds the pool of {pool} samples; choose a "
                f"smaller initial query, or schedule.initial_size={ALL}"
            )
        if most is not None and size > most:
            shown = f"{ALL} ({size} samples)" if self.initial_size == ALL else size
            raise ConfigError(
                f"schedule.initial_size={shown} exceeds budget.max_annotations={most}; lower the "
                "first or raise the second"
            )
        return size
