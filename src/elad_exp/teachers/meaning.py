"""What an answer of a language model means for the sample, and what cannot be made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from elad_exp.teachers import replies
from elad_exp.types import Answer, Explanation, Request, Status, StepVerdict


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a reply says. `right` and `reason` are a check's; the rest an explanation's."""

    explanation: Explanation | None = None
    verdicts: tuple[StepVerdict, ...] = ()
    first_error: int | None = None
    right: bool = True
    reason: str = ""


class NotUsable(Exception):
    """An answer that no annotation can be made of."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.reason)
        self.answer = answer


def understood(
    answer: Answer,
    request: Request,
    schema: type[replies.R],
    mean: Callable[[replies.R], Meaning],
) -> tuple[Answer, Meaning | None]:
    """The answer with the status that reading it gives, and what it says; None if not `ok`."""
    text = answer.text
    if len(text) > replies.LONGEST:
        text = text[: replies.LONGEST]
        status = Status.UNPARSED if answer.status is Status.OK else answer.status
        reason = f"{len(answer.text)} characters, cut to {replies.LONGEST}"
        return replace(answer, text=text, status=status, reason=reason), None
    if answer.status is Status.TRUNCATED:
        limit = request.bound.completion_tokens
        return replace(answer, reason=f"cut off at max_completion_tokens={limit}"), None
    if answer.status is not Status.OK:
        reasons = ("the teacher or a filter refused", answer.reason)
        return replace(answer, reason="; ".join(filter(None, reasons))), None
    try:
        meaning = mean(replies.read(text, schema))
    except replies.Unusable as error:
        return replace(answer, status=Status.UNPARSED, reason=str(error)), None
    return replace(answer, explanation=meaning.explanation), meaning
