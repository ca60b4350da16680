"""Buy the open query."""

from __future__ import annotations

from typing import Any

import lightning as L

from elad_exp.callbacks.ranks import on_rank_zero
from elad_exp.callbacks.selection import share_pool
from elad_exp.rounds import Rounds


class Annotation(L.Callback):
    """Buys whatever query is open: the initial one, one restored, or one just selected.

    Args:
        rounds: The loop.
    """

    def __init__(self, rounds: Rounds) -> None:
        self.rounds = rounds

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._buy(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._buy(trainer)

    def state_dict(self) -> dict[str, Any]:
        return self.rounds.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rounds.load_state_dict(state_dict)

    def _buy(self, trainer: L.Trainer) -> None:
        on_rank_zero(trainer, self.rounds.finish_query)
        share_pool(trainer, self.rounds)
