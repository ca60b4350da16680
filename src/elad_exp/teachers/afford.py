"""Whether a run can begin: the examples that it begins with, and a budget for what comes first."""

from __future__ import annotations

from elad_exp.budget.budget import UNITS, Limits, require_one
from elad_exp.protocols import Splits, Task
from elad_exp.schedule import Schedule
from elad_exp.selectors.shots import first_query
from elad_exp.teachers.annotator import Annotator, LessonAnnotator, PoolAnnotator
from elad_exp.types import (
    GIVEN,
    Annotation,
    Explanation,
    Query,
    QueryItem,
    Request,
    Sample,
    Status,
)


def check_annotation(annotator: Annotator, limits: Limits, sample: Sample) -> None:
    """Refuse a budget that does not cover one annotation, where items are annotated.

    Raises:
        ConfigError: Names every limit that is too low.
    """
    if asked := annotator.requests(QueryItem(sample)):
        first, _ = asked[0]
        require_one(limits, calls=1 + first.ahead_calls, most=first.bound + first.ahead)


def check_first(
    annotator: Annotator,
    limits: Limits,
    task: Task,
    splits: Splits,
    *,
    schedule: Schedule,
    seed: int,
) -> int:
    """Refuse shots that the pool does not have, and, where a teacher writes lessons, a budget that
    does not cover the first one with the study before it.

    Returns:
        The samples of the initial query, where it is looked at for that; else 0.

    Raises:
        ConfigError: Names the classes, or every limit that is too low.
    """
    if not schedule.shots and not isinstance(annotator, LessonAnnotator):
        return 0
    first = first_query(
        task,
        splits,
        splits.pool,
        initial_size=schedule.first_size(len(splits.pool), most=limits.max_annotations),
        shots=schedule.shots,
        seed=seed,
    )
    limited = any(getattr(limits, f"max_{unit}") is not None for unit in UNITS)
    if isinstance(annotator, LessonAnnotator) and limited:
        _check_lesson(annotator, limits, splits, first, schedule)
    return len(first.items)


def _check_lesson(
    annotator: LessonAnnotator, limits: Limits, splits: Splits, first: Query, schedule: Schedule
) -> None:
    answers = {item.sample: splits.gold[item.sample.id].answer for item in first.items}
    if isinstance(annotator, PoolAnnotator):
        annotator.serve(splits.pool)
    else:
        given = [
            Annotation(s, Explanation((), answer), Status.OK, GIVEN)
            for s, answer in answers.items()
        ]
        annotator.labelled = lambda: given
    shortest = sorted(answers.items(), key=lambda each: len(each[0].question.encode()))
    studied = shortest[: schedule.query_size]  # others may be chosen, and none costs less
    right = (QueryItem(s, Explanation((), answer), known=answer) for s, answer in studied)
    # No prediction is shorter than one that cannot be read; but right ones may not be shown.
    unread = (QueryItem(s, known=answer) for s, answer in studied)
    later = (Query(1, tuple(right)), Query(1, tuple(unread)))
    for queries in ((first,), later)[: schedule.rounds]:
        least = [least for query in queries if (least := _least(annotator, query))]
        if least:
            begun, texts = min(least, key=lambda each: (each[0].bound + each[0].ahead).tokens)
            require_one(
                limits,
                calls=1 + begun.ahead_calls,
                most=begun.bound + begun.ahead,
                annotations=texts,
                what="the first lesson",
            )
            return


def _least(annotator: LessonAnnotator, query: Query) -> tuple[Request, int] | None:
    """What a round asks first, with what it sets aside, and the texts of its first lesson; None
    where nothing is asked.
    """
    asked = [calls for calls in annotator.lesson_requests(query) if calls.requests]
    if not asked:
        return None
    begun, _ = asked[0].requests[0]
    return begun, next((calls.texts for calls in asked if calls.texts), 0)
