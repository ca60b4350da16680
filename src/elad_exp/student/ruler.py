"""Lengths in a student's tokens, and what fits its context, before it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elad_exp.data.collate import prompt_ids, target_ids
from elad_exp.data.lengths import Ruler
from elad_exp.protocols import Splits, Task
from elad_exp.student.build import BuiltStudent
from elad_exp.student.build_encoder import BuiltEncoder
from elad_exp.student.encoder import encoder_ids
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


class EncoderRuler:
    """Measures what a student reads that labels texts: its context is all theirs."""

    def __init__(self, student: BuiltEncoder, task: Task) -> None:
        self.student, self.engine = student, student.engine(task)
        self.unit = f"tokens of {student.info['name']}"
        self.room: int | None = student.max_length
        self.longest: int | None = None

    def prompts(self, samples: Sequence[Sample]) -> list[int]:
        return list(map(len, self.engine.ids(samples)))

    def targets(self, texts: Sequence[str]) -> list[int]:
        return list(map(len, encoder_ids(self.student.tokenizer, texts)))


def student_ruler(student: Any, task: Task, samples: Sequence[Sample]) -> Ruler:
    """The ruler of a student as configuration names it.

    Args:
        student: What builds it.
        task: Gives prompts and grammar.
        samples: Questions of the pool, from which a student from scratch has its tokenizer.

    Raises:
        AssetError: The student's files can be had nowhere.
        ConfigError: The student cannot answer such questions, or does not know their language.
    """
    splits = Splits(tuple(samples[:_MOST]), (), (), GoldBook({}))
    built = student.build(task, splits, seed=0)
    if isinstance(built, BuiltEncoder):
        return EncoderRuler(built, task)
    return StudentRuler(built, task)
