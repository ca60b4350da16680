"""Whether the engine and the plain loop give the same results on the `forced` workload."""

from __future__ import annotations

from typing import Any

import torch
from ours import Forced
from plain import Plain
from workload import Job, Work

from elad_exp.student.precision import for_inference

TOLERANCE = 1e-4
"""Nats, in float32."""


@torch.inference_mode()
def measure(work: Work, job: Job) -> dict[str, Any]:
    """The share of equal greedy sequences in float32 and bfloat16, and the largest difference
    between forced log-probabilities in float32.

    Raises:
        SystemExit: That difference exceeds the tolerance.
    """
    found: dict[str, Any] = {"sequences": job.questions}
    for dtype in ("float32", "bfloat16"):
        found |= compare(work, job, dtype)
    if found["float32_difference"] > TOLERANCE:
        raise SystemExit(f"forced answers differ by more than {TOLERANCE} nats in float32: {found}")
    return found


def compare(work: Work, job: Job, dtype: str) -> dict[str, Any]:
    questions = work.questions[: job.questions]
    loop, engine = Plain(work, job, dtype=dtype), Forced(work, job, dtype=dtype)
    theirs = [
        ids for (ids,) in loop.sequences([q.ids for q in questions], job.new_tokens, sample=False)
    ]
    contexts = [
        context
        for question, ids in zip(questions, theirs, strict=True)
        for context in loop.contexts(question, ids, job.new_tokens)
    ]
    with for_inference(engine.model, dtype) as model:
        ours = [own[0] for own in engine.sequences(model, questions, job)]
        answers = engine.answers(model, questions, theirs, job)
    differences = [
        abs(a - b)
        for mine, other in zip(
            (row for own in answers for row in own), loop.answers(contexts), strict=True
        )
        for a, b in zip(mine, other, strict=True)
    ]
    equal = sum(a == b for a, b in zip(ours, theirs, strict=True)) / len(questions)
    return {f"{dtype}_equal": equal, f"{dtype}_difference": max(differences)}
