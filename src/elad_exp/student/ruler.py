"""Lengths in a student's tokens, and what fits its context, before it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elad_exp.data.collate import prompt_ids, target_ids
from elad_exp.protocols import Splits, Task
from elad_exp.student.build import BuiltStudent
from elad_exp.types import GoldBook, Sample

# A student from scratch builds its tokenizer from so many questions at most.
_MOST = 10_000


class StudentRuler:
    """Measures as a run does: the prompt as the student reads it, the target with its end."""

    def __init__(self, student: BuiltStudent, task: Task) -> None:
        self.student, self.task = student, task
        self.unit = f"tokens of {student.info['name']}"
        self.room: int | None = student.max_length - student.max_new_tokens
        self.longest: int | None = student.max_new_tokens

    def prompts(self, samples: Sequence[Sample]) -> list[int]:
        rendered = [self.student.render(self.task.prompt(sample)) for sample in samples]
        return [len(ids) for ids in prompt_ids(self.student.tokenizer, rendered)]

    def targets(self, texts: Sequence[str]) -> list[int]:
        return [len(ids) for ids in target_ids(self.student.tokenizer, texts)] if texts else []


def student_ruler(student: Any, task: Task, samples: Sequence[Sample]) -> StudentRuler:
    """The ruler of a student as configuration names it.

    Args:
        student: `TinyStudent` or `PretrainedStudent`.
        task: Gives prompts and grammar.
        samples: Questions of the pool, from which a student from scratch has its tokenizer.

    Raises:
        AssetError: The student's files can be had nowhere.
    """
    splits = Splits(tuple(samples[:_MOST]), (), (), GoldBook({}))
    return StudentRuler(student.build(task, splits, seed=0), task)
