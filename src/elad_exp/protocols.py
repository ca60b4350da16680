"""The roles in the loop. Small on purpose: one or a few methods, no Lightning types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from elad_exp.types import (
    Annotation,
    Candidate,
    Explanation,
    GoldBook,
    Metric,
    Query,
    QueryItem,
    RoundState,
    Sample,
    Spent,
    StopReason,
)

EVAL_SPLITS = ("dev", "test")


@dataclass(frozen=True)
class Splits:
    """A loaded dataset: disjoint splits, the gold beside them, and where it came from.

    The samples of a dataset that was read from files are read from disk again whenever they are
    asked for; see `data.samples`.

    `info` holds `name, source, revision, sha256, split_seed` and, if rows were left out,
    `skipped` (id or line -> reason) and `warnings` (sentences for people).
    """

    pool: Sequence[Sample]
    dev: Sequence[Sample]
    test: Sequence[Sample]
    gold: GoldBook
    info: dict[str, Any] = field(default_factory=dict)


@runtime_checkable
class Task(Protocol):
    """A dataset and the grammar of its questions and answers.

    A target is one step per line and a last line `Answer: LABEL`; `parse` reads that back.
    """

    name: str

    def load(self) -> Splits:
        """Load and split. Raises `DataError` or `AssetError`."""
        ...

    def prompt(self, sample: Sample) -> str:
        """The text the student reads. Never contains gold or `teacher_context`."""
        ...

    def target(self, sample: Sample, explanation: Explanation) -> str:
        """The text the student is trained to write after `prompt`."""
        ...

    def parse(self, sample: Sample, text: str) -> Explanation:
        """Steps and answer of a generated text. Never raises; `answer` may be None."""
        ...

    def kind(self, sample: Sample) -> str:
        """The family of the answers: `yes_no`, `choice`, `number`, `nli`, `open`, `label` (a class
        of a text) or `entities`.
        """
        ...

    def labels(self, sample: Sample) -> tuple[str, ...] | None:
        """The closed set of answers (`yes`/`no`, option labels), or None if open."""
        ...

    def grade(self, sample: Sample, answer: str | None, gold: GoldBook) -> bool:
        """Whether `answer` is right."""
        ...

    def vocabulary(self) -> tuple[str, ...]:
        """Texts of the task's own grammar (never of dev or test), from which, with the pool's
        questions, a tokenizer is built for a student trained from scratch.
        """
        ...

    def teacher_context(self, sample: Sample) -> str | None:
        """Text for the teacher's prompt only, e.g. the almanac entries a question needs."""
        ...


@runtime_checkable
class CheckableTask(Task, Protocol):
    """A task whose steps a program can check (the almanac)."""

    def check_step(self, sample: Sample, earlier: Sequence[str], step: str) -> bool:
        """Whether `step` is right after the (right) `earlier` steps."""
        ...

    def complete(self, sample: Sample, earlier: Sequence[str]) -> tuple[tuple[str, ...], str]:
        """The steps still missing after the right steps `earlier`, and the right answer."""
        ...


@runtime_checkable
class SpanTask(Task, Protocol):
    """A task whose answers are the entities of a text (see `elad_exp.entities`)."""

    descriptions: Mapping[str, str]
    """Entity type -> what it means, in a fixed order."""

    def tokens(self, text: str) -> list[tuple[int, int]]:
        """Begin and end of the tokens of a text, in order."""
        ...


@runtime_checkable
class MeasuringTask(Task, Protocol):
    """A task that is measured by more than the share of right answers."""

    def measures(
        self, samples: Sequence[Sample], answers: Sequence[str | None], gold: GoldBook
    ) -> dict[str, Metric]:
        """By name, e.g. `macro_f1`, of the answers to some samples."""
        ...


@runtime_checkable
class ComparingTask(Task, Protocol):
    """A task that knows when two answers are one, such as "18" and "18.0".

    The answers of other tasks are one where they are equal.
    """

    def same_answer(self, sample: Sample, one: str, other: str) -> bool:
        """Whether two canonical answers (see `parse`) mean the same."""
        ...


@runtime_checkable
class ExerciseTask(Task, Protocol):
    """A task that can make questions whose answers teach its language but none of its facts."""

    def exercises(self, batches: int, size: int) -> Iterator[list[tuple[Sample, Explanation]]]:
        """Batches of up to `size` questions that are in no split, with right explanations."""
        ...


@runtime_checkable
class SourcedTask(Task, Protocol):
    """A task whose questions were rows of a file, with ids of their own.

    `source_ids` maps ids of the pool's samples to those of their rows; filled by `load`. It is what
    a recording of explanations by row is found by, without any gold.
    """

    source_ids: Mapping[str, str]


