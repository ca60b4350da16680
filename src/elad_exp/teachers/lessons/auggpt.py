"""AugGPT: paraphrases of the labelled examples that a run begins with.

After Dai et al. 2023 ("AugGPT: Leveraging ChatGPT for Text Data Augmentation", arXiv 2302.13007);
the prompt is ours, and how many paraphrases an example gets follows from `texts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from elad_exp.protocols import SpanTask, Task
from elad_exp.teachers.annotator import Ask, Lesson
from elad_exp.teachers.lessons.base import LessonTeacher
from elad_exp.teachers.lessons.sources import of_each
from elad_exp.teachers.lessons.steps import spoken
from elad_exp.types import Annotation, Query, Sample


class AugGPTTeacher(LessonTeacher):
    """Of each text of the dataset in the query it writes paraphrases, which keep its label.

    A lesson is the paraphrases of one text. See `selectors.studied.GivenSelector`, which queries
    such texts.
    """

    name = "auggpt"

    def problems(self, task: Task) -> list[str]:
        return not_of_spans(f"teacher={self.name}", task)

    def reply_tokens(self, *, studied: int, given: int) -> dict[str, int]:
        """See `LessonTeacher.reply_tokens`."""
        return {"rephrase": self.written_tokens(ceil(self.texts / min(studied, given)))}

    async def lessons(self, query: Query, ask: Ask) -> Sequence[Lesson]:
        return of_each(query, texts=self.texts, name="paraphrases")

    async def written(self, lesson: Lesson, ask: Ask) -> list[Annotation]:
        """See `LessonTeacher.write`."""
        return await rephrased(self, lesson, ask)


def not_of_spans(setting: str, task: Task) -> list[str]:
    """Why a setting that keeps the label of a text is not for entities; empty if it is."""
    if not isinstance(task, SpanTask):
        return []
    return [
        f"{setting}: a new text does not keep the entities of task {task.name!r}; choose "
        "teacher=llm_da, or a dataset of labelled texts"
    ]


async def rephrased(teacher: LessonTeacher, lesson: Lesson, ask: Ask) -> list[Annotation]:
    """The paraphrases of a lesson, with the label of what they say anew.

    Raises:
        Unusable: Nothing came of it.
    """
    plan = lesson.plan
    source = Sample.from_dict(plan["source"])
    answer = spoken(teacher.task, source, plan["known"])
    values = teacher.about | {
        "text": source.question,
        "answer": answer,
        "n": str(lesson.size),
    }
    texts = await teacher.texts_of("rephrase", values, lesson, ask)
    return [teacher.annotation(text, [answer], parents=[source.id]) for text in texts]
