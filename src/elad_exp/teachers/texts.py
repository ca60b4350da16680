"""What a teacher reads and writes: prompts from their files, answers in the prompts' grammar."""

from __future__ import annotations

from collections.abc import Sequence

from elad_exp.protocols import Task
from elad_exp.teachers.prompts import load_prompt
from elad_exp.types import Explanation, QueryItem, StepVerdict

NONE = "(none)"


def prompt_text(task: Task, item: QueryItem, *, mode: str) -> tuple[str, str]:
    """The prompt for `item` and its version.

    Args:
        task: Gives the possible answers and the teacher's context.
        item: Its attempt is shown in mode `revise` and withheld in mode `explain`.
        mode: `revise` or `explain`.
    """
    sample = item.sample
    labels = task.labels(sample)
    values = {
        "context": task.teacher_context(sample) or NONE,
        "question": sample.question,
        "choices": "\n".join(f"({c.label}) {c.text}" for c in sample.choices) or NONE,
        "answers": ", ".join(labels) if labels else "any",
    }
    if mode == "revise":
        assert item.attempt is not None
        values["attempt"] = attempt_text(item.attempt)
    prompt = load_prompt(mode)
    return prompt.render(**values), prompt.version


def attempt_text(attempt: Explanation) -> str:
    """The student's steps, numbered from 1, and its answer."""
    lines = [f"Step {step.index}: {step.text}" for step in attempt.steps]
    return "\n".join([*lines, f"Answer: {attempt.answer or NONE}"])


def explanation_text(steps: Sequence[str], answer: str) -> str:
    """What a teacher writes in mode `explain`."""
    return "\n".join([*steps, f"Answer: {answer}"])


def revision_text(
    verdicts: Sequence[StepVerdict], *, n_steps: int, revised: Sequence[str], answer: str
) -> str:
    """What a teacher writes in mode `revise`.

    Args:
        verdicts: One for each checked step; index `n_steps + 1` judges the answer or a gap.
        n_steps: Steps of the attempt.
        revised: The corrected step and those after it.
        answer: The right answer.
    """
    lines = [
        f"Step {v.index}: {'right' if v.ok else 'wrong'}" for v in verdicts if v.index <= n_steps
    ]
    if all(v.ok for v in verdicts if v.index <= n_steps):
        lines.append(f"Answer: {'right' if all(v.ok for v in verdicts) else 'wrong'}")
    return "\n".join([*lines, "Revision:", *revised, f"Answer: {answer}"])
