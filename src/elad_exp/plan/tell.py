"""Plans a run, or all jobs of a sweep, and prints that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from omegaconf import DictConfig

from elad_exp.arguments import split_override
from elad_exp.budget.budget import UNITS
from elad_exp.config import compose_config
from elad_exp.console import Console
from elad_exp.errors import EladError
from elad_exp.groundwork import check
from elad_exp.plan.costs import total
from elad_exp.plan.ending import Most, capped
from elad_exp.plan.job import Plan, Planner
from elad_exp.plan.table import budget, costs, does, duration, table, told


def plan(config: DictConfig, *, console: Console) -> Plan:
    """Plan one run and print it.

    Raises:
        ConfigError: What a run would refuse as well, but for a missing key or server.
    """
    found = Planner().plan(config)
    for line in told(found):
        console.say(line)
    return found


def plan_sweep(
    jobs: Sequence[Sequence[str]], fixed: Mapping[str, str], *, console: Console
) -> list[str]:
    """Plan all jobs of a sweep, and print them and their sum.

    Args:
        jobs: The overrides of each.
        fixed: Those that all have, by key; the others name a job.
        console: Prints.

    Returns:
        Why jobs were refused; the sum is without those.
    """
    planner, plans, refused = Planner(), {}, []
    for number, job in enumerate(jobs):
        # The name that Hydra gives to the job of a real sweep.
        name = ",".join(sorted(o for o in job if split_override(o)[0] not in fixed))
        console.say(f"job {number}: {name}")
        try:
            config = compose_config(job)
            check(config)
            plans[number] = planner.plan(config)
        except EladError as error:
            refused.append(f"job {number}: {error}")
            continue
        if plans[number].end is not None:
            console.say(f"budget    {budget(plans[number])}")
    if plans:
        for line in summed(plans):
            console.say(line)
    return refused


def summed(plans: Mapping[int, Plan]) -> Iterator[str]:
    """What all jobs of a sweep cost together, and a row for each."""
    each = list(plans.values())
    sums = {number: total(found.rounds) for number, found in plans.items()}
    whole = total(list(sums.values()))
    most = _most(each)
    yield f"plan      {len(plans)} jobs in turn; no call is made, no run is begun"
    yield from costs(whole, most, each)
    if whole.stored.calls or whole.repeated.calls:
        yield (
            f"store     {whole.stored.calls:,.0f} answers to initial queries are in the store, "
            f"{whole.repeated.calls:,.0f} are bought by an earlier job: nothing paid again"
        )
    yield f"budget    {_judged(plans)}"
    yield (
        f"time      about {duration(whole.seconds)} on this machine: student "
        f"{duration(whole.student_s)}, teacher {duration(whole.wait_s)}"
    )
    rows = [(str(number), sums[number], found.most) for number, found in plans.items()]
    yield from table("job", rows, (whole, most), does=does(each))


def _most(plans: Sequence[Plan]) -> Most:
    """The sum of the jobs' bounds, under the budget of the sweep if they share one."""
    sums = [sum(getattr(p.most, unit) for p in plans) for unit in ("calls", "tokens", "usd")]
    if all(p.limits.scope == "sweep" for p in plans):
        return capped(sums, [p.limits for p in plans])
    # The budget is the bound of the sum only if it is that of every job.
    own = frozenset.intersection(*(p.most.capped for p in plans))
    return Most(sums[0], sums[1], sums[2], own)


def _judged(plans: Mapping[int, Plan]) -> str:
    """Which jobs the budget is expected to cover."""
    limits = [p.limits for p in plans.values()]
    if not any(getattr(each, f"max_{unit}") is not None for each in limits for unit in UNITS):
        return "no limit"
    whose = (
        "of the whole sweep" if all(x.scope == "sweep" for x in limits) else "of each job by itself"
    )
    cut = [str(number) for number, found in plans.items() if found.end is not None]
    if not cut:
        return f"{whose}: expected to suffice"
    return f"{whose}: expected to cut short {len(cut)} of {len(plans)} (job {', '.join(cut)})"
