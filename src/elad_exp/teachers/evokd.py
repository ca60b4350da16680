"""EvoKD: a teacher that studies predictions of a student, then writes and labels new texts.

After Liu et al. 2024 ("Evolving Knowledge Distillation with Large Language Models and Active
Learning", arXiv 2403.06414); prompts, filters and shares are ours.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from elad_exp.budget.budget import Limits
from elad_exp.errors import ConfigError
from elad_exp.protocols import Task
from elad_exp.teachers.annotator import Ask, Lesson, LessonCalls
from elad_exp.teachers.calling import Calling
from elad_exp.teachers.forecast import forecast
from elad_exp.teachers.lessons import (
    SCHEMAS,
    Analysis,
    Answers,
    Texts,
    Weakness,
    about,
    evidence_text,
    form_of,
    numbered,
    prompt_of,
    weaknesses_text,
)
from elad_exp.teachers.replies import Unusable, read
from elad_exp.teachers.sift import sifted
from elad_exp.types import (
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
    normalise,
    sample_id,
)

log = logging.getLogger(__name__)

GIVEN = "given"
EXAMPLES = 4
"""So many of the studied texts show the writer what such texts look like."""


class EvoKDTeacher(ABC):
    """Implements `annotator.LessonAnnotator`; subclasses say who answers the steps.

    The query of round 0 is the labelled examples that a run begins with: they are given, not
    bought. Of a later one it studies the predictions, writes `texts` new texts in lessons of
    `lesson_size`, and labels them.

    Args:
        task: Names and describes classes or entity types, and reads answers.
        gold: Of it, the answers of the examples in round 0 and nothing else are read.
        seed: Of the run.
        texts: Written in a round.
        lesson_size: Texts that are asked for together.
        easy_fraction: Share of easy ones among them, 0 to 1.
        analyse: Name weaknesses first. Without, lessons are as good as the examples shown: a
            static distillation.
        show_right: Study right predictions as well as wrong ones.
        one_call: Write and label in one call.
        votes: How often each text is labelled; it is dropped if the labels differ.
        near_duplicates: Drop a text whose words are nearly those of an earlier one.

    Raises:
        ConfigError: A value is out of range, or the task describes no classes.
    """

    name: str
    model: str
    mode = "explain"
    estimated = True
    calling = Calling()
    shares_cache = False
    fresh_by: int | None = None

    def __init__(
        self,
        task: Task,
        gold: GoldBook,
        *,
        seed: int = 0,
        texts: int = 40,
        lesson_size: int = 10,
        easy_fraction: float = 0.5,
        analyse: bool = True,
        show_right: bool = True,
        one_call: bool = False,
        votes: int = 1,
        near_duplicates: bool = True,
    ) -> None:
        least = {"texts": texts, "lesson_size": lesson_size, "votes": votes}
        problems = [f"teacher.{k}={v}: must be at least 1" for k, v in least.items() if v < 1]
        if not 0 <= easy_fraction <= 1:
            problems.append(f"teacher.easy_fraction={easy_fraction}: must be 0 to 1")
        descriptions = getattr(task, "descriptions", None)
        if not descriptions:
            problems.append(
                f"teacher={self.name}: task {task.name!r} describes no classes or entity types to "
                "write about; choose a dataset that does, e.g. bulletin"
            )
        if problems:
            raise ConfigError("; ".join(problems))
        self.task, self.gold, self.seed = task, gold, seed
        self.descriptions: Mapping[str, str] = descriptions or {}
        self.texts, self.lesson_size = texts, lesson_size
        self.easy_fraction, self.analysing, self.show_right = easy_fraction, analyse, show_right
        self.one_call, self.votes, self.near_duplicates = one_call, votes, near_duplicates

    @property
    def info(self) -> dict[str, Any]:
        names = ("texts", "lesson_size", "easy_fraction", "show_right", "one_call", "votes")
        return {name: getattr(self, name) for name in names} | {"analyse": self.analysing}

    # -- who answers -------------------------------------------------------------------------

    @abstractmethod
    def request(
        self, step: str, prompt: str, *, most_tokens: int, plan: Mapping[str, Any]
    ) -> Request:
        """The call that asks for a step, without what comes after it.

        Args:
            step: `analyse`, `write`, `write_labelled` or `label`.
            prompt: What is read.
            most_tokens: Of the reply.
            plan: What the step is about beside the prompt; primitives.
        """

    @abstractmethod
    def read_tokens(self, text: str) -> int:
        """At most so many tokens are read of a text."""

    def likely_tokens(self, text: str) -> int:
        """About so many tokens a text has, for a plan."""
        return self.read_tokens(text)

    @abstractmethod
    async def answer(self, step: str, request: Request, plan: Mapping[str, Any]) -> Answer:
        """The reply to a request."""

    # -- an annotator ------------------------------------------------------------------------

    def check(self, limits: Limits) -> None:  # noqa: B027 (most have nothing to check)
        """Refuse what can be known to fail before anything is scored."""

    def check_price(self, limits: Limits) -> None:  # noqa: B027
        """As much of `check` as `requests` needs."""

    def priced(self, usage: Usage) -> Usage:
        """As it is."""
        return usage

    def requests(self, item: QueryItem) -> list[tuple[Request, float]]:
        """Nothing is asked about an item alone."""
        return []

    async def annotate(self, item: QueryItem, ask: Ask) -> Annotation:
        """Never asked: see `study` and `write`."""
        raise TypeError(f"teacher {self.name} annotates no single items")

    async def close(self) -> None:  # noqa: B027
        """Nothing is open."""

    # -- lessons -----------------------------------------------------------------------------

    def lesson_requests(self, query: Query) -> list[LessonCalls]:
        """See `LessonAnnotator`, and `forecast.forecast` for what is assumed."""
        return forecast(self, query)

    async def study(self, query: Query, ask: Ask) -> Sequence[Lesson]:
        """The lessons of a round, each with the weaknesses that it is aimed at."""
        if query.round == 0:
            items = [item.sample.to_dict() for item in query.items]
            return [Lesson(f"{GIVEN}-0", 0, {"given": items})]
        analysis = await self._analysed(query, ask) if self.analysing else None
        shown = [item.sample.question for item in query.items[:EXAMPLES]]
        lessons: list[Lesson] = []
        left, easy_left = self.texts, round(self.texts * self.easy_fraction)
        while left:
            size = min(self.lesson_size, left)
            easy = round(easy_left * size / left)
            number = len(lessons)
            plan = {
                "round": query.round,
                "number": number,
                "easy": easy,
                "hard": size - easy,
                "examples": shown,
                "parents": [item.sample.id for item in query.items],
                "analysis": analysis.model_dump() if analysis else None,
            }
            lessons.append(Lesson(f"lesson-{query.round}-{number}", size, plan))
            left, easy_left = left - size, easy_left - easy
        return lessons

    async def _analysed(self, query: Query, ask: Ask) -> Analysis | None:
        items = [i for i in query.items if self.show_right or _wrong(i)]
        if not items:
            return None
        plan = {"round": query.round, "items": [item.to_dict() for item in items]}
        prompt = prompt_of("analyse").render(
            **about(self.task, self.descriptions), evidence=evidence_text(self.task, items)
        )
        try:
            found = await self._say("analyse", prompt, ask, plan, most_tokens=512 + 64 * len(items))
        except Unusable as error:
            log.warning("round %d: the analysis cannot be used (%s)", query.round, error)
            return None
        assert isinstance(found, Analysis)
        known = {item.sample.id for item in items}
        weaknesses: list[Weakness] = [*found.confused, *found.missing]
        for weakness in weaknesses:
            weakness.evidence = [i for i in weakness.evidence if i in known]
        return found

    async def write(self, lesson: Lesson, ask: Ask) -> list[Annotation]:
        """New texts with their answers; what cannot be used is among them, and says why."""
        plan = lesson.plan
        if "given" in plan:
            return [self._given(Sample.from_dict(item)) for item in plan["given"]]
        analysis = Analysis.model_validate(plan["analysis"]) if plan["analysis"] else None
        step = "write_labelled" if self.one_call else "write"
        values = about(self.task, self.descriptions) | {
            "weaknesses": weaknesses_text(analysis),
            "examples": numbered(plan["examples"]),
            "easy": str(plan["easy"]),
            "hard": str(plan["hard"]),
        }
        if self.one_call:
            values["form"] = form_of(self.task)
        prompt = prompt_of(step).render(**values)
        try:
            found = await self._say(
                step,
                prompt,
                ask,
                plan,
                most_tokens=_written(lesson.size) + self.one_call * _answered(lesson.size),
                ahead=() if self.one_call else self._label_bounds(lesson.size),
            )
        except Unusable as error:
            log.warning("%s cannot be used: %s", lesson.name, error)
            return []
        assert isinstance(found, Texts)
        texts = [" ".join(text.split()) for text in found.all][: lesson.size]
        if self.one_call:
            return self._labelled(texts, [found.answers or []], plan)
        texts = [text for text in texts if text]
        votes = [await self._labels(texts, ask, plan, vote) for vote in range(self.votes)]
        return self._labelled(texts, votes, plan)

    async def _labels(
        self, texts: Sequence[str], ask: Ask, plan: Mapping[str, Any], vote: int
    ) -> list[str]:
        if not texts:
            return []
        prompt = prompt_of("label").render(
            **about(self.task, self.descriptions),
            form=form_of(self.task),
            texts=numbered(texts),
        )
        mine = {
            "round": plan["round"],
            "number": plan["number"],
            "texts": list(texts),
            "vote": vote,
        }
        try:
            found = await self._say(
                "label",
                prompt,
                ask,
                mine,
                most_tokens=_answered(len(texts)),
                ahead=self._label_bounds(len(texts))[vote + 1 :],
            )
        except Unusable as error:
            log.warning("labels of lesson %d cannot be used: %s", plan["number"], error)
            return []
        assert isinstance(found, Answers)
        return found.answers

    def _labelled(
        self, texts: Sequence[str], votes: Sequence[Sequence[str]], plan: Mapping[str, Any]
    ) -> list[Annotation]:
        parents = tuple(plan["parents"])
        made = []
        for n, text in enumerate(texts):
            sample = Sample(sample_id(text), text, (), "synthetic", parents)
            said = [own[n] if n < len(own) else None for own in votes]
            read_as = [
                None if s is None else self.task.parse(sample, f"Answer: {s}").answer for s in said
            ]
            reason = ""
            if not normalise(text):
                reason = "an empty text"
            elif None in said:
                reason = "no answer came for it"
            elif None in read_as:
                reason = f"the answer {said[read_as.index(None)]!r} cannot be used"
            elif len(set(read_as)) > 1:
                reason = f"a second look gave another answer: {read_as[0]} and {read_as[1]}"
            made.append(
                Annotation(
                    sample,
                    None if reason else Explanation((), read_as[0]),
                    Status.UNPARSED if reason else Status.OK,
                    self.name,
                    raw=said[0] or "",
                    reason=reason,
                )
            )
        return made

    def _given(self, sample: Sample) -> Annotation:
        return Annotation(sample, Explanation((), self.gold[sample.id].answer), Status.OK, GIVEN)

    def sift(
        self, annotations: Sequence[Annotation], earlier: Sequence[Sample]
    ) -> list[Annotation]:
        """See `sift.sifted`; what is given is no text of this teacher."""
        if all(a.teacher == GIVEN for a in annotations):
            return list(annotations)
        return sifted(annotations, earlier, near_duplicates=self.near_duplicates)

    def _label_bounds(self, n: int) -> list[Usage]:
        """The most that each look at `n` texts can cost which are not written yet."""
        frame = prompt_of("label").render(
            **about(self.task, self.descriptions), form=form_of(self.task), texts=""
        )
        # Of every text its number as well.
        read = self.read_tokens(frame) + _written(n) + 4 * n
        return [Usage(read, _answered(n))] * self.votes

    async def _say(
        self,
        step: str,
        prompt: str,
        ask: Ask,
        plan: Mapping[str, Any],
        *,
        most_tokens: int,
        ahead: Sequence[Usage] = (),
    ) -> Any:
        """What is replied to a step, for which the calls `ahead` are set aside as well.

        Raises:
            Unusable: It does not fit the step's schema.
        """
        request = replace(
            self.request(step, prompt, most_tokens=most_tokens, plan=plan),
            ahead=sum(ahead, Usage()),
            ahead_calls=len(ahead),
        )

        async def call() -> Answer:
            return await self.answer(step, request, plan)

        reply = await ask(request, call)
        if reply.status is not Status.OK:
            raise Unusable(reply.reason or str(reply.status))
        return read(reply.text, SCHEMAS[step])


def _written(n: int) -> int:
    """Tokens of a reply with `n` texts, at most."""
    return 64 * n + 64


def _answered(n: int) -> int:
    """Tokens of a reply with `n` answers, at most."""
    return 32 * n + 32


def _wrong(item: QueryItem) -> bool:
    return item.attempt is None or item.attempt.answer != item.known
