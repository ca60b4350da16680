"""Keys and values of prompts, once each, and of what every row has written after its prompt.

The library's dynamic cache copies all keys and values for every new token, and holds a prompt
once for each of its samples. Here new ones are written in place, and the samples of a prompt
multiply their queries with its keys together (Juravsky et al. 2024, "Hydragen").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import proxy

import torch
from torch import Tensor
from transformers import AttentionInterface
from transformers.cache_utils import Cache, CacheLayerMixin
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from elad_exp.errors import ConfigError

# Room made at a time. Little, because processors read dense rows faster than rows with gaps.
CHUNK = 16
SHARED = "elad_exp_shared_prompts"
"""Name of the attention that reads a `PromptCache`, for `set_attn_implementation`."""


class _Layer(CacheLayerMixin):  # type: ignore[misc]
    """One layer: `prompt_*` are (prompts, heads, width, size), `keys` and `values` of the rows
    (rows, heads, capacity, size), of which the first `length` are used.
    """

    def __init__(self, cache: PromptCache) -> None:
        super().__init__()
        # Weakly: in a circle, a batch's keys would stay until the collector happens to come by.
        self.cache = proxy(cache)
        self.prompt_keys: Tensor
        self.prompt_values: Tensor
        self.keys: Tensor
        self.values: Tensor
        self.length = self.rows = 0

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        _, heads, _, size = key_states.shape
        shape = (self.cache.prompts, heads, self.cache.width, size)
        # Zeros, because what is masked is multiplied by 0, which a NaN survives.
        self.prompt_keys, self.prompt_values = key_states.new_zeros((2, *shape)).unbind()
        self.keys = self.values = key_states.new_empty((0, heads, 0, size))
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        new = key_states.shape[2]
        if self.cache.reading is not None:
            own = (self.cache.reading, slice(None), slice(self.cache.width - new, None))
            self.prompt_keys[own], self.prompt_values[own] = key_states, value_states
            return key_states, value_states
        end = self.length + new
        if end > self.keys.shape[2]:
            self._grow(len(key_states), end + CHUNK)
        self.keys[: self.rows, :, self.length : end] = key_states
        self.values[: self.rows, :, self.length : end] = value_states
        self.length = end
        return self.keys[: self.rows, :, :end], self.values[: self.rows, :, :end]

    def _grow(self, rows: int, capacity: int) -> None:
        for name in ("keys", "values"):
            old: Tensor = getattr(self, name)
            new = old.new_empty((rows, old.shape[1], capacity, old.shape[3]))
            new[: self.rows, :, : self.length] = old[: self.rows, :, : self.length]
            setattr(self, name, new)
        self.rows = rows

    def of(self, row: int, prompt: int) -> Tensor:
        """(2, heads, width + written, size): keys and values of a row after those of its prompt."""
        found = torch.stack([self.prompt_keys[prompt], self.prompt_values[prompt]])
        if not self.length:
            return found
        written = (self.keys[row, :, : self.length], self.values[row, :, : self.length])
        return torch.cat([found, torch.stack(written)], dim=2)

    def keep(self, rows: Tensor, prompts: Tensor | None) -> None:
        if self.length:  # without, rows have ended at their first token, and there is no buffer
            used = slice(None, self.length)
            for buffer in (self.keys, self.values):
                buffer[: len(rows), :, used] = buffer[rows, :, used]
            self.rows = len(rows)
        if prompts is not None:
            self.prompt_keys = self.prompt_keys[prompts]
            self.prompt_values = self.prompt_values[prompts]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0

    def get_seq_length(self) -> int:
        return self.length if self.cache.reading is not None else self.cache.width + self.length

    def get_max_length(self) -> int:
        return -1


@dataclass(frozen=True, slots=True)
class Places:
    """Which rows continue which prompt.

    `rows` is (prompts, most rows of a prompt), filled up with any row; `places` says for each
    row where in that it stands.
    """

    rows: Tensor
    places: Tensor

    @classmethod
    def of(cls, owners: Tensor) -> Places:
        """Of the number of every row's prompt: increasing, none left out."""
        counts = owners.bincount()
        first = counts.cumsum(0) - counts
        offset = torch.arange(len(owners), device=owners.device) - first[owners]
        most = int(counts.max())
        rows = torch.zeros(len(counts), most, dtype=torch.long, device=owners.device)
        rows[owners, offset] = torch.arange(len(owners), device=owners.device)
        return cls(rows, owners * most + offset)


