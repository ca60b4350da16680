"""A plan for reading: what it costs, what ends it and how long it takes, then round by round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from elad_exp.budget.budget import UNITS
from elad_exp.plan.costs import RoundPlan, total
from elad_exp.plan.ending import Most, capped
from elad_exp.plan.job import Plan
from elad_exp.plan.student import SECONDS_A_CALL


def told(plan: Plan) -> Iterator[str]:
    """The lines of a run's plan; at most 100 columns wide but for names and limits."""
    teacher, whole = plan.teacher, total(plan.rounds)
    yield (
        f"plan      {plan.name}: {teacher.name} ({teacher.model}, {teacher.mode}); no call is "
        "made, no run is begun"
    )
    yield from costs(whole, plan.most, [plan])
    if teacher.shares_cache:
        yield stored(plan)
    yield f"budget    {budget(plan)}"
    yield from times(whole, plan)
    rows = [(str(part.round), part, _round_most(part, plan)) for part in plan.rounds]
    yield from table("round", rows, (whole, plan.most), does=does([plan]))


def does(plans: Sequence[Plan]) -> str:
    """What becomes of the student's tokens outside of training: `written`, or `read`."""
    return "/".join(sorted({"read" if plan.reads else "written" for plan in plans}, reverse=True))


def _round_most(part: RoundPlan, plan: Plan) -> Most:
    worst = part.most - part.stored
    return capped([worst.calls, worst.tokens, worst.usd], [plan.limits])


def costs(whole: RoundPlan, most: Most, plans: Sequence[Plan]) -> Iterator[str]:
    """What will be paid, and the tokens behind it."""
    paid = whole.paid
    if most.usd:
        text = f"{usd(paid.usd)} expected, at most {usd(most.usd)}{_bound('usd', most)}"
        if not any(plan.teacher.shares_cache for plan in plans):
            text += "; spent as it was recorded, nothing is paid"
    elif any(plan.teacher.shares_cache for plan in plans):
        text = "dollars are not counted: the price is 0 or not known"
    else:
        text = "nothing: this teacher is free"
    yield f"cost      {text}"
    yield (
        f"tokens    {paid.tokens:,.0f} expected, at most {most.tokens:,.0f}"
        f"{_bound('tokens', most)}; {paid.calls:,.0f} calls for {whole.annotations:,} annotations"
    )


def _bound(unit: str, most: Most) -> str:
    return f" (budget.max_{unit})" if unit in most.capped else " (each call at its worst)"


def stored(plan: Plan) -> str:
    """How much of the initial query is paid for."""
    first = plan.rounds[0]
    n, asked = first.stored.calls, first.expected.calls
    if not asked:
        return (
            f"store     the {first.given:,} first examples are given: nothing is asked about them"
        )
    if not n:
        return f"store     none of the {asked:,.0f} answers to the initial query is in the store"
    return (
        f"store     {n:,.0f} of the {asked:,.0f} answers to the initial query are in the store: "
        f"{usd(first.stored.usd)} spent (limits count it), nothing paid"
    )


def budget(plan: Plan) -> str:
    """Which limit is expected to end the run, and when; or that none is."""
    limits, end = plan.limits, plan.end
    whole = " (scope: the whole sweep)" if limits.scope == "sweep" else ""
    if end is None:
        given = {f"max_{unit}": getattr(limits, f"max_{unit}") for unit in UNITS}
        named = [f"{name}={limit:,}" for name, limit in given.items() if limit is not None]
        return f"expected to suffice: {', '.join(named)}{whole}" if named else "no limit"
    limit = getattr(limits, f"max_{end.unit}")
    what = f"max_{end.unit}={limit:,}" + (whole if end.unit != "wall_s" else "")
    if end.round == 0 and end.bought == 0:
        first = "covers no annotation of the initial query"
        return f"{what} {first}, so nothing is trained on: raise it"
    text = (
        f"{what} is expected to be used up in round {end.round}, with {end.bought:,} of "
        f"{end.asked:,} annotations"
    )
    if not plan.stops:
        return f"{text}; the run trains on (stopping has no budget)"
    return f"{text}; round {end.last} is the last"


def times(whole: RoundPlan, plan: Plan) -> Iterator[str]:
    """How long it takes, and from what that is worked out."""
    calling, speeds = plan.teacher.calling, plan.speeds
    waits = plan.teacher.shares_cache
    yield (
        f"time      about {duration(whole.seconds)} on this machine: student "
        f"{duration(whole.student_s)}, teacher {duration(whole.wait_s)}"
    )
    yield (
        f"student   {speeds.answer:,.0f} tokens/s {does([plan])}, {speeds.train:,.0f} tokens/s "
        "trained on: the best of what was measured just now"
    )
    if waits:
        yield (
            f"teacher   {calling.concurrency} at a time (teacher.concurrency), "
            f"{SECONDS_A_CALL:g} s a call assumed"
        )


def table(
    first: str,
    rows: Sequence[tuple[str, RoundPlan, Most]],
    whole: tuple[RoundPlan, Most],
    *,
    does: str,
) -> Iterator[str]:
    """What is paid, and what the student does; the last row adds up.

    Args:
        first: Names the first column.
        rows: Name, expectation and bound.
        whole: Expectation and bound of all; without any dollars, tokens are bounded.
        does: Of the student's tokens outside of training, see `does`.
    """
    money = whole[1].usd > 0
    head = [first, "asked", "calls", "prompt tok", "reply tok"]
    head += ["usd", "at most usd"] if money else ["at most tok"]
    lines = [[*head, f"{does} tok", "trained tok", "seconds"]]
    lines += [_row(*row, money=money) for row in [*rows, ("all", *whole)]]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))


def _row(name: str, part: RoundPlan, most: Most, *, money: bool) -> list[str]:
    paid = part.paid
    bounds = [usd(paid.usd, ""), usd(most.usd, "")] if money else [f"{most.tokens:,.0f}"]
    return [
        *(name, f"{part.annotations:,}", f"{paid.calls:,.0f}"),
        *(f"{paid.prompt_tokens:,.0f}", f"{paid.completion_tokens:,.0f}"),
        *bounds,
        *(f"{part.answered:,.0f}", f"{part.trained:,.0f}", f"{part.seconds:,.0f}"),
    ]


def usd(value: float, sign: str = "$") -> str:
    """Dollars, with four decimals below one."""
    return f"{sign}{value:,.{2 if value >= 1 or not value else 4}f}"


def duration(seconds: float) -> str:
    """Seconds below two minutes, then minutes, then hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
