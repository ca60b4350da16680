"""Where a budget is expected to end a run, and what it can cost at most under that budget.

A run stops at the first limit that it meets. Each annotation is taken to cost the average of its
round, and is bought if its worst case still fits, as `Store.reserve` has it. A lot (a lesson, or
the study before them) is begun if what is set aside for the whole of it fits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from elad_exp.budget.budget import UNITS, Limits
from elad_exp.plan.costs import Cost, RoundPlan, total

COUNTED = UNITS[:-1]
"""What is added up over the jobs of a sweep: all but time."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The first limit that is met: in `round` it covers `bought` of `asked` annotations. `last` is
    the last round, which only trains and measures.
    """

    unit: str
    round: int
    bought: int
    asked: int
    last: int


@dataclass
class Used:
    """What is expected to be used of each limit so far."""

    annotations: float = 0.0
    calls: float = 0.0
    tokens: float = 0.0
    usd: float = 0.0
    wall_s: float = 0.0

    def add(self, annotations: int, cost: Cost) -> None:
        """Count a purchase."""
        self.annotations += annotations
        for unit in COUNTED[1:]:
            setattr(self, unit, getattr(self, unit) + getattr(cost, unit))


@dataclass(frozen=True, slots=True)
class Most:
    """Upper bounds of what calls use. `capped`: units in which the budget is the bound."""

    calls: float
    tokens: float
    usd: float
    capped: frozenset[str] = field(default_factory=frozenset)


def covered(
    rounds: Sequence[RoundPlan], limits: Limits, used: Used, *, stops: bool = True
) -> tuple[list[RoundPlan], Ending | None]:
    """The rounds as the budget is expected to cover them, and what ends them early.

    Args:
        rounds: Without limits; the last one buys nothing.
        limits: With `scope: sweep`, calls, tokens and dollars count as they are paid.
        used: Before the first round; what is bought is added to it.
        stops: Whether the run ends when a limit is met (`stopping: budget`), or trains on.
    """
    kept: list[RoundPlan] = []
    end: Ending | None = None
    for part in rounds:
        used.wall_s += part.train_s + part.measure_s
        met = _met(limits, used) if part.round and part.annotations else None
        if met and end is None:
            end = Ending(met, part.round, 0, part.annotations, part.round)
        if end is not None and (met or stops):
            kept.append(part.closed())
            if stops:
                break
            continue
        used.wall_s += part.score_s
        unit, bought = _bought(part, limits, used)
        if unit is not None:
            asked = part.annotations
            end = end or Ending(unit, part.round, bought.annotations, asked, part.round + 1)
        part = bought
        used.add(part.annotations, part.paid if limits.scope == "sweep" else part.expected)
        used.wall_s += part.wait_s
        kept.append(part)
        if end is not None and part.round == 0 and part.annotations == 0:
            break  # it has nothing to train on
    return kept, end


def _met(limits: Limits, used: Used) -> str | None:
    """The limit that stops a run before it scores, if one does."""
    for unit in UNITS:
        limit = getattr(limits, f"max_{unit}")
        if limit is not None and getattr(used, unit) >= limit:
            return unit
    return None


def _bought(part: RoundPlan, limits: Limits, used: Used) -> tuple[str | None, RoundPlan]:
    """The limit that cuts a round short, if one does, and the round as it is bought."""
    if part.lots:
        return _begun(part, limits, used)
    unit, n = _fitting(part, limits, used)
    return (None, part) if unit is None else (unit, part.bought(n))


def _begun(part: RoundPlan, limits: Limits, used: Used) -> tuple[str | None, RoundPlan]:
    """As `_bought`, lot by lot."""
    now = replace(used)
    wait = part.wait_s / part.expected.calls if part.expected.calls else 0.0
    for n, lot in enumerate(part.lots):
        for unit in UNITS:
            limit = getattr(limits, f"max_{unit}")
            if limit is None:
                continue
            if unit == "wall_s":
                refused = now.wall_s >= limit
            else:
                worst = lot.annotations if unit == "annotations" else getattr(lot.aside, unit)
                refused = worst > 0 and round(getattr(now, unit) + worst - limit, 9) > 0
            if refused:
                return unit, part.begun(part.lots[:n])
        now.add(lot.annotations, lot.expected)
        now.wall_s += wait * lot.expected.calls
    return None, part


def _fitting(part: RoundPlan, limits: Limits, used: Used) -> tuple[str | None, int]:
    """The limit that covers the fewest annotations of a round, and how many; none if all fit."""
    asked = part.annotations
    found: tuple[str | None, int] = (None, asked)
    cost = part.paid if limits.scope == "sweep" else part.expected
    for unit in UNITS:
        limit = getattr(limits, f"max_{unit}")
        if limit is None or not asked:
            continue
        left = limit - getattr(used, unit)
        if unit == "wall_s":
            n = _while_time(left, part.wait_s / asked)
        elif unit == "annotations":
            n = _while_fits(left, 1, 1)
        else:
            n = _while_fits(left, getattr(cost, unit) / asked, getattr(part.most, unit) / asked)
        if n < found[1]:
            found = (unit, int(n))
    return found


def _while_fits(left: float, each: float, worst: float) -> float:
    """How many are bought one after the other, each reserved at its worst."""
    if worst <= 0:
        return math.inf
    left = round(left - worst, 12)
    if left < 0:
        return 0
    return math.floor(round(left / each, 9)) + 1 if each > 0 else math.inf


def _while_time(left: float, each: float) -> float:
    if left <= 0:
        return 0
    return math.ceil(left / each) if each > 0 else math.inf


def at_most(rounds: Sequence[RoundPlan], limits: Limits) -> Most:
    """What all calls of `rounds` (without limits) can be charged under `limits`, if none is made
    again: each call at its worst case, and never more than the budget lets through.
    """
    # Annotations are counted, not estimated, so theirs is the one limit that cuts for certain.
    counted = Limits(max_annotations=limits.max_annotations)
    kept, _ = covered(rounds, counted, Used())
    whole = total(kept)
    worst = whole.most - whole.stored
    return capped([worst.calls, worst.tokens, worst.usd], [limits])


def capped(values: Sequence[float], limits: Sequence[Limits]) -> Most:
    """`values` (calls, tokens, dollars), none above the largest limit if all have one."""
    found, cut = {}, set()
    for unit, value in zip(COUNTED[1:], values, strict=True):
        caps = [getattr(each, f"max_{unit}") for each in limits]
        found[unit] = value
        if None not in caps and max(caps) < value:
            found[unit] = max(caps)
            cut.add(unit)
    return Most(found["calls"], found["tokens"], found["usd"], frozenset(cut))
