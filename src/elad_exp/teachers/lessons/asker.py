"""The steps of lessons, asked: what is sent, what it may cost, what is made of the reply."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from elad_exp.budget.budget import Limits
from elad_exp.budget.pricing import LONGEST_PROMPT
from elad_exp.errors import BudgetExceeded
from elad_exp.protocols import Task
from elad_exp.teachers.annotator import Ask, Lesson
from elad_exp.teachers.calling import CallFailed, Calling
from elad_exp.teachers.lessons.speaker import Speaker
from elad_exp.teachers.lessons.steps import (
    SCHEMAS,
    Answers,
    Batch,
    about,
    form_of,
    numbered,
    prompt_of,
    require_whole,
)
from elad_exp.teachers.replies import Unusable, read
from elad_exp.types import Answer, Status, Usage

log = logging.getLogger(__name__)

SPARE = 64
"""Tokens of a reply beside its texts: names and brackets."""
NO_ANSWER = "no answer came for it"


class Asker:
    """Asks a speaker the steps of lessons, and is an `Annotator` as far as its speaker is one.

    Args:
        task: Whose texts are written and labelled.
        descriptions: Of its classes or entity types, by name.
        speaker: Answers.
        text_tokens: Of a text, at most.
        answer_tokens: Of an answer, at most, on average over the texts of a lesson.
    """

    def __init__(
        self,
        task: Task,
        descriptions: Mapping[str, str],
        speaker: Speaker,
        *,
        text_tokens: int,
        answer_tokens: int,
    ) -> None:
        self.task, self.descriptions, self.speaker = task, descriptions, speaker
        self.text_tokens, self.answer_tokens = text_tokens, answer_tokens

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

    # -- steps -------------------------------------------------------------------------------

    @property
    def about(self) -> dict[str, str]:
        """The fields of a prompt that are the same in every one of a task."""
        return about(self.task, self.descriptions)

    def written_tokens(self, n: int) -> int:
        """Of a reply with `n` texts, at most."""
        return self.text_tokens * n + SPARE

    def answered_tokens(self, n: int) -> int:
        """Of a reply with `n` answers, at most."""
        return self.answer_tokens * (n + 1)

    async def labels(
        self, texts: Sequence[str], ask: Ask, plan: Mapping[str, Any], *, votes: int
    ) -> tuple[list[list[str]], str]:
        """For each text its answers from `votes` looks, and why there are not so many.

        A look has an answer for every text or counts for none; it is then the last one, for no
        text of it can be used. `label_bounds` is what all of them may cost.

        Returns:
            The answers as prompts show them; and "", or a reason as of `Annotation`.
        """
        found: list[list[str]] = [[] for _ in texts]
        for vote in range(votes if texts else 0):
            try:
                said = await self._look(texts, ask, dict(plan) | {"vote": vote}, votes=votes)
            # The texts are paid for, and told of, whatever became of their labels.
            except (Unusable, CallFailed, BudgetExceeded) as error:
                log.warning("labels of lesson %s: %s", plan.get("number"), error)
                return found, f"{NO_ANSWER}: {error}"
            for own, answer in zip(found, said, strict=True):
                own.append(answer)
        return found, ""

    async def _look(
        self, texts: Sequence[str], ask: Ask, plan: Mapping[str, Any], *, votes: int
    ) -> list[str]:
        ahead = self.label_bounds(len(texts), votes=votes - plan["vote"] - 1)
        step = dict(plan) | {"texts": list(texts)}
        values = self.about | {"form": form_of(self.task), "texts": numbered(texts)}
        most = self.answered_tokens(len(texts))
        found = await self.say("label", values, ask, step, most_tokens=most, ahead=ahead)
        assert isinstance(found, Answers)
        return found.answers

    def label_bounds(self, n: int, *, votes: int) -> list[Usage]:
        """The most that each look at `n` texts can cost which are not written yet."""
        frame = prompt_of("label").render(**self.about, form=form_of(self.task), texts="")
        read = self.speaker.read_bound("label", frame, texts=n, text_tokens=self.text_tokens)
        return [self.speaker.priced(Usage(read, self.answered_tokens(n)))] * votes

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

    async def say(
        self,
        step: str,
        values: Mapping[str, str],
        ask: Ask,
        plan: Mapping[str, Any],
        *,
        most_tokens: int,
        ahead: Sequence[Usage] = (),
        ahead_texts: int = 0,
    ) -> Any:
        """What is replied to a step, for which the calls `ahead` are set aside as well.

        Args:
            step: A key of `steps.SCHEMAS`.
            values: Of the fields of its prompt.
            ask: Metered.
            plan: See `Speaker.ask_for`.
            most_tokens: Of the reply.
            ahead: The most that each further call of the lesson can cost.
            ahead_texts: See `Request`.

        Raises:
            Miscounted: It has more or fewer answers than texts.
            Unusable: It does not fit the step's schema, or says nothing.
        """
        prompt = prompt_of(step).render(**values)
        request = replace(
            self.speaker.ask_for(step, prompt, most_tokens=most_tokens, plan=plan),
            ahead=sum(ahead, Usage()),
            ahead_calls=len(ahead),
            ahead_texts=ahead_texts,
        )
        if request.bound.prompt_tokens > LONGEST_PROMPT:
            raise Unusable(
                f"the prompt may have {request.bound.prompt_tokens} tokens, more than "
                f"{LONGEST_PROMPT}; it was not sent"
            )

        async def call() -> Answer:
            return await self.speaker.answer(step, request, plan)

        reply = await ask(request, call)
        if reply.status in (Status.OK, Status.UNPARSED):  # read again to say what is wrong with it
            found = read(reply.text, SCHEMAS[step])
            require_whole(found, plan)
            if reply.status is Status.OK:
                return found
        raise Unusable(reply.reason or str(reply.status))
