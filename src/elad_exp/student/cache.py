"""A key-value cache that is written in place.

The library's dynamic cache copies all keys and values for every new token, which takes longer
than a small model's arithmetic; its static cache attends to the whole capacity at every step.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

# Room made at a time. Little, because processors read dense rows faster than rows with gaps.
CHUNK = 16


class _Layer(CacheLayerMixin):  # type: ignore[misc]
    """Keys and values of one layer: (rows, heads, capacity, head size), the first `length` used."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: Tensor
        self.values: Tensor
        self.length, self.rows = 0, 0

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        self.keys, self.values = key_states, value_states
        self.rows, self.length = key_states.shape[0], key_states.shape[2]
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            return self.keys, self.values
        end = self.length + key_states.shape[2]
        if end > self.keys.shape[2]:
            self.expand(1, end + CHUNK)
        self.keys[: self.rows, :, self.length : end] = key_states
        self.values[: self.rows, :, self.length : end] = value_states
        self.length = end
        return self.keys[: self.rows, :, :end], self.values[: self.rows, :, :end]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.length + query_length, 0

    def get_seq_length(self) -> int:
        return self.length

    def get_max_length(self) -> int:
        return -1

    def expand(self, repeats: int, capacity: int) -> None:
        self.rows *= repeats
        for name in ("keys", "values"):
            old: Tensor = getattr(self, name)
            old = old[: self.rows // repeats, :, : self.length]
            shape = (self.rows, old.shape[1], capacity, old.shape[3])
            new = torch.empty(shape, dtype=old.dtype, device=old.device)
            new[:, :, : self.length] = old.repeat_interleave(repeats, dim=0) if repeats > 1 else old
            setattr(self, name, new)

    def keep(self, rows: Tensor) -> None:
        used = slice(None, self.length)
        for buffer in (self.keys, self.values):
            buffer[: len(rows), :, used] = buffer[rows, :, used]
        self.rows = len(rows)


class PreallocatedCache(Cache):  # type: ignore[misc]
    """Keys and values of a batch; filled by one prefill, then by one token at a time.

    Args:
        layers: Number of the model's layers.
    """

    def __init__(self, layers: int) -> None:
        super().__init__(layers=[_Layer() for _ in range(layers)])

    def expand(self, repeats: int, capacity: int) -> None:
        """After prefill: repeat every row, and make room for `capacity` tokens a row."""
        for layer in self.layers:
            layer.expand(repeats, capacity)

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows (increasing indices); the others' memory is reused."""
        for layer in self.layers:
            layer.keep(rows)
