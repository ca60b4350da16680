"""What teachers without a language model share: prompts, token estimates, truncation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from elad_exp.budget.budget import Limits
from elad_exp.errors import ConfigError
from elad_exp.protocols import Task
from elad_exp.teachers.annotator import Ask
from elad_exp.teachers.calling import Calling
from elad_exp.teachers.texts import prompt_text
from elad_exp.teachers.tokens import TOKENIZER, count_tokens, cut
from elad_exp.types import Annotation, Answer, QueryItem, Request, Status, Usage


class FreeTeacher(ABC):
    """An `Annotator` that costs no money.

    Tokens are those of the texts that the prompt and the answer would have, estimated by
    `tokens.count_tokens`, so that budgets in tokens can be tried without a model.

    Args:
        task: Gives prompts their context.
        mode: `revise` or `explain`; an item without an attempt is always explained.
        max_completion_tokens: An answer longer than that is `truncated`, as a model's would be.

    Raises:
        ConfigError: An argument has a value that is not allowed.
    """

    name: str
    model: str
    estimated = True
    calling = Calling()
    shares_cache = False
    fresh_by = None
    info: dict[str, Any] = {}  # noqa: RUF012 (never changed)

    def __init__(self, task: Task, *, mode: str, max_completion_tokens: int) -> None:
        if mode not in ("revise", "explain"):
            raise ConfigError(f"teacher.mode={mode}: choose revise or explain")
        limit = max_completion_tokens
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise ConfigError(
                f"teacher.max_completion_tokens={limit!r}: must be a whole number of at least 1"
            )
        self.task = task
        self.mode = mode
        self.max_completion_tokens = limit

    def check(self, limits: Limits) -> None:  # noqa: B027 (most have nothing to check)
        """Nothing can fail."""

    def priced(self, usage: Usage) -> Usage:
        """As it is."""
        return usage

    def check_price(self, limits: Limits) -> None:  # noqa: B027 (there is none)
        """Nothing costs anything."""

    def requests(self, item: QueryItem) -> list[tuple[Request, float]]:
        """The one request; what it will cost is known, because the answer can be worked out."""
        _, usage = self.answer(item)
        return [(Request(self.request(item), self.bound(item), usage), 1.0)]

    async def close(self) -> None:  # noqa: B027 (there are no connections)
        """Nothing is open."""

    async def annotate(self, item: QueryItem, ask: Ask) -> Annotation:
        """One request, answered by `answer`, which is worked out again if the store has it."""
        answered: Annotation | None = None

        async def call() -> Answer:
            nonlocal answered
            answered, usage = self.answer(item)
            return Answer(answered.raw, answered.status, usage, explanation=answered.explanation)

        await ask(Request(self.request(item), self.bound(item)), call)
        return answered or self.answer(item)[0]

    def request(self, item: QueryItem) -> dict[str, Any]:
        """Prompt, its version, and everything else that shapes the answer."""
        prompt, version = prompt_text(self.task, item, mode=self.mode_for(item))
        return {
            "teacher": self.name,
            "model": self.model,
            "mode": self.mode_for(item),
            "prompt": prompt,
            "prompt_version": version,
            "tokenizer": TOKENIZER,
            "max_completion_tokens": self.max_completion_tokens,
        }

    def bound(self, item: QueryItem) -> Usage:
        """The prompt's tokens and `max_completion_tokens`."""
        prompt, _ = prompt_text(self.task, item, mode=self.mode_for(item))
        return Usage(count_tokens(prompt), self.max_completion_tokens)

    def answer(self, item: QueryItem) -> tuple[Annotation, Usage]:
        """The annotation and its estimated tokens; never more than `bound`."""
        annotation, text = self.write(item)
        bound = self.bound(item)
        tokens = count_tokens(text)
        if tokens > bound.completion_tokens:
            text = cut(text, bound.completion_tokens)
            annotation = Annotation(item.sample, None, Status.TRUNCATED, self.name, raw=text)
            return annotation, bound
        return annotation, Usage(bound.prompt_tokens, tokens)

    def mode_for(self, item: QueryItem) -> str:
        """`explain` for an item without an attempt, else the teacher's mode."""
        return "explain" if item.attempt is None else self.mode

    @abstractmethod
    def write(self, item: QueryItem) -> tuple[Annotation, str]:
        """The annotation and the text in which a model would have given it."""
