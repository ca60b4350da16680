"""The messages that a language model gets: an instruction, worked examples, the item.

The instruction and the examples are the same for every item of a kind, so that providers that
cache prefixes of prompts can. All text is in `prompts/`; the version is a hash of all of it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from elad_exp.errors import ConfigError
from elad_exp.protocols import Task
from elad_exp.teachers import prompts
from elad_exp.teachers.prompts import load_prompt
from elad_exp.types import Choice, Explanation, Sample

NONE = "(none)"
Message = dict[str, str]
_TAG = re.compile(r"<\s*(/?)\s*(facts|question|attempt)\b[^<>]*>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Example:
    """A worked example: a question, an attempt and its revision."""

    question: str
    attempt: tuple[str, ...]
    attempt_answer: str
    first_error: int | None
    steps: tuple[str, ...]
    answer: str
    reason: str = ""
    context: str = NONE
    choices: tuple[Choice, ...] = ()

    @property
    def revised(self) -> list[str]:
        """All steps after the revision."""
        kept = len(self.attempt) if self.first_error is None else self.first_error - 1
        return [*self.attempt[:kept], *self.steps]


def kind(task: Task, sample: Sample) -> str:
    """Which set of examples fits: `yes_no`, `nli`, `choice` or `number` (also for open answers).

    Raises:
        ConfigError: Answers are labels of a text, or its entities, and have no steps.
    """
    found = task.kind(sample)
    if found in ("label", "entities"):
        raise ConfigError(
            f"texts of task {task.name!r} are labelled without steps, so no teacher explains them; "
            "choose teacher=evokd, which writes and labels texts, or teacher=gold"
        )
    return "number" if found == "open" else found


def explain(task: Task, sample: Sample) -> tuple[list[Message], str]:
    """Ask for an explanation from scratch; messages and their version."""
    return _messages("explain", task, sample, "")


def single(task: Task, sample: Sample, attempt: Explanation) -> tuple[list[Message], str]:
    """Ask for verdicts and a revision in one call."""
    return _messages("single", task, sample, numbered(attempt.texts, attempt.answer))


def check(
    task: Task, sample: Sample, attempt: Explanation, index: int
) -> tuple[list[Message], str]:
    """Ask whether step `index` is right; n + 1 asks about the answer."""
    shown = marked(attempt.texts, attempt.answer, index, "check")
    return _messages("check", task, sample, shown)


def correct(
    task: Task, sample: Sample, attempt: Explanation, first: int, reason: str
) -> tuple[list[Message], str]:
    """Ask for what has to stand from the first error on."""
    shown = marked(attempt.texts, attempt.answer, first, "wrong", reason)
    return _messages("correct", task, sample, shown)


def worked(mode: str, e: Example) -> tuple[str, str] | None:
    """An example's attempt as `mode` shows it, and the reply; None where it has nothing to show."""
    if mode == "explain":
        return "", _json(steps=e.revised, answer=e.answer)
    if mode == "single":
        verdicts = [
            {"step": i, "ok": i != e.first_error, "reason": e.reason if i == e.first_error else ""}
            for i in range(1, (e.first_error or len(e.attempt)) + 1)
        ]
        reply = _json(
            verdicts=verdicts, first_error=e.first_error, steps=list(e.steps), answer=e.answer
        )
        return numbered(e.attempt, e.attempt_answer), reply
    if mode == "check":
        last = e.first_error or len(e.attempt) + 1
        shown = marked(e.attempt, e.attempt_answer, last, "check")
        reason = e.reason if e.first_error else ""
        return shown, _json(ok=e.first_error is None, reason=reason)
    if e.first_error is None:
        return None
    shown = marked(e.attempt, e.attempt_answer, e.first_error, "wrong", e.reason)
    return shown, _json(steps=list(e.steps), answer=e.answer)


def version(mode: str, task: Task, sample: Sample) -> str:
    """The version that a prompt of `mode` (`explain`, `single`, `check`, `correct`) has now."""
    return _preamble(mode, kind(task, sample), task.labels(sample))[1]


def numbered(steps: Sequence[str], answer: str | None) -> str:
    """The steps of an attempt, numbered from 1, and its answer."""
    lines = [f"{i}. {step}" for i, step in enumerate(steps, 1)]
    return "\n".join([*lines, f"Answer: {answer or NONE}"])


def marked(
    steps: Sequence[str], answer: str | None, index: int, mark: str, reason: str = ""
) -> str:
    """The steps before `index` as right, and the one of that index (n + 1: the answer) marked."""
    lines = [f"right: {i}. {step}" for i, step in enumerate(steps[: index - 1], 1)]
    last = f"{index}. {steps[index - 1]}" if index <= len(steps) else f"Answer: {answer or NONE}"
    note = f" ({reason})" if reason else ""
    return "\n".join([*lines, f"{mark}: {last}{note}"])


@cache
def examples(name: str) -> tuple[Example, ...]:
    """The worked examples of a kind of question."""
    found = []
    for row in yaml.safe_load(_examples_text(name)):
        row["choices"] = tuple(Choice(k, v) for k, v in row.get("choices", {}).items())
        row["attempt"], row["steps"] = tuple(row["attempt"]), tuple(row["steps"])
        found.append(Example(**row))
    return tuple(found)


def _examples_text(name: str) -> str:
    return (files(prompts) / "examples" / f"{name}.yaml").read_text(encoding="utf-8")


def _messages(mode: str, task: Task, sample: Sample, attempt: str) -> tuple[list[Message], str]:
    labels = task.labels(sample)
    before, version = _preamble(mode, kind(task, sample), labels)
    context = task.teacher_context(sample) or NONE
    template = load_prompt("llm/attempt" if attempt else "llm/question")
    asked = _material(template, sample.question, sample.choices, context, labels, attempt)
    return [*before, {"role": "user", "content": asked}], version


@cache
def _preamble(
    mode: str, name: str, labels: tuple[str, ...] | None
) -> tuple[tuple[Message, ...], str]:
    """What stands before the item: the same for every item of a kind, and its version."""
    system, text = load_prompt(f"llm/{mode}"), _examples_text(name)
    template = load_prompt("llm/question" if mode == "explain" else "llm/attempt")
    messages = [{"role": "system", "content": system.text}]
    for e in examples(name):
        if (pair := worked(mode, e)) is None:
            continue
        shown, reply = pair
        allowed = tuple(c.label for c in e.choices) or labels
        asked = _material(template, e.question, e.choices, e.context, allowed, shown)
        messages += [
            {"role": "user", "content": asked},
            {"role": "assistant", "content": reply},
        ]
    parts = (system.text, template.text, text)
    return tuple(messages), hashlib.sha256("\0".join(parts).encode("utf-8")).hexdigest()[:12]


def _material(
    template: prompts.Prompt,
    question: str,
    choices: Sequence[Choice],
    context: str,
    labels: Sequence[str] | None,
    attempt: str,
) -> str:
    values = {
        "context": context,
        "question": question,
        "choices": "\n".join(f"({c.label}) {c.text}" for c in choices),
        "answers": ", ".join(labels) if labels else "any",
    }
    if attempt:
        values["attempt"] = attempt
    # No text of others can close the tags that mark it as material.
    return template.render(**{k: _TAG.sub(r"[\1\2]", v) for k, v in values.items()})


def _json(**fields: Any) -> str:
    return json.dumps(fields, ensure_ascii=False)
