"""Batches by number of tokens, and by half as many where memory has run out."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator, Sequence

import torch

from elad_exp.errors import EladError
from elad_exp.student.memory import release_memory

log = logging.getLogger(__name__)


def bucketed(order: Sequence[int], size: Sequence[int], limit: int) -> Iterator[list[int]]:
    """Consecutive indices of `order` in batches with number * largest size <= `limit`.

    An index whose size alone exceeds the limit is a batch of its own.
    """
    batch: list[int] = []
    largest = 0
    for i in order:
        if batch and max(largest, size[i]) * (len(batch) + 1) > limit:
            yield batch
            batch, largest = [], 0
        batch.append(i)
        largest = max(largest, size[i])
    if batch:
        yield batch


class TooLarge(EladError):
    """Memory does not suffice for a single item."""


class Batches:
    """How many tokens fit into a batch; halved, with a line in the log, when memory runs out.

    A processor's memory seldom runs out like that: the system ends the process instead. There
    `student.tokens_per_batch` is what bounds it.

    Args:
        tokens: Upper bound of the number of items times the tokens of the longest.
    """

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens

    def run(
        self, order: Sequence[int], size: Sequence[int], work: Callable[[list[int]], None]
    ) -> None:
        """Call `work` with one batch of indices after the other, until all are done.

        Args:
            order: Indices of the items.
            size: Tokens of every item, by index.
            work: Keeps what it finds only when it succeeds; is called again with fewer. It may run
                batches of its own: where one of their items finds no room, fewer of these may
                leave it some.

        Raises:
            TooLarge: Memory does not suffice for a single item.
        """
        waiting, before = list(order), self.tokens
        while waiting:
            batch = next(bucketed(waiting, size, self.tokens))
            done = True
            try:
                work(batch)
            except (RuntimeError, MemoryError, TooLarge) as error:
                if not out_of_memory(error):
                    raise
                if len(batch) == 1:
                    self.tokens = before  # halving them has not helped
                    raise TooLarge(
                        f"out of memory with a single question of {size[batch[0]]} tokens, its "
                        "samples included; lower student.max_length, student.max_new_tokens or "
                        "selection.samples, or free memory on this machine"
                    ) from error
                done = False
            if done:
                waiting = waiting[len(batch) :]
            else:  # out of the handler, whose traceback holds what the batch had allocated
                self._shrink(batch, size)

    def _shrink(self, batch: list[int], size: Sequence[int]) -> None:
        gc.collect()
        release_memory()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        largest = max(size[i] for i in batch)
        self.tokens = max(largest, min(self.tokens, largest * len(batch)) // 2)
        log.warning(
            "out of memory with %d items of up to %d tokens: going on with batches of %d tokens; "
            "student.tokens_per_batch=%d starts with that",
            len(batch),
            largest,
            self.tokens,
            self.tokens,
        )


def out_of_memory(error: Exception) -> bool:
    """Whether torch or Python says that memory has run out, on whatever device."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError, TooLarge)):
        return True
    text = str(error).lower()
    return any(words in text for words in ("out of memory", "not enough memory", "can't allocate"))
