"""Rows of the store as usage and as lines of `ledger.jsonl`."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from elad_exp.budget.money import dollars
from elad_exp.errors import EladError
from elad_exp.types import Record, Status, Usage


class IllegalTransition(EladError):
    """A call that is not in the state that an operation needs."""


@dataclass(frozen=True, slots=True)
class StoredCall(Record):
    """A settled call. `usage` is what it would have cost with an empty cache."""

    call_id: str
    key: str
    sample_id: str
    round: int
    status: Status
    usage: Usage
    payload: dict[str, Any]
    latency_s: float
    cached: bool


@dataclass(frozen=True, slots=True)
class Recovered(Record):
    """What `Store.recover` did with the open calls that it found."""

    released: int
    unknown: int
    left_open: int


def charge(row: sqlite3.Row) -> Usage:
    """What a call that was not released is charged."""
    return Usage(row["prompt_tokens"], row["completion_tokens"], dollars(row["pico_usd"]))


def utc(seconds: float | None) -> str | None:
    """ISO 8601 in UTC, to the millisecond."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def ledger_line(row: sqlite3.Row) -> dict[str, Any]:
    """One line of `ledger.jsonl`. A released call costs nothing; a cached one pays nothing."""
    bound_tokens = row["bound_prompt_tokens"] + row["bound_completion_tokens"]
    usage = Usage() if row["state"] == "released" else charge(row)
    paid = Usage() if row["cached"] else usage
    return {
        "id": row["call_id"],
        "key": row["key"],
        "annotation": row["annotation"],
        "round": row["round"],
        "sample": row["sample_id"],
        "state": row["state"],
        "status": row["status"],
        "cached": bool(row["cached"]),
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "spent": {"tokens": usage.tokens, "usd": usage.usd},
        "paid": {"tokens": paid.tokens, "usd": paid.usd},
        "bound": {"tokens": bound_tokens, "usd": dollars(row["bound_pico_usd"])},
        "excess": usage.tokens > bound_tokens or row["pico_usd"] > row["bound_pico_usd"],
        "latency_s": row["latency_s"],
        "reserved_at": utc(row["reserved_at"]),
        "sent_at": utc(row["sent_at"]),
        "closed_at": utc(row["closed_at"]),
    }


def stored_call(row: sqlite3.Row) -> StoredCall:
    """A settled row."""
    return StoredCall(
        call_id=row["call_id"],
        key=row["key"],
        sample_id=row["sample_id"],
        round=row["round"],
        status=Status(row["status"]),
        usage=charge(row),
        payload=json.loads(row["payload"]),
        latency_s=row["latency_s"],
        cached=bool(row["cached"]),
    )


def shared_answer(db: sqlite3.Connection, key: str) -> StoredCall | None:
    """The first `ok` answer that any run has settled for the request: the shared cache."""
    row = db.execute(
        "SELECT * FROM calls WHERE key = ? AND status = 'ok' AND state = 'settled'"
        " AND payload IS NOT NULL ORDER BY rowid LIMIT 1",
        (key,),
    ).fetchone()
    return stored_call(row) if row else None
