"""What a program makes of an attempt: the exact first error and the exact correction."""

from __future__ import annotations

from dataclasses import dataclass

from elad_exp.protocols import CheckableTask
from elad_exp.types import Explanation, Sample, StepVerdict


@dataclass(frozen=True, slots=True)
class CheckedAttempt:
    """Verdicts up to the first error, and the explanation with everything from there on replaced.

    `first_error` is 1..n, n+1 (a step is missing or the answer is wrong), or None: nothing is.
    """

    verdicts: tuple[StepVerdict, ...]
    first_error: int | None
    steps: tuple[str, ...]
    answer: str


def revise(task: CheckableTask, sample: Sample, attempt: Explanation) -> CheckedAttempt:
    """Check the steps of `attempt` in turn, then that none is missing and the answer is right."""
    verdicts: list[StepVerdict] = []
    kept: tuple[str, ...] = ()
    for index, text in enumerate(attempt.texts, 1):
        if not task.check_step(sample, kept, text):
            missing, answer = task.complete(sample, kept)
            verdicts.append(wrong_verdict(index, missing[0] if missing else None))
            return CheckedAttempt(tuple(verdicts), index, kept + missing, answer)
        verdicts.append(StepVerdict(index, ok=True))
        kept += (text,)
    missing, answer = task.complete(sample, kept)
    if not missing and answer == attempt.answer:
        return CheckedAttempt(tuple(verdicts), None, kept, answer)
    end = len(kept) + 1
    verdicts.append(wrong_verdict(end, missing[0] if missing else answer))
    return CheckedAttempt(tuple(verdicts), end, kept + missing, answer)


def wrong_verdict(index: int, correction: str | None) -> StepVerdict:
    """The verdict on a wrong step; without a correction where nothing is needed in its place."""
    reason = "" if correction else "nothing is needed here"
    return StepVerdict(index, ok=False, correction=correction, reason=reason)
