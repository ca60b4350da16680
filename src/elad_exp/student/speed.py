"""How fast a student is on this machine, measured for a moment: for a plan, not for results."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from elad_exp.data.collate import Encoded
from elad_exp.student.built import Asked, Built
from elad_exp.student.engine import Engine
from elad_exp.student.module import tokens_read
from elad_exp.student.precision import choose_dtype
from elad_exp.types import Record, Sample

SMALL_S, LARGE_S = 1.5, 6.0
"""For each kind of work. It is done again and again, because the first time is slow and other
processes come in between; the best time is the one that says most about the machine."""
LARGE, FEW_ROWS, FEW_TOKENS = 20_000_000, 16, 24
"""A student of more parameters is large: it is tried on so few rows, and tokens, at a time."""


@dataclass(frozen=True, slots=True)
class Speeds(Record):
    """Tokens a second: in answering those that are written, or read by a student that labels; in
    training those that are read.
    """

    answer: float
    train: float


def measure(
    student: Built, engine: Asked, examples: Sequence[tuple[Sample, Encoded]], *, batch_size: int
) -> Speeds:
    """The best speed of each kind of work, tried for some seconds.

    Args:
        student: At training; its gradients are thrown away.
        engine: The same at inference.
        examples: Training examples. A batch at inference is larger than one in training, and of
            a small student as large as there are.
        batch_size: Of training.
    """
    model = student.model
    large = sum(p.numel() for p in model.parameters()) > LARGE
    seconds = LARGE_S if large else SMALL_S
    asked = examples[:FEW_ROWS] if large else examples
    samples = [sample for sample, _ in asked]
    batch = student.collate([row for _, row in examples[:batch_size]])
    batch = {name: tensor.to(model.device) for name, tensor in batch.items()}
    tokens = tokens_read(batch)
    dtype = choose_dtype(model, "auto")

    def step() -> float:
        start = time.perf_counter()
        with torch.autocast(model.device.type, dtype=dtype, enabled=dtype == torch.bfloat16):
            loss = student.loss(model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        model.zero_grad(set_to_none=True)
        return tokens / (time.perf_counter() - start)

    if isinstance(engine, Engine):
        writer = engine.shortened(FEW_TOKENS) if large else engine

        def answer() -> float:
            writer.take_speeds()
            writer.explain(samples)
            return writer.take_speeds()["generate"]
    else:

        def answer() -> float:
            start = time.perf_counter()
            engine.explain(samples)
            return sum(len(row) for _, row in asked) / (time.perf_counter() - start)

    return Speeds(best(answer, seconds), best(step, seconds))


def best(
    work: Callable[[], float], seconds: float, *, clock: Callable[[], float] = time.perf_counter
) -> float:
    """The largest value that `work` returns: done twice at least, and then as long as another turn
    like the quickest would end within `seconds`.
    """
    start = clock()
    found, quickest, turns = 0.0, seconds, 0
    while turns < 2 or clock() - start + quickest <= seconds:
        begun = clock()
        found = max(found, work())
        quickest = min(quickest, clock() - begun)
        turns += 1
    return found
