"""The LightningDataModule that owns the pool."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import lightning as L
from torch.utils.data import DataLoader

from elad_exp.data.collate import Encoded, collate
from elad_exp.data.pool import Pool
from elad_exp.protocols import EVAL_SPLITS
from elad_exp.rng import generator
from elad_exp.types import Annotation

log = logging.getLogger(__name__)


class RoundBatches:
    """Exactly `steps` batches of indices: shuffled passes over `n` examples, one after another.

    The same number of updates for every selector and every budget, so that they differ in data.
    """

    def __init__(self, n: int, *, batch_size: int, steps: int, seed: int, round: int) -> None:
        self.n, self.batch_size, self.steps = n, batch_size, steps
        self.seed, self.round = seed, round

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[int]]:
        rng = generator(self.seed, "batches", self.round)
        order: list[int] = []
        for _ in range(self.steps):
            while len(order) < self.batch_size:
                order += rng.permutation(self.n).tolist()
            yield order[: self.batch_size]
            order = order[self.batch_size :]


class PoolDataModule(L.LightningDataModule):
    """Train batches of what is labelled; dev and test as one item each, graded by the module.

    Args:
        pool: Owned here: its state travels in the checkpoint.
        encode: Token ids and labels of an annotation, or None if it does not fit the context.
        batch_size: Examples in a training batch.
        steps_per_round: Batches in an epoch.
        pad_id: Token for padding.
        seed: Seed of the order of batches.
    """

    def __init__(
        self,
        pool: Pool,
        encode: Callable[[Annotation], Encoded | None],
        *,
        batch_size: int,
        steps_per_round: int,
        pad_id: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.pool, self.encode = pool, encode
        self.batch_size, self.steps, self.pad_id, self.seed = (
            batch_size,
            steps_per_round,
            pad_id,
            seed,
        )

    def train_dataloader(self) -> DataLoader[Any]:
        """Batches for this round; rebuilt every epoch because the pool has grown."""
        rows = [row for a in self.pool.labelled if (row := self.encode(a)) is not None]
        batches = RoundBatches(
            len(rows),
            batch_size=self.batch_size,
            steps=self.steps,
            seed=self.seed,
            round=self.pool.round,
        )
        return DataLoader(
            rows,  # type: ignore[arg-type]
            batch_sampler=batches,
            collate_fn=lambda batch: collate(batch, self.pad_id),
        )

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(list(EVAL_SPLITS), batch_size=None)  # type: ignore[arg-type]

    def state_dict(self) -> dict[str, Any]:
        return {"pool": self.pool.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.pool.load_state_dict(state_dict["pool"])
