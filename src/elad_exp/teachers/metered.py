"""Any teacher, metered: reserve, call, settle; what the budget does not cover is not asked."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from elad_exp.budget.budget import Limits, remaining
from elad_exp.budget.store import Store, StoredCall
from elad_exp.errors import BudgetExceeded
from elad_exp.protocols import Annotator
from elad_exp.types import Annotation, Query, QueryItem, Spent

log = logging.getLogger(__name__)


def request_key(annotator: Annotator, item: QueryItem, *, repetition: int = 0) -> str:
    """sha256 of the canonical request: all that shapes the answer, nothing about the run.

    Args:
        annotator: Gives the request, which names prompt version and sampling fields.
        item: What is asked about.
        repetition: How many times the sample was asked about before. Without it, asking again
            after an unusable answer would be served that answer.
    """
    identity = {
        "teacher": annotator.name,
        "model": annotator.model,
        "request": annotator.request(item),
        "repetition": repetition,
    }
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


class MeteredTeacher:
    """A `Teacher` out of an `Annotator`, a store and limits.

    Answers that this run has settled are used again at no charge, so a run that is resumed, or
    asks an open query again, never pays twice. The repetition index of a sample is the number of
    requests about it that were settled in earlier rounds, so it too survives a restart.

    Args:
        annotator: Answers one item.
        store: Keeps calls and answers.
        limits: What the run may spend.
        run_id: The run that pays.
        wall_clock: Seconds since the run began, earlier sessions included.
        share_cache: Take `ok` answers to equal requests from other runs; they are charged to
            `spent` as if bought, and not to `paid`.
        interrupted: Called before each reservation; raises to stop. Nothing new is sent then.
        on_progress: Called with (annotations so far, items of the query).

    Attributes:
        last_refusal: Why the last query was cut short, or None if it was not.
    """

    def __init__(
        self,
        annotator: Annotator,
        *,
        store: Store,
        limits: Limits,
        run_id: str,
        wall_clock: Callable[[], float],
        share_cache: bool = False,
        interrupted: Callable[[], None] | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.annotator, self.store = annotator, store
        self.limits, self.run_id, self.wall_clock = limits, run_id, wall_clock
        self.share_cache, self.interrupted, self.on_progress = share_cache, interrupted, on_progress
        self.name, self.mode = annotator.name, annotator.mode
        self.last_refusal: str | None = None
        self._overrun: str | None = None

    def annotate(self, query: Query) -> list[Annotation]:
        """Annotations in query order; fewer than items when the budget ran out (`last_refusal`).

        Raises:
            Interrupted: A signal arrived. What was bought is in the store.
            EladError: Whatever the annotator raises; the call is charged at its bound.
        """
        self.last_refusal = None
        asked = self.store.times_asked(self.run_id, before_round=query.round)
        bought: list[Annotation] = []
        for item in query.items:
            repetition = asked.get(item.sample.id, 0)
            asked[item.sample.id] = repetition + 1
            key = request_key(self.annotator, item, repetition=repetition)
            stored = self.store.settled(self.run_id, key)
            annotation = (
                _restored(stored, item) if stored else self._buy(item, key, round=query.round)
            )
            if annotation is None:
                log.info("bought %d of %d: %s", len(bought), len(query.items), self.last_refusal)
                break
            bought.append(annotation)
            if self.on_progress is not None:
                self.on_progress(len(bought), len(query.items))
        return bought

    def spent(self, *, before_round: int | None = None) -> Spent:
        """What the run, or its rounds below `before_round`, would have cost with an empty cache;
        budgets and curves use this.
        """
        spent = self.store.spent(self.run_id, before_round=before_round)
        return replace(spent, wall_s=self.wall_clock())

    def paid(self) -> Spent:
        """What left for this run; an answer from the shared cache is free."""
        return replace(self.store.paid(self.run_id), wall_s=self.wall_clock())

    def remaining(self) -> dict[str, float | None]:
        """What is left by unit; None means no limit."""
        return remaining(self.limits, self.spent())

    def costs(self, annotation: Annotation) -> dict[str, Any]:
        """What an annotation's calls are charged in `spent`: `tokens` and `usd`; `cached` if the
        shared cache answered, so that nothing was paid.
        """
        calls = [self.store.call(call_id) for call_id in annotation.call_ids]
        return {
            "tokens": sum(call["spent"]["tokens"] for call in calls),
            "usd": sum(call["spent"]["usd"] for call in calls),
            "cached": bool(calls) and all(call["cached"] for call in calls),
        }

    def _buy(self, item: QueryItem, key: str, *, round: int) -> Annotation | None:
        if self.interrupted is not None:
            self.interrupted()
        if self._overrun is not None:
            self.last_refusal = self._overrun
            return None
        try:
            call_id = self.store.reserve(
                run_id=self.run_id,
                key=key,
                sample_id=item.sample.id,
                round=round,
                bound=self.annotator.bound(item),
                limits=self.limits,
                wall_s=self.wall_clock(),
            )
        except BudgetExceeded as error:
            self.last_refusal = str(error)
            return None
        try:
            shared = self.store.shared(key) if self.share_cache else None
            if shared is not None:
                return self._take_shared(call_id, shared, item)
            return self._call(call_id, item)
        finally:
            # Released if it was not sent, charged at its bound if it was and has no answer.
            self.store.abandon(call_id)

    def _take_shared(self, call_id: str, shared: StoredCall, item: QueryItem) -> Annotation:
        annotation = replace(_restored(shared, item), call_ids=(call_id,))
        self.store.settle(
            call_id,
            usage=shared.usage,
            status=annotation.status,
            payload=annotation.to_dict(),
            latency_s=0.0,
            cached=True,
        )
        return annotation

    def _call(self, call_id: str, item: QueryItem) -> Annotation:
        self.store.mark_sent(call_id)
        start = time.perf_counter()
        answered, usage = self.annotator.answer(item)
        annotation = replace(answered, call_ids=(call_id,))
        excess = self.store.settle(
            call_id,
            usage=usage,
            status=annotation.status,
            payload=annotation.to_dict(),
            latency_s=time.perf_counter() - start,
        )
        if excess:
            self._overrun = (
                f"the teacher {self.name} billed call {call_id} above its bound ({usage}); "
                "nothing more is asked of it in this session"
            )
        return annotation


def _restored(stored: StoredCall, item: QueryItem) -> Annotation:
    return replace(Annotation.from_dict(stored.payload), sample=item.sample)
