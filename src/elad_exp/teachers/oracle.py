"""A teacher for tasks whose steps a program can check: exact first error, exact correction."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np

from elad_exp.errors import ConfigError
from elad_exp.protocols import CheckableTask, Task
from elad_exp.rng import generator
from elad_exp.teachers.free import FreeTeacher
from elad_exp.teachers.revise import CheckedAttempt, revise, wrong_verdict
from elad_exp.teachers.texts import explanation_text, revision_text
from elad_exp.types import (
    Annotation,
    Explanation,
    GoldBook,
    QueryItem,
    Sample,
    Status,
    StepVerdict,
)


class OracleTeacher(FreeTeacher):
    """Checks each step of an attempt and revises it from the first error on.

    Verdicts go up to and including the first error. If all n steps are right but a step is missing
    or the answer is wrong, the first error is n+1 and the verdict of that index judges what should
    stand there: its correction is the missing step or the answer. A wrong step in whose place
    nothing is needed has no correction.

    Args:
        task: Checks steps and completes explanations.
        gold: Not used; given to every teacher alike.
        seed: Seed of the errors.
        mode: `revise`, or `explain` to ignore attempts.
        error_rate: Share of answers with an error, as a fallible model makes them: a wrong attempt
            is accepted, or a right step is struck out and the answer is wrong. Never malformed.
            Needs questions with a closed set of answers.
        max_completion_tokens: An answer longer than that is `truncated`.

    Raises:
        ConfigError: The task cannot check steps, or an argument has a value that is not allowed.
    """

    name = "oracle"
    model = "program"

    def __init__(
        self,
        task: Task,
        gold: GoldBook | None = None,
        *,
        seed: int = 0,
        mode: str = "revise",
        error_rate: float = 0.0,
        max_completion_tokens: int = 512,
    ) -> None:
        super().__init__(task, mode=mode, max_completion_tokens=max_completion_tokens)
        if not isinstance(task, CheckableTask):
            raise ConfigError(
                f"teacher=oracle needs a dataset whose steps a program can check, which "
                f"{task.name!r} is not; choose dataset=almanac or another teacher"
            )
        if isinstance(error_rate, bool) or not 0 <= error_rate <= 1:
            raise ConfigError(f"teacher.error_rate={error_rate!r}: must be from 0 to 1")
        self.checker: CheckableTask = task
        self.seed, self.error_rate = seed, error_rate

    def request(self, item: QueryItem) -> dict[str, Any]:
        """As of every free teacher, with the error rate and its seed.

        Raises:
            ConfigError: Errors are asked for, but the question has no wrong answer to give.
        """
        if self.error_rate and len(self.task.labels(item.sample) or ()) < 2:
            raise ConfigError(
                f"teacher.error_rate={self.error_rate}: a wrong answer can only be drawn from a "
                f"closed set, which sample {item.sample.id} lacks; set it to 0"
            )
        return super().request(item) | {"error_rate": self.error_rate, "seed": self.seed}

    def write(self, item: QueryItem) -> tuple[Annotation, str]:
        sample, attempt = item.sample, item.attempt
        if attempt is None or self.mode == "explain":
            steps, answer = self.checker.complete(sample, ())
            rng = self._error(sample, None)
            if rng is not None:
                answer = self._wrong_answer(sample, answer, rng)
            text = explanation_text(steps, answer)
            return self._annotation(sample, steps, answer, raw=text), text
        revision = revise(self.checker, sample, attempt)
        rng = self._error(sample, attempt)
        if rng is not None:
            revision = self._err(sample, attempt, revision, rng)
        kept = len(revision.steps) if revision.first_error is None else revision.first_error - 1
        text = revision_text(
            revision.verdicts,
            n_steps=len(attempt.steps),
            revised=revision.steps[kept:],
            answer=revision.answer,
        )
        annotation = self._annotation(sample, revision.steps, revision.answer, raw=text)
        return replace(
            annotation, verdicts=revision.verdicts, first_error=revision.first_error
        ), text

    def _annotation(
        self, sample: Sample, steps: tuple[str, ...], answer: str, *, raw: str
    ) -> Annotation:
        return Annotation(sample, Explanation.of(steps, answer), Status.OK, self.name, raw=raw)

    def _error(self, sample: Sample, attempt: Explanation | None) -> np.random.Generator | None:
        """A generator if this answer is to be wrong. Depends on the attempt's texts alone."""
        shown = "" if attempt is None else "\n".join([*attempt.texts, str(attempt.answer)])
        digest = hashlib.sha256(shown.encode()).hexdigest()
        rng = generator(self.seed, "oracle", sample.id, digest)
        return rng if rng.random() < self.error_rate else None

    def _err(
        self, sample: Sample, attempt: Explanation, right: CheckedAttempt, rng: np.random.Generator
    ) -> CheckedAttempt:
        texts = attempt.texts
        if right.first_error is not None and texts and attempt.answer is not None:
            verdicts = tuple(StepVerdict(i, ok=True) for i in range(1, len(texts) + 1))
            return CheckedAttempt(verdicts, None, texts, attempt.answer)
        answer = self._wrong_answer(sample, right.answer, rng)
        if right.first_error is not None:
            return replace(right, answer=answer)
        if not texts:
            return CheckedAttempt((wrong_verdict(1, answer),), 1, (), answer)
        struck = int(rng.integers(1, len(texts) + 1))
        steps = texts[: struck - 1] + texts[struck:]
        verdicts = (
            *(StepVerdict(i, ok=True) for i in range(1, struck)),
            wrong_verdict(struck, steps[struck - 1] if struck <= len(steps) else None),
        )
        return CheckedAttempt(verdicts, struck, steps, answer)

    def _wrong_answer(self, sample: Sample, right: str, rng: np.random.Generator) -> str:
        wrong = [label for label in self.task.labels(sample) or () if label != right]
        return wrong[int(rng.integers(len(wrong)))]
