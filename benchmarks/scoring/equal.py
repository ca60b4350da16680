"""Whether the engine and the plain loop give the same results on the `forced` workload.

In float32 they must. In bfloat16 rounding depends on shapes, and neither is more right: what both
make of it is compared with the loop in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from statistics import fmean
from typing import Any

import torch
from ours import Forced
from plain import Plain
from workload import Job, Question, Work

from elad_exp.student.kept import Kept
from elad_exp.student.precision import for_inference

TOLERANCE = 1e-4
"""Nats, in float32."""


@dataclass(frozen=True, slots=True)
class Given:
    """Greedy sequences, and log-probabilities of labels after each prefix of the *right* ones."""

    sequences: list[list[int]]
    logprobs: list[float]


@torch.inference_mode()
def measure(work: Work, job: Job) -> dict[str, Any]:
    """Of each against the loop in float32: the share of equal greedy sequences, the tokens in
    common before the first that differs, and the differences between forced log-probabilities.

    Raises:
        SystemExit: A difference of ours in float32 exceeds the tolerance.
    """
    questions = work.questions[: job.questions]
    right = of_loop(work, job, questions, "float32", None)
    found = {
        "ours float32": of_ours(work, job, questions, "float32", right.sequences),
        "ours bfloat16": of_ours(work, job, questions, "bfloat16", right.sequences),
        "loop bfloat16": of_loop(work, job, questions, "bfloat16", right.sequences),
    }
    compared = {name: compare(own, right) for name, own in found.items()}
    if (worst := compared["ours float32"]["largest_nats"]) > TOLERANCE:
        raise SystemExit(f"forced answers differ by {worst} nats in float32, above {TOLERANCE}")
    return {"sequences": len(questions), "tokens": job.new_tokens, "against": compared}


def of_loop(
    work: Work, job: Job, questions: Sequence[Question], dtype: str, right: list[list[int]] | None
) -> Given:
    loop = Plain(work, job, dtype=dtype)
    made = loop.sequences([q.ids for q in questions], job.new_tokens, sample=False)
    greedy = [ids for (ids,) in made]
    contexts = [
        context
        for question, ids in zip(questions, right or greedy, strict=True)
        for context in loop.contexts(question, ids, job.new_tokens)
    ]
    return Given(greedy, [value for row in loop.answers(contexts) for value in row])


def of_ours(
    work: Work, job: Job, questions: Sequence[Question], dtype: str, right: list[list[int]]
) -> Given:
    ours = Forced(work, job, dtype=dtype)
    with for_inference(ours.model, dtype) as model:
        known: dict[int, Kept] = {}

        def keep(batch: Sequence[int], greedy: Sequence[list[int]], kept: list[Kept]) -> None:
            known.update(zip(batch, kept, strict=True))

        greedy = [own[0] for own in ours.sequences(model, questions, job, keep)]
        # Of what is kept, the part that agrees with `right` is used.
        kept = [known[i] for i in range(len(questions))]
        answers = ours.answers(model, questions, right, job, kept)
    return Given(greedy, [value for own in answers for row in own for value in row])


def compare(one: Given, right: Given) -> dict[str, float]:
    pairs = list(zip(one.sequences, right.sequences, strict=True))
    off = [abs(a - b) for a, b in zip(one.logprobs, right.logprobs, strict=True)]
    return {
        "equal": fmean(a == b for a, b in pairs),
        "tokens_in_common": fmean(common(a, b) for a, b in pairs),
        "mean_nats": fmean(off),
        "largest_nats": max(off),
    }


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """Tokens before the first that differs."""
    same = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=True))
    return sum(1 for _ in same)
