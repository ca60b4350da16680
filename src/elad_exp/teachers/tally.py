"""What a teacher that writes lessons studied, and what became of each lesson."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from elad_exp.teachers.annotator import Lesson
from elad_exp.types import Annotation, Status

DID_NOT_COME = "did not come"


def notes_of(
    own: Mapping[str, Any],
    planned: Sequence[Lesson],
    *,
    came: Mapping[int, int],
    found: Sequence[Annotation],
    lost: Mapping[str, str],
    refusal: str | None,
) -> dict[str, Any]:
    """What is kept of a purchase beside its annotations; {} where texts were given, not asked for.

    To what the annotator says (`own`) come `lessons`, in order. Each has its `name`; how many texts
    were `asked` for (none where the budget did not cover it), `came` and are `usable`; how many are
    `dropped` by kind of reason, which with `usable` make `asked`; and `why` none came, "" if some
    did. Where the study itself came to nothing, `no_lessons` says why.

    Args:
        own: See `LessonAnnotator.notes`.
        planned: All lessons, in order.
        came: Texts that came, by place of the lesson; those that the budget left out are not there.
        found: All annotations, in the order of the lessons.
        lost: Why a call failed, by name of the lesson or study.
        refusal: Why the query was cut short, if it was.
    """
    notes = dict(own)
    why = notes.pop("unusable", {}) | dict(lost)
    remaining = iter(found)
    lessons = []
    for place, lesson in enumerate(planned):
        mine = list(islice(remaining, came.get(place, 0)))
        if lesson.size:
            begun = place in came
            told = why.get(lesson.name, "") if begun else refusal or ""
            lessons.append(_lesson(lesson, mine, begun=begun, why=told))
    if planned and not lessons:  # the examples of round 0: given, not asked for
        return {}
    if not planned and (nothing := refusal or next(iter(lost.values()), "")):
        notes["no_lessons"] = nothing
    return notes | {"lessons": lessons}


def _lesson(
    lesson: Lesson, found: Sequence[Annotation], *, begun: bool, why: str
) -> dict[str, Any]:
    dropped = Counter(kind_of(a.reason) for a in found if a.status is not Status.OK)
    if begun and len(found) < lesson.size:
        dropped[DID_NOT_COME] = lesson.size - len(found)
    return {
        "name": lesson.name,
        "asked": lesson.size if begun else 0,
        "came": len(found),
        "usable": sum(a.status is Status.OK for a in found),
        "dropped": dict(dropped),
        "why": why,
    }


def kind_of(reason: str) -> str:
    """The kind that a reason names: what comes before its first colon."""
    return reason.partition(":")[0]
