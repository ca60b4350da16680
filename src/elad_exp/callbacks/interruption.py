"""Stop between two training batches when a signal has arrived."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning as L


class Interruption(L.Callback):
    """Polls `check` after every training batch; it raises `Interrupted` once asked to stop.

    Args:
        check: Raises when the run should stop, otherwise does nothing.
    """

    def __init__(self, check: Callable[[], None]) -> None:
        self.check = check

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any
    ) -> None:
        self.check()
