"""Rules that end a run before its last round. Asked before anything more is bought."""

from __future__ import annotations

from collections.abc import Sequence

from elad_exp.budget.budget import UNITS, Limits
from elad_exp.errors import ConfigError
from elad_exp.metrics import proportion
from elad_exp.protocols import StoppingRule
from elad_exp.types import RoundState, StopReason


class RoundsRule:
    """Stop after `rounds` purchases (and as many training phases)."""

    def __init__(self, rounds: int) -> None:
        if rounds < 1:
            raise ConfigError(f"stopping.rounds.rounds={rounds}: must be at least 1")
        self.rounds = rounds

    def check(self, state: RoundState) -> StopReason | None:
        if state.round >= self.rounds:
            return StopReason("rounds", f"{self.rounds} rounds are done")
        return None


class BudgetRule:
    """Stop when a limit is reached, or the last purchase was cut short by one."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    def check(self, state: RoundState) -> StopReason | None:
        if state.exhausted:
            return None
        if state.refused and self.limits.scope == "sweep":
            return StopReason("sweep_budget", state.refused, resumable=True)
        if state.refused:
            return StopReason("budget", state.refused)
        for unit in UNITS:
            limit, spent = getattr(self.limits, f"max_{unit}"), getattr(state.spent, unit)
            if limit is not None and spent >= limit:
                return StopReason("budget", f"max_{unit}={limit} is used up (spent {spent:g})")
        return None


class PoolRule:
    """Stop when nothing is left to ask for.

    An empty pool ends no run whose teacher studies what is annotated: it may write on.
    """

    def check(self, state: RoundState) -> StopReason | None:
        if state.exhausted:
            return StopReason("pool", state.refused)
        if state.among == "pool" and state.n_unlabelled == 0:
            return StopReason("pool", "the pool is empty")
        return None


class AcceptanceRule:
    """Stop when the teacher accepts nearly every attempt of the audit items as it is.

    Args:
        threshold: Stop when the lower end of the 95 % Wilson interval of the acceptance rate
            is at least this.
        window: Purchases whose audit items are counted together, the latest ones.
    """

    def __init__(self, threshold: float = 0.9, *, window: int = 3) -> None:
        if not 0 < threshold <= 1:
            raise ConfigError(
                f"stopping.acceptance.threshold={threshold}: must be above 0, at most 1"
            )
        if window < 1:
            raise ConfigError(f"stopping.acceptance.window={window}: must be at least 1")
        self.threshold = threshold
        self.window = window

    def check(self, state: RoundState) -> StopReason | None:
        accepted = checked = 0
        # The round just measured has bought nothing yet.
        purchases = [line["bought"] for line in state.history if line["bought"]]
        for bought in purchases[-self.window :]:
            if audit := bought.get("acceptance_audit"):
                accepted += round(audit["value"] * audit["n"])
                checked += audit["n"]
        if checked == 0:
            return None
        rate = proportion(accepted, checked)
        if rate.ci95[0] < self.threshold:
            return None
        return StopReason(
            "acceptance",
            f"the teacher accepts {accepted} of {checked} audited attempts unchanged "
            f"(95 % interval from {rate.ci95[0]:.2f}; threshold {self.threshold})",
        )


class DevPlateauRule:
    """Stop when dev accuracy has not risen by `min_delta` for `patience` rounds."""

    def __init__(self, patience: int = 3, *, min_delta: float = 0.005) -> None:
        if patience < 1:
            raise ConfigError(f"stopping.dev_plateau.patience={patience}: must be at least 1")
        self.patience = patience
        self.min_delta = min_delta

    def check(self, state: RoundState) -> StopReason | None:
        values = [line["dev"]["acc"]["value"] for line in state.history]
        if len(values) <= self.patience:
            return None
        best_before = max(values[: -self.patience])
        if max(values[-self.patience :]) >= best_before + self.min_delta:
            return None
        return StopReason(
            "dev_plateau",
            f"dev accuracy stayed below {best_before + self.min_delta:.3f} for "
            f"{self.patience} rounds",
        )


def first_reason(rules: Sequence[StoppingRule], state: RoundState) -> StopReason | None:
    """The first rule's reason, in the rules' order."""
    return next((reason for rule in rules if (reason := rule.check(state))), None)
