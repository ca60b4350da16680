"""The decode loop: token ids in; token ids, log-probabilities and entropies out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from elad_exp.student.cache import SHARED, PromptCache
from elad_exp.student.draws import next_tokens
from elad_exp.student.generated import Generated, Sheet
from elad_exp.student.kept import Shelf

# Finished rows are dropped once this share of a batch has finished: dropping copies the cache.
DROP_SHARE = 0.2
READ_TOKENS = 8192
"""Prompt tokens read together."""


def left_padded(rows: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor, Tensor]:
    """Ids, positions, and which entries are real: (rows, longest) each."""
    width = max(map(len, rows))
    ids = torch.tensor([[*[pad_id] * (width - len(row)), *row] for row in rows])
    padding = torch.tensor([width - len(row) for row in rows])[:, None]
    positions = torch.arange(width)[None] - padding
    return ids, positions.clamp(min=0), positions >= 0


def additive(allowed: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where attention is allowed, the lowest number of `dtype` where it is not."""
    mask = torch.zeros(allowed.shape, dtype=dtype, device=allowed.device)
    return mask.masked_fill_(~allowed, torch.finfo(dtype).min)


@torch.inference_mode()
def generate(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    eos_id: int,
    pad_id: int,
    max_new_tokens: int,
    k: int = 1,
    temperature: float = 0.0,
    uniforms: Tensor | None = None,
    greedy: bool = False,
    shelf: Shelf | None = None,
    poll: Callable[[], None] = lambda: None,
) -> list[Generated]:
    """Continue every prompt `k` times; the sequences of a prompt share its prefill.

    Args:
        model: A decoder-only language model in eval mode.
        prompts: Token ids, none empty.
        eos_id: Ends a sequence.
        pad_id: Fills on the left; never attended to.
        max_new_tokens: Limit for each sequence, the end token included.
        k: Sequences per prompt.
        temperature: 0 takes the most probable token.
        uniforms: Numbers in [0, 1), (prompts * k, max_new_tokens): one per token to draw, so
            that a draw depends on its own sequence only. Needed when `temperature` > 0.
        greedy: The first sequence of each prompt takes the most probable tokens all the same.
        shelf: For these prompts and `k`; takes the keys of each prompt's first sequence.
        poll: Called before every forward pass; may raise.

    Returns:
        `k` sequences of the first prompt, then of the second, and so on.
    """
    device = model.device
    total = len(prompts) * k
    sheet = Sheet(total, max_new_tokens, eos_id=eos_id, device=device)
    uniforms = None if uniforms is None else uniforms.to(device)
    rows = torch.arange(total, device=device)  # which sequence each row of the batch is
    first = rows % k == 0 if greedy else torch.zeros(total, dtype=torch.bool, device=device)
    running = torch.ones(total, dtype=torch.bool, device=device)
    position = torch.tensor([len(p) for p in prompts], device=device)[rows // k][:, None]
    with _attention(model):
        logits, cache = _read(model, prompts, pad_id=pad_id, k=k, poll=poll)
        for step in range(max_new_tokens):
            drawn = next_tokens(
                logits,
                temperature=temperature,
                uniforms=None if uniforms is None else uniforms[rows, step],
                greedy=first[rows],
            )
            token = drawn.tokens.where(running, eos_id)
            sheet.put(rows, step, drawn)
            running &= token != eos_id
            left = int(running.sum())
            if left == 0 or step == max_new_tokens - 1:
                if shelf is not None:
                    shelf.take(cache, rows, torch.ones_like(running))
                break
            if left <= (1 - DROP_SHARE) * len(rows):
                if shelf is not None:
                    shelf.take(cache, rows, ~running)
                kept = running.nonzero()[:, 0]
                rows, token, position = rows[kept], token[kept], position[kept]
                running = running[kept]
                cache.keep(kept)
            poll()
            logits = _forward(model, token[:, None], position, None, cache)
            position = position + 1
    return sheet.sequences()


@contextmanager
def _attention(model: Any) -> Iterator[None]:
    """The model attends to prompts that its rows share."""
    before = model.config._attn_implementation
    model.set_attn_implementation(SHARED)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def _read(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    pad_id: int,
    k: int,
    poll: Callable[[], None],
) -> tuple[Tensor, PromptCache]:
    """Read the prompts, some at a time: their activations take more room than their keys.

    Returns:
        The logits that each of the `k` rows of each prompt begins with, and the cache.
    """
    device, width = model.device, max(map(len, prompts))
    cache = PromptCache(model.config.num_hidden_layers, prompts=len(prompts), width=width)
    found = []
    for start, stop in _parts(prompts):
        poll()
        ids, positions, real = (t.to(device) for t in left_padded(prompts[start:stop], pad_id))
        mask = None
        if not bool(real.all()):
            n = ids.shape[1]
            causal = torch.ones(n, n, dtype=torch.bool, device=device).tril()
            own = torch.eye(n, dtype=torch.bool, device=device)  # padding attends to itself
            mask = additive((causal & real[:, None] | own)[:, None], model.dtype)
        cache.reading = slice(start, stop)
        found.append(_forward(model, ids, positions, mask, cache))
    owners = torch.arange(len(prompts), device=device).repeat_interleave(k)
    real = left_padded(prompts, pad_id)[2].to(device)
    mask = None if bool(real.all()) else additive(real[:, None, None], model.dtype)
    cache.start(owners, mask)
    return torch.cat(found).repeat_interleave(k, dim=0), cache


def _parts(prompts: Sequence[Sequence[int]]) -> Iterator[tuple[int, int]]:
    """Ranges of prompts with up to `READ_TOKENS` tokens, padding included."""
    start, longest = 0, 0
    for i, prompt in enumerate(prompts):
        longest = max(longest, len(prompt))
        if i > start and longest * (i + 1 - start) > READ_TOKENS:
            yield start, i
            start, longest = i, len(prompt)
    yield start, len(prompts)


def _forward(
    model: Any, ids: Tensor, positions: Tensor, mask: Tensor | None, cache: PromptCache
) -> Tensor:
    out = model(
        input_ids=ids,
        position_ids=positions,
        attention_mask=mask,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
        prompts=cache,
    )
    logits: Tensor = out.logits[:, -1]
    return logits
