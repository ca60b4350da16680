"""The program that wrote the grammar of its texts: the bulletin's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from elad_exp.entities import Span, from_answer, to_answer
from elad_exp.errors import ConfigError
from elad_exp.protocols import SpanTask, Task
from elad_exp.rng import generator
from elad_exp.teachers.lessons.speaker import Program
from elad_exp.types import Explanation, QueryItem, Sample, sample_id


@runtime_checkable
class LessonTask(Task, Protocol):
    """A task whose writer can be asked (the bulletin)."""

    def studied(self, evidence: Sequence[tuple[str, str, str, str | None]]) -> dict[str, Any]:
        """Weaknesses, as the reply of the step `analyse`, with a `score` in each."""
        ...

    def written(
        self,
        easy: int,
        hard: int,
        weaknesses: Mapping[str, Any] | None,
        rng: np.random.Generator,
        *,
        uneven: float = 0.0,
        seed: int = 0,
    ) -> list[str]:
        """Texts, the easy ones first; `uneven` and `seed` say what is written unasked."""
        ...

    def right(self, text: str) -> str | None:
        """The canonical answer to a text of the grammar; None for another."""
        ...


_DRAWN = 200
"""Texts of all classes among which those of one are looked for."""


class GrammarSpeaker(Program):
    """Answers each step by the task's own grammar.

    Args:
        task: The bulletin.
        seed: See `Program`.
        error_rate: Share of labels that are wrong, 0 to 1, as a fallible model's are. Each look at
            a text errs by itself. A wrong class is any other one. Of the entities of a text one has
            a wrong type; where there are none, a word is taken for one.
        uneven: Zipf exponent, 0 or more, of the shares of classes and phenomena in texts that are
            aimed at nothing; `seed` says which come first. 0: all alike.

    Raises:
        ConfigError: The task's writer cannot be asked, or a number is out of range.
    """

    def __init__(
        self, task: Task, *, seed: int, error_rate: float = 0.0, uneven: float = 0.0
    ) -> None:
        super().__init__(seed=seed)
        if isinstance(error_rate, bool) or not 0 <= error_rate <= 1:
            raise ConfigError(f"teacher.error_rate={error_rate!r}: must be from 0 to 1")
        if isinstance(uneven, bool) or not 0 <= uneven <= 10:
            raise ConfigError(f"teacher.uneven={uneven!r}: must be from 0 to 10")
        if not isinstance(task, LessonTask):
            raise ConfigError(
                f"teacher=evokd_oracle: no program writes the texts of task {task.name!r}; choose "
                "dataset=bulletin, dataset=bulletin_entities or another teacher"
            )
        self.task: LessonTask = task
        self.error_rate, self.uneven = error_rate, uneven

    @property
    def info(self) -> dict[str, Any]:
        return {"error_rate": self.error_rate, "uneven": self.uneven}

    def reply(self, step: str, plan: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = getattr(self, f"_{step}")(plan)
        return found

    def _analyse(self, plan: Mapping[str, Any]) -> dict[str, Any]:
        evidence = []
        for number, item in enumerate(map(QueryItem.from_dict, plan["items"]), 1):
            said = item.attempt.answer if item.attempt else None
            assert item.known is not None
            evidence.append((str(number), item.sample.question, item.known, said))
        return self.task.studied(evidence)

    def _write(self, plan: Mapping[str, Any]) -> dict[str, Any]:
        rng = generator(self.seed, "lesson", plan["round"], plan["number"])
        texts = self.task.written(
            *(plan["easy"], plan["hard"], plan["analysis"], rng),
            uneven=self.uneven,
            seed=self.seed,
        )
        return {"easy": texts[: plan["easy"]], "hard": texts[plan["easy"] :]}

    def _write_labelled(self, plan: Mapping[str, Any]) -> dict[str, Any]:
        made = self._write(plan)
        return made | self._label(dict(plan) | {"texts": [*made["easy"], *made["hard"]]})

    def _rephrase(self, plan: Mapping[str, Any]) -> dict[str, Any]:
        """New texts with the answer of the source: what they share with it."""
        rng = generator(self.seed, "rephrase", plan["round"], plan["number"])
        wanted = self.task.right(Sample.from_dict(plan["source"]).question)
        drawn = self.task.written(_DRAWN, 0, None, rng)
        fine = [text for text in drawn if self.task.right(text) == wanted]
        return {"texts": fine[: plan["size"]]}

    def _label(self, plan: Mapping[str, Any]) -> dict[str, Any]:
        found = []
        look = [str(plan.get(key)) for key in ("round", "number", "vote")]
        for text in plan["texts"]:
            answer = self.task.right(text)
            sample = Sample("", text)
            rng = generator(self.seed, "label error", *look, sample_id(text))
            if answer is not None and rng.random() < self.error_rate:
                answer = wrong_answer(self.task, sample, answer, rng)
            line = answer and self.task.target(sample, Explanation((), answer))
            found.append((line or "").removeprefix("Answer: "))
        return {"answers": found}


def wrong_answer(task: Task, sample: Sample, right: str, rng: np.random.Generator) -> str:
    """Another answer than the right one; see `GrammarSpeaker`."""
    if not isinstance(task, SpanTask):
        others = [label for label in task.labels(sample) or () if label != right]
        return others[rng.integers(len(others))]
    spans, types = list(from_answer(right)), list(task.descriptions)
    if not spans:
        places = task.tokens(sample.question)
        return to_answer(
            [Span(types[rng.integers(len(types))], *places[rng.integers(len(places))])]
        )
    n = int(rng.integers(len(spans)))
    others = [kind for kind in types if kind != spans[n].type]
    spans[n] = replace(spans[n], type=others[rng.integers(len(others))])
    return to_answer(spans)
