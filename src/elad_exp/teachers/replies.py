"""What a language model's reply means: JSON -> schema -> an explanation that can be trained on.

A reply is read as it stands, or repaired once by json-repair, which also takes JSON out of a code
fence or out of prose; of several objects it takes the last. What does not fit the schema,
contradicts itself, or would not survive the target's grammar raises `Unusable`: it is billed and
kept, and not trained on.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, TypeVar

import json_repair
from pydantic import BaseModel, ValidationError

from elad_exp.protocols import Task
from elad_exp.types import Explanation, QueryItem, StepVerdict

LONGEST = 200_000
"""Characters; a longer reply is no JSON of ours."""
LONGEST_REPAIRED, MOST_BRACKETS = 50_000, 200
"""What is not JSON as it stands is repaired up to there; more brackets could take minutes."""


class Unusable(Exception):
    """A reply that cannot be used, and why."""


class Verdict(BaseModel):
    step: int
    ok: bool
    reason: str


class Revision(BaseModel):
    """Mode `single`. `steps`: the corrected step and all after it."""

    verdicts: list[Verdict]
    first_error: int | None
    steps: list[str]
    answer: str


class Check(BaseModel):
    """Mode `sequential`, one step or the answer."""

    ok: bool
    reason: str


class Written(BaseModel):
    """Steps and answer: mode `explain`, and the last call of `sequential`."""

    steps: list[str]
    answer: str


R = TypeVar("R", bound=BaseModel)


@cache
def form(schema: type[BaseModel]) -> str:
    """A schema as text, as models get it that can keep to one."""
    return json.dumps(schema.model_json_schema())


def read(text: str, schema: type[R]) -> R:
    """The object of `schema` that `text` holds.

    Raises:
        Unusable: There is none, there are several, or it does not fit.
    """
    if not text.strip():
        raise Unusable("empty")
    if len(text) > LONGEST:
        raise Unusable(f"{len(text)} characters, more than {LONGEST}")
    try:
        return schema.model_validate_json(text)
    except ValidationError:
        found = _repaired(text)
    if not isinstance(found, dict):
        raise Unusable("not one JSON object")
    try:
        return schema.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise Unusable(f"{where}: {first['msg']}") from error


def _repaired(text: str) -> Any:
    if len(text) > LONGEST_REPAIRED:
        raise Unusable(f"{len(text)} characters, too many to repair")
    if sum(map(text.count, "{[")) > MOST_BRACKETS:
        raise Unusable(f"more than {MOST_BRACKETS} brackets, too many to repair")
    try:
        return json_repair.loads(text)
    except (RecursionError, ValueError) as error:
        raise Unusable("too deeply nested") from error


def revised(
    task: Task, item: QueryItem, reply: Revision
) -> tuple[Explanation, tuple[StepVerdict, ...], int | None]:
    """Explanation, verdicts and first error of an attempt that was revised in one call.

    Steps before the first error are the attempt's own, word for word.

    Raises:
        Unusable: The reply contradicts itself or the attempt.
    """
    assert item.attempt is not None
    texts, first = item.attempt.texts, reply.first_error
    n = len(texts)
    if first is not None and not 1 <= first <= n + 1:
        raise Unusable(f"first_error {first} is none of 1..{n + 1}")
    reasons = {}
    for verdict in reply.verdicts:
        if not 1 <= verdict.step <= n + 1:
            raise Unusable(f"a verdict on step {verdict.step}, which is none of 1..{n + 1}")
        if verdict.ok != (verdict.step != first):
            raise Unusable(f"the verdict on step {verdict.step} contradicts first_error {first}")
        reasons[verdict.step] = verdict.reason
    if first is not None and any(step > first for step in reasons):
        raise Unusable(f"a verdict after the first error, step {first}")
    reason = reasons.get(first, "") if first is not None else ""
    return corrected(task, item, first, reply.steps, reply.answer, reason=reason)


def corrected(
    task: Task,
    item: QueryItem,
    first: int | None,
    steps: list[str],
    answer: str,
    *,
    reason: str = "",
) -> tuple[Explanation, tuple[StepVerdict, ...], int | None]:
    """The attempt with everything from step `first` on replaced; null: it is accepted.

    Raises:
        Unusable: A change where none was announced, or none where one was.
    """
    assert item.attempt is not None
    texts, old = item.attempt.texts, item.attempt.answer
    n = len(texts)
    if first is None:
        explanation = written(task, item, list(texts), answer)
        if steps or explanation.answer != old:
            raise Unusable("nothing is wrong, but something was changed")
        return explanation, tuple(StepVerdict(i, ok=True) for i in range(1, n + 1)), None
    explanation = written(task, item, [*texts[: first - 1], *steps], answer)
    tail = explanation.texts[first - 1 :]
    if first <= n and tail and _same(tail[0], texts[first - 1]):
        raise Unusable(f"step {first} is wrong, but was left as it is")
    if first == n + 1 and not tail and explanation.answer == old:
        raise Unusable("the answer is wrong or a step is missing, but nothing was changed")
    correction = tail[0] if tail else (explanation.answer if first == n + 1 else None)
    kept = tuple(StepVerdict(i, ok=True) for i in range(1, first))
    verdict = StepVerdict(first, ok=False, correction=correction, reason=reason)
    return explanation, (*kept, verdict), first


def written(task: Task, item: QueryItem, steps: list[str], answer: str) -> Explanation:
    """Steps and answer as an explanation of the task.

    Raises:
        Unusable: There is no step, the answer is not allowed, or the target's grammar would read
            something else than was written.
    """
    sample = item.sample
    lines = [" ".join(step.split()) for step in steps]
    lines = [line for line in lines if line]
    if not lines:
        raise Unusable("no step is left")
    found = task.parse(sample, f"Answer: {answer}").answer
    if found is None:
        labels = task.labels(sample)
        wanted = f"none of: {', '.join(labels)}" if labels else f"no {task.kind(sample)} answer"
        raise Unusable(f"the answer {answer[:80]!r} is {wanted}")
    explanation = Explanation.of(lines, found)
    read_back = task.parse(sample, task.target(sample, explanation))
    if (read_back.texts, read_back.answer) != (explanation.texts, explanation.answer):
        raise Unusable("a step reads like an answer")
    return explanation


def _same(one: str, other: str) -> bool:
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()
