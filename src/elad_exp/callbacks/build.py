"""The callbacks of a run, in the one order that works, and its trainer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning as L
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy

from elad_exp.callbacks.annotation import Annotation
from elad_exp.callbacks.checkpoint import RoundCheckpoint
from elad_exp.callbacks.interruption import Interruption
from elad_exp.callbacks.report import RoundReport
from elad_exp.callbacks.reset import StudentReset
from elad_exp.callbacks.selection import Selection
from elad_exp.callbacks.stopping import Stopping
from elad_exp.errors import ConfigError
from elad_exp.rounds import Rounds

ORDER = (RoundReport, Stopping, Selection, Annotation)


class CheckOrder(L.Callback):
    """Refuses, before training, a trainer in which the loop would silently go wrong."""

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if not isinstance(trainer.strategy, (SingleDeviceStrategy, DDPStrategy)):
            raise ConfigError(
                f"trainer.strategy={type(trainer.strategy).__name__} is not supported; "
                "use a single device or ddp"
            )
        every = getattr(trainer, "reload_dataloaders_every_n_epochs", None)
        if every != 1:
            raise ConfigError(
                f"reload_dataloaders_every_n_epochs={every} must be 1: every round has a new "
                "train loader"
            )
        callbacks = trainer.callbacks  # type: ignore[attr-defined]
        found = [type(c) for c in callbacks if isinstance(c, ORDER)]
        if tuple(found) != ORDER:
            names = ", ".join(c.__name__ for c in ORDER)
            raise ConfigError(f"the callbacks must be, in this order: {names}")
        if not isinstance(callbacks[-1], RoundCheckpoint):
            raise ConfigError(
                f"the last callback is {type(callbacks[-1]).__name__}; it must be RoundCheckpoint, "
                "which saves a round after its purchase"
            )


def build_callbacks(
    rounds: Rounds,
    *,
    checkpoints: Path,
    check_interrupt: Callable[[], None],
    extra: Sequence[L.Callback] = (),
) -> list[L.Callback]:
    """Callbacks in the order of a round: report, stop, select, annotate, save.

    Args:
        rounds: The loop.
        checkpoints: Folder for `last.ckpt`.
        check_interrupt: Raises when a signal has asked the run to stop.
        extra: Callbacks that only watch; they come after the purchase and before saving.
    """
    reset = [StudentReset()] if rounds.schedule.reset == "scratch" else []
    return [
        CheckOrder(),
        Interruption(check_interrupt),
        *reset,
        RoundReport(rounds),
        Stopping(rounds),
        Selection(rounds),
        Annotation(rounds),
        *extra,
        RoundCheckpoint(checkpoints),
    ]


def build_trainer(*, accelerator: str, precision: str, **given: Any) -> L.Trainer:
    """The trainer; a device or precision that this machine lacks is the user's error."""
    try:
        return L.Trainer(accelerator=accelerator, precision=precision, **given)  # type: ignore[arg-type]
    except (MisconfigurationException, ValueError) as error:
        raise ConfigError(
            f"trainer.accelerator={accelerator}, trainer.precision={precision}: {error}"
        ) from error
