"""A task with described classes, and somebody who answers the steps of lessons by a script."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from functools import cache
from typing import Any

from elad_exp.budget.budget import Limits
from elad_exp.budget.store import Store
from elad_exp.protocols import Splits
from elad_exp.tasks.bulletin.task import BulletinTask
from elad_exp.tasks.entity_answers import Entities
from elad_exp.teachers.annotator import Lesson, LessonAnnotator
from elad_exp.teachers.lessons.speaker import Program
from elad_exp.teachers.metered import MeteredTeacher
from elad_exp.types import (
    Annotation,
    Answer,
    Explanation,
    Query,
    QueryItem,
    Request,
    Sample,
    Status,
    Usage,
)
from tests.unit.label_toys import EntityToy, LabelToy


class Described(LabelToy):
    descriptions = {"concert": "music", "market": "goods"}  # noqa: RUF012

    def parse(self, sample: Sample, text: str) -> Explanation:
        said = text.removeprefix("Answer: ").strip(" .").casefold()
        return Explanation((), said if said in self.descriptions else None)


class DescribedEntities(EntityToy):
    """Reads and writes answers as the tasks of the package do."""

    answers = Entities(tuple(EntityToy.descriptions), "marks")

    def parse(self, sample: Sample, text: str) -> Explanation:
        return Explanation((), self.answers.read(sample, text.removeprefix("Answer: ")))

    def target(self, sample: Sample, explanation: Explanation) -> str:
        return f"Answer: {self.answers.write(sample, explanation.answer)}"


class Script(Program):
    """Replies what it is told, in order; keeps what it was asked."""

    def __init__(self, *replies: Any) -> None:
        super().__init__(seed=0)
        self.replies, self.asked = deque(replies), []

    def reply(self, step: str, plan: Any) -> dict[str, Any]:
        raise AssertionError("see answer")

    async def answer(self, step: str, request: Request, plan: Any) -> Answer:
        self.asked.append((step, request.fields["prompt"]))
        reply = self.replies.popleft()
        text = reply if isinstance(reply, str) else json.dumps(reply)
        return Answer(text, Status.OK, Usage(1, 1))


def labelled(task: Any, n: int, round_: int = 1) -> Query:
    """The first texts of a task with their answers, as the given examples are queried."""
    splits = task.load()
    answers = ((s, splits.gold[s.id].answer) for s in splits.pool[:n])
    return Query(round_, tuple(QueryItem(s, known=answer) for s, answer in answers))


def study(teacher: LessonAnnotator, query: Query) -> list[Lesson]:
    return list(asyncio.run(teacher.study(query, direct)))


def write(teacher: LessonAnnotator, lesson: Lesson) -> list[Annotation]:
    return asyncio.run(teacher.write(lesson, direct))


async def direct(request: Request, call: Any, recorded: Any = None) -> Answer:
    return await call()


@cache
def bulletin(kind: type = BulletinTask) -> tuple[Any, Splits]:
    task = kind(n_pool=200, n_dev=5, n_test=5)
    return task, task.load()


def metered(store: Store, teacher: LessonAnnotator, **limits: Any) -> MeteredTeacher:
    store.begin("run")
    return MeteredTeacher(
        teacher, store=store, limits=Limits(**limits), run_id="run", wall_clock=lambda: 0.0
    )
