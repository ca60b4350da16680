"""What a round of lessons may ask and cost, before there is one.

The round is gone through with made-up replies instead of calls, so its prompts and reservations are
made by what makes them in a run. It is done twice: with replies and texts of a likely length, and
with the longest, for the bounds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

from elad_exp.teachers.annotator import LessonCalls
from elad_exp.teachers.lessons.steps import (
    SCHEMAS,
    Analysis,
    Answers,
    Confused,
    Labelled,
    Missing,
    Names,
    NamesOfType,
    Texts,
    evidence_text,
    prompt_of,
    reply_text,
    spoken,
)
from elad_exp.types import Answer, Query, QueryItem, Request, Status, Usage

if TYPE_CHECKING:
    from elad_exp.teachers.lessons.base import LessonTeacher

WORD = "xxxx"
"""About a token."""


def forecast(teacher: LessonTeacher, query: Query) -> list[LessonCalls]:
    """See `LessonAnnotator.lesson_requests`.

    Expected are texts and answers like those of `query`, and an analysis that says what each wrong
    prediction shows. For the bounds every studied text is as long as the longest of `query`, or as
    long as a text of a lesson may be; so is the analysis.
    """
    likely = asyncio.run(_gone_through(teacher, query, _Replies(teacher, query)))
    if not query.items:
        return likely
    longest = _longest(teacher, query)
    most = asyncio.run(_gone_through(teacher, longest, _Replies(teacher, longest, longest=True)))
    return [_bounded(own, worst) for own, worst in zip(likely, most, strict=True)]


async def _gone_through(
    teacher: LessonTeacher, query: Query, replies: _Replies
) -> list[LessonCalls]:
    lessons = await teacher.study(query, replies.ask)
    found = [replies.taken()]
    for lesson in lessons:
        replies.size = lesson.size
        await teacher.write(lesson, replies.ask)
        found.append(replies.taken())
    return [calls for calls in found if calls.texts or calls.requests]


class _Replies:
    """Made-up replies to the steps of a round, and what was asked.

    Args:
        teacher: Whose steps they are.
        query: What is studied; its texts stand for those that will be written.
        longest: The analysis is as long as it may be.
    """

    def __init__(self, teacher: LessonTeacher, query: Query, *, longest: bool = False) -> None:
        self.teacher, self.query, self.longest = teacher, query, longest
        self.size = 0
        self._items = cycle(query.items)
        self._written: list[QueryItem] = []
        self._asked: list[tuple[Request, float]] = []
        self._steps = {prompt_of(step).version: step for step in SCHEMAS}

    def taken(self) -> LessonCalls:
        """What was asked since the last time."""
        found = LessonCalls(self.size, tuple(self._asked))
        self._asked = []
        return found

    async def ask(
        self,
        request: Request,
        call: Callable[[], Awaitable[Answer]],
        recorded: Callable[[int], Answer] | None = None,
    ) -> Answer:
        """See `annotator.Ask`; `call` is not called."""
        text = reply_text(self._reply(request))
        speaker, bound = self.teacher.speaker, request.bound
        usage = Usage(
            request.expected.prompt_tokens or bound.prompt_tokens,
            min(speaker.count(text), bound.completion_tokens),
        )
        self._asked.append((replace(request, expected=speaker.priced(usage)), 1.0))
        return Answer(text, Status.OK, usage)

    def _reply(self, request: Request) -> dict[str, Any]:
        schema = SCHEMAS[self._steps[request.fields["prompt_version"]]]
        if schema is Analysis:
            return self._analysis(request)
        if schema is Names:
            return self._names()
        task = self.teacher.task
        if schema is not Answers:
            self._written = list(islice(self._items, self.size))
        answers = [spoken(task, item.sample, item.known) for item in self._written]
        if schema is Answers:
            return {"answers": answers}
        made = [item.sample.question for item in self._written]
        if not issubclass(schema, Texts):
            return {"texts": made}
        texts: dict[str, Any] = {"easy": [], "hard": made}
        return texts | ({"answers": answers} if schema is Labelled else {})

    def _names(self) -> dict[str, Any]:
        """So many as fit, of two words each."""
        kinds = list(self.teacher.descriptions)
        of_type = [f"{WORD} {WORD} {n}" for n in range(10)]
        return Names(entities=[NamesOfType(type=k, names=of_type) for k in kinds]).model_dump()

    def _analysis(self, request: Request) -> dict[str, Any]:
        if self.longest:
            return {"text": " ".join([WORD] * request.bound.completion_tokens)}
        wrong = [n for n, item in enumerate(self.query.items, 1) if _wrong(item)]
        names = list(self.teacher.descriptions)
        confused = [
            Confused(right=name, predicted=names[n - 1], evidence=list(wrong[n :: len(names)]))
            for n, name in enumerate(names[: len(wrong)])
        ]
        missing = [
            Missing(phenomenon="two things in one text", evidence=list(wrong[n::2]))
            for n in range(2)
        ]
        told = "It errs where a text says more than one thing, or says it in other words."
        return Analysis(confused=confused, missing=missing, text=told).model_dump()


def _longest(teacher: LessonTeacher, query: Query) -> Query:
    """As many items, all of them wrong, with the longest text and answers."""
    speaker = teacher.speaker
    longest = max(
        [item for item in query.items if _wrong(item)] or query.items,
        key=lambda item: speaker.count(evidence_text(teacher.task, [item])),
    )
    text = longest.sample.question
    written = speaker.longest_text(teacher.text_tokens)
    question = text + written[len(text) :]
    sample = replace(longest.sample, question=question)
    return replace(query, items=(replace(longest, sample=sample),) * len(query.items))


def _bounded(calls: LessonCalls, worst: LessonCalls) -> LessonCalls:
    """With the bound of the first request, and what it holds for the others."""
    if not calls.requests:
        return calls
    (first, chance), *others = calls.requests
    most, _ = worst.requests[0]
    first = replace(first, bound=most.bound, ahead=most.ahead, ahead_calls=most.ahead_calls)
    return replace(calls, requests=((first, chance), *others))


def _wrong(item: QueryItem) -> bool:
    return item.attempt is None or item.attempt.answer != item.known
