"""What teachers that write lessons share: steps are asked for, texts are labelled and sifted."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from elad_exp.budget.budget import Limits
from elad_exp.budget.pricing import LONGEST_PROMPT
from elad_exp.errors import ConfigError
from elad_exp.protocols import Task
from elad_exp.teachers.annotator import Ask, Lesson, LessonCalls
from elad_exp.teachers.calling import Calling
from elad_exp.teachers.lessons.forecast import forecast
from elad_exp.teachers.lessons.sift import sifted
from elad_exp.teachers.lessons.speaker import Speaker
from elad_exp.teachers.lessons.steps import (
    BYTES_A_TOKEN,
    SCHEMAS,
    Answers,
    Batch,
    about,
    form_of,
    numbered,
    prompt_of,
)
from elad_exp.teachers.replies import Unusable, read
from elad_exp.types import (
    GIVEN,
    SYNTHETIC,
    Annotation,
    Answer,
    Explanation,
    GoldBook,
    Query,
    QueryItem,
    Request,
    Sample,
    Status,
    Usage,
    sample_id,
)

log = logging.getLogger(__name__)

SPARE = 64
"""Tokens of a reply beside its texts: names and brackets."""


class LessonTeacher(ABC):
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
        self.task, self.gold, self.speaker, self.seed = task, gold, speaker, seed
        self.descriptions: Mapping[str, str] = descriptions or {}
        self.texts, self.lesson_size, self.text_tokens = texts, lesson_size, text_tokens
        self.answer_tokens, self.near_duplicates = answer_tokens, near_duplicates
        self.notes: dict[str, Any] = {}
        self.labelled: Callable[[], Sequence[Annotation]] = tuple

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

    # -- an annotator, as far as its speaker is one ------------------------------------------

    @property
    def model(self) -> str:
        return self.speaker.model

    @property
    def estimated(self) -> bool:
        return self.speaker.estimated

    @property
    def calling(self) -> Calling:
        return self.speaker.calling

    @property
    def shares_cache(self) -> bool:
        return self.speaker.shares_cache

    @property
    def fresh_by(self) -> int | None:
        return self.speaker.fresh_by

    def check(self, limits: Limits) -> None:
        """See `Annotator`."""
        self.speaker.check(limits)

    def check_price(self, limits: Limits) -> None:
        """See `Annotator`."""
        self.speaker.check_price(limits)

    def priced(self, usage: Usage) -> Usage:
        """See `Annotator`."""
        return self.speaker.priced(usage)

    async def close(self) -> None:
        """See `Annotator`."""
        await self.speaker.close()

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

    async def study(self, query: Query, ask: Ask) -> Sequence[Lesson]:
        """The lessons of a round. Begins new `notes`."""
        self.notes = {}
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

    @property
    def about(self) -> dict[str, str]:
        """The fields of a prompt that are the same in every one of a task."""
        return about(self.task, self.descriptions)

    def sizes(self, total: int) -> Iterator[int]:
        """Of the lessons that `total` texts make."""
        for begin in range(0, total, self.lesson_size):
            yield min(self.lesson_size, total - begin)

    def written_tokens(self, n: int) -> int:
        """Of a reply with `n` texts, at most."""
        return self.text_tokens * n + SPARE

    def answered_tokens(self, n: int) -> int:
        """Of a reply with `n` answers, at most."""
        return self.answer_tokens * (n + 1)

    def sample(self, text: str, *, parents: Sequence[str], origin: str) -> Sample:
        """The sample of a text that was written."""
        return Sample(sample_id(text), text, (), origin, tuple(parents))

    def annotation(
        self,
        text: str,
        said: Sequence[str | None],
        *,
        parents: Sequence[str],
        origin: str = SYNTHETIC,
        aim: str = "",
        reason: str = "",
    ) -> Annotation:
        """A text with the answers that were given to it; the first one counts if all are one.

        Args:
            text: Without breaks of lines.
            said: As prompts show answers; None where none came.
            parents: Ids of what it was made from.
            origin: Of its sample.
            aim: What it was asked for as, see `Annotation`.
            reason: Why it cannot be used, where that is known already.
        """
        sample = self.sample(text, parents=parents, origin=origin)
        read_as = [
            None if s is None else self.task.parse(sample, f"Answer: {s}").answer for s in said
        ]
        reason = self.unusable(text) or reason
        if reason:
            pass
        elif None in said:
            reason = "no answer came for it"
        elif None in read_as:
            reason = f"the answer cannot be used: {said[read_as.index(None)]!r}"
        elif len(set(read_as)) > 1:
            reason = f"a second look gave another answer: {read_as[0]} and {read_as[1]}"
        return Annotation(
            sample,
            None if reason else Explanation((), read_as[0]),
            Status.UNPARSED if reason else Status.OK,
            self.name,
            raw=said[0] or "",
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

    async def labels(
        self, texts: Sequence[str], ask: Ask, plan: Mapping[str, Any], *, votes: int
    ) -> list[list[str | None]]:
        """For each text an answer from each of `votes` looks; None where none came.

        `label_bounds` is what it may cost.
        """
        found: list[list[str | None]] = [[] for _ in texts]
        # What cannot be used is not asked about.
        asked = [n for n, text in enumerate(texts) if not self.unusable(text)]
        for vote in range(votes):
            said: Sequence[str] = ()
            if asked:
                shown = [texts[n] for n in asked]
                said = await self._look(shown, ask, dict(plan) | {"vote": vote}, votes=votes)
            by_text = dict(zip(asked, said, strict=False))
            for n, own in enumerate(found):
                own.append(by_text.get(n))
        return found

    async def _look(
        self, texts: Sequence[str], ask: Ask, plan: Mapping[str, Any], *, votes: int
    ) -> list[str]:
        ahead = self.label_bounds(len(texts), votes=votes - plan["vote"] - 1)
        step = dict(plan) | {"texts": list(texts)}
        values = self.about | {"form": form_of(self.task), "texts": numbered(texts)}
        most = self.answered_tokens(len(texts))
        try:
            found = await self.say("label", values, ask, step, most_tokens=most, ahead=ahead)
        except Unusable as error:
            log.warning("labels of lesson %s cannot be used: %s", plan.get("number"), error)
            return []
        assert isinstance(found, Answers)
        return found.answers

    async def texts_of(
        self, step: str, values: Mapping[str, str], lesson: Lesson, ask: Ask
    ) -> list[str]:
        """The texts that a step which asks for nothing else is replied, on one line each.

        Raises:
            Unusable: See `say`.
        """
        most = self.written_tokens(lesson.size)
        found = await self.say(step, values, ask, lesson.plan, most_tokens=most)
        assert isinstance(found, Batch)
        return [" ".join(text.split()) for text in found.texts][: lesson.size]

    def label_bounds(self, n: int, *, votes: int) -> list[Usage]:
        """The most that each look at `n` texts can cost which are not written yet."""
        frame = prompt_of("label").render(**self.about, form=form_of(self.task), texts="")
        read = self.speaker.read_bound("label", frame, texts=n, text_tokens=self.text_tokens)
        return [self.speaker.priced(Usage(read, self.answered_tokens(n)))] * votes

    async def say(
        self,
        step: str,
        values: Mapping[str, str],
        ask: Ask,
        plan: Mapping[str, Any],
        *,
        most_tokens: int,
        ahead: Sequence[Usage] = (),
    ) -> Any:
        """What is replied to a step, for which the calls `ahead` are set aside as well.

        Args:
            step: A key of `steps.SCHEMAS`.
            values: Of the fields of its prompt.
            ask: Metered.
            plan: See `Speaker.ask_for`.
            most_tokens: Of the reply.
            ahead: The most that each further call of the lesson can cost.

        Raises:
            Unusable: It does not fit the step's schema.
        """
        prompt = prompt_of(step).render(**values)
        request = replace(
            self.speaker.ask_for(step, prompt, most_tokens=most_tokens, plan=plan),
            ahead=sum(ahead, Usage()),
            ahead_calls=len(ahead),
        )
        if request.bound.prompt_tokens > LONGEST_PROMPT:
            raise Unusable(
                f"the prompt may have {request.bound.prompt_tokens} tokens, more than "
                f"{LONGEST_PROMPT}; it was not sent"
            )

        async def call() -> Answer:
            return await self.speaker.answer(step, request, plan)

        reply = await ask(request, call)
        if reply.status is not Status.OK:
            raise Unusable(reply.reason or str(reply.status))
        return read(reply.text, SCHEMAS[step])


def given(query: Query) -> Lesson:
    """The examples that a run begins with, as a lesson that costs nothing."""
    items = [item.sample.to_dict() for item in query.items]
    return Lesson(f"{GIVEN}-{query.round}", 0, {GIVEN: items})
