"""What a round of lessons may ask and cost, before there is one.

The round is gone through with made-up replies instead of calls, so its prompts and reservations are
made by what makes them in a run. It is done twice: with replies and texts of a likely length, and
with the longest, for the bounds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from copy import copy
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
    prediction shows. For `most` every studied text is as long as the longest of `query`, or as
    long as a text of a lesson may be; so is the analysis.
    """
    found = asyncio.run(_gone_through(teacher, query))
    if query.items:
        most = asyncio.run(_gone_through(teacher, _longest(teacher, query), longest=True))
        found = [
            # What has too long a prompt at worst is not sent then.
            replace(own, most=worst.most) if worst.requests else own
            for own, worst in zip(found, most, strict=True)
        ]
    return [calls for calls in found if calls.texts or calls.requests]


async def _gone_through(
    teacher: LessonTeacher, query: Query, *, longest: bool = False
) -> list[LessonCalls]:
    replies = _Replies(teacher, query, longest=longest)
    twin = copy(teacher)
    twin.speaker = copy(teacher.speaker)
    twin.speaker.answer = replies.answer  # type: ignore[method-assign]
    # The texts that are made up repeat each other; those that will be written are taken to be new.
    twin.repeats = lambda samples: {}  # type: ignore[method-assign]
    lessons = await twin.study(query, replies.ask)
    found = [replies.taken(0)]
    for lesson in lessons:
        await twin.write(lesson, replies.ask)
        found.append(replies.taken(lesson.size))
    return found


class _Replies:
    """Made-up replies to the steps of a round, and what was asked.

    Args:
        teacher: Whose steps they are.
        query: What is studied; its texts stand for those that will be written.
        longest: The analysis is as long as it may be.
    """

    def __init__(self, teacher: LessonTeacher, query: Query, *, longest: bool) -> None:
        self.teacher, self.query, self.longest = teacher, query, longest
        answers = [spoken(teacher.task, item.sample, item.known) for item in query.items]
        texts = [" ".join(item.sample.question.split()) for item in query.items]
        self._answers = dict(zip(texts, answers, strict=True))
        self._texts = cycle(texts)
        self._asked: list[tuple[Request, float]] = []

    def taken(self, texts: int) -> LessonCalls:
        """What was asked since the last time, for so many texts."""
        asked, self._asked = self._asked, []
        most = asked[0][0].bound if asked else Usage()
        # What a study sets aside is for its first lesson, which has a bound of its own.
        most += asked[0][0].ahead if asked and texts else Usage()
        return LessonCalls(texts, tuple(asked), most)

    async def ask(
        self,
        request: Request,
        call: Callable[[], Awaitable[Answer]],
        recorded: Callable[[int], Answer] | None = None,
    ) -> Answer:
        """See `annotator.Ask`; `call` comes to `answer`."""
        answer = await call()
        self._asked.append((replace(request, expected=answer.usage), 1.0))
        return answer

    async def answer(self, step: str, request: Request, plan: Mapping[str, Any]) -> Answer:
        """A reply and what it likely costs."""
        speaker, bound = self.teacher.speaker, request.bound
        text = reply_text(self._reply(step, request, plan))
        usage = Usage(
            request.expected.prompt_tokens or bound.prompt_tokens,
            min(speaker.count(text), bound.completion_tokens),
        )
        return Answer(text, Status.OK, speaker.priced(usage))

    def _reply(self, step: str, request: Request, plan: Mapping[str, Any]) -> dict[str, Any]:
        schema = SCHEMAS[step]
        if schema is Analysis:
            return self._analysis(request)
        if schema is Names:
            return self._names()
        if schema is Answers:
            return {"answers": [self._answers[text] for text in plan["texts"]]}
        if not issubclass(schema, Texts):
            return {"texts": list(islice(self._texts, plan["size"]))}
        texts = list(islice(self._texts, plan["easy"] + plan["hard"]))
        made: dict[str, Any] = {"easy": texts[: plan["easy"]], "hard": texts[plan["easy"] :]}
        if schema is Labelled:
            made["answers"] = [self._answers[text] for text in texts]
        return made

    def _names(self) -> dict[str, Any]:
        """So many as fit, of two words each."""
        kinds = list(self.teacher.descriptions)
        of_type = [f"{WORD} {WORD} {n}" for n in range(10)]
        return Names(entities=[NamesOfType(type=k, names=of_type) for k in kinds]).model_dump()

    def _analysis(self, request: Request) -> dict[str, Any]:
        """What every wrong prediction shows: what is taken for what, and one of two phenomena."""
        if self.longest:
            told = " ".join([WORD] * request.bound.completion_tokens)
            return Analysis(confused=[], missing=[], text=told).model_dump()
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
    items = (
        replace(longest, sample=replace(item.sample, question=question)) for item in query.items
    )
    return replace(query, items=tuple(items))


def _wrong(item: QueryItem) -> bool:
    return item.attempt is None or item.attempt.answer != item.known
