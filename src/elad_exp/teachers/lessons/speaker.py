"""Who answers the steps of a lesson: a program or a language model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol

from elad_exp.budget.budget import Limits
from elad_exp.teachers.calling import Calling
from elad_exp.teachers.lessons.steps import BYTES_A_TOKEN, prompt_of, reply_text
from elad_exp.teachers.tokens import TOKENIZER, count_tokens
from elad_exp.types import Answer, Request, Status, Usage


class Speaker(Protocol):
    """Answers the prompts of lessons. What is not said here is said at `annotator.Annotator`."""

    model: str
    estimated: bool
    calling: Calling
    shares_cache: bool
    fresh_by: int | None

    @property
    def info(self) -> dict[str, Any]: ...
    @property
    def max_completion_tokens(self) -> int | None:
        """Of any reply; None where nothing but its step limits it."""
        ...

    def check(self, limits: Limits) -> None: ...
    def check_price(self, limits: Limits) -> None: ...
    def priced(self, usage: Usage) -> Usage: ...
    async def close(self) -> None: ...

    def ask_for(
        self,
        step: str,
        prompt: str,
        *,
        most_tokens: int,
        plan: Mapping[str, Any],
    ) -> Request:
        """The call that asks for a step, without what comes after it.

        Args:
            step: A key of `steps.SCHEMAS`.
            prompt: What is read.
            most_tokens: Of the reply.
            plan: What the step is about beside the prompt; primitives. Its `round`, `number` and
                `vote` tell calls apart that read the same.
        """
        ...

    def count(self, text: str) -> int:
        """About so many tokens a text has, for a plan."""
        ...

    def longest_text(self, text_tokens: int) -> str:
        """What stands for a text that has all the tokens that it may have, for a plan."""
        ...

    def read_bound(self, step: str, prompt: str, *, texts: int, text_tokens: int) -> int:
        """At most so many tokens are read of a prompt and of texts that are not written yet.

        Args:
            step: See `ask_for`.
            prompt: Without the texts.
            texts: How many there will be.
            text_tokens: Of each, at most, when it is written.
        """
        ...

    async def answer(self, step: str, request: Request, plan: Mapping[str, Any]) -> Answer:
        """The reply to a request; ok if it fits the schema of the step."""
        ...


class Program(ABC):
    """A `Speaker` that costs no money; its tokens are estimated as those of all free teachers.

    Args:
        seed: Of the run: what it draws differs between seeds.
    """

    model = "program"
    estimated = True
    calling = Calling()
    shares_cache = False
    fresh_by: int | None = None
    max_completion_tokens: int | None = None

    def __init__(self, *, seed: int) -> None:
        self.seed = seed

    @property
    def info(self) -> dict[str, Any]:
        return {}

    def check(self, limits: Limits) -> None:  # noqa: B027 (most have nothing to check)
        """Nothing can fail."""

    def check_price(self, limits: Limits) -> None:  # noqa: B027
        """Nothing costs anything."""

    def priced(self, usage: Usage) -> Usage:
        """As it is."""
        return usage

    async def close(self) -> None:  # noqa: B027
        """Nothing is open."""

    def ask_for(
        self,
        step: str,
        prompt: str,
        *,
        most_tokens: int,
        plan: Mapping[str, Any],
    ) -> Request:
        fields = {
            "step": step,
            "prompt": prompt,
            "prompt_version": prompt_of(step).version,
            "tokenizer": TOKENIZER,
            "max_completion_tokens": most_tokens,
            "seed": self.seed,
            "place": [plan.get(key) for key in ("round", "number", "vote")],
        }
        return Request(fields, Usage(count_tokens(prompt), most_tokens))

    def count(self, text: str) -> int:
        return count_tokens(text)

    def longest_text(self, text_tokens: int) -> str:
        # More, because what others of its lesson leave it may take, up to the bytes of a text.
        return " ".join(["xxxx"] * (text_tokens * BYTES_A_TOKEN // 5))

    def read_bound(self, step: str, prompt: str, *, texts: int, text_tokens: int) -> int:
        # Of every text its number as well.
        return count_tokens(prompt) + texts * (text_tokens + 4)

    async def answer(self, step: str, request: Request, plan: Mapping[str, Any]) -> Answer:
        text = reply_text(self.reply(step, plan))
        usage = Usage(request.bound.prompt_tokens, count_tokens(text))
        if usage.completion_tokens > request.bound.completion_tokens:
            return Answer(text, Status.TRUNCATED, request.bound, "longer than allowed")
        return Answer(text, Status.OK, usage)

    @abstractmethod
    def reply(self, step: str, plan: Mapping[str, Any]) -> dict[str, Any]:
        """What is said, as the schema of the step has it."""
