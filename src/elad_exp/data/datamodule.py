"""The LightningDataModule that owns the pool."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import lightning as L
from torch import Tensor
from torch.utils.data import DataLoader

from elad_exp.data.collate import Encoded
from elad_exp.data.early import Batches, Encoder, Examples, WithEarlyAnswers
from elad_exp.data.pool import Pool
from elad_exp.data.review import ReviewBatches
from elad_exp.data.weighing import Weighing
from elad_exp.protocols import EVAL_SPLITS
from elad_exp.rng import generator

log = logging.getLogger(__name__)


class RoundBatches:
    """Exactly `steps` batches of indices: shuffled passes over all examples, one after another.

    The same number of updates for every selector and every budget, so that they differ in data.
    Within `GROUP` batches examples of similar length go together, which spares padding.

    Args:
        lengths: Length of each example in tokens.
        batch_size: Examples in a batch; more than there are repeat within it.
        steps: Number of batches.
        seed: Seed of the run.
        round: The round, so that every round has its own order.

    Raises:
        ValueError: There are no examples.
    """

    GROUP = 8

    def __init__(
        self, lengths: Sequence[int], *, batch_size: int, steps: int, seed: int, round: int
    ) -> None:
        if not lengths:
            raise ValueError(f"round {round}: no examples to make batches of")
        self.lengths, self.batch_size, self.steps = lengths, batch_size, steps
        self.seed, self.round = seed, round

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[int]]:
        rng = generator(self.seed, "batches", self.round)
        left = self.steps
        order: list[int] = []
        while left > 0:
            count = min(self.GROUP, left)
            while len(order) < count * self.batch_size:
                order += rng.permutation(len(self.lengths)).tolist()
            group, order = order[: count * self.batch_size], order[count * self.batch_size :]
            group.sort(key=lambda i: self.lengths[i])
            for j in rng.permutation(count).tolist():
                yield group[j * self.batch_size : (j + 1) * self.batch_size]
            left -= count


class PoolDataModule(L.LightningDataModule):
    """Train batches of what is labelled; dev and test as one item each, graded by the module.

    Args:
        pool: Owned here: its state travels in the checkpoint.
        encoder: Makes training examples of annotations.
        batch_size: Examples in a training batch.
        steps_per_round: Batches in an epoch.
        early_answer_fraction: Share of examples that are cut short, see `data.early`.
        review: Share of a batch that is not of the last purchase, see `data.review`; null draws
            from all purchases alike.
        collate: Makes a batch of examples for the student.
        weighing: How much labels count, see `data.weighing`; null: alike.
        seed: Seed of the order of batches.
    """

    def __init__(
        self,
        pool: Pool,
        encoder: Encoder,
        *,
        batch_size: int,
        steps_per_round: int,
        early_answer_fraction: float,
        review: float | None = None,
        collate: Callable[[Sequence[Encoded]], dict[str, Tensor]],
        weighing: Weighing | None = None,
        seed: int,
    ) -> None:
        super().__init__()
        self.pool, self.encoder = pool, encoder
        self.early_answer_fraction, self.review = early_answer_fraction, review
        self.batch_size, self.steps = batch_size, steps_per_round
        self.collate, self.weighing, self.seed = collate, weighing, seed

    def train_dataloader(self) -> DataLoader[Any]:
        """Batches for this round; rebuilt every epoch because the pool has grown."""
        examples = Examples(self.pool.labelled, self.encoder)
        batches = self._batches(examples)
        collate = self.collate
        if self.weighing is not None:
            drawn = (examples[i, None] for batch in batches for i in batch)
            collate = self.weighing.collate(collate, drawn)
        return DataLoader(
            examples,  # type: ignore[arg-type]
            batch_sampler=WithEarlyAnswers(
                batches,
                examples.steps,
                fraction=self.early_answer_fraction,
                seed=self.seed,
                round=self.pool.round,
            ),
            collate_fn=collate,
        )

    def _batches(self, examples: Examples) -> Batches:
        of_round = {
            "batch_size": self.batch_size,
            "steps": self.steps,
            "seed": self.seed,
            "round": self.pool.round,
        }
        if self.review is None:
            return RoundBatches(examples.lengths, **of_round)
        last = self.pool.round - 1
        new = [self.pool.bought_in(i) == last for i in examples.ids]
        return ReviewBatches(new, review=self.review, **of_round)

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(list(EVAL_SPLITS), batch_size=None)  # type: ignore[arg-type]

    def state_dict(self) -> dict[str, Any]:
        return {"pool": self.pool.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.pool.load_state_dict(state_dict["pool"])
