"""A scripted language model that writes and labels the bulletin's texts, as the prompts ask."""

from __future__ import annotations

import json
import re
from typing import Any

from elad_exp.rng import generator
from elad_exp.types import Explanation, Sample
from tests.helpers_openai import Server

NUMBERED = re.compile(r"^\d+\. (.*)$", re.MULTILINE)
PRICE = 1e-6
"""Dollars a token."""
PREDICTION = re.compile(r"^(\d+)\. right: (.*?) \| said: (.*?) \| ", re.MULTILINE)


class ScriptedLessons:
    """Answers every step; each text that it writes is new."""

    def __init__(self, task: Any) -> None:
        self.task, self.written = task, 0

    def __call__(self, body: dict[str, Any]) -> str:
        prompt = body["messages"][-1]["content"]
        step = next(name for begin, name in STEPS.items() if prompt.startswith(begin))
        return json.dumps(getattr(self, step)(prompt))

    def analyse(self, prompt: str) -> dict[str, Any]:
        wrong = [found for found in PREDICTION.findall(prompt) if found[1] != found[2]]
        return {
            "confused": [
                {"right": right, "predicted": said, "evidence": [int(n)], "score": 0.5}
                for n, right, said in wrong[:2]
            ],
            "missing": [{"phenomenon": "negation", "evidence": [1], "score": 1}],
            "text": "It looks at single words.",
        }

    def write(self, prompt: str) -> dict[str, Any]:
        easy, hard = map(int, re.search(r"Write (\d+) easy and (\d+) hard", prompt).groups())
        texts = self._texts(easy, hard)
        return {"easy": texts[:easy], "hard": texts[easy:]}

    def label(self, prompt: str) -> dict[str, Any]:
        texts = NUMBERED.findall(prompt.partition("each with its number:")[2])
        return {"answers": [self._said(text) for text in texts]}

    def rephrase(self, prompt: str) -> dict[str, Any]:
        wanted = re.search(r"right answer is (.*):", prompt).group(1)
        n = int(re.search(r"Write (\d+) new texts", prompt).group(1))
        drawn = [text for text in self._texts(80, 0) if self._said(text) == wanted]
        return {"texts": drawn[:n]}

    def imagine(self, prompt: str) -> dict[str, Any]:
        wanted = re.search(r"The class: (\w+)", prompt).group(1)
        n = int(re.search(r"Write (\d+) texts", prompt).group(1))
        drawn = [text for text in self._texts(80, 0) if self._said(text) == wanted]
        return {"texts": drawn[:n]}

    def rewrite(self, prompt: str) -> dict[str, Any]:
        self.written += 1
        text = re.search(r"The text:\n(.*)\n", prompt).group(1)
        n = int(re.search(r"Write (\d+) new texts", prompt).group(1))
        return {"texts": [f"On page {self.written}, line {k}: {text}" for k in range(n)]}

    def name(self, prompt: str) -> dict[str, Any]:
        self.written += 1
        kinds = re.findall(r"^- (\w+): ", prompt.partition("by type:")[2], re.MULTILINE)
        names = [f"Quor{self.written}x{k}" for k in range(5)]
        return {"entities": [{"type": kind, "names": names} for kind in kinds]}

    def _texts(self, easy: int, hard: int) -> list[str]:
        self.written += 1
        return self.task.written(easy, hard, None, generator(self.written, "script"))

    def _said(self, text: str) -> str:
        answer = self.task.right(text)
        line = self.task.target(Sample("", text), Explanation((), answer)) if answer else ""
        return line.removeprefix("Answer: ")


STEPS = {
    "You study": "analyse",
    "You write": "write",
    "You give": "label",
    "You rephrase": "rephrase",
    "You imagine": "imagine",
    "You rewrite": "rewrite",
    "You name": "name",
}


def asked(server: Server, teacher: str = "evokd") -> list[str]:
    """Overrides for a teacher that asks the server."""
    return [
        f"teacher={teacher}",
        "teacher.model=openai/scripted",
        f"teacher.api_base={server.url}",
        f"teacher.prompt_usd={PRICE}",
        f"teacher.completion_usd={PRICE}",
        "teacher.longest_pause_s=0.02",
        # In the order of the script's faults.
        "teacher.concurrency=1",
    ]
