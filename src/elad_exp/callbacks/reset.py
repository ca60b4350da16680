"""Start every round from the initial weights (`schedule.reset: scratch`)."""

from __future__ import annotations

import copy
from collections import defaultdict

import lightning as L
from torch import Tensor


class StudentReset(L.Callback):
    """Puts back the initial weights and forgets the optimizer's state when an epoch begins.

    The initial weights are taken in `setup`, before a checkpoint is restored, so that a resumed
    run resets to the same ones.
    """

    def __init__(self) -> None:
        self._initial: dict[str, Tensor] | None = None

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if self._initial is None:
            self._initial = copy.deepcopy(pl_module.state_dict())

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        assert self._initial is not None
        pl_module.load_state_dict(self._initial)
        for optimizer in trainer.optimizers:
            optimizer.state = defaultdict(dict)
