"""How fast a student is on this machine, measured for a moment: for a plan, not for results."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from elad_exp.data.collate import Encoded, collate
from elad_exp.student.engine import Engine, choose_dtype
from elad_exp.student.module import target_loss
from elad_exp.types import Record, Sample

SHORT_S = 1.0
"""Work that takes less is done again, to not measure how it starts."""


@dataclass(frozen=True, slots=True)
class Speeds(Record):
    """Tokens a second: new ones in generation, read ones in training."""

    generate: float
    train: float


def measure(
    engine: Engine, model: Any, examples: Sequence[tuple[Sample, Encoded]], *, batch_size: int
) -> Speeds:
    """Time one batch of each kind of work, or several where one is short.

    Args:
        engine: The student at inference.
        model: The same at training; its gradients are thrown away.
        examples: Training examples. A batch at inference is larger than one in training, and as
            large as there are.
        batch_size: Of training.
    """
    engine.take_speeds()
    batch = collate([row for _, row in examples[:batch_size]], engine.tokenizer.pad_token_id)
    batch = {name: tensor.to(model.device) for name, tensor in batch.items()}
    tokens = int(batch["attention_mask"].sum())
    dtype = choose_dtype(model, "auto")

    def step() -> None:
        with torch.autocast(model.device.type, dtype=dtype, enabled=dtype == torch.bfloat16):
            loss = target_loss(model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        model.zero_grad(set_to_none=True)

    _repeat(lambda: engine.explain([sample for sample, _ in examples]))
    return Speeds(engine.take_speeds()["generate"], tokens / _repeat(step))


def _repeat(work: Callable[[], object]) -> float:
    """Seconds that `work` takes, without the first time where that is short."""
    start = time.perf_counter()
    work()
    took = time.perf_counter() - start
    if took > SHORT_S:
        return took
    start, n = time.perf_counter(), 0
    while time.perf_counter() - start < SHORT_S:
        work()
        n += 1
    return (time.perf_counter() - start) / n
