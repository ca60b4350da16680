"""Who made the scores of a round, and whether a query that was chosen by them still stands."""

from __future__ import annotations

import logging
from typing import Any

from elad_exp.protocols import Journal, MeteredTeacher, Student
from elad_exp.selectors.scorer import Scorer
from elad_exp.types import Query

log = logging.getLogger(__name__)


def scored_by(student: Student, scorer: Scorer) -> dict[str, Any]:
    """The student's version and the settings of the scorer."""
    return {"student": student.version(), "settings": dict(scorer.settings)}


def standing_query(
    journal: Journal, teacher: MeteredTeacher, *, round: int, by: dict[str, Any]
) -> tuple[Query, dict[str, Any]] | None:
    """Query and snapshot of a round that was interrupted while it was bought, if they stand.

    Training that is repeated on another device, or with other numbers of threads, can end in
    another student. What that one has not scored is then chosen anew, unless something of the
    query was bought already: money is not spent twice on a round.

    Args:
        journal: Has kept the query.
        teacher: Knows what was bought.
        round: The round.
        by: Who would score now, see `scored_by`.
    """
    kept = journal.kept_query(round)
    if kept is None:
        return None
    made = (kept[1].get("select") or {}).get("scored_by")
    if made == by:
        log.info("round %d: going on with the query chosen before the interruption", round)
        return kept
    before, now = teacher.spent(before_round=round), teacher.spent()
    if (now.annotations, now.calls) == (before.annotations, before.calls):
        log.warning(
            "round %d: the query chosen before the interruption was scored by another version of "
            "the student or with other settings, and nothing of it was bought: choosing anew",
            round,
        )
        journal.forget_query()
        return None
    log.warning(
        "round %d: going on with the query chosen before the interruption, part of which is "
        "bought; its scores are of another version of the student or of other settings (%s, now "
        "%s)",
        round,
        made,
        by,
    )
    return kept
