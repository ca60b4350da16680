"""The LightningModule around a student: trains on targets, and holds the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from elad_exp.data.collate import IGNORE
from elad_exp.rng import derive_seed
from elad_exp.student.engine import Engine


def target_loss(model: Any, batch: Mapping[str, Tensor]) -> Tensor:
    """Mean cross-entropy (nats) over the learnt tokens of a batch made by `collate`.

    Logits are computed only from the first position that any row learns.
    """
    labels = batch["labels"]
    first = int((labels != IGNORE).any(dim=0).nonzero()[0])
    learnt = labels[:, first:]
    out = model(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        use_cache=False,
        logits_to_keep=learnt.shape[1] + 1,
    )
    logits = out.logits[:, :-1].float()
    return nn.functional.cross_entropy(logits.flatten(0, 1), learnt.flatten(), ignore_index=IGNORE)


class StudentModule(L.LightningModule):
    """Trains a student on annotations, one epoch a round.

    Args:
        model: A decoder-only language model of Hugging Face.
        engine: The same student at inference.
        learning_rate: Constant after warm-up. There is no schedule over all steps, because their
            number would be taken from the first, smallest pool.
        weight_decay: For matrices; not for biases and norms.
        warmup_steps: Optimizer steps until the full learning rate, linearly.
        seed: Seed of dropout, with the epoch and the number of the batch in it.
        measure: Called with the name of a split at validation.
    """

    def __init__(
        self,
        model: Any,
        engine: Engine,
        *,
        learning_rate: float,
        weight_decay: float = 0.01,
        warmup_steps: int = 0,
        seed: int = 0,
        measure: Callable[[str], None] = lambda split: None,
    ) -> None:
        super().__init__()
        self.model, self.engine, self.measure = model, engine, measure
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.warmup_steps, self.seed = warmup_steps, seed
        self.train_tokens = 0
        """Tokens read in training so far, prompts included, padding not."""

    def on_fit_start(self) -> None:
        """Hugging Face models arrive in eval mode, with dropout silently off."""
        self.train()

    def on_train_epoch_start(self) -> None:
        """Switch dropout on: models arrive in eval mode."""
        self.train()

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        # No generator state is in checkpoints. Not seeded once an epoch, because a resumed epoch
        # draws a data loader's seed after its start instead of before.
        torch.manual_seed(derive_seed(self.seed, "dropout", self.current_epoch, batch_idx))
        loss = target_loss(self.model, batch)
        self.train_tokens += int(batch["attention_mask"].sum())
        rows = len(batch["labels"])
        self.log("train/loss", loss.detach(), on_step=False, on_epoch=True, batch_size=rows)
        return loss

    def on_validation_start(self) -> None:
        """Free the gradients: they are as large as the student, and evaluation needs the room."""
        self.zero_grad(set_to_none=True)

    def validation_step(self, batch: str, batch_idx: int) -> None:
        self.measure(batch)

    def configure_optimizers(self) -> Any:
        """AdamW; linear warm-up in optimizer steps, then constant."""
        trained = [p for p in self.model.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.learning_rate)
        steps = max(self.warmup_steps, 1)
        warmup = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: min(1.0, (n + 1) / steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": warmup, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["train_tokens"] = self.train_tokens

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.train_tokens = int(checkpoint["train_tokens"])
