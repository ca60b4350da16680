"""A language model that litellm reaches: its settings, its price, and calls to it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from elad_exp.budget.budget import Limits
from elad_exp.budget.pricing import Price, known_price, prompt_bound, require_price
from elad_exp.errors import ConfigError
from elad_exp.teachers import litellm, replies
from elad_exp.teachers.calling import Calling
from elad_exp.teachers.endpoint import Endpoint, endpoint, require_reachable
from elad_exp.teachers.messages import Message
from elad_exp.types import Answer, Request, Usage

log = logging.getLogger(__name__)

HOTTEST = 2
_MESSAGE_TOKENS = 4  # role and delimiters, in chat templates


class LanguageModel:
    """Any model that litellm knows, or a local server that speaks its protocol.

    Args:
        seed: Goes into the keys of requests if `fresh_per_seed`.
        model: As litellm names it: `provider/model`.
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

    estimated = False
    shares_cache = True

    def __init__(
        self,
        *,
        seed: int = 0,
        model: str | None = None,
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
        self.model = model
        self.temperature, self.max_completion_tokens = temperature, limit
        self.endpoint = endpoint(api_base)
        self.calling = Calling(**calling)
        self.fresh_by = seed if fresh_per_seed else None
        own = prompt_usd is not None and completion_usd is not None
        self._own_price = Price(prompt_usd, completion_usd) if own else None  # type: ignore[arg-type]
        self._price: Price | None = None
        self._unpriced = False

    @property
    def info(self) -> dict[str, Any]:
        """What `result.json` says of it beside name, model and mode; `price` is null where nobody
        knows it.
        """
        return {
            "endpoint": self.endpoint.identity or None,
            "temperature": self.temperature,
            "max_completion_tokens": self.max_completion_tokens,
            "fresh_per_seed": self.fresh_by is not None,
            "price": self._price.to_dict() if self._price and not self._unpriced else None,
        }

    def stand_in(self, settings: Mapping[str, Any]) -> None:
        """Take endpoint and price from an `info`: the model is then never called.

        Raises:
            KeyError, TypeError: `settings` are no such info.
        """
        self.endpoint = Endpoint(identity=settings["endpoint"] or "")
        price = settings["price"]
        self._unpriced = price is None
        self._price = Price(0.0, 0.0) if price is None else Price.from_dict(price)

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
        self._unpriced = known is None

    def request(
        self,
        prompt: tuple[list[Message], str],
        schema: type[BaseModel],
        *,
        estimate: bool = False,
        most_tokens: int | None = None,
    ) -> Request:
        """The request for messages and their version, with its bound; with what it likely costs
        for a plan, and where a limit of tokens a minute needs it.

        Args:
            prompt: Messages and their version.
            schema: What the reply has to fit.
            estimate: Say what it likely costs.
            most_tokens: Of the reply; `max_completion_tokens` is the most in any case.
        """
        estimate = estimate or self.calling.tokens_per_minute is not None
        assert self._price is not None, "check comes first"
        asked, version = prompt
        texts = [message["content"] for message in asked]
        most = min(most_tokens or self.max_completion_tokens, self.max_completion_tokens)
        return Request(
            fields={
                "messages": asked,
                "prompt_version": version,
                "endpoint": self.endpoint.identity,
                "temperature": self.temperature,
                "max_completion_tokens": most,
            },
            bound=self._price.usage(
                # Some models are sent the form of the reply as well.
                prompt_bound([*texts, replies.form(schema)]),
                most,
            ),
            expected=self._expected(asked, most) if estimate else Usage(),
        )

    def _expected(self, asked: Sequence[Message], most: int) -> Usage:
        """The prompt's tokens by a common tokenizer, and a reply like those of the examples (or,
        without any, the longest).
        """
        assert self._price is not None
        prompt = sum(litellm.count_tokens(m["content"]) + _MESSAGE_TOKENS for m in asked)
        shown = [litellm.count_tokens(m["content"]) for m in asked if m["role"] == "assistant"]
        likely = sum(shown) // len(shown) if shown else most
        return self._price.usage(prompt, min(likely, most))

    async def reply(self, request: Request, schema: type[BaseModel]) -> Answer:
        """Send a request; the answer is not read yet.

        Raises:
            CallFailed: There was no answer.
        """
        reply = await litellm.call(
            request.fields["messages"],
            model=self.model,
            max_completion_tokens=request.fields["max_completion_tokens"],
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

    async def close(self) -> None:
        """Close litellm's connections."""
        await litellm.close()
