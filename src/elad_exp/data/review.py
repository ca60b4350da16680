"""Batches of what was bought last, and a review of what was bought before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from elad_exp.rng import generator


class ReviewBatches:
    """Exactly `steps` batches, of which a share is drawn from earlier purchases.

    Both kinds are shuffled passes over all examples of the kind, one after another. Where there are
    no earlier ones, or no new ones, batches are of the other kind alone. Else a batch has at least
    one of each, and no more new ones than there are: the rest is review, so that the only usable
    text of a purchase does not fill the share of forty.

    Args:
        new: Of each example whether it was bought last.
        review: Share of a batch that is earlier examples, 0 to 1; rounded to whole examples. At 0
            there are none, and nothing of the above holds.
        batch_size: Examples in a batch; at least 2 where `review` is above 0.
        steps: Number of batches.
        seed: Seed of the run.
        round: The round, so that every round has its own order.

    Raises:
        ValueError: There are no examples.
    """

    def __init__(
        self,
        new: Sequence[bool],
        *,
        review: float,
        batch_size: int,
        steps: int,
        seed: int,
        round: int,
    ) -> None:
        if not new:
            raise ValueError(f"round {round}: no examples to make batches of")
        numbers = range(len(new))
        self.kinds = [[i for i in numbers if new[i] is kind] for kind in (True, False)]
        last, before = map(len, self.kinds)
        n_new = batch_size if last else 0
        if review and last and before:
            meant = batch_size - int(review * batch_size + 0.5)
            n_new = min(max(meant, 1), last, batch_size - 1)
        self.counts = (n_new, batch_size - n_new)
        self.steps, self.seed, self.round = steps, seed, round

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[int]]:
        rng = generator(self.seed, "review", self.round)
        drawn = [_passes(kind, rng) for kind in self.kinds]
        for _ in range(self.steps):
            yield [next(d) for d, n in zip(drawn, self.counts, strict=True) for _ in range(n)]


def _passes(numbers: Sequence[int], rng: np.random.Generator) -> Iterator[int]:
    while True:
        yield from (numbers[i] for i in rng.permutation(len(numbers)).tolist())
