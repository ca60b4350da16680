"""One query being bought: several annotations at a time, reserved in the query's order.

A job is what is asked about together: an item, or a lesson of several texts, which the teacher has
planned after it studied the whole query. It asks one call after another. Its first reservation
waits for its turn, so that the budget goes to the beginning of the query, whichever answer comes
first. What does not fit while other calls are open waits for them: they were reserved at their
worst case and mostly cost less. So which items a budget covers does not depend on how many are
asked about at a time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from elad_exp.budget.ledger import StoredCall
from elad_exp.errors import BudgetExceeded, NothingLeft, RunStopped
from elad_exp.teachers.annotator import Ask, Lesson, LessonAnnotator
from elad_exp.teachers.calling import Billed, CallFailed, Progress
from elad_exp.teachers.halt import Halt, Stopped
from elad_exp.teachers.job import Job
from elad_exp.teachers.keys import payload, request_key, restored
from elad_exp.teachers.tally import notes_of
from elad_exp.types import Annotation, Answer, Query, QueryItem, Request, Status

if TYPE_CHECKING:
    from elad_exp.teachers.metered import MeteredTeacher

log = logging.getLogger(__name__)


class Purchase:
    """Buys the annotations of one query.

    Args:
        teacher: Whose annotator, store, limits and settings are used.
        query: What is asked.

    Attributes:
        refusal: Why the query was cut short, if it was.
        exhausted: Whether that is because the teacher has nothing left.
        notes: See `MeteredTeacher.last_notes`.
    """

    def __init__(self, teacher: MeteredTeacher, query: Query) -> None:
        self.teacher, self.store, self.query = teacher, teacher.store, query
        self.annotator, self.calling = teacher.annotator, teacher.annotator.calling
        self.refusal: str | None = None
        self.exhausted = False
        self.notes: dict[str, Any] = {}
        self.done = self.calls = self.cached = self.failed = 0
        self._bought: dict[int, list[Annotation]] = {}
        self._lost: dict[str, str] = {}
        self._unusable: set[str] = set()
        self._jobs: Iterator[Job] = iter(())
        self.total = len(query.items)
        self._turn = asyncio.Lock()
        self._open = 0
        self._changed = asyncio.Event()
        self._halt = Halt(
            teacher.interrupted,
            self.calling.phase_timeout_s,
            grace_s=self.calling.timeout_s,
            on_stop=self._tell,
            progress=lambda: f"{self.done} of {self.total} annotated",
        )

    def _items(self) -> list[Job]:
        """A job for each item."""
        run_id, round_ = self.teacher.run_id, self.query.round
        asked = self.store.times_asked(run_id, before_round=round_)
        self._unusable = self.store.unusable(run_id, before_round=round_)
        jobs = []
        for index, item in enumerate(self.query.items):
            repetition = asked.get(item.sample.id, 0)
            asked[item.sample.id] = repetition + 1
            jobs.append(
                Job(
                    index,
                    item.sample.id,
                    f"{item.sample.id}:{repetition}",
                    repetition,
                    1,
                    partial(self._one, item),
                )
            )
        return jobs

    async def _one(self, item: QueryItem, ask: Ask) -> list[Annotation]:
        return [await self.annotator.annotate(item, ask)]

    def _study(self, annotator: LessonAnnotator, planned: list[Lesson]) -> Job:
        """The job that plans the lessons."""

        async def work(ask: Ask) -> list[Annotation]:
            planned.extend(await annotator.study(self.query, ask, self.teacher.annotated()))
            return []

        name = f"study-{self.query.round}"
        return Job(-1, name, name, 0, 0, work)

    def _lessons(self, annotator: LessonAnnotator, planned: Sequence[Lesson]) -> list[Job]:
        return [
            Job(n, own.name, own.name, 0, own.size, partial(annotator.write, own))
            for n, own in enumerate(planned)
        ]

    async def run(self) -> list[Annotation]:
        """Annotations in query order; fewer than items if the budget ran out.

        Raises:
            BaseException: Why the purchase had to stop. What was bought is in the store.
        """
        if isinstance(self.annotator, LessonAnnotator):
            return await self._taught(self.annotator)
        await self._all(self._items())
        return self._in_order()

    async def _taught(self, annotator: LessonAnnotator) -> list[Annotation]:
        planned: list[Lesson] = []
        self.total = 0
        await self._all([self._study(annotator, planned)])
        self.total = sum(lesson.size for lesson in planned)
        await self._all(self._lessons(annotator, planned))
        found = annotator.sift(self._in_order(), self.teacher.annotated())
        came = {n: len(self._bought[n]) for n in range(len(planned)) if n in self._bought}
        self.notes = notes_of(
            annotator.notes, planned, came=came, found=found, lost=self._lost, refusal=self.refusal
        )
        return found

    def _in_order(self) -> list[Annotation]:
        return [one for n in sorted(self._bought) for one in self._bought[n]]

    async def _all(self, jobs: Sequence[Job]) -> None:
        if not jobs or self.refusal:
            return
        self._jobs = iter(jobs)
        n = min(self.calling.concurrency, len(jobs))
        workers = [asyncio.create_task(self._work()) for _ in range(n)]
        watch = asyncio.create_task(self._halt.watch(workers))
        try:
            ended, going = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
            for worker in ended:
                if not worker.cancelled() and (error := worker.exception()):
                    self._halt.stop(error)
            if going:
                await asyncio.wait(going)
        finally:
            watch.cancel()
        if self._halt.why is not None:
            raise self._halt.why

    # -- annotations -------------------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            await self._turn.acquire()
            job = None if self._halt.why or self.refusal else next(self._jobs, None)
            if job is None:
                self._turn.release()
                return
            try:
                self._halt.check()
                await self._annotate(job)
            except Stopped:
                return
            finally:
                self._pass_turn(job)

    def _pass_turn(self, job: Job) -> None:
        if job.first:
            job.first = False
            self._turn.release()

    async def _annotate(self, job: Job) -> None:
        try:
            annotations = await job.work(partial(self._ask, job))
        except BudgetExceeded as error:
            if not self.refusal:
                self.refusal, self.exhausted = str(error), isinstance(error, NothingLeft)
            return
        except CallFailed as error:
            annotations = self._failed(job, error)
        finally:
            if job.holds:
                self.store.drop_hold(self.teacher.run_id, job.annotation)
                self._tell()
        for one in annotations:
            if one.status is not Status.OK:
                log.info("sample %s: %s (%s)", one.sample.id, one.status, one.reason)
        calls = self.store.calls_of(self.teacher.run_id, job.annotation, round=self.query.round)
        shared = max(len(annotations), 1)
        self._bought[job.index] = [replace(a, call_ids=calls, shared=shared) for a in annotations]
        self.done += job.texts
        self._show()

    def _failed(self, job: Job, error: CallFailed) -> list[Annotation]:
        """A lesson has no texts yet that could have failed."""
        items = [item for item in self.query.items if item.sample.id == job.about]
        if not items:
            log.warning("%s: %s", job.about, error)
            self._lost[job.about] = str(error)
        name = self.annotator.name
        return [Annotation(i.sample, None, Status.FAILED, name, reason=str(error)) for i in items]

    def _show(self) -> None:
        if self.teacher.on_progress is not None:
            spent = self.store.used_usd(self.teacher.run_id)
            limit = self.teacher.limits.max_usd
            left = None if limit is None else max(0.0, limit - spent)
            self.teacher.on_progress(
                Progress(self.done, self.total, self.calls, self.cached, self.failed, spent, left)
            )

    # -- calls -------------------------------------------------------------------------------

    async def _ask(
        self,
        job: Job,
        request: Request,
        call: Callable[[], Awaitable[Answer]],
        recorded: Callable[[int], Answer] | None = None,
    ) -> Answer:
        """An answer that the run has, or the cache has, or that a call gets; see `Ask`."""
        key = request_key(self.annotator, request, repetition=job.repetition)
        if stored := self.store.settled(self.teacher.run_id, key) or self._earlier(job, request):
            return restored(stored)
        shared = self.store.shared(key) if self.annotator.shares_cache else None
        known = recorded(job.repetition) if recorded else None
        if shared is not None:
            known = restored(shared)
            known = replace(known, usage=self.annotator.priced(known.usage))
        pace = self.teacher.pace
        # Two states in one commit, where nothing can come between them.
        sent = known is None and pace.unlimited
        call_id = await self._reserve(job, key, request, send=sent)
        self._pass_turn(job)
        attempt, answer = 1, None
        try:
            if known is not None:
                answer = self._take(call_id, known, request)
                return answer
            while True:
                if not sent:
                    await pace.wait(
                        request.expected.prompt_tokens + request.bound.completion_tokens,
                        self._halt.pause,
                    )
                    self._halt.check()
                    self.store.mark_sent(call_id)
                try:
                    answer = await self._send(call_id, call, request)
                    return answer
                except CallFailed as failure:
                    self._fail(call_id, failure)
                    if not failure.retry or attempt == self.calling.attempts:
                        self._give_up(failure)
                        raise
                    # The hold goes over to the next attempt: nobody else can take it meanwhile.
                    self._open -= 1
                    call_id, sent = "", False
                    call_id = await self._reserve(job, key, request)
                    await self._halt.pause(self.calling.pause(attempt, failure))
                attempt += 1
        finally:
            if call_id and answer is None:
                # Released if it was not sent, charged at its bound if it was and has no answer.
                self.store.abandon(call_id)
            self._open -= bool(call_id)
            self._tell()

    def _earlier(self, job: Job, request: Request) -> StoredCall | None:
        """What an earlier annotation of the sample, which a later answer spoilt, was answered."""
        for repetition in range(job.repetition):
            if f"{job.about}:{repetition}" in self._unusable:
                key = request_key(self.annotator, request, repetition=repetition)
                stored = self.store.settled(self.teacher.run_id, key)
                if stored is not None and stored.status is Status.OK:
                    return stored
        return None

    async def _reserve(self, job: Job, key: str, request: Request, *, send: bool = False) -> str:
        """Reserve, as soon as what other calls do not use is free.

        Raises:
            BudgetExceeded: It does not fit, though no other call is open.
        """
        while True:
            self._halt.check()
            changed = self._changed
            try:
                call_id = self.store.reserve(
                    run_id=self.teacher.run_id,
                    key=key,
                    annotation=job.annotation,
                    sample_id=job.about,
                    round=self.query.round,
                    bound=request.bound,
                    ahead=request.ahead,
                    ahead_calls=request.ahead_calls,
                    texts=job.texts,
                    ahead_texts=request.ahead_texts,
                    limits=self.teacher.limits,
                    wall_s=self.teacher.wall_clock(),
                    send=send,
                )
            except BudgetExceeded:
                if not self._open:
                    raise
                await changed.wait()
            else:
                self._open += 1
                job.holds = job.holds or request.ahead_calls > 0
                return call_id

    def _tell(self) -> None:
        """Wake those who wait for something to change."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _send(
        self, call_id: str, call: Callable[[], Awaitable[Answer]], request: Request
    ) -> Answer:
        self.calls += 1
        start = time.perf_counter()
        answer = await call()
        self._settle(call_id, answer, request, latency_s=time.perf_counter() - start)
        self.teacher.failures_in_a_row = 0
        return answer

    def _take(self, call_id: str, known: Answer, request: Request) -> Answer:
        self._settle(call_id, known, request, cached=True)
        self.cached += 1
        return known

    def _settle(
        self,
        call_id: str,
        answer: Answer,
        request: Request,
        *,
        latency_s: float = 0.0,
        cached: bool = False,
    ) -> None:
        excess = self.store.settle(
            call_id,
            usage=answer.usage,
            status=answer.status,
            payload=payload(answer, request),
            latency_s=latency_s,
            cached=cached,
        )
        if excess:
            bound, usage = request.bound.tokens, answer.usage.tokens
            self._halt.stop(
                RunStopped(
                    "teacher_overrun",
                    f"the teacher {self.annotator.name} billed {usage} tokens for call {call_id}, "
                    f"which was reserved at {bound}: it keeps to no limit, so nothing more is "
                    "asked of it",
                )
            )

    def _fail(self, call_id: str, failure: CallFailed) -> None:
        self.failed += 1
        log.warning("call %s: %s", call_id, failure)
        if failure.billed is Billed.NO:
            self.store.release(call_id)
        else:
            self.store.mark_unknown(call_id)

    def _give_up(self, failure: CallFailed) -> None:
        """Count an answer that could not be had; too many in a row stop the run."""
        self.teacher.failures_in_a_row += 1
        n = self.teacher.failures_in_a_row
        if failure.fatal:
            self._halt.stop(RunStopped("teacher", f"the teacher turns calls down: {failure}"))
        elif n >= self.calling.give_up_after:
            self._halt.stop(
                RunStopped("teacher", f"the teacher failed {n} times in a row; the last: {failure}")
            )
