"""How long questions and explanations are, in words or as a student reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from elad_exp.protocols import Task
from elad_exp.types import Record, Sample


class Ruler(Protocol):
    """Measures texts.

    Attributes:
        unit: What is counted, for people.
        room: Longest question that is not skipped; None: no limit is known.
        longest: Longest explanation with its answer that the student may write; None: the same.
    """

    unit: str
    room: int | None
    longest: int | None

    def prompts(self, samples: Sequence[Sample]) -> list[int]:
        """Length of each question."""
        ...

    def targets(self, texts: Sequence[str]) -> list[int]:
        """Length of each explanation with its answer."""
        ...


MakeRuler = Callable[[Task, Sequence[Sample]], Ruler]
"""From a task and questions of the pool."""


class Words:
    """Words between white space; the choices do not count."""

    unit: str = "words"
    room: int | None = None
    longest: int | None = None

    def prompts(self, samples: Sequence[Sample]) -> list[int]:
        return [len(sample.question.split()) for sample in samples]

    def targets(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]


def words(task: Task, samples: Sequence[Sample]) -> Ruler:
    """A ruler that needs neither."""
    return Words()


@dataclass(frozen=True, slots=True)
class Lengths(Record):
    """Numbers of words, tokens or steps: smallest, median, largest."""

    least: int
    median: int
    most: int

    @classmethod
    def of(cls, numbers: Iterable[int]) -> Lengths | None:
        """None for no numbers at all."""
        ordered = sorted(numbers)
        if not ordered:
            return None
        return cls(ordered[0], ordered[len(ordered) // 2], ordered[-1])
