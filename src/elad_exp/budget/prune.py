"""Delete runs from a store, or only what was answered in them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from elad_exp.budget.database import transaction
from elad_exp.budget.overview import find_run, stored_runs
from elad_exp.budget.owner import LEASE_S, Owner, is_dead, this_process
from elad_exp.errors import ConfigError


@dataclass
class Pruning:
    """What is to be deleted. Runs that stay are `alive` (their process, or one of their sweep,
    still runs) or `needed` (other jobs of their sweep stay, which may share a budget with them).
    """

    runs: list[str] = field(default_factory=list)
    alive: list[str] = field(default_factory=list)
    needed: list[str] = field(default_factory=list)
    calls: int = 0
    answers: int = 0

    def goes(self, *, answers_only: bool) -> str:
        """What is to be deleted, in words."""
        runs = f"{_count(len(self.runs), 'run')} ({', '.join(self.runs)})"
        calls, answers = _count(self.calls, "call"), _count(self.answers, "answer")
        if answers_only:
            return f"{answers} of {runs}; what its {calls} cost stays known"
        return f"{runs} with {calls}, {answers} and what they cost"

    def stays(self) -> list[str]:
        """A line for each reason to keep runs."""
        reasons = {
            "they, or other jobs of their sweep, still run": self.alive,
            "other jobs of their sweep asked something later, and the jobs of a sweep are deleted "
            "together": self.needed,
        }
        return [f"kept, because {why}: {', '.join(runs)}" for why, runs in reasons.items() if runs]


def _count(n: int, name: str) -> str:
    return f"{n} {name}{'' if n == 1 else 's'}"


def date(text: str) -> float:
    """Seconds since the epoch at which a day, or a time, in UTC begins.

    Raises:
        ConfigError: It is none.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"--before {text}: write a day like 2026-01-31") from error
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def plan(
    db: sqlite3.Connection,
    *,
    run_id: str | None = None,
    before: float | None = None,
    answers_only: bool = False,
    clock: Callable[[], float] = time.time,
) -> Pruning:
    """What pruning a run, or all runs that have asked nothing since `before`, would delete.

    The jobs of a sweep are deleted together or not at all: a budget may hold for all of them.

    Raises:
        ConfigError: There is no such run, it still runs, or it is one of several jobs of a sweep.
    """
    chosen = [find_run(db, run_id)] if run_id else stored_runs(db)
    if before is not None:
        chosen = [run for run in chosen if max(run.started, _latest(db, run.run_id)) < before]
    found = Pruning()
    ids = {run.run_id for run in chosen}
    for run in chosen:
        if _alive(db, run.run_id, now=clock()):
            found.alive.append(run.run_id)
            continue
        if not answers_only and not ids.issuperset(_sweep(db, run.run_id)):
            found.needed.append(run.run_id)
            continue
        calls, answers = db.execute(
            "SELECT count(*), count(payload) FROM calls WHERE run_id = ?", (run.run_id,)
        ).fetchone()
        found.runs.append(run.run_id)
        found.calls += calls
        found.answers += answers
    if run_id and found.needed:
        raise ConfigError(
            f"run {run_id} is one of {len(_sweep(db, run_id))} jobs of a sweep, which are deleted "
            "together, because a budget may hold for all of them; write --before DATE for all of "
            "them, or --answers-only for this one's answers"
        )
    if run_id and found.alive:
        raise ConfigError(
            f"run {run_id} or a job of its sweep still runs; end it, or wait for its end"
        )
    return found


def prune(db: sqlite3.Connection, runs: list[str], *, answers_only: bool = False) -> None:
    """Delete runs, or the answers in them; sums of sweeps stay right.

    Raises:
        ConfigError: A run has begun to ask again; nothing was deleted.
    """
    with transaction(db):
        for run_id in runs:
            if _alive(db, run_id, now=time.time()):
                raise ConfigError(
                    f"run {run_id} or a job of its sweep still runs; nothing was deleted"
                )
            if answers_only:
                db.execute("UPDATE calls SET payload = NULL WHERE run_id = ?", (run_id,))
                continue
            for table in ("holds", "calls", "runs"):
                db.execute(f"DELETE FROM {table} WHERE run_id = ?", (run_id,))


def compact(db: sqlite3.Connection, path: Path) -> bool:
    """Give the space of what was deleted back, with its texts; False while another process uses the
    store: that waits for the next time.

    Raises:
        ConfigError: The file could not be made smaller for another reason.
    """
    try:
        db.execute("VACUUM")
        busy = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return False
        raise ConfigError(
            f"deleted, but {path} could not be made smaller, so the texts are still in it: {error}"
        ) from error
    return not busy


def _latest(db: sqlite3.Connection, run_id: str) -> float:
    asked = "SELECT coalesce(max(reserved_at), 0) FROM calls WHERE run_id = ?"
    opened = "SELECT coalesce(max(opened_at), 0) FROM runs WHERE run_id = ?"
    return max(float(db.execute(query, (run_id,)).fetchone()[0]) for query in (asked, opened))


def _sweep(db: sqlite3.Connection, run_id: str) -> list[str]:
    """The jobs of the sweep of a run, itself included; none if it is no job of any."""
    query = "SELECT b.run_id FROM runs a JOIN runs b ON b.sweep = a.sweep WHERE a.run_id = ?"
    return [row["run_id"] for row in db.execute(query, (run_id,))]


def _alive(db: sqlite3.Connection, run_id: str, *, now: float) -> bool:
    """Whether a process that has opened the run, or asked in it, still runs; or one of a job of its
    sweep. Between two purchases a run has no open call, and still counts on what is stored.
    """
    rows = db.execute(
        "WITH jobs AS (SELECT b.* FROM runs a JOIN runs b ON a.run_id = b.run_id OR"
        " a.sweep = b.sweep WHERE a.run_id = ?)"
        " SELECT host, pid, start, opened_at + ? AS lease_until FROM jobs WHERE pid IS NOT NULL"
        " UNION ALL SELECT c.host, c.pid, c.start, max(c.lease_until) FROM calls c JOIN jobs"
        " ON jobs.run_id = c.run_id GROUP BY c.host, c.pid, c.start",
        (run_id, LEASE_S),
    )
    me = this_process()
    return any(
        not is_dead(
            Owner(row["host"], row["pid"], row["start"]), me=me, lease_over=now > row["lease_until"]
        )
        for row in rows
    )
