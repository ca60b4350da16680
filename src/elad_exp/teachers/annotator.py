"""What a teacher is before metering: it turns one item into an annotation, by asking."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from elad_exp.budget.budget import Limits
from elad_exp.errors import ConfigError
from elad_exp.teachers.calling import Calling
from elad_exp.types import Annotation, Answer, Query, QueryItem, Request, Sample, Usage


class Ask(Protocol):
    """How an annotator asks: metered, limited and tried again outside of it."""

    async def __call__(
        self,
        request: Request,
        call: Callable[[], Awaitable[Answer]],
        recorded: Callable[[int], Answer] | None = None,
    ) -> Answer:
        """The answer to `request`: from the store, or by `call`.

        Args:
            request: What is asked.
            call: Gets the answer.
            recorded: In place of `call`: the answer that is on record for the n-th time (from 0)
                that the sample is asked about. It is spent and not paid; whatever it raises comes
                before anything is reserved.

        Raises:
            BudgetExceeded: The budget does not cover it; `call` was not called.
            CallFailed: There was no answer, after all attempts.
        """
        ...


class Annotator(Protocol):
    """A teacher before metering.

    `estimated`: whether tokens are counted by estimate, not by a provider. `shares_cache`: whether
    answers to equal requests of other runs are used. `fresh_by` goes into the keys of requests:
    runs that differ in it do not share answers.
    """

    name: str
    model: str
    mode: str
    estimated: bool
    calling: Calling
    shares_cache: bool
    fresh_by: int | None

    @property
    def info(self) -> dict[str, Any]:
        """What `result.json` says of it beside name, model and mode."""
        ...

    def check(self, limits: Limits) -> None:
        """Refuse what can be known to fail before anything is scored."""
        ...

    def priced(self, usage: Usage) -> Usage:
        """Usage at the price that this run pays: an answer of the cache was bought by another."""
        ...

    def check_price(self, limits: Limits) -> None:
        """As much of `check` as `requests` needs."""
        ...

    def requests(self, item: QueryItem) -> list[tuple[Request, float]]:
        """All that `annotate` may ask about an item, and how likely it is to."""
        ...

    async def annotate(self, item: QueryItem, ask: Ask) -> Annotation:
        """The annotation of one item. Every call goes through `ask`, one after the other."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


@dataclass(frozen=True, slots=True)
class Lesson:
    """Texts that are asked for together.

    `name` is its own in a run, `size` how many texts: budgets count so many annotations. `plan`
    is what the teacher makes of it; primitives only.
    """

    name: str
    size: int
    plan: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LessonCalls:
    """What may be asked for one lesson, or to study a query, for a plan.

    `texts` is the lesson's size; 0 for the study. Of each request there is how likely it is; they
    build on a query of a likely length. The first one's `bound` and `ahead` together are set aside
    when all of them begin. `most` is the most that they can cost whatever is studied.
    """

    texts: int
    requests: tuple[tuple[Request, float], ...]
    most: Usage


@runtime_checkable
class LessonAnnotator(Annotator, Protocol):
    """A teacher that studies a whole query and then writes texts of its own.

    Its annotations name their own samples, which are not those of the query. `notes` are what it
    says of the query that it studied last, {} of one that it did not; primitives. Under `unusable`,
    if there, lessons by name whose reply cannot be used, and why. `labelled` gives what is
    annotated by now; it is set before anything is asked.
    """

    notes: dict[str, Any]
    labelled: Callable[[], Sequence[Annotation]]

    @property
    def among(self) -> tuple[str, ...]:
        """The values of `selection.among` whose queries it can study."""
        ...

    @property
    def studies_attempts(self) -> bool:
        """Whether it studies what the student said of the texts."""
        ...

    def lesson_requests(self, query: Query) -> list[LessonCalls]:
        """What a round may ask that studies `query`, in order: the study, then each lesson.

        For a plan: nothing is called. `query` is made up: what a later round studies is not known.
        What costs nothing is left out, but for lessons that are given.
        """
        ...

    def warnings(self, *, studied: int, given: int) -> list[str]:
        """What to tell before anything is asked.

        Args:
            studied: Items of a query, at most.
            given: Examples that the run begins with.
        """
        ...

    async def study(
        self, query: Query, ask: Ask, earlier: Sequence[Sample] = ()
    ) -> Sequence[Lesson]:
        """What is to be written, in order of importance. May ask.

        Args:
            query: What is studied.
            ask: See `Ask`.
            earlier: What is annotated by now; what is written shall not repeat it.
        """
        ...

    async def write(self, lesson: Lesson, ask: Ask) -> list[Annotation]:
        """The annotations of one lesson. Every call goes through `ask`, one after the other."""
        ...

    def sift(
        self, annotations: Sequence[Annotation], earlier: Sequence[Sample]
    ) -> list[Annotation]:
        """All annotations of all lessons, in order, without use where they say nothing new."""
        ...


@runtime_checkable
class PoolAnnotator(Annotator, Protocol):
    """A teacher whose texts are those of the pool: an oracle, which says so in its name."""

    def serve(self, pool: Sequence[Sample]) -> list[str]:
        """Called before anything is asked: all of `pool` may be served, and nothing else.

        Returns:
            Warnings.

        Raises:
            ConfigError: Nothing of it can be served.
        """
        ...


def shown_attempts(annotator: Annotator) -> bool:
    """Whether a teacher looks at what the student said."""
    if isinstance(annotator, LessonAnnotator):
        return annotator.studies_attempts
    return annotator.mode != "explain"


def check_studied(annotator: Annotator, among: str) -> None:
    """Raises ConfigError where a teacher of lessons can make nothing of such queries."""
    if isinstance(annotator, LessonAnnotator) and among not in annotator.among:
        raise ConfigError(
            f"selection.among={among}: teacher={annotator.name} makes its texts of what is "
            f"annotated already; set selection.among={' or '.join(annotator.among)}, and a "
            "selector for it (predictions or given)"
        )


def shown_pool(
    annotator: Annotator, pool: Sequence[Sample], labelled: Callable[[], Sequence[Annotation]]
) -> list[str]:
    """Warnings of a teacher that learns what there is in a run, if it looks at it.

    Args:
        annotator: Any.
        pool: See `PoolAnnotator.serve`.
        labelled: See `LessonAnnotator`.
    """
    if isinstance(annotator, LessonAnnotator):
        annotator.labelled = labelled
    return annotator.serve(pool) if isinstance(annotator, PoolAnnotator) else []
