"""Any teacher, metered: reserve, call, settle; what the budget does not cover is not asked."""

from __future__ import annotations

import asyncio
import atexit
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from elad_exp.budget.budget import Limits
from elad_exp.budget.store import Store
from elad_exp.teachers.annotator import Annotator, shown_attempts
from elad_exp.teachers.calling import Progress
from elad_exp.teachers.pace import shared_pace
from elad_exp.teachers.purchase import Purchase
from elad_exp.types import Annotation, Query, Sample, Spent

log = logging.getLogger(__name__)


@cache
def event_loop() -> asyncio.AbstractEventLoop:
    """The loop of all teachers of this process, until its end: clients keep their connections in
    it, and what litellm keeps does not survive a change of loops.
    """
    loop = asyncio.new_event_loop()
    atexit.register(_end, loop)
    return loop


def cancel_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what is left in `loop` and wait until it has ended."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:  # all of them first, so that none goes on because another has ended
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks))


def _end(loop: asyncio.AbstractEventLoop) -> None:
    cancel_tasks(loop)
    loop.close()


class MeteredTeacher:
    """A `Teacher` out of an `Annotator`, a store and limits.

    Answers that this run has settled are used again at no charge, so a run that is resumed, or
    asks an open query again, never pays twice. The repetition index of a sample is the number of
    its annotations that were settled in earlier rounds, so it too survives a restart.

    Args:
        annotator: Answers one item, by one call or several. If it `shares_cache`, `ok` answers to
            equal requests are taken from other runs; they are charged to `spent` as if bought, and
            not to `paid`.
        store: Keeps calls and answers.
        limits: What the run may spend.
        run_id: The run that pays.
        wall_clock: Seconds since the run began, earlier sessions included.
        interrupted: Called before each reservation and while waiting; raises to stop. Nothing new
            is sent then, and open calls get a while to come back.
        on_progress: Called after each annotation.
        annotated: What is annotated already.

    Attributes:
        shown_attempts: Whether the annotator looks at what the student said.
        last_refusal: Why the last query was cut short, or None if it was not.
        exhausted: Whether that is because the teacher has nothing left.
        last_notes: What a teacher that writes lessons studied and what became of them, see
            `tally.notes_of`; {} of others.
    """

    def __init__(
        self,
        annotator: Annotator,
        *,
        store: Store,
        limits: Limits,
        run_id: str,
        wall_clock: Callable[[], float],
        interrupted: Callable[[], None] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        annotated: Callable[[], Sequence[Sample]] = tuple,
    ) -> None:
        self.annotator, self.store = annotator, store
        self.limits, self.run_id, self.wall_clock = limits, run_id, wall_clock
        self.interrupted, self.on_progress = interrupted, on_progress
        self.annotated = annotated
        self.name, self.shown_attempts = annotator.name, shown_attempts(annotator)
        calling = annotator.calling
        self.pace = shared_pace(
            annotator.model,
            str(annotator.info.get("endpoint")),
            calling.requests_per_minute,
            calling.tokens_per_minute,
        )
        self.last_refusal: str | None = None
        self.exhausted = False
        self.last_notes: dict[str, Any] = {}
        self.failures_in_a_row = 0
        self._loop = event_loop()

    def annotate(self, query: Query) -> list[Annotation]:
        """Annotations in query order; fewer than items when the budget ran out (`last_refusal`).

        Raises:
            Interrupted: A signal arrived. What was bought is in the store.
            RunStopped: The teacher cannot be reached or turns everything down.
            EladError: Whatever the annotator raises; the call is charged at its bound.
        """
        purchase = Purchase(self, query)
        self.last_refusal, self.last_notes = None, {}
        try:
            bought = self._loop.run_until_complete(purchase.run())
        except (KeyboardInterrupt, SystemExit):  # they end the loop at once, not its tasks
            cancel_tasks(self._loop)
            raise
        self.last_refusal, self.last_notes = purchase.refusal, purchase.notes
        self.exhausted = purchase.exhausted
        if purchase.refusal:
            log.info("bought %d of %d: %s", len(bought), len(query.items), purchase.refusal)
        return bought

    def close(self) -> None:
        """Close connections."""
        self._loop.run_until_complete(self.annotator.close())

    def spent(self, *, before_round: int | None = None) -> Spent:
        """What the run, or its rounds below `before_round`, would have cost with an empty cache;
        budgets and curves use this.
        """
        spent = self.store.spent(self.run_id, before_round=before_round)
        return replace(spent, wall_s=self.wall_clock())

    def paid(self) -> Spent:
        """What left for this run; an answer from the shared cache is free."""
        return replace(self.store.paid(self.run_id), wall_s=self.wall_clock())

    def costs(self, annotation: Annotation) -> dict[str, Any]:
        """What an annotation's calls are charged in `spent`: `tokens` and `usd`, its share of them
        where they gave several; `cached` if the shared cache answered all of them, so that nothing
        was paid.
        """
        calls = [self.store.call(call_id) for call_id in annotation.call_ids]
        tokens, n = sum(call["spent"]["tokens"] for call in calls), annotation.shared
        return {
            "tokens": tokens if n == 1 else round(tokens / n, 2),
            "usd": sum(call["spent"]["usd"] for call in calls) / n,
            "cached": bool(calls) and all(call["cached"] for call in calls),
        }
