"""Lessons by a language model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from elad_exp.budget.pricing import prompt_bound
from elad_exp.teachers import litellm
from elad_exp.teachers.lessons.steps import BYTES_A_TOKEN, SCHEMAS, prompt_of, require_whole
from elad_exp.teachers.meaning import Meaning, understood
from elad_exp.teachers.model import LanguageModel
from elad_exp.teachers.replies import form
from elad_exp.types import Answer, Request


class ModelSpeaker(LanguageModel):
    """A `Speaker`: a language model is asked each step in one message.

    An answer that does not fit the schema of its step, or is not whole (see
    `steps.require_whole`), is billed and never served again.
    """

    def ask_for(
        self,
        step: str,
        prompt: str,
        *,
        most_tokens: int,
        plan: Mapping[str, Any],
    ) -> Request:
        request = self.request(
            ([{"role": "user", "content": prompt}], prompt_of(step).version),
            SCHEMAS[step],
            estimate=True,
            most_tokens=most_tokens,
        )
        # Two lessons of one round may have the same prompt, and shall not be the same texts.
        request.fields["place"] = [plan.get(key) for key in ("round", "number", "vote")]
        return request

    def count(self, text: str) -> int:
        return litellm.count_tokens(text)

    def longest_text(self, text_tokens: int) -> str:
        return "x" * (BYTES_A_TOKEN * text_tokens)

    def read_bound(self, step: str, prompt: str, *, texts: int, text_tokens: int) -> int:
        # Of every text its number and a line's end as well.
        return prompt_bound([prompt, form(SCHEMAS[step])]) + texts * (
            BYTES_A_TOKEN * text_tokens + 8
        )

    async def answer(self, step: str, request: Request, plan: Mapping[str, Any]) -> Answer:
        schema = SCHEMAS[step]
        reply = await self.reply(request, schema)

        def mean(found: BaseModel) -> Meaning:
            require_whole(found, plan)
            return Meaning()

        return understood(reply, request, schema, mean)[0]
