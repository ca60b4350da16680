"""What a run may spend. All limits hold together; null means no limit."""

from __future__ import annotations

import math
from dataclasses import dataclass

from elad_exp.errors import ConfigError
from elad_exp.types import Record, Usage

UNITS = ("annotations", "calls", "tokens", "usd", "wall_s")
_LIMITS = tuple(f"max_{unit}" for unit in UNITS)
_COUNTS = ("max_annotations", "max_calls", "max_tokens")


@dataclass(frozen=True, slots=True)
class Limits(Record):
    """Limits of one run, checked before each call to the teacher.

    Args:
        max_annotations: Samples annotated, each counted once per request, cached or not.
        max_calls: Calls to the teacher.
        max_tokens: Tokens, prompt and completion together.
        max_usd: US dollars.
        max_wall_s: Seconds since the run began; nothing is bought once they have passed.
        scope: `run`, or `sweep`: the limits but `max_wall_s` then hold for all jobs of a sweep
            together, counting what they paid. A safety net: it ends jobs wherever they are.

    Raises:
        ConfigError: Names every value that is not a limit.
    """

    max_annotations: int | None = None
    max_calls: int | None = None
    max_tokens: int | None = None
    max_usd: float | None = None
    max_wall_s: float | None = None
    scope: str = "run"

    def __post_init__(self) -> None:
        problems = []
        for name in _LIMITS:
            value = getattr(self, name)
            count = name in _COUNTS
            if not _allowed(value, count=count):
                kind = "a whole number" if count else "a finite number"
                problems.append(
                    f"budget.{name}={value!r}: must be {kind} of at least 0, or null for no limit"
                )
        if self.scope not in ("run", "sweep"):
            problems.append(f"budget.scope={self.scope!r}: choose run or sweep")
        if problems:
            raise ConfigError("; ".join(problems))


def _allowed(value: object, *, count: bool) -> bool:
    if value is None:
        return True
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    if isinstance(value, float) and (count or not math.isfinite(value)):
        return False
    return value >= 0


def require_one(
    limits: Limits,
    *,
    calls: int,
    most: Usage,
    annotations: int = 1,
    what: str = "one annotation",
) -> None:
    """Refuse limits that do not cover the least that is bought, before anything is prepared for it.

    Args:
        limits: Of the run, or of its sweep.
        calls: That it may take.
        most: What they may cost together.
        annotations: That it gives.
        what: Names it.

    Raises:
        ConfigError: Names every limit that is too low.
    """
    needed = {
        "annotations": (annotations, f"{annotations} annotation{'s' * (annotations != 1)}"),
        "calls": (calls, f"{calls} calls"),
        "tokens": (most.tokens, f"{most.tokens:,} tokens"),
        "usd": (most.usd, f"${most.usd:.2g}"),
    }
    problems = [
        f"budget.max_{unit}={limit} does not cover {what}, which may take {shown}"
        for unit, (value, shown) in needed.items()
        if (limit := getattr(limits, f"max_{unit}")) is not None and value > limit
    ]
    if limits.max_wall_s == 0:
        problems.append("budget.max_wall_s=0 leaves no time to buy anything")
    if problems:
        raise ConfigError(f"{'; '.join(problems)}: raise it, or null for no limit")


def raised_only(old: Limits, new: Limits) -> None:
    """Check that a resumed run keeps or raises each limit of the run.

    Raises:
        ConfigError: Names every limit that would be lowered.
    """
    problems = []
    if new.scope != old.scope:
        problems.append(f"budget.scope={new.scope}: a resumed run keeps its own, {old.scope}")
    for name in _LIMITS:
        before, after = getattr(old, name), getattr(new, name)
        if after is not None and (before is None or after < before):
            shown = "null" if before is None else before
            problems.append(
                f"budget.{name}={after} is below the run's {shown}: a resumed run may only "
                "raise a limit or set it to null; leave it out to keep it"
            )
    if problems:
        raise ConfigError("; ".join(problems))
