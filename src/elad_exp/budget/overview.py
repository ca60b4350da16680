"""What a store holds, for `elad-exp store show`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elad_exp.budget.ledger import utc
from elad_exp.budget.money import dollars
from elad_exp.budget.sums import add_up
from elad_exp.errors import ConfigError
from elad_exp.types import Record, Spent

_CHARGED = ("settled", "unknown")
_OPEN = ("reserved", "sent")


@dataclass(frozen=True, slots=True)
class StoredRun(Record):
    """A run of the store. `teacher` is null where a run before schema version 3 left none."""

    run_id: str
    sweep: str | None
    started: float
    spent: Spent
    paid: Spent
    open_calls: int
    teacher: dict[str, Any] | None


def stored_runs(db: sqlite3.Connection) -> list[StoredRun]:
    """The runs, oldest first."""
    rows = db.execute("SELECT * FROM runs ORDER BY started, run_id").fetchall()
    return [
        StoredRun(
            run_id=row["run_id"],
            sweep=row["sweep"],
            started=row["started"],
            spent=add_up(db, row["run_id"], _CHARGED),
            paid=add_up(db, row["run_id"], _CHARGED, uncached=True),
            open_calls=add_up(db, row["run_id"], _OPEN).calls,
            teacher=json.loads(row["teacher"]) if row["teacher"] else None,
        )
        for row in rows
    ]


def find_run(db: sqlite3.Connection, run_id: str) -> StoredRun:
    """One run.

    Raises:
        ConfigError: The store does not know it.
    """
    for run in (runs := stored_runs(db)):
        if run.run_id == run_id:
            return run
    known = ", ".join(run.run_id for run in runs[-5:]) or "no run"
    more = f" and {len(runs) - 5} older ones" if len(runs) > 5 else ""
    raise ConfigError(f"the store knows no run {run_id!r}; it has {known}{more}")


def show(db: sqlite3.Connection, path: Path) -> str:
    """A line for each run, and totals."""
    runs = stored_runs(db)
    version = db.execute("PRAGMA user_version").fetchone()[0]
    size = sum(f.stat().st_size for f in (path, Path(f"{path}-wal")) if f.exists())
    head = f"store {path}: {size / 1e6:.1f} MB, schema version {version}, {len(runs)} runs"
    lines: list[Sequence[object]] = [
        ("run", "sweep", "started", "annotations", "calls", "tokens", "spent", "paid", "open", "")
    ]
    lines += [
        (
            *(run.run_id, run.sweep or "-", (utc(run.started) or "")[:16]),
            *(run.spent.annotations, run.spent.calls, run.spent.tokens),
            *(_usd(run.spent.usd), _usd(run.paid.usd), run.open_calls, _teacher(run.teacher)),
        )
        for run in runs
    ]
    sums = [
        sum(getattr(r.spent, unit) for r in runs) for unit in ("annotations", "calls", "tokens")
    ]
    money = [_usd(sum(getattr(r, kind).usd for r in runs)) for kind in ("spent", "paid")]
    lines.append(("total", "", "", *sums, *money, sum(r.open_calls for r in runs), ""))
    return f"{head}\n{_table(lines, left=(0, 1, 2, 9))}"


def show_run(db: sqlite3.Connection, run_id: str) -> str:
    """The calls of a run by state and status, and its purchases by round."""
    run = find_run(db, run_id)
    head = f"run {run_id}, started {utc(run.started)}, sweep {run.sweep or '-'}"
    settings = json.dumps(run.teacher) if run.teacher else "not known"
    lines: list[Sequence[object]] = [("state", "status", "cached", "calls", "tokens", "dollars")]
    lines += [
        (*(row[0], row[1] or "-", "yes" if row[2] else "no", row[3], row[4]), _usd(dollars(row[5])))
        for row in db.execute(
            "SELECT state, status, cached, count(*), sum(prompt_tokens + completion_tokens),"
            " sum(pico_usd) FROM calls WHERE run_id = ? GROUP BY state, status, cached",
            (run_id,),
        )
    ]
    rounds: list[Sequence[object]] = [("round", "annotations", "calls", "tokens", "spent", "paid")]
    rounds += [
        (*row[:4], _usd(dollars(row[4])), _usd(dollars(row[5])))
        for row in db.execute(
            "SELECT round, sum(texts), sum(calls), sum(tokens), sum(spent), sum(paid) FROM ("
            "SELECT round, max(texts) AS texts, count(*) AS calls, sum(pico_usd) AS spent,"
            " sum(prompt_tokens + completion_tokens) AS tokens,"
            " sum((1 - cached) * pico_usd) AS paid FROM calls"
            " WHERE run_id = ? AND state IN ('settled', 'unknown') GROUP BY round, annotation)"
            " GROUP BY round",
            (run_id,),
        )
    ]
    tables = (_table(lines, left=(0, 1, 2)), _table(rounds))
    return "\n\n".join((f"{head}\nteacher {settings}", *tables))


def _usd(value: float) -> str:
    return f"${value:.4f}"


def _teacher(settings: dict[str, Any] | None) -> str:
    return " ".join(str(settings[k]) for k in ("name", "model", "mode")) if settings else "-"


def _table(rows: Sequence[Sequence[object]], left: Sequence[int] = ()) -> str:
    cells = [[str(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = (
        "  ".join(
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    )
    return "\n".join(lines)
