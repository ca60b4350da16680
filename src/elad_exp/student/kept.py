"""Keys and values that generation has made, kept for the forced answers of what was written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

from elad_exp.student.cache import PromptCache
from elad_exp.student.generated import Generated


@dataclass(frozen=True, slots=True)
class Kept:
    """What a model knows of a prompt and of what it wrote after it.

    `states` is (2, layers, heads, tokens, size): keys and values of `tokens`, or of more.
    """

    tokens: tuple[int, ...]
    states: Tensor


class Shelf:
    """Takes the first sequence of every prompt when its row leaves the batch.

    What it holds comes on top of the batch's own keys: at most once more those of each prompt and
    of one sequence.

    Args:
        prompts: Token ids.
        k: Sequences per prompt.
    """

    def __init__(self, prompts: Sequence[Sequence[int]], k: int) -> None:
        self.prompts, self.k = prompts, k
        self._states: dict[int, Tensor] = {}

    def take(self, cache: PromptCache, rows: Tensor, leaving: Tensor) -> None:
        """Keep what the cache has of the rows that leave.

        Args:
            cache: Of the batch, as it is before they leave.
            rows: (rows,) which sequence each is.
            leaving: (rows,) whether it leaves.
        """
        for row in (leaving & (rows % self.k == 0)).nonzero()[:, 0].tolist():
            prompt = int(rows[row]) // self.k
            length = len(self.prompts[prompt])
            self._states[prompt] = cache.of(row)[..., cache.width - length :, :]

    def kept(self, made: Sequence[Generated]) -> list[Kept]:
        """One for each prompt, when all have left.

        Args:
            made: All sequences. The last token of one that has reached the limit was never read.
        """
        found = []
        for n, prompt in enumerate(self.prompts):
            states = self._states[n]
            tokens = (*prompt, *made[n * self.k].ids)[: states.shape[3]]
            found.append(Kept(tokens, states))
        return found


class _Layer(CacheLayerMixin):  # type: ignore[misc]
    """Puts what is known before what is new, and forgets the new."""

    is_initialized = True

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        super().__init__()
        self.keys, self.values = keys, values

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing: the past is there from the beginning."""

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        return torch.cat([self.keys, key_states], 2), torch.cat([self.values, value_states], 2)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0

    def get_seq_length(self) -> int:
        return self.keys.shape[2]

    def get_max_length(self) -> int:
        return -1


def past(kept: Sequence[Kept | None], width: int) -> Cache:
    """A cache for one forward pass, a row for each: its first `width` tokens, at the left.

    What a row lacks is zero, and must be masked. At least one is not None.
    """
    known = next(own for own in kept if own is not None)
    parts, layers, heads, _, size = known.states.shape
    states = known.states.new_zeros((parts, layers, len(kept), heads, width, size))
    for row, own in enumerate(kept):
        if own is not None:
            mine = own.states[..., :width, :]
            states[:, :, row, :, : mine.shape[3]] = mine
    keys, values = states.unbind()
    return Cache(layers=[_Layer(keys[n], values[n]) for n in range(layers)])
