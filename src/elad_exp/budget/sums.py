"""What a run or a sweep has used of its limits, and whether one more call fits."""

from __future__ import annotations

import sqlite3
from typing import Any

from elad_exp.budget.budget import Limits
from elad_exp.budget.money import dollars, pico_usd
from elad_exp.types import Spent, Usage


def add_up(
    db: sqlite3.Connection,
    run_id: str,
    states: tuple[str, ...],
    *,
    uncached: bool = False,
    before_round: int | None = None,
) -> Spent:
    """Sum of a run's calls in `states`; `wall_s` is that of the latest reservation among them."""
    marks = ", ".join("?" for _ in states)
    row = db.execute(
        "SELECT coalesce(sum(texts), 0), coalesce(sum(calls), 0), coalesce(sum(tokens), 0),"
        " coalesce(sum(pico_usd), 0), coalesce(max(wall_s), 0.0) FROM ("
        "SELECT max(texts) AS texts, count(*) AS calls, sum(pico_usd) AS pico_usd,"
        " sum(prompt_tokens + completion_tokens) AS tokens, max(wall_s) AS wall_s"
        f" FROM calls WHERE run_id = ? AND state IN ({marks})"
        " AND (NOT ? OR cached = 0) AND (? IS NULL OR round < ?) GROUP BY annotation)",
        (run_id, *states, uncached, before_round, before_round),
    ).fetchone()
    annotations, calls, tokens, pico, wall_s = row
    return Spent(annotations, calls, tokens, dollars(pico), wall_s)


def refusal(
    db: sqlite3.Connection,
    run_id: str,
    annotation: str,
    *,
    bound: Usage,
    ahead: Usage,
    ahead_calls: int,
    limits: Limits,
    wall_s: float,
    texts: int = 1,
) -> str | None:
    """Why a call does not fit under the limits, or None if it does.

    The first call of an annotation needs room for `texts` under `max_annotations`.

    Counted are calls that are settled, unknown or open, and what other annotations hold for their
    further calls; under `scope: sweep` those of all its runs, without what the cache answered.
    """
    used = _used(db, run_id, annotation, sweep=limits.scope == "sweep")
    asked = {
        "annotations": 0 if used["known"] else texts,
        "calls": 1 + ahead_calls,
        "tokens": bound.tokens + ahead.tokens,
    }
    for unit, more in asked.items():
        limit = getattr(limits, f"max_{unit}")
        if limit is not None and more and used[unit] + more > limit:
            return _refused(unit, limit, used[unit], more, limits.scope)
    if limits.max_usd is not None:
        more = pico_usd(bound.usd) + pico_usd(ahead.usd)
        if more and used["pico_usd"] + more > pico_usd(limits.max_usd):
            spent = dollars(used["pico_usd"])
            return _refused("usd", limits.max_usd, spent, dollars(more), limits.scope)
    # What was begun is finished: its first calls are paid for.
    if limits.max_wall_s is not None and wall_s >= limits.max_wall_s and not used["known"]:
        return (
            f"budget.max_wall_s={limits.max_wall_s}: the run has taken {wall_s:.1f} s; raise it "
            "to go on"
        )
    return None


def _used(db: sqlite3.Connection, run_id: str, annotation: str, *, sweep: bool) -> dict[str, Any]:
    whose, values = "run_id = ?", [run_id]
    if sweep:
        whose = (
            "run_id IN (SELECT b.run_id FROM runs a JOIN runs b"
            " ON b.run_id = a.run_id OR b.sweep = a.sweep WHERE a.run_id = ?)"
        )
    free = " - cached_{0}" if sweep else ""
    summed = ", ".join(
        f"coalesce(sum(used_{name}{free.format(name)}), 0) AS {name}"
        for name in ("calls", "tokens", "pico_usd")
    )
    held = ", ".join(
        f"coalesce(sum({name}), 0) AS held_{name}" for name in ("calls", "tokens", "pico_usd")
    )
    used = dict(
        db.execute(
            "SELECT * FROM (SELECT coalesce(sum(used_annotations), 0) AS annotations, "
            f"{summed} FROM runs WHERE {whose}), (SELECT {held} FROM holds WHERE {whose}"
            " AND NOT (run_id = ? AND annotation = ?)), (SELECT EXISTS (SELECT 1 FROM calls"
            " WHERE run_id = ? AND annotation = ? AND state != 'released') AS known)",
            (*values, *values, run_id, annotation, run_id, annotation),
        ).fetchone()
    )
    sums = {n: used[n] + used[f"held_{n}"] for n in ("calls", "tokens", "pico_usd")}
    return used | sums


def _refused(unit: str, limit: float, used: float, asked: float, scope: str) -> str:
    whose = " (of the whole sweep)" if scope == "sweep" else ""
    return (
        f"budget.max_{unit}={limit}{whose}: {used} used or held by open calls, the next "
        f"annotation may take {asked} more; raise budget.max_{unit} to go on"
    )
