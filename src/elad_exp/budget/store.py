"""The store: every call to a teacher, from its reservation to its answer, in one SQLite file.

A call is `reserved`, then `sent`, then `settled`, `released` or `unknown`:

| state | means | counts towards the limits |
| --- | --- | --- |
| reserved | its worst case is set aside; nothing has left | its bound |
| sent | committed before the first byte left | its bound |
| settled | answered (or served from the cache) | its usage |
| released | was never sent, or is certain not to be billed | nothing |
| unknown | sent, and what became of it cannot be known | its bound |

An annotation may take several calls: what it may need beyond the open one is held for it from its
first call on, so that no annotation is begun that cannot be paid for.

At every commit, settled + unknown + open (reserved or sent) calls of a run, and what is held, are
within its limits, unless a teacher billed more than its bound: that is recorded as it is.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from elad_exp.budget.budget import Limits
from elad_exp.budget.database import open_database, transaction
from elad_exp.budget.ledger import (
    IllegalTransition,
    Recovered,
    StoredCall,
    ledger_line,
    shared_answer,
    stored_call,
)
from elad_exp.budget.money import check_usage, dollars, pico_usd
from elad_exp.budget.owner import LEASE_S, Owner, this_process
from elad_exp.budget.recovery import recover
from elad_exp.budget.sums import add_up, refusal
from elad_exp.errors import BudgetExceeded
from elad_exp.types import Spent, Status, Usage

log = logging.getLogger(__name__)

_CHARGED = ("settled", "unknown")
_OPEN = ("reserved", "sent")


class Store:
    """Calls and holds of all runs of one host. One object per thread and process.

    Args:
        path: The SQLite file; made, with its folder, if missing. Not on a network file system.
        owner: The process that holds what is reserved here; null: this one.
        clock: Seconds since the epoch.

    Raises:
        ConfigError: The file cannot serve as a store.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        owner: Owner | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = Path(path)
        self._owner = owner or this_process()
        self._clock = clock
        self._db = open_database(self.path)
        self._holding: set[tuple[str, str]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Open calls stay open until `recover` finds their owner dead."""
        self._db.close()

    # -- writing -----------------------------------------------------------------------------

    def begin(
        self, run_id: str, *, sweep: str | None = None, teacher: dict[str, Any] | None = None
    ) -> None:
        """Make a run known, its sweep, its teacher's settings, and who works on it."""
        now, owner = self._clock(), self._owner
        with transaction(self._db):
            self._begin(run_id, sweep, now)
            self._db.execute(
                "UPDATE runs SET host = ?, pid = ?, start = ?, opened_at = ? WHERE run_id = ?",
                (owner.host, owner.pid, owner.start, now, run_id),
            )
            if teacher is not None:
                values = (json.dumps(teacher), run_id)
                self._db.execute("UPDATE runs SET teacher = ? WHERE run_id = ?", values)

    def reserve(
        self,
        *,
        run_id: str,
        key: str,
        sample_id: str,
        round: int,
        bound: Usage,
        limits: Limits,
        wall_s: float,
        annotation: str | None = None,
        ahead: Usage = Usage(),  # noqa: B008 (frozen)
        ahead_calls: int = 0,
        texts: int = 1,
        ahead_texts: int = 0,
        send: bool = False,
    ) -> str:
        """Set the worst case of a call aside and return the call's id.

        Args:
            run_id: The run that pays.
            key: Hash of the canonical request.
            sample_id: The sample asked about.
            round: Round of the query.
            bound: The most that the call can cost.
            limits: What may be spent.
            wall_s: Seconds since the run began.
            annotation: What the call is a part of; counts once per run. Null: the key.
            texts: How many texts the annotation is about; so much it counts.
            ahead_texts: How many more there must be room for; nothing is held for them.
            ahead: The most that further calls of the annotation can cost; held for it until its
                next call or `drop_hold`.
            ahead_calls: How many those are.
            send: Mark it sent at once, in the same commit.

        Raises:
            BudgetExceeded: The call does not fit; nothing was written.
        """
        check_usage(bound)
        check_usage(ahead)
        now, annotation = self._clock(), annotation or key
        holder = self._holder(now)
        with transaction(self._db, durable=send):
            if refused := refusal(
                self._db,
                run_id,
                annotation,
                bound=bound,
                ahead=ahead,
                ahead_calls=ahead_calls,
                limits=limits,
                wall_s=wall_s,
                texts=texts + ahead_texts,
            ):
                raise BudgetExceeded(refused)
            call_id = f"{run_id}:{self._next_number(run_id, now)}"
            state = "sent" if send else "reserved"
            cost = (bound.prompt_tokens, bound.completion_tokens, pico_usd(bound.usd))
            self._db.execute(
                "INSERT INTO calls (call_id, run_id, key, sample_id, round, annotation, state,"
                " bound_prompt_tokens, bound_completion_tokens, bound_pico_usd,"
                " prompt_tokens, completion_tokens, pico_usd, wall_s,"
                " host, pid, start, lease_until, reserved_at, sent_at, texts)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(call_id, run_id, key, sample_id, round, annotation, state),
                    *(*cost, *cost, wall_s, *holder, now, now if send else None, texts),
                ),
            )
            if ahead_calls or (run_id, annotation) in self._holding:
                self._hold(run_id, annotation, ahead_calls, ahead, holder)
        return call_id

    def drop_hold(self, run_id: str, annotation: str) -> None:
        """Give back what is held for an annotation that makes no more calls."""
        with transaction(self._db, durable=False):
            self._hold(run_id, annotation, 0, Usage(), ())

    def mark_sent(self, call_id: str) -> None:
        """Commit that the call is about to leave. Call this before the first byte is sent."""
        now = self._clock()
        self._move(call_id, ("reserved",), "sent", sent_at=now, lease_until=now + LEASE_S)

    def settle(
        self,
        call_id: str,
        *,
        usage: Usage,
        status: Status,
        payload: dict[str, Any],
        latency_s: float,
        cached: bool = False,
    ) -> bool:
        """Record the answer of a sent call or, if `cached`, of a reserved one never sent.

        Usage above the bound is recorded as it is.

        Returns:
            Whether the usage exceeds the bound, in tokens or in dollars.
        """
        check_usage(usage)
        excess = self._move(
            call_id,
            ("reserved",) if cached else ("sent",),
            "settled",
            status=str(status),
            cached=int(cached),
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            pico_usd=pico_usd(usage.usd),
            payload=json.dumps(payload),
            latency_s=latency_s,
            closed_at=self._clock(),
        )
        if excess:
            log.warning("call %s cost more than its bound: %s", call_id, usage)
        return excess

    def release(self, call_id: str) -> None:
        """Give the hold back: the call was not sent, or it is certain that it is not billed."""
        self._move(call_id, _OPEN, "released", closed_at=self._clock())

    def mark_unknown(self, call_id: str) -> None:
        """Charge a sent call, whose outcome cannot be known, at its bound."""
        self._move(call_id, ("sent",), "unknown", closed_at=self._clock())

    def abandon(self, call_id: str) -> None:
        """Close a call of one's own that gets no answer: `release` it if it was never sent, else
        `mark_unknown`. A closed call is left as it is.
        """
        state = self._row(call_id)["state"]
        if state == "reserved":
            self.release(call_id)
        elif state == "sent":
            self.mark_unknown(call_id)

    def recover(self, run_id: str) -> Recovered:
        """Close what dead processes left open: never sent is released, sent becomes unknown. Of
        the other jobs of its sweep as well.
        """
        return recover(self._db, run_id, me=self._owner, now=self._clock())

    # -- reading -----------------------------------------------------------------------------

    def settled(self, run_id: str, key: str) -> StoredCall | None:
        """The answer that this run has already settled for the request, whatever its status."""
        rows = self._select(
            "SELECT * FROM calls WHERE run_id = ? AND key = ? AND state = 'settled'"
            " AND payload IS NOT NULL ORDER BY rowid LIMIT 1",
            run_id,
            key,
        )
        return stored_call(rows[0]) if rows else None

    def shared(self, key: str) -> StoredCall | None:
        """An `ok` answer that any run has settled for the request: the shared cache."""
        return shared_answer(self._db, key)

    def times_asked(self, run_id: str, *, before_round: int) -> dict[str, int]:
        """How many annotations of each sample came to an end in rounds before `before_round`: their
        last call was settled, usable or not.
        """
        rows = self._select(
            "SELECT sample_id, count(*) FROM ("
            "SELECT sample_id, state, max(rowid) FROM calls WHERE run_id = ? AND round < ?"
            " GROUP BY annotation) WHERE state = 'settled' GROUP BY sample_id",
            run_id,
            before_round,
        )
        return {row[0]: row[1] for row in rows}

    def unusable(self, run_id: str, *, before_round: int) -> set[str]:
        """The annotations of rounds before `before_round` that ended with an unusable answer."""
        rows = self._select(
            "SELECT DISTINCT annotation FROM calls"
            " WHERE run_id = ? AND round < ? AND state = 'settled' AND status != 'ok'",
            run_id,
            before_round,
        )
        return {row[0] for row in rows}

    def spent(self, run_id: str, *, before_round: int | None = None) -> Spent:
        """Settled and unknown calls, as if the cache had been empty; null: of all rounds.

        `wall_s` is that of the latest reservation among them.
        """
        return add_up(self._db, run_id, _CHARGED, before_round=before_round)

    def paid(self, run_id: str) -> Spent:
        """Like `spent`, without what the shared cache answered."""
        return add_up(self._db, run_id, _CHARGED, uncached=True)

    def used_usd(self, run_id: str) -> float:
        """Dollars that are spent or set aside for open calls."""
        rows = self._select("SELECT used_pico_usd FROM runs WHERE run_id = ?", run_id)
        return dollars(rows[0][0]) if rows else 0.0

    def held(self, run_id: str) -> Spent:
        """Bounds of the calls that are reserved or sent."""
        return add_up(self._db, run_id, _OPEN)

    def calls_of(self, run_id: str, annotation: str, *, round: int) -> tuple[str, ...]:
        """Ids of the calls that an annotation is charged for in a round."""
        rows = self._select(
            "SELECT call_id FROM calls WHERE run_id = ? AND annotation = ? AND round = ?"
            " AND state IN ('settled', 'unknown') ORDER BY rowid",
            run_id,
            annotation,
            round,
        )
        return tuple(row["call_id"] for row in rows)

    def call(self, call_id: str) -> dict[str, Any]:
        """One call as in `calls`."""
        return ledger_line(self._row(call_id))

    def calls(self, run_id: str) -> Iterator[dict[str, Any]]:
        """The lines of `ledger.jsonl`, in the order of reservation. Times are UTC."""
        rows = self._select("SELECT * FROM calls WHERE run_id = ? ORDER BY rowid", run_id)
        return (ledger_line(row) for row in rows)

    # -- inside ------------------------------------------------------------------------------

    def _holder(self, now: float) -> tuple[object, ...]:
        return (self._owner.host, self._owner.pid, self._owner.start, now + LEASE_S)

    def _begin(self, run_id: str, sweep: str | None, now: float) -> None:
        self._db.execute(
            "INSERT INTO runs (run_id, started, sweep) VALUES (?, ?, ?) ON CONFLICT (run_id)"
            " DO UPDATE SET sweep = coalesce(excluded.sweep, sweep)",
            (run_id, now, sweep),
        )

    def _next_number(self, run_id: str, now: float) -> int:
        count = "UPDATE runs SET last_call = last_call + 1 WHERE run_id = ? RETURNING last_call"
        row = self._db.execute(count, (run_id,)).fetchone()
        if row is None:  # its first call, of a run that nobody has begun
            self._begin(run_id, None, now)
            row = self._db.execute(count, (run_id,)).fetchone()
        return int(row[0])

    def _hold(
        self, run_id: str, annotation: str, calls: int, cost: Usage, holder: tuple[object, ...]
    ) -> None:
        if calls:
            self._holding.add((run_id, annotation))
            self._db.execute(
                "INSERT OR REPLACE INTO holds VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (run_id, annotation, calls, cost.tokens, pico_usd(cost.usd), *holder),
            )
        else:
            self._holding.discard((run_id, annotation))
            self._db.execute(
                "DELETE FROM holds WHERE run_id = ? AND annotation = ?", (run_id, annotation)
            )

    def _select(self, query: str, *values: object) -> list[sqlite3.Row]:
        return self._db.execute(query, values).fetchall()

    def _row(self, call_id: str) -> sqlite3.Row:
        rows = self._select("SELECT * FROM calls WHERE call_id = ?", call_id)
        if not rows:
            raise IllegalTransition(f"the store {self.path} has no call {call_id!r}")
        return rows[0]

    def _move(self, call_id: str, origins: tuple[str, ...], state: str, **columns: Any) -> bool:
        """Change the state; returns whether the call now costs more than its bound."""
        changes = ", ".join(f"{name} = ?" for name in ("state", *columns))
        marks = ", ".join("?" for _ in origins)
        # Losing another state than `sent` costs money at worst, at the call's bound.
        with transaction(self._db, durable=state == "sent"):
            row = self._db.execute(
                f"UPDATE calls SET {changes} WHERE call_id = ? AND state IN ({marks}) RETURNING"
                " prompt_tokens + completion_tokens > bound_prompt_tokens + bound_completion_tokens"
                " OR pico_usd > bound_pico_usd",
                (state, *columns.values(), call_id, *origins),
            ).fetchone()
            if row is not None:
                return bool(row[0])
            now = self._row(call_id)["state"]
            raise IllegalTransition(
                f"call {call_id} is {now}; only a call that is {' or '.join(origins)} can become "
                f"{state} here"
            )
