"""What becomes of the calls and holds that a process left behind when it died."""

from __future__ import annotations

import logging
import sqlite3

from elad_exp.budget.database import transaction
from elad_exp.budget.ledger import Recovered
from elad_exp.budget.owner import Owner, is_dead

log = logging.getLogger(__name__)

_CLOSED = {"reserved": "released", "sent": "unknown"}


def recover(db: sqlite3.Connection, run_id: str, *, me: Owner, now: float) -> Recovered:
    """Close what dead owners left open in a run and in the other jobs of its sweep.

    Never sent is released, sent becomes unknown, and what was held for further calls is given
    back. Counted is what was found in the run itself.
    """
    jobs = db.execute(
        "SELECT b.run_id FROM runs a JOIN runs b ON b.sweep = a.sweep AND b.run_id != a.run_id"
        " WHERE a.run_id = ?",
        (run_id,),
    ).fetchall()
    for job in jobs:
        _recover(db, job["run_id"], me=me, now=now)
    found = _recover(db, run_id, me=me, now=now)
    if found.left_open:
        log.warning("run %s: %d calls of a live process are still open", run_id, found.left_open)
    return found


def _recover(db: sqlite3.Connection, run_id: str, *, me: Owner, now: float) -> Recovered:
    def dead(row: sqlite3.Row) -> bool:
        holder = Owner(row["host"], row["pid"], row["start"])
        return is_dead(holder, me=me, lease_over=now > row["lease_until"])

    moved, left_open = {"released": 0, "unknown": 0}, 0
    with transaction(db):
        query = "SELECT * FROM calls WHERE run_id = ? AND state IN ('reserved', 'sent')"
        for row in db.execute(query, (run_id,)).fetchall():
            if not dead(row):
                left_open += 1
                continue
            state = _CLOSED[row["state"]]
            moved[state] += 1
            change = "UPDATE calls SET state = ?, closed_at = ? WHERE call_id = ?"
            db.execute(change, (state, now, row["call_id"]))
        for row in db.execute("SELECT * FROM holds WHERE run_id = ?", (run_id,)).fetchall():
            if dead(row):
                gone = "DELETE FROM holds WHERE run_id = ? AND annotation = ?"
                db.execute(gone, (run_id, row["annotation"]))
    return Recovered(**moved, left_open=left_open)
