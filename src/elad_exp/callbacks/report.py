"""Snapshot of a finished round, before anything more is bought."""

from __future__ import annotations

import math
import time
from typing import Any

import lightning as L

from elad_exp.errors import EladError
from elad_exp.rounds import Rounds


class RoundReport(L.Callback):
    """Writes the line of a round: what the student had trained on when it was measured.

    Args:
        rounds: The loop.
    """

    def __init__(self, rounds: Rounds) -> None:
        self.rounds = rounds
        self._started = 0.0
        self._tokens_before = 0

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        self._started = time.perf_counter()
        self._tokens_before = pl_module.train_tokens

    def on_validation_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        self.rounds.clock.add("train", time.perf_counter() - self._started)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        seconds = self.rounds.clock.seconds
        speed = {"train": (pl_module.train_tokens - self._tokens_before) / seconds["train"]}
        speed |= pl_module.engine.take_speeds()
        loss = trainer.callback_metrics.get("train/loss")
        if loss is not None and not math.isfinite(loss):
            raise EladError(
                f"training has diverged: the loss is {float(loss)}; lower optim.learning_rate"
            )
        self.rounds.report(
            train_tokens=int(pl_module.train_tokens),
            optimizer_steps=trainer.global_step,
            train_loss=None if loss is None else round(float(loss), 5),
            tokens_per_s={name: round(value, 1) for name, value in speed.items()},
        )