Given = Callable[[Sample, Explanation], Iterable[tuple[str, ...]]]
"""The steps after which a sample's answer is forced, once its greedy explanation is known."""
Forced = tuple[list[Explanation], dict[tuple[str, ...], dict[str, float]]]
"""A sample's explanations, and the distributions of its answer after some steps."""


class Student(Protocol):
    """The student at inference: explains, and answers when forced to. Batches by itself."""

    def explain(
        self,
        samples: Sequence[Sample],
        *,
        k: int = 1,
        temperature: float = 0.0,
        seed: int = 0,
        greedy: bool = False,
    ) -> list[list[Explanation]]:
        """`k` explanations per sample, greedy at temperature 0, with step log-probabilities
        and entropies. With `greedy` the greedy one stands before the `k` sampled ones, and costs
        no pass of its own. Order follows `samples`. Equal arguments give equal results.
        """
        ...

    def explain_forced(
        self,
        samples: Sequence[Sample],
        given: Given | None,
        *,
        k: int = 0,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Forced]:
        """The greedy explanation of each sample, then `k` sampled ones as `explain` draws them; and
        its `answer_distributions` after each of `given`, if any.
        """
        ...

    def explain_from(
        self,
        items: Sequence[tuple[Sample, tuple[str, ...]]],
        *,
        k: int = 1,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[list[Explanation]]:
        """As `explain`, but the student goes on after the given steps. They come first in every
        explanation, without log-probability and entropy. `[]` where they exceed the context.
        """
        ...

    def forced_answers(self, items: Sequence[tuple[Sample, tuple[str, ...]]]) -> list[str | None]:
        """The answer that the student writes (greedy) when made to answer after the given steps:
        for open answers. None where it cannot be read, or exceeds the context.
        """
        ...

    def answer_distributions(
        self, items: Sequence[tuple[Sample, tuple[str, ...]]]
    ) -> list[dict[str, float]]:
        """Probabilities over the closed set of answers when the answer is forced after the
        given steps (possibly none). They sum to 1; `{}` where that exceeds the context.
        """
        ...

    def dropout_distributions(
        self, items: Sequence[tuple[Sample, tuple[str, ...]]], *, passes: int, seed: int
    ) -> list[list[dict[str, float]]]:
        """As `answer_distributions`, `passes` times, each time with dropout as in training: a
        list for each pass, the items in it.

        Raises:
            ConfigError: The student has no dropout: two passes do not differ.
        """
        ...

    def version(self) -> str:
        """Names its weights: the same where they are the same, see `student.version`."""
        ...

    def embed(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """(texts, width): mean over tokens of the last hidden state, scaled to length 1."""
        ...


class Selector(Protocol):
    """Ranks candidates by stored scores; never sees the student, the pool or the gold."""

    name: str
    needs: frozenset[str]

    def select(
        self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator
    ) -> list[QueryItem]:
        """Exactly `n` different candidates. The order of `candidates` does not matter.

        Raises:
            ValueError: `n` exceeds the number of candidates, or a needed score is absent.
        """
        ...


class Teacher(Protocol):
    """Annotates a query, metered: what the budget does not cover is not asked."""

    name: str

    def annotate(self, query: Query) -> list[Annotation]:
        """Annotations in query order; shorter than the query when the budget ran out."""
        ...


class MeteredTeacher(Protocol):
    """What the loop asks of a teacher: annotations, what they cost, and why it was cut short.

    `shown_attempts`: it looks at what the student said, of every item of a query. `last_notes` are
    what it says of its last query beside the annotations; primitives, may be {}.
    """

    name: str
    shown_attempts: bool
    last_refusal: str | None
    exhausted: bool
    last_notes: dict[str, Any]

    def annotate(self, query: Query) -> list[Annotation]: ...
    def spent(self, *, before_round: int | None = None) -> Spent: ...
    def costs(self, annotation: Annotation) -> dict[str, Any]: ...


class Journal(Protocol):
    """Where the loop writes; `rundir.RunDirectory` is the real one."""

    @property
    def rounds(self) -> list[dict[str, Any]]: ...
    def put_round(self, line: dict[str, Any]) -> None: ...
    def append(self, name: str, lines: Sequence[dict[str, Any]]) -> None: ...
    def keep_query(self, query: Query, snapshot: dict[str, Any]) -> None: ...
    def kept_query(self, round: int) -> tuple[Query, dict[str, Any]] | None: ...
    def forget_query(self) -> None: ...


class StoppingRule(Protocol):
    """Says whether to stop before the next purchase."""

    def check(self, state: RoundState) -> StopReason | None: ...
