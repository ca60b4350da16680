"""Ask the stopping rules after the snapshot and before the next purchase."""

from __future__ import annotations

import logging

import lightning as L

from elad_exp.callbacks.ranks import on_rank_zero
from elad_exp.rounds import Rounds
from elad_exp.types import StopReason

log = logging.getLogger(__name__)


class Stopping(L.Callback):
    """Sets `trainer.should_stop` and keeps the reason.

    Not an `EarlyStopping`: its check would run after all other callbacks, that is after the
    purchase which it ought to prevent.

    Args:
        rounds: The loop.
    """

    def __init__(self, rounds: Rounds) -> None:
        self.rounds = rounds
        self.reason: StopReason | None = None

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.reason = on_rank_zero(trainer, self.rounds.stop_reason)
        if self.reason is not None:
            trainer.should_stop = True
            log.info("stopping: %s", self.reason.detail)
