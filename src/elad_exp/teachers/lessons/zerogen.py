"""ZeroGen: texts of a class from the class's name alone.

After Ye et al. 2022 ("ZeroGen: Efficient Zero-shot Learning via Dataset Generation", arXiv
2202.07922); the prompt is ours, and texts are asked for in lessons.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

from elad_exp.protocols import SpanTask, Task
from elad_exp.teachers.annotator import Ask, Lesson
from elad_exp.teachers.lessons.base import LessonTeacher
from elad_exp.teachers.lessons.speaker import Speaker
from elad_exp.types import Annotation, GoldBook, Query, Sample


class ZeroGenTeacher(LessonTeacher):
    """Asks for texts of the classes in turn; a text has the class that was asked for.

    It studies nothing. The examples that a run begins with are left alone, not even trained on: it
    writes in round 0 already.

    Args:
        task: See `LessonTeacher`.
        gold: Not used.
        speaker: See `LessonTeacher`.
        describe: Show the description of the class with its name.
        given: See `LessonTeacher`.

    Raises:
        ConfigError: A value is out of range, or the task has no classes.
    """

    name = "zerogen"
    among: tuple[str, ...] = ("pool", "annotated", "new")

    def __init__(
        self,
        task: Task,
        gold: GoldBook,
        speaker: Speaker,
        *,
        describe: bool = False,
        **given: Any,
    ) -> None:
        super().__init__(task, gold, speaker, **given)
        self.describe = describe

    def problems(self, task: Task) -> list[str]:
        if not isinstance(task, SpanTask):
            return []
        return [
            f"teacher={self.name} writes texts of a class, and task {task.name!r} has entities; "
            "choose teacher=evokd or llm_da, or a dataset of labelled texts"
        ]

    @property
    def settings(self) -> dict[str, Any]:
        return super().settings | {"describe": self.describe}

    def reply_tokens(self, *, studied: int, given: int) -> dict[str, int]:
        """See `LessonTeacher.reply_tokens`."""
        share = ceil(self.texts / len(self.descriptions))
        return {"imagine": self.written_tokens(min(self.lesson_size, share))}

    async def study(
        self, query: Query, ask: Ask, earlier: Sequence[Sample] = ()
    ) -> Sequence[Lesson]:
        """Lessons in every round."""
        self.notes = {}
        return await self.lessons(query, ask)

    async def lessons(self, query: Query, ask: Ask) -> Sequence[Lesson]:
        """The first lesson of each class, then the second of each, and so on."""
        names = list(self.descriptions)
        planned: list[tuple[int, int, str, int]] = []
        for place, name in enumerate(names):
            # What is left over goes to other classes in the next round.
            turn = (place - query.round * self.texts) % len(names)
            share = self.texts // len(names) + (turn < self.texts % len(names))
            planned += [(nth, turn, name, size) for nth, size in enumerate(self.sizes(share))]
        lessons = []
        for number, (_, _, name, size) in enumerate(sorted(planned)):
            plan = {"round": query.round, "number": number, "size": size, "label": name}
            lessons.append(Lesson(f"imagined-{query.round}-{number}", size, plan))
        return lessons

    async def written(self, lesson: Lesson, ask: Ask) -> list[Annotation]:
        """See `LessonTeacher.write`."""
        label = lesson.plan["label"]
        described = f"{label}: {self.descriptions[label]}"
        values = {"class": described if self.describe else label, "n": str(lesson.size)}
        texts = await self.texts_of("imagine", values, lesson, ask)
        return [self.annotation(text, [label], parents=[]) for text in texts]
