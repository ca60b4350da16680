"""What lessons will cost: rounds of a teacher that studies predictions and writes texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, islice

from omegaconf import DictConfig

from elad_exp.entities import from_answer, to_answer
from elad_exp.plan.attempts import Attempts
from elad_exp.plan.costs import Cost, Lot, RoundPlan
from elad_exp.protocols import Selector, SpanTask, Splits, Task
from elad_exp.rng import generator
from elad_exp.selectors.base import query_item, shuffled
from elad_exp.selectors.components import ATTEMPT
from elad_exp.teachers.annotator import LessonAnnotator, LessonCalls, PoolAnnotator
from elad_exp.types import GIVEN, Annotation, Candidate, Explanation, Query, Sample, Status


def lesson_rounds(
    config: DictConfig,
    splits: Splits,
    annotator: LessonAnnotator,
    attempts: Attempts,
    first: Query,
    selector: Selector,
) -> list[RoundPlan]:
    """Rounds with what their lessons cost, but for the last, which buys nothing.

    Every text is taken to be usable.

    Args:
        config: Schedule and selection.
        splits: The pool.
        annotator: Plans its lessons.
        attempts: Samples and their answers, to make up what is studied.
        first: The initial query.
        selector: Of the run.
    """
    schedule, selection = config.schedule, config.selection
    if not isinstance(annotator, PoolAnnotator):  # which would be ranked by them, for nothing
        known = {item.sample: attempts.likely(item.sample) for item in first.items}
        annotator.labelled = lambda: [Annotation(s, x, Status.OK, GIVEN) for s, x in known.items()]
    part = bought(0, annotator.lesson_requests(first))
    if not part.lots:
        part.given = len(first.items)
    rounds = [part]
    for number in range(1, schedule.rounds):
        seen = rounds[-1:] if selection.among == "new" else rounds
        given, written = (sum(getattr(r, name) for r in seen) for name in ("given", "annotations"))
        studies = selection.among != "pool"
        there = given + written if studies else len(splits.pool) - len(first.items)
        candidates = min(selection.candidates or there, there)
        own = round(candidates * given / there) if studies else 0
        made = made_up(attempts, [item.sample for item in first.items][:own], candidates)
        n = min(schedule.query_size, candidates)
        studied = chosen(selector, made, number, n, seed=config.seed)
        part = bought(number, annotator.lesson_requests(studied))
        part.candidates = candidates
        rounds.append(part)
    return rounds


def bought(number: int, lessons: Sequence[LessonCalls]) -> RoundPlan:
    """A round of lessons; the texts of those that ask nothing are given."""
    lots = [_lot(calls) for calls in lessons if calls.requests]
    return RoundPlan(
        number,
        annotations=sum(lot.annotations for lot in lots),
        given=sum(calls.texts for calls in lessons if not calls.requests),
        lots=tuple(lots),
        expected=sum((lot.expected for lot in lots), Cost()),
        most=sum((lot.most for lot in lots), Cost()),
    )


def _lot(calls: LessonCalls) -> Lot:
    expected, aside, most = Cost(), Cost(), Cost()
    for request, chance in calls.requests:
        expected.add(request.expected, chance)
    first, _ = calls.requests[0]
    aside.add(first.bound + first.ahead)
    aside.calls += first.ahead_calls
    most.add(calls.most)
    most.calls = len(calls.requests)
    return Lot(calls.texts, expected, aside, most)


def made_up(attempts: Attempts, given: Sequence[Sample], n: int) -> list[Candidate]:
    """`n` annotated texts with predictions, every second one right.

    Args:
        attempts: Samples of the pool, which stand for texts that a teacher writes.
        given: The examples among them.
        n: As many in all, at least those of `given`.
    """
    made = []
    for place, sample in enumerate([*given, *islice(cycle(attempts.some), n - len(given))]):
        known = attempts.likely(sample).answer
        assert known is not None
        said = known if place % 2 else another(attempts.task, sample, known)
        if place >= len(given):  # one of the pool may stand for several
            sample = replace(sample, id=f"{sample.id}-{place}", origin="synthetic")
        made.append(Candidate(sample, attempt=Explanation((), said), known=known))
    return made


def chosen(
    selector: Selector, candidates: Sequence[Candidate], number: int, n: int, *, seed: int
) -> Query:
    """The query of a round: as the selector has it, or at random where it needs scores."""
    rng = generator(seed, "plan", number)
    if selector.needs <= ATTEMPT:
        return Query(number, tuple(selector.select(candidates, n, rng)))
    return Query(number, tuple(query_item(c) for c in shuffled(candidates, n, rng)[:n]))


def another(task: Task, sample: Sample, known: str) -> str | None:
    """A wrong answer of a likely length; None, one that cannot be read, where there is none."""
    if isinstance(task, SpanTask):
        spans = from_answer(known)
        return to_answer(spans[1:]) if spans else None
    labels = task.labels(sample) or ()
    if known not in labels or len(labels) < 2:
        return None
    return labels[(labels.index(known) + 1) % len(labels)]
