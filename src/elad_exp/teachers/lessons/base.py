"""What teachers that write lessons share: what is given, written and sifted."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from elad_exp.errors import ConfigError
from elad_exp.protocols import Task
from elad_exp.teachers.annotator import Ask, Lesson, LessonCalls
from elad_exp.teachers.lessons.asker import Asker
from elad_exp.teachers.lessons.forecast import forecast
from elad_exp.teachers.lessons.sift import repeats, sifted
from elad_exp.teachers.lessons.speaker import Speaker
from elad_exp.teachers.lessons.steps import BYTES_A_TOKEN
from elad_exp.teachers.replies import Unusable
from elad_exp.types import (
    GIVEN,
    SYNTHETIC,
    Annotation,
    Explanation,
    GoldBook,
    Query,
    QueryItem,
    Request,
    Sample,
    Status,
    sample_id,
)

log = logging.getLogger(__name__)


class LessonTeacher(Asker, ABC):
    """Implements `annotator.LessonAnnotator`; subclasses say what is studied and written.

    The query of round 0 is the labelled examples that a run begins with: they are given, not
    bought.

    Args:
        task: Names and describes classes or entity types, and reads answers.
        gold: Of it, the answers of the examples in round 0 and nothing else are read.
        speaker: Answers the steps.
        seed: Of the run.
        texts: Written in a round.
        lesson_size: Texts that are asked for together.
        text_tokens: Of a text, at most: what a call may write, and what is set aside for reading
            it again. A text of more than `BYTES_A_TOKEN` times as many bytes is dropped.
        answer_tokens: Of an answer, at most, on average over the texts of a lesson.
        near_duplicates: Drop a text whose words are nearly those of an earlier one.

    Raises:
        ConfigError: A value is out of range, or the task describes no classes.
    """

    name: ClassVar[str]
    mode = "explain"
    among: tuple[str, ...] = ("annotated",)
    studies_attempts = False

    def __init__(
        self,
        task: Task,
        gold: GoldBook,
        speaker: Speaker,
        *,
        seed: int = 0,
        texts: int = 40,
        lesson_size: int = 10,
        text_tokens: int = 64,
        answer_tokens: int = 32,
        near_duplicates: bool = True,
    ) -> None:
        least = {"texts": texts, "lesson_size": lesson_size}
        least |= {"text_tokens": text_tokens, "answer_tokens": answer_tokens}
        problems = [f"teacher.{k}={v}: must be at least 1" for k, v in least.items() if v < 1]
        descriptions = getattr(task, "descriptions", None)
        if not descriptions:
            problems.append(
                f"teacher={self.name}: task {task.name!r} describes no classes or entity types to "
                "write about; choose a dataset that does, e.g. bulletin"
            )
        problems += self.problems(task)
        if problems:
            raise ConfigError("; ".join(problems))
        super().__init__(
            task,
            descriptions or {},
            speaker,
            text_tokens=text_tokens,
            answer_tokens=answer_tokens,
        )
        self.gold, self.seed, self.near_duplicates = gold, seed, near_duplicates
        self.texts, self.lesson_size = texts, lesson_size
        self.notes: dict[str, Any] = {}
        self.labelled: Callable[[], Sequence[Annotation]] = tuple
        self.earlier: Sequence[Sample] = ()

    def problems(self, task: Task) -> list[str]:
        """Why this teacher, with its settings, cannot teach a task; asked while it is made."""
        return []

    @property
    def info(self) -> dict[str, Any]:
        return self.speaker.info | {"lessons": self.settings}

    @property
    def settings(self) -> dict[str, Any]:
        """What shapes the lessons, beside who writes them."""
        names = ("texts", "lesson_size", "text_tokens", "answer_tokens", "near_duplicates")
        return {name: getattr(self, name) for name in names}

    def requests(self, item: QueryItem) -> list[tuple[Request, float]]:
        """Nothing is asked about an item alone."""
        return []

    async def annotate(self, item: QueryItem, ask: Ask) -> Annotation:
        """Never asked: see `study` and `write`."""
        raise TypeError(f"teacher {self.name} annotates no single items")

    # -- lessons -----------------------------------------------------------------------------

    def lesson_requests(self, query: Query) -> list[LessonCalls]:
        """See `LessonAnnotator`, and `forecast.forecast` for what is assumed."""
        return forecast(self, query)

    def reply_tokens(self, *, studied: int, given: int) -> dict[str, int]:
        """Step -> tokens of the longest reply that it asks for.

        Args:
            studied: Items of a query, at most.
            given: Examples that the run begins with.
        """
        return {}

    def warnings(self, *, studied: int, given: int) -> list[str]:
        """See `LessonAnnotator`: replies may be longer than the speaker allows."""
        most = self.speaker.max_completion_tokens
        needed = self.reply_tokens(studied=studied, given=given)
        if most is None or not (short := {k: n for k, n in needed.items() if n > most}):
            return []
        steps = ", ".join(f"{step} {n:,}" for step, n in short.items())
        return [
            f"teacher.max_completion_tokens={most} is less than replies may need: {steps}. One "
            "that is longer is cut off, billed and dropped; set teacher.max_completion_tokens="
            f"{max(short.values())}, or ask for less at a time (teacher.lesson_size, teacher.texts,"
            " schedule.query_size)"
        ]

    async def study(
        self, query: Query, ask: Ask, earlier: Sequence[Sample] = ()
    ) -> Sequence[Lesson]:
        """The lessons of a round. Begins new `notes`."""
        self.notes, self.earlier = {}, earlier
        if query.round == 0:
            return [given(query)]
        return await self.lessons(query, ask)

    @abstractmethod
    async def lessons(self, query: Query, ask: Ask) -> Sequence[Lesson]:
        """The lessons of a round after the first, in order of importance. May ask."""

    async def write(self, lesson: Lesson, ask: Ask) -> list[Annotation]:
        """New texts with their answers; what cannot be used is among them, and says why."""
        if GIVEN in lesson.plan:
            return [self._given(Sample.from_dict(item)) for item in lesson.plan[GIVEN]]
        try:
            return await self.written(lesson, ask)
        except Unusable as error:
            log.warning("%s cannot be used: %s", lesson.name, error)
            self.notes.setdefault("unusable", {})[lesson.name] = str(error)
            return []

    @abstractmethod
    async def written(self, lesson: Lesson, ask: Ask) -> list[Annotation]:
        """See `write`.

        Raises:
            Unusable: Nothing came of the lesson.
        """

    def sift(
        self, annotations: Sequence[Annotation], earlier: Sequence[Sample]
    ) -> list[Annotation]:
        """See `sift.sifted`; what is given is no text of this teacher."""
        if all(a.teacher == GIVEN for a in annotations):
            return list(annotations)
        return sifted(annotations, earlier, near_duplicates=self.near_duplicates)

    def _given(self, sample: Sample) -> Annotation:
        return Annotation(sample, Explanation((), self.gold[sample.id].answer), Status.OK, GIVEN)

    # -- for subclasses ----------------------------------------------------------------------

    def sizes(self, total: int) -> Iterator[int]:
        """Of the lessons that `total` texts make."""
        for begin in range(0, total, self.lesson_size):
            yield min(self.lesson_size, total - begin)

    def sample(self, text: str, *, parents: Sequence[str], origin: str) -> Sample:
        """The sample of a text that was written."""
        return Sample(sample_id(text), text, (), origin, tuple(parents))

    def annotation(
        self,
        text: str,
        said: Sequence[str],
        *,
        parents: Sequence[str],
        origin: str = SYNTHETIC,
        aim: str = "",
        reason: str = "",
    ) -> Annotation:
        """A text with the answers that were given to it; the first one counts if all are one.

        Args:
            text: Without breaks of lines.
            said: As prompts show answers; there may be none where `reason` says why.
            parents: Ids of what it was made from.
            origin: Of its sample.
            aim: What it was asked for as, see `Annotation`.
            reason: Why it cannot be used, where that is known already.
        """
        sample = self.sample(text, parents=parents, origin=origin)
        read_as = [self.task.parse(sample, f"Answer: {s}").answer for s in said]
        reason = self.unusable(text) or reason
        if reason:
            pass
        elif None in read_as:
            reason = f"the answer cannot be used: {said[read_as.index(None)]!r}"
        elif len(set(read_as)) > 1:
            reason = f"a second look gave another answer: {read_as[0]} and {read_as[1]}"
        return Annotation(
            sample,
            None if reason else Explanation((), read_as[0]),
            Status.UNPARSED if reason else Status.OK,
            self.name,
            raw=said[0] if said else "",
            reason=reason,
            aim=aim,
        )

    def unusable(self, text: str) -> str:
        """Why a text cannot be used whatever its answer; empty if it can."""
        if not any(map(str.isalnum, text)):  # also the dots of a prompt's form, said again
            return "an empty text"
        most = BYTES_A_TOKEN * self.text_tokens
        size = len(text.encode())
        too_long = f"longer than teacher.text_tokens allows: {size} bytes, more than {most}"
        return too_long if size > most else ""

    def useless(self, texts: Sequence[str]) -> dict[int, str]:
        """Places of the texts of a lesson that no answer makes usable, each with the reason.

        What other lessons of the round write is not looked at: they are written at the same time,
        so what is asked would depend on which is done first. See `sift`.
        """
        reasons = {n: reason for n, text in enumerate(texts) if (reason := self.unusable(text))}
        fine = [n for n in range(len(texts)) if n not in reasons]
        samples = [self.sample(texts[n], parents=(), origin=SYNTHETIC) for n in fine]
        return reasons | {fine[n]: reason for n, reason in self.repeats(samples).items()}

    def repeats(self, samples: Sequence[Sample]) -> dict[int, str]:
        """See `sift.repeats`; earlier ones are what was annotated before the round."""
        return repeats(samples, self.earlier, near_duplicates=self.near_duplicates)


def given(query: Query) -> Lesson:
    """The examples that a run begins with, as a lesson that costs nothing."""
    items = [item.sample.to_dict() for item in query.items]
    return Lesson(f"{GIVEN}-{query.round}", 0, {GIVEN: items})
