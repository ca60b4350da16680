"""A language model as teacher, through litellm: it revises attempts or explains from scratch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Self

from pydantic import BaseModel

from elad_exp.budget.budget import Limits
from elad_exp.budget.pricing import (
    LONGEST_PROMPT,
    Price,
    known_price,
    prompt_bound,
    require_price,
)
from elad_exp.errors import ConfigError
from elad_exp.protocols import Task
from elad_exp.teachers import litellm, messages, replies
from elad_exp.teachers.annotator import Ask
from elad_exp.teachers.calling import Calling
from elad_exp.teachers.endpoint import Endpoint, endpoint, require_reachable
from elad_exp.teachers.meaning import Meaning, NotUsable, understood
from elad_exp.teachers.messages import Message
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
HOTTEST = 2
LONGEST_REASON = 300
_MESSAGE_TOKENS = 4  # role and delimiters, in chat templates


class LanguageModelTeacher:
    """An `Annotator`: any model that litellm knows, or a local server that speaks its protocol.

    Args:
        task: Gives prompts their context and answers their grammar.
        gold: Not used; given to every teacher alike.
        seed: Goes into the keys of requests if `fresh_per_seed`.
        model: As litellm names it: `provider/model`.
        mode: `single` (verdicts and revision in one call), `sequential` (a call for each step up
            to the first error, then one that revises) or `explain` (the attempt is not shown).
        api_base: Address of a server; null: the provider's own, or ELAD_EXP_API_BASE.
        temperature: Null leaves it to the provider: some models refuse any.
        max_completion_tokens: The most that one call may write.
        prompt_usd: Dollars for a token of the prompt; null: by litellm's table.
        completion_usd: Dollars for a token of the completion; null: by litellm's table.
        fresh_per_seed: Runs of different seeds share no answers.
        calling: Operational settings; see `Calling`.

    Raises:
        ConfigError: An argument has a value that is not allowed.
    """

    name = "litellm"
    estimated = False
    shares_cache = True

    def __init__(
        self,
        task: Task,
        gold: GoldBook | None = None,
        *,
        seed: int = 0,
        model: str | None = None,
        mode: str = "single",
        api_base: str | None = None,
        temperature: float | None = None,
        max_completion_tokens: int = 1024,
        prompt_usd: float | None = None,
        completion_usd: float | None = None,
        fresh_per_seed: bool = False,
        **calling: Any,
    ) -> None:
        if not model:
            raise ConfigError(
                "teacher.model is not set; name one as litellm does, for example "
                "teacher.model=openai/gpt-4o-mini"
            )
        if mode not in MODES:
            raise ConfigError(f"teacher.mode={mode}: choose one of {', '.join(MODES)}")
        limit = max_completion_tokens
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise ConfigError(
                f"teacher.max_completion_tokens={limit!r}: must be a whole number of at least 1"
            )
        if temperature is not None and not 0 <= temperature <= HOTTEST:
            raise ConfigError(
                f"teacher.temperature={temperature}: must be in [0, {HOTTEST}], or null for the "
                "provider's own"
            )
        if (prompt_usd is None) != (completion_usd is None):
            raise ConfigError(
                "teacher.prompt_usd and teacher.completion_usd: set both, in dollars a token, or "
                "neither"
            )
        self.task, self.model, self.mode = task, model, mode
        self.temperature, self.max_completion_tokens = temperature, limit
        self.endpoint = endpoint(api_base)
        self.calling = Calling(**calling)
        self.fresh_by = seed if fresh_per_seed else None
        own = prompt_usd is not None and completion_usd is not None
        self._own_price = Price(prompt_usd, completion_usd) if own else None  # type: ignore[arg-type]
        self._price: Price | None = None

    @property
    def info(self) -> dict[str, Any]:
        """What `result.json` says of it beside name, model and mode."""
        return {
            "endpoint": self.endpoint.identity or None,
            "temperature": self.temperature,
            "max_completion_tokens": self.max_completion_tokens,
            "fresh_per_seed": self.fresh_by is not None,
            "price": self._price.to_dict() if self._price else None,
        }

    @classmethod
    def of(cls, task: Task, settings: Mapping[str, Any], *, seed: int = 0) -> Self:
        """The teacher whose model, mode and `info` are `settings`, for its requests and for reading
        its answers: it is never called, so neither litellm nor a server is needed.

        Raises:
            KeyError, TypeError, ConfigError: `settings` are not those of such a teacher.
        """
        names = ("model", "mode", "temperature", "max_completion_tokens", "fresh_per_seed")
        found = cls(task, seed=seed, **{name: settings[name] for name in names})
        found.endpoint = Endpoint(identity=settings["endpoint"] or "")
        found._price = Price.from_dict(settings["price"])
        return found

    def check(self, limits: Limits) -> None:
        """Refuse an unknown model, a missing key or price, or a server that does not answer.

        Raises:
            ConfigError: Says what to set.
        """
        self.check_price(limits)
        if self.endpoint.base is None:
            litellm.require_key(self.model)
        else:
            require_reachable(self.endpoint)

    def priced(self, usage: Usage) -> Usage:
        """The tokens at this run's price."""
        assert self._price is not None
        return self._price.usage(usage.prompt_tokens, usage.completion_tokens)

    def check_price(self, limits: Limits) -> None:
        """Settle the price of a token; all that is needed without calls."""
        litellm.require_provider(self.model)
        known = self._own_price or known_price(self.model)
        self._price = require_price(self.model, known, limits)
        if known is None:
            log.warning("the model %s has no known price: dollars are not counted", self.model)

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

    async def close(self) -> None:
        """Close litellm's connections."""
        await litellm.close()

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

    def request(
        self,
        prompt: tuple[list[Message], str],
        schema: type[BaseModel],
        *,
        estimate: bool = False,
    ) -> Request:
        """The request for messages and their version, with its bound; with what it likely costs
        for a plan, and where a limit of tokens a minute needs it.
        """
        estimate = estimate or self.calling.tokens_per_minute is not None
        assert self._price is not None, "check comes first"
        asked, version = prompt
        texts = [message["content"] for message in asked]
        return Request(
            fields={
                "messages": asked,
                "prompt_version": version,
                "endpoint": self.endpoint.identity,
                "temperature": self.temperature,
                "max_completion_tokens": self.max_completion_tokens,
            },
            bound=self._price.usage(
                # Some models are sent the form of the reply as well.
                prompt_bound([*texts, replies.form(schema)]),
                self.max_completion_tokens,
            ),
            expected=self._expected(asked) if estimate else Usage(),
        )

    def _expected(self, asked: Sequence[Message]) -> Usage:
        """The prompt's tokens by a common tokenizer, and a reply like those of the examples."""
        assert self._price is not None
        prompt = sum(litellm.count_tokens(m["content"]) + _MESSAGE_TOKENS for m in asked)
        shown = [litellm.count_tokens(m["content"]) for m in asked if m["role"] == "assistant"]
        return self._price.usage(prompt, min(sum(shown) // len(shown), self.max_completion_tokens))

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

    async def reply(self, request: Request, schema: type[BaseModel]) -> Answer:
        """Send a request; the answer is not read yet.

        Raises:
            CallFailed: There was no answer.
        """
        reply = await litellm.call(
            request.fields["messages"],
            model=self.model,
            max_completion_tokens=self.max_completion_tokens,
            timeout_s=self.calling.timeout_s,
            temperature=self.temperature,
            endpoint=self.endpoint,
            schema=schema,
        )
        assert self._price is not None
        usage, reason = request.bound, ""
        if reply.prompt_tokens is not None and reply.completion_tokens is not None:
            usage = self._price.usage(reply.prompt_tokens, reply.completion_tokens)
        else:
            reason = "no usage was reported: charged at the bound"
            log.warning("%s", reason)
        return Answer(reply.text, reply.status, usage, reason)
