"""EvoKD by a program that wrote the grammar of its texts: the bulletin's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from elad_exp.errors import ConfigError
from elad_exp.protocols import Task
from elad_exp.rng import generator
from elad_exp.teachers.evokd import EvoKDTeacher
from elad_exp.teachers.lessons import prompt_of, reply_text
from elad_exp.teachers.tokens import TOKENIZER, count_tokens
from elad_exp.types import Answer, Explanation, GoldBook, QueryItem, Request, Sample, Status, Usage


@runtime_checkable
class LessonTask(Task, Protocol):
    """A task whose writer can be asked (the bulletin)."""

    def studied(self, evidence: Sequence[tuple[str, str, str, str | None]]) -> dict[str, Any]:
        """Weaknesses, as the reply of the step `analyse`, with a `score` in each."""
        ...

    def written(
        self, easy: int, hard: int, weaknesses: Mapping[str, Any] | None, rng: np.random.Generator
    ) -> list[str]:
        """Texts, the easy ones first."""
        ...

    def right(self, text: str) -> str | None:
        """The canonical answer to a text of the grammar; None for another."""
        ...


class OracleLessons(EvoKDTeacher):
    """Answers each step by the task's own grammar; tokens are estimated as of all free teachers.

    Args:
        task: The bulletin.
        gold: See `EvoKDTeacher`.
        given: See there.

    Raises:
        ConfigError: The task's writer cannot be asked.
    """

    name = "evokd_oracle"
    model = "program"

    def __init__(self, task: Task, gold: GoldBook, **given: Any) -> None:
        if not isinstance(task, LessonTask):
            raise ConfigError(
                f"teacher=evokd_oracle: no program writes the texts of task {task.name!r}; choose "
                "dataset=bulletin, dataset=bulletin_entities or another teacher"
            )
        self.lessons_of: LessonTask = task
        super().__init__(task, gold, **given)

    def request(
        self, step: str, prompt: str, *, most_tokens: int, plan: Mapping[str, Any]
    ) -> Request:
        fields = {
            "step": step,
            "prompt": prompt,
            "prompt_version": prompt_of(step).version,
            "tokenizer": TOKENIZER,
            "max_completion_tokens": most_tokens,
            "seed": self.seed,
            "place": [plan["round"], plan.get("number"), plan.get("vote")],
        }
        return Request(fields, Usage(count_tokens(prompt), most_tokens))

    def read_tokens(self, text: str) -> int:
        return count_tokens(text)

    async def answer(self, step: str, request: Request, plan: Mapping[str, Any]) -> Answer:
        text = reply_text(getattr(self, f"_{step}")(plan))
        usage = Usage(request.bound.prompt_tokens, count_tokens(text))
        if usage.completion_tokens > request.bound.completion_tokens:
            return Answer(text, Status.TRUNCATED, request.bound, "longer than allowed")
        return Answer(text, Status.OK, usage)

    def _analyse(self, plan: Mapping[str, Any]) -> dict[str, Any]:
        evidence = []
        for item in map(QueryItem.from_dict, plan["items"]):
            said = item.attempt.answer if item.attempt else None
            assert item.known is not None
            evidence.append((item.sample.id, item.sample.question, item.known, said))
        return self.lessons_of.studied(evidence)

    def _write(self, plan: Mapping[str, Any]) -> dict[str, Any]:
        rng = generator(self.seed, "lesson", plan["round"], plan["number"])
        texts = self.lessons_of.written(plan["easy"], plan["hard"], plan["analysis"], rng)
        return {"easy": texts[: plan["easy"]], "hard": texts[plan["easy"] :]}

    def _write_labelled(self, plan: Mapping[str, Any]) -> dict[str, Any]:
        made = self._write(plan)
        return made | self._label({"texts": [*made["easy"], *made["hard"]]})

    def _label(self, plan: Mapping[str, Any]) -> dict[str, Any]:
        found = []
        for text in plan["texts"]:
            answer = self.lessons_of.right(text)
            sample = Sample("", text)
            line = answer and self.task.target(sample, Explanation((), answer))
            found.append((line or "").removeprefix("Answer: "))
        return {"answers": found}
