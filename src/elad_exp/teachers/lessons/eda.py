"""EDA: small edits of the labelled examples that a run begins with, by program."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from elad_exp.entities import Place, from_answer, to_answer
from elad_exp.protocols import SpanTask, Task
from elad_exp.rng import generator
from elad_exp.teachers.annotator import Ask, Lesson
from elad_exp.teachers.lessons.base import LessonTeacher
from elad_exp.teachers.lessons.edits import cut, variants
from elad_exp.teachers.lessons.sources import of_each
from elad_exp.teachers.lessons.speaker import Program
from elad_exp.teachers.lessons.steps import spoken
from elad_exp.teachers.lessons.synonyms import read_synonyms
from elad_exp.types import Annotation, GoldBook, Query, Sample
from elad_exp.words import CHARACTER, LETTERS

_TOKEN = re.compile(rf"{CHARACTER}|{LETTERS}|[^\w\s]")


class EDATeacher(LessonTeacher):
    """Edits each text of the dataset in the query (see `edits`), which keeps its label.

    It asks nobody: there are no calls and no tokens. Of a text with entities they stay as they
    are. Where words have no spaces between them, as in Chinese, characters are edited.

    Args:
        task: See `LessonTeacher`.
        gold: See there.
        seed: See there.
        texts: See there.
        alpha: Share of the words of a text that are changed; above 0, up to 1.
        synonyms: A file of them, see `synonyms`. None: no word is replaced by another one.
        near_duplicates: See `LessonTeacher`; most of its texts are ones.

    Raises:
        ConfigError: A value is out of range, or the task describes no classes.
        DataError: `synonyms` cannot be used.
    """

    name = "eda"

    def __init__(
        self,
        task: Task,
        gold: GoldBook,
        *,
        seed: int = 0,
        texts: int = 40,
        alpha: float = 0.1,
        synonyms: str | None = None,
        near_duplicates: bool = False,
    ) -> None:
        self.alpha = alpha
        super().__init__(
            task,
            gold,
            _Nobody(seed=seed),
            seed=seed,
            texts=texts,
            near_duplicates=near_duplicates,
        )
        self.synonyms = {} if synonyms is None else read_synonyms(synonyms)

    def problems(self, task: Task) -> list[str]:
        if 0 < self.alpha <= 1:
            return []
        return [f"teacher.alpha={self.alpha}: must be above 0 and at most 1"]

    @property
    def settings(self) -> dict[str, Any]:
        """What shapes the texts; of the synonyms the first 12 hex digits of their sha256."""
        known = json.dumps(self.synonyms, sort_keys=True).encode()
        return {
            "texts": self.texts,
            "alpha": self.alpha,
            "synonyms": hashlib.sha256(known).hexdigest()[:12] if self.synonyms else None,
            "near_duplicates": self.near_duplicates,
        }

    def unusable(self, text: str) -> str:
        """Nothing is written or read by a model, so that any length will do."""
        return ""

    async def lessons(self, query: Query, ask: Ask) -> Sequence[Lesson]:
        """A lesson for each text."""
        return of_each(query, texts=self.texts, name="edits")

    async def written(self, lesson: Lesson, ask: Ask) -> list[Annotation]:
        """See `LessonTeacher.write`."""
        plan, task = lesson.plan, self.task
        source, known = Sample.from_dict(plan["source"]), plan["known"]
        text = source.question
        label: str | None = None
        if isinstance(task, SpanTask):
            places, spans = task.tokens(text), from_answer(known)
        else:
            places, spans, label = words(text), (), spoken(task, source, known)
        found = variants(
            cut(text, places, spans),
            lesson.size,
            alpha=self.alpha,
            synonyms=self.synonyms,
            rng=generator(self.seed, "eda", plan["round"], source.id),
        )
        return [
            self.annotation(new, [label or to_answer(own)], parents=[source.id])
            for new, own in found
        ]


def words(text: str) -> list[Place]:
    """Where words and marks stand; a character of a script without spaces is a word."""
    return [match.span() for match in _TOKEN.finditer(text)]


class _Nobody(Program):
    """Is never asked."""

    def reply(self, step: str, plan: Mapping[str, Any]) -> dict[str, Any]:
        raise AssertionError("EDA asks nobody")
