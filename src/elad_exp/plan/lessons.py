"""What lessons will cost: rounds of a teacher that studies predictions and writes texts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice

from omegaconf import DictConfig

from elad_exp.entities import from_answer, to_answer
from elad_exp.plan.attempts import Attempts
from elad_exp.plan.costs import Cost, Lot, RoundPlan
from elad_exp.protocols import SpanTask, Splits, Task
from elad_exp.teachers.annotator import LessonAnnotator, LessonCalls
from elad_exp.types import Explanation, Query, QueryItem, Sample


def lesson_rounds(
    config: DictConfig,
    splits: Splits,
    annotator: LessonAnnotator,
    attempts: Attempts,
    first: Query,
) -> list[RoundPlan]:
    """Rounds with what their lessons cost, but for the last, which buys nothing.

    Every text is taken to be usable.

    Args:
        config: Schedule and selection.
        splits: The pool.
        annotator: Plans its lessons.
        attempts: Samples and their answers, to make up what is studied.
        first: The initial query.
    """
    schedule, selection = config.schedule, config.selection
    samples = list({s.id: s for s in (*(i.sample for i in first.items), *attempts.some)}.values())
    part = bought(0, annotator.lesson_requests(first))
    if not part.lots:
        part.given = len(first.items)
    rounds = [part]
    for number in range(1, schedule.rounds):
        there = len(splits.pool) - len(first.items)
        if selection.among == "annotated":
            there = sum(part.annotations + part.given for part in rounds)
        candidates = min(selection.candidates or there, there)
        studied = made_up(attempts, samples, number, min(schedule.query_size, candidates))
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
    expected, most = Cost(), Cost()
    for request, chance in calls.requests:
        expected.add(request.expected, chance)
    first, _ = calls.requests[0]
    most.add(first.bound + first.ahead)
    most.calls += first.ahead_calls
    return Lot(calls.texts, expected, most)


def made_up(attempts: Attempts, samples: Sequence[Sample], number: int, n: int) -> Query:
    """A query of `n` predictions to study, every second one right."""
    items = []
    for place, sample in enumerate(islice(cycle(samples), n)):
        known = attempts.likely(sample).answer
        assert known is not None
        said = known if place % 2 else another(attempts.task, sample, known)
        items.append(QueryItem(sample, Explanation((), said), known=known))
    return Query(number, tuple(items))


def another(task: Task, sample: Sample, known: str) -> str | None:
    """A wrong answer of a likely length; None, one that cannot be read, where there is none."""
    if isinstance(task, SpanTask):
        spans = from_answer(known)
        return to_answer(spans[1:]) if spans else None
    labels = task.labels(sample) or ()
    if known not in labels or len(labels) < 2:
        return None
    return labels[(labels.index(known) + 1) % len(labels)]
