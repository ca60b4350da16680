"""Choose what the teacher is asked, between two epochs."""

from __future__ import annotations

import lightning as L

from elad_exp.callbacks.ranks import on_rank_zero
from elad_exp.rounds import Rounds


class Selection(L.Callback):
    """Opens the initial query before training and one more after each round but the last.

    In `on_train_epoch_end` and not in `on_train_epoch_start`: by then the train loader of that
    epoch is already built, and the purchase would arrive an epoch late.

    Args:
        rounds: The loop.
    """

    def __init__(self, rounds: Rounds) -> None:
        self.rounds = rounds

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        on_rank_zero(trainer, self._open)
        share_pool(trainer, self.rounds)

    def _open(self) -> None:
        self.rounds.cold_start()
        if self.rounds.waits_to_buy:
            self.rounds.select()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.should_stop or self.rounds.pool.round >= self.rounds.schedule.rounds:
            return
        on_rank_zero(trainer, self.rounds.select)
        share_pool(trainer, self.rounds)


def share_pool(trainer: L.Trainer, rounds: Rounds) -> None:
    """Give rank 0's pool to the other ranks."""
    if trainer.world_size > 1:
        rounds.pool.load_state_dict(on_rank_zero(trainer, rounds.pool.state_dict))
