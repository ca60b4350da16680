"""Lessons of a real model gone through again from a recording, for nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from elad_exp.budget.budget import Limits
from elad_exp.errors import ConfigError, DataError
from elad_exp.protocols import Task
from elad_exp.teachers.annotator import Annotator, Ask, Lesson, LessonCalls
from elad_exp.teachers.calling import Calling
from elad_exp.teachers.keys import request_key
from elad_exp.teachers.lessons.base import LessonTeacher
from elad_exp.teachers.lessons.made import by_recording
from elad_exp.teachers.recorded import RecordedTeacher
from elad_exp.teachers.replies import Unusable
from elad_exp.types import (
    GIVEN,
    Annotation,
    Answer,
    GoldBook,
    Query,
    QueryItem,
    Request,
    Sample,
    Usage,
)


def recorded(task: Task, gold: GoldBook, *, seed: int = 0, **given: Any) -> Annotator:
    """A `RecordedTeacher`, or one of lessons if that is what was recorded.

    Args:
        task: See `RecordedTeacher`.
        gold: Of the first examples, where lessons are replayed.
        seed: See `RecordedTeacher`.
        given: See there.

    Raises:
        ConfigError: See there.
        DataError: See there.
    """
    teacher = RecordedTeacher(task, gold, seed=seed, **given)
    settings = teacher.recording.settings or {}
    if not settings.get("lessons"):
        return teacher
    try:
        asker = by_recording(task, gold, settings, seed=seed)
    except (ConfigError, KeyError, TypeError) as error:
        raise DataError(
            f"{teacher.recording.name}: the recorded teacher's settings: {error}"
        ) from error
    return RecordedLessons(teacher, asker)


class RecordedLessons:
    """Implements `annotator.LessonAnnotator`: requests are made as the recorded teacher made them,
    and answered by their keys. What was not asked then stays unanswered, at no charge: an analysis
    is left out, a lesson is empty.

    Args:
        recorded: Has the recording.
        asker: The teacher that was recorded; never called.
    """

    name = "recorded"
    estimated = False
    calling = Calling()
    shares_cache = False
    fresh_by: int | None = None

    def __init__(self, recorded: RecordedTeacher, asker: LessonTeacher) -> None:
        self.recording, self.info = recorded.recording, recorded.info
        self.asker, self.model, self.mode = asker, asker.model, asker.mode

    @property
    def notes(self) -> dict[str, Any]:
        return self.asker.notes

    @property
    def among(self) -> tuple[str, ...]:
        return self.asker.among

    @property
    def studies_attempts(self) -> bool:
        return self.asker.studies_attempts

    @property
    def labelled(self) -> Callable[[], Sequence[Annotation]]:
        return self.asker.labelled

    @labelled.setter
    def labelled(self, labelled: Callable[[], Sequence[Annotation]]) -> None:
        self.asker.labelled = labelled

    def check(self, limits: Limits) -> None:
        """Nothing can be known."""

    def priced(self, usage: Usage) -> Usage:
        """As it was."""
        return usage

    def check_price(self, limits: Limits) -> None:
        """The recording has the price."""

    def lesson_requests(self, query: Query) -> list[LessonCalls]:
        """Those of the teacher that was recorded, whether or not they were."""
        return self.asker.lesson_requests(query)

    def requests(self, item: QueryItem) -> list[tuple[Request, float]]:
        """Nothing is asked about an item alone."""
        return []

    async def annotate(self, item: QueryItem, ask: Ask) -> Annotation:
        """Never asked: see `study` and `write`."""
        return await self.asker.annotate(item, ask)

    async def close(self) -> None:
        """Nothing is open."""

    def warnings(self, *, studied: int, given: int) -> list[str]:
        """Nothing is asked that could be cut off."""
        return []

    async def study(
        self, query: Query, ask: Ask, earlier: Sequence[Sample] = ()
    ) -> Sequence[Lesson]:
        """As the recorded teacher planned it."""
        return await self.asker.study(query, partial(self._recall, ask), earlier)

    async def write(self, lesson: Lesson, ask: Ask) -> list[Annotation]:
        """As the recorded teacher wrote it."""
        found = await self.asker.write(lesson, partial(self._recall, ask))
        return [
            a if a.teacher == GIVEN else replace(a, teacher=self.name, replayed_by="key")
            for a in found
        ]

    def sift(
        self, annotations: Sequence[Annotation], earlier: Sequence[Sample]
    ) -> list[Annotation]:
        """As the recorded teacher did."""
        return self.asker.sift(annotations, earlier)

    async def _recall(
        self,
        ask: Ask,
        request: Request,
        call: Callable[[], Awaitable[Answer]],
        recorded: Callable[[int], Answer] | None = None,
    ) -> Answer:
        def found(repetition: int) -> Answer:
            key = request_key(self.asker, request, repetition=repetition)
            if key not in self.recording.answers:
                raise Unusable(f"the request is not in the recording {self.recording.name}")
            return self.recording.answers[key]

        return await ask(request, call, found)
