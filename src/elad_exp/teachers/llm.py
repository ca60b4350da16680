"""A language model as teacher, through litellm: it revises attempts or explains from scratch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Self

from elad_exp.budget.pricing import LONGEST_PROMPT
from elad_exp.errors import ConfigError
from elad_exp.protocols import Task
from elad_exp.teachers import messages, replies
from elad_exp.teachers.annotator import Ask
from elad_exp.teachers.meaning import Meaning, NotUsable, understood
from elad_exp.teachers.model import LanguageModel
from elad_exp.types import (
    Annotation,
    Answer,
    Explanation,
    GoldBook,
    QueryItem,
    Request,
    Status,
    Usage,
)

log = logging.getLogger(__name__)

MODES = ("single", "sequential", "explain")
LONGEST_REASON = 300


class LanguageModelTeacher(LanguageModel):
    """An `Annotator`: any model that litellm knows, or a local server that speaks its protocol.

    Args:
        task: Gives prompts their context and answers their grammar.
        gold: Not used; given to every teacher alike.
        mode: `single` (verdicts and revision in one call), `sequential` (a call for each step up
            to the first error, then one that revises) or `explain` (the attempt is not shown).
        given: See `LanguageModel`.

    Raises:
        ConfigError: An argument has a value that is not allowed.
    """

    name = "litellm"

    def __init__(
        self,
        task: Task,
        gold: GoldBook | None = None,
        *,
        mode: str = "single",
        **given: Any,
    ) -> None:
        super().__init__(**given)
        if mode not in MODES:
            raise ConfigError(f"teacher.mode={mode}: choose one of {', '.join(MODES)}")
        self.task, self.mode = task, mode

    @classmethod
    def of(cls, task: Task, settings: Mapping[str, Any], *, seed: int = 0) -> Self:
        """The teacher whose model, mode and `info` are `settings`, for its requests and for reading
        its answers: it is never called, so neither litellm nor a server is needed.

        Raises:
            KeyError, TypeError, ConfigError: `settings` are not those of such a teacher.
        """
        names = ("model", "mode", "temperature", "max_completion_tokens", "fresh_per_seed")
        found = cls(task, seed=seed, **{name: settings[name] for name in names})
        found.stand_in(settings)
        return found

    def requests(self, item: QueryItem) -> list[tuple[Request, float]]:
        """See `Annotator`. Of the checks of a sequence, the first error is as likely at each."""
        task, sample = self.task, item.sample
        if item.attempt is None or self.mode == "explain":
            prompt = messages.explain(task, sample)
            return [(self.request(prompt, replies.Written, estimate=True), 1.0)]
        if self.mode == "single":
            prompt = messages.single(task, sample, item.attempt)
            return [(self.request(prompt, replies.Revision, estimate=True), 1.0)]
        *checks, correction = self.sequence(item, item.attempt, estimate=True)
        n = len(checks)
        return [(c, (n - i) / n) for i, c in enumerate(checks)] + [(correction, 1.0)]

    async def annotate(self, item: QueryItem, ask: Ask) -> Annotation:
        """See `Annotator`. What cannot be used has a status of its own, and keeps what was said."""
        said: list[str] = []
        try:
            if item.attempt is None or self.mode == "explain":
                meaning = await self._explain(item, ask, said)
            elif self.mode == "single":
                meaning = await self._single(item, item.attempt, ask, said)
            else:
                meaning = await self._sequential(item, item.attempt, ask, said)
        except NotUsable as error:
            answer = error.answer
            return Annotation(
                item.sample,
                None,
                answer.status,
                self.name,
                raw="\n".join(said),
                reason=answer.reason,
            )
        return Annotation(
            item.sample,
            meaning.explanation,
            Status.OK,
            self.name,
            verdicts=meaning.verdicts,
            first_error=meaning.first_error,
            raw="\n".join(said),
        )

    async def _explain(self, item: QueryItem, ask: Ask, said: list[str]) -> Meaning:
        def mean(reply: replies.Written) -> Meaning:
            return Meaning(replies.written(self.task, item, reply.steps, reply.answer))

        prompt = messages.explain(self.task, item.sample)
        return await self._ask(
            ask, self.request(prompt, replies.Written), replies.Written, mean, said
        )

    async def _single(
        self, item: QueryItem, attempt: Explanation, ask: Ask, said: list[str]
    ) -> Meaning:
        def mean(reply: replies.Revision) -> Meaning:
            return Meaning(*replies.revised(self.task, item, reply))

        prompt = messages.single(self.task, item.sample, attempt)
        return await self._ask(
            ask, self.request(prompt, replies.Revision), replies.Revision, mean, said
        )

    async def _sequential(
        self, item: QueryItem, attempt: Explanation, ask: Ask, said: list[str]
    ) -> Meaning:
        *checks, correction = self.sequence(item, attempt)
        last = len(checks)

        def revised(first: int | None, reply: replies.Written, reason: str = "") -> Meaning:
            found = replies.corrected(
                self.task, item, first, reply.steps, reply.answer, reason=reason
            )
            return Meaning(*found)

        for index, request in enumerate(checks, 1):

            def judged(reply: replies.Check, index: int = index) -> Meaning:
                if not reply.ok:
                    return Meaning(right=False, reason=" ".join(reply.reason.split()))
                if index < last:
                    return Meaning()
                return revised(None, replies.Written(steps=[], answer=attempt.answer or ""))

            found = await self._ask(ask, request, replies.Check, judged, said)
            if not found.right:
                reason = found.reason[:LONGEST_REASON]
                prompt = messages.correct(self.task, item.sample, attempt, index, reason)
                last_request = replace(
                    self.request(prompt, replies.Written), bound=correction.bound
                )
                mean = partial(revised, index, reason=reason)
                return await self._ask(ask, last_request, replies.Written, mean, said)
        return found

    def sequence(
        self, item: QueryItem, attempt: Explanation, *, estimate: bool = False
    ) -> list[Request]:
        """The checks of all steps and of the answer, and the longest correction; each check holds
        what those after it and the correction may cost.
        """
        sample, n = item.sample, len(attempt.steps)
        widest = messages.correct(self.task, sample, attempt, n + 1, "\U0001f4b8" * LONGEST_REASON)
        requests = [self.request(widest, replies.Written, estimate=estimate)]
        for index in range(n + 1, 0, -1):
            nxt = requests[0]
            prompt = messages.check(self.task, sample, attempt, index)
            check = self.request(prompt, replies.Check, estimate=estimate)
            calls = nxt.ahead_calls + 1
            requests.insert(0, replace(check, ahead=nxt.bound + nxt.ahead, ahead_calls=calls))
        return requests

    async def _ask(
        self,
        ask: Ask,
        request: Request,
        schema: type[replies.R],
        mean: Callable[[replies.R], Meaning],
        said: list[str],
    ) -> Meaning:
        if request.bound.prompt_tokens > LONGEST_PROMPT:
            raise NotUsable(
                Answer(
                    "",
                    Status.FAILED,
                    Usage(),
                    f"the prompt may have {request.bound.prompt_tokens} tokens, more than "
                    f"{LONGEST_PROMPT}; it was not sent",
                )
            )

        meaning: Meaning | None = None

        async def call() -> Answer:
            nonlocal meaning
            reply = await self.reply(request, schema)
            answer, meaning = understood(reply, request, schema, mean)
            return answer

        answer = await ask(request, call)
        said.append(answer.text)
        if answer.status is not Status.OK:
            raise NotUsable(answer)
        if meaning is not None:
            return meaning
        try:
            return mean(replies.read(answer.text, schema))
        except replies.Unusable as error:  # an earlier version could read it
            raise NotUsable(replace(answer, status=Status.UNPARSED, reason=str(error))) from error