class PromptCache(Cache):  # type: ignore[misc]
    """Filled by reading all prompts, a part at a time, then by one token of every row at a time.

    Args:
        layers: Number of the model's layers.
        prompts: Number of prompts.
        width: Tokens of the longest; shorter ones stand at the right.
    """

    def __init__(self, layers: int, *, prompts: int, width: int) -> None:
        self.prompts, self.width = prompts, width
        self.reading: slice | None = slice(0, 0)
        self.owners: Tensor
        self.places: Places
        self.mask: Tensor | None = None
        super().__init__(layers=[_Layer(self) for _ in range(layers)])

    def start(self, owners: Tensor, mask: Tensor | None) -> None:
        """All prompts are read.

        Args:
            owners: (rows,) number of the prompt that each row continues; increasing.
            mask: (prompts, 1, 1, width), added to the scores of a prompt's tokens.
        """
        self.reading, self.mask = None, mask
        self.owners, self.places = owners, Places.of(owners)

    def of(self, row: int) -> Tensor:
        """(2, layers, heads, width + written, size): keys and values of a row, its prompt's first,
        which stands at the right of its `width`.
        """
        prompt = int(self.owners[row])
        return torch.stack([layer.of(row, prompt) for layer in self.layers], dim=1)

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows (increasing indices), and the prompts that they continue."""
        left, self.owners = torch.unique(self.owners[rows], return_inverse=True)
        prompts = left if len(left) < self.prompts else None
        for layer in self.layers:
            layer.keep(rows, prompts)
        if prompts is not None and self.mask is not None:
            self.mask = self.mask[prompts]
        self.prompts, self.places = len(left), Places.of(self.owners)


def shared_prompt_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float | None = None,
    prompts: PromptCache | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention of one new token in every row to its prompt and to what the row has written.

    While prompts are read it is the library's.

    Args:
        module: The attention layer.
        query: (rows, heads, 1, size).
        key: (rows, key heads, written, size), the new token's last.
        value: As `key`.
        attention_mask: Of the prompts while they are read.
        scaling: Of the scores; None for one over the root of the size.
        prompts: The cache, given to the model's forward call.
        kwargs: Passed on while prompts are read.

    Raises:
        ConfigError: The layer needs what this attention does not compute.
    """
    if prompts is None:
        # It would attend to what the row has written alone, and nobody would notice.
        raise ConfigError(
            f"student: models of type {module.config.model_type} do not hand the cache on to their "
            "attention, so their samples cannot share prompts; choose another student, e.g. of "
            "type llama, qwen2, qwen3, gpt2, gpt_neox or olmo2"
        )
    _check(prompts, key.shape[2], kwargs)
    if prompts.reading is not None:
        return sdpa_attention_forward(  # type: ignore[no-any-return]
            module, query, key, value, attention_mask, scaling=scaling, **kwargs
        )
    layer, places = prompts.layers[module.layer_idx], prompts.places
    count, most = places.rows.shape
    n, heads, _, size = query.shape
    shared, group = key.shape[1], heads // key.shape[1]
    q = query.reshape(n, shared, group, size) * (size**-0.5 if scaling is None else scaling)

    def by_prompt(rows: Tensor) -> Tensor:
        """(rows, key heads, group, x) -> (prompts, key heads, most * group, x)"""
        return rows[places.rows].transpose(1, 2).reshape(count, shared, most * group, -1)

    def by_row(grouped: Tensor) -> Tensor:
        parts = grouped.view(count, shared, most, group, -1).transpose(1, 2)
        return parts.reshape(count * most, shared, group, -1)[places.places]

    before = by_prompt(q) @ layer.prompt_keys.transpose(2, 3)
    if prompts.mask is not None:
        before = before + prompts.mask
    scores = torch.cat([by_row(before), q @ key.transpose(2, 3)], dim=-1)
    p = torch.softmax(scores, dim=-1, dtype=torch.float32).to(value.dtype)
    written = p[..., prompts.width :] @ value
    out = by_row(by_prompt(p[..., : prompts.width]) @ layer.prompt_values) + written
    return out.reshape(n, 1, heads, size), None


def _check(prompts: PromptCache, written: int, extras: dict[str, Any]) -> None:
    for name in ("softcap", "s_aux", "position_bias"):
        if extras.get(name) is not None:
            raise ConfigError(
                f"student: its attention uses {name}, which shared prompts cannot; choose another "
                "student, e.g. of type llama, qwen2, qwen3, gpt2, gpt_neox or olmo2"
            )
    window = extras.get("sliding_window")
    length = prompts.width + (written if prompts.reading is None else 0)
    if window is not None and length > window:
        raise ConfigError(
            f"student: its attention looks back {window} tokens, but prompt and explanation have "
            f"{length}; set student.max_length={window} or less"
        )


AttentionInterface.register(SHARED, shared_prompt_attention)
