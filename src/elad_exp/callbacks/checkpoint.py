"""Save the run once a round, so that it can be resumed from there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO


class StreamedCheckpoint(TorchCheckpointIO):
    """Writes a checkpoint to a file beside the old one, then renames it.

    Lightning's own builds the whole file in memory and moves it from the system's temporary
    folder, which on another disk is a copy that can be cut short.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.tmp")
        with temporary.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)


class RoundCheckpoint(Checkpoint):
    """Writes `last.ckpt` when a round has been measured and its purchase is in.

    Not Lightning's `ModelCheckpoint`, which with `save_top_k=0, save_last=True` saves nothing
    before training ends. Lightning puts every `Checkpoint` behind all other callbacks.

    Args:
        folder: Where `last.ckpt` lies.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        trainer.save_checkpoint(self.folder / "last.ckpt")
