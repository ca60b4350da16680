"""The LightningModule around a student: trains on targets, and holds the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from elad_exp.data.collate import IGNORE
from elad_exp.rng import derive_seed
from elad_exp.student.built import Asked

LAST_RATE = 0.05
"""Where the learning rate is headed within a round, as a share of the highest."""


def target_loss(model: Any, batch: Mapping[str, Tensor]) -> Tensor:
    """Mean cross-entropy (nats) over the learnt tokens of a batch.

    Args:
        model: Decoder-only for a batch made by `collate`, of which logits are computed only from
            the first position that any row learns; encoder-decoder for one by `collate_pairs`.
        batch: On the model's device.
    """
    labels = batch["labels"]
    if "decoder_input_ids" in batch:
        read = {name: tensor for name, tensor in batch.items() if name != "labels"}
        logits = model(**read, use_cache=False).logits
    else:
        first = int((labels != IGNORE).any(dim=0).nonzero()[0])
        labels = labels[:, first:]
        out = model(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            use_cache=False,
            logits_to_keep=labels.shape[1] + 1,
        )
        logits = out.logits[:, :-1]
    return nn.functional.cross_entropy(
        logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORE
    )


def tokens_read(batch: Mapping[str, Tensor]) -> int:
    """Tokens of a batch, prompts included, padding not."""
    masks = [batch[name] for name in batch if name.endswith("attention_mask")]
    return sum(int(mask.sum()) for mask in masks)


def rate_at(step: int, *, warmup_steps: int, decay_steps: int | None) -> float:
    """The learning rate of optimizer step `step` (from 0), as a share of the highest.

    Within each round it falls linearly to a twentieth: a student is measured, and asked how
    certain it is, at the end of a round, and a high rate there blurs what it has just learnt.
    """
    rate = min(1.0, (step + 1) / max(warmup_steps, 1))
    if decay_steps:
        rate *= 1 - (1 - LAST_RATE) * (step % decay_steps) / decay_steps
    return rate


class StudentModule(L.LightningModule):
    """Trains a student on annotations, one epoch a round.

    Args:
        model: A language model of Hugging Face.
        engine: The same student at inference.
        loss: Of the model on a batch.
        learning_rate: The highest; see `rate_at`. There is no schedule over all steps, because
            their number would be taken from the first, smallest pool.
        weight_decay: For matrices; not for biases and norms.
        warmup_steps: Optimizer steps until the full learning rate, linearly, once.
        decay_steps: Steps of a round, over which the learning rate falls, to start anew with the
            next; null keeps it constant.
        seed: Seed of dropout, with the epoch and the number of the batch in it.
        measure: Called with the name of a split at validation.
    """

    def __init__(
        self,
        model: Any,
        engine: Asked,
        *,
        loss: Callable[[Any, dict[str, Tensor]], Tensor] = target_loss,
        learning_rate: float,
        weight_decay: float = 0.01,
        warmup_steps: int = 0,
        decay_steps: int | None = None,
        seed: int = 0,
        measure: Callable[[str], None] = lambda split: None,
    ) -> None:
        super().__init__()
        self.model, self.engine, self.measure = model, engine, measure
        self.loss = loss
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.warmup_steps, self.decay_steps, self.seed = warmup_steps, decay_steps, seed
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
        loss = self.loss(self.model, batch)
        self.train_tokens += tokens_read(batch)
        rows = len(batch["labels"])
        self.log("train/loss", loss.detach(), on_step=False, on_epoch=True, batch_size=rows)
        return loss

    def on_validation_start(self) -> None:
        """Free the gradients: they are as large as the student, and evaluation needs the room."""
        self.zero_grad(set_to_none=True)

    def validation_step(self, batch: str, batch_idx: int) -> None:
        self.measure(batch)

    def configure_optimizers(self) -> Any:
        """AdamW; the learning rate by `rate_at`, in optimizer steps."""
        trained = [p for p in self.model.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.learning_rate)
        rates = torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            partial(rate_at, warmup_steps=self.warmup_steps, decay_steps=self.decay_steps),
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": rates, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["train_tokens"] = self.train_tokens

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.train_tokens = int(checkpoint["train_tokens"])
