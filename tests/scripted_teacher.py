"""A competent teacher behind the loopback server: it answers from the almanac's oracle.

It sees what a language model would see, the messages, and nothing else: the question is looked up
by its text, the attempt is read out of the prompt, and the reply is JSON as the prompt asks.
"""

from __future__ import annotations

import json
import re
from typing import Any

from elad_exp.protocols import CheckableTask, Splits
from elad_exp.teachers.revise import revise
from elad_exp.types import Explanation, Sample


class ScriptedTeacher:
    """`answer(body)` for `tests.helpers_openai.serve`."""

    def __init__(self, task: CheckableTask, splits: Splits) -> None:
        self.task = task
        self.samples = {_key(s.question, _options(s)): s for s in splits.pool}

    def __call__(self, body: dict[str, Any]) -> str:
        system, *_, asked = (message["content"] for message in body["messages"])
        question, _, options = _inside(asked, "question").partition("\n")
        sample = self.samples[_key(question, options)]
        if "<attempt>" not in asked:
            steps, answer = self.task.complete(sample, ())
            return json.dumps({"steps": list(steps), "answer": answer})
        lines = _inside(asked, "attempt").splitlines()
        if "judge only the last line" in system.lower():
            return self._check(sample, lines)
        if '"wrong", is the first error' in system:
            return self._correct(sample, lines)
        return self._revise(sample, lines)

    def _revise(self, sample: Sample, lines: list[str]) -> str:
        attempt = Explanation.of([_step(x) for x in lines[:-1]], _answer(lines[-1]))
        found = revise(self.task, sample, attempt)
        kept = len(attempt.steps) if found.first_error is None else found.first_error - 1
        verdicts = [{"step": v.index, "ok": v.ok, "reason": v.reason} for v in found.verdicts]
        return json.dumps(
            {
                "verdicts": verdicts,
                "first_error": found.first_error,
                "steps": list(found.steps[kept:]),
                "answer": found.answer,
            }
        )

    def _check(self, sample: Sample, lines: list[str]) -> str:
        kept = tuple(_step(x.removeprefix("right: ")) for x in lines[:-1])
        last = lines[-1].removeprefix("check: ")
        if last.startswith("Answer: "):
            missing, answer = self.task.complete(sample, kept)
            right = not missing and _answer(last) == answer
        else:
            right = self.task.check_step(sample, kept, _step(last))
        return json.dumps({"ok": right, "reason": "" if right else "as the almanac says"})

    def _correct(self, sample: Sample, lines: list[str]) -> str:
        kept = tuple(_step(x.removeprefix("right: ")) for x in lines[:-1])
        steps, answer = self.task.complete(sample, kept)
        return json.dumps({"steps": list(steps), "answer": answer})


def _inside(text: str, tag: str) -> str:
    found = re.search(rf"<{tag}>\n(.*?)\n*</{tag}>", text, re.DOTALL)
    assert found, f"no <{tag}> in {text!r}"
    return found[1]


def _options(sample: Sample) -> str:
    return "\n".join(f"({c.label}) {c.text}" for c in sample.choices)


def _key(question: str, options: str) -> str:
    return f"{question}\n{options}".strip()


def _step(line: str) -> str:
    return re.sub(r"^\d+\. ", "", line)


def _answer(line: str) -> str | None:
    answer = line.removeprefix("Answer: ")
    return None if answer == "(none)" else answer
