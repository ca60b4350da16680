"""The decode loop: token ids in; token ids, log-probabilities and entropies out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from elad_exp.student.cache import CHUNK, PreallocatedCache

# Finished rows are dropped once this share of a batch has finished: dropping copies the cache.
DROP_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Generated:
    """One generated sequence without its end token.

    `logprobs` and `entropies` are per token, in nats, of the model's own distribution whatever
    the sampling temperature was. `finished`: the end token came before the limit.
    """

    ids: list[int]
    logprobs: list[float]
    entropies: list[float]
    finished: bool


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
    poll: Callable[[], None] = lambda: None,
) -> list[Generated]:
    """Continue every prompt `k` times; the samples of a prompt share its prefill.

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
        poll: Called before every forward pass; may raise.

    Returns:
        `k` sequences of the first prompt, then of the second, and so on.
    """
    device, dtype = model.device, model.dtype
    ids, positions, real = (t.to(device) for t in left_padded(prompts, pad_id))
    width = ids.shape[1]
    uniforms = None if uniforms is None else uniforms.to(device)
    cache = PreallocatedCache(model.config.num_hidden_layers)
    prefill_mask, decode_mask = None, None
    if not bool(real.all()):
        causal = torch.ones(width, width, dtype=torch.bool, device=device).tril()
        own = torch.eye(width, dtype=torch.bool, device=device)  # padding attends to itself
        prefill_mask = additive((causal & real[:, None] | own)[:, None], dtype)
        real = real.repeat_interleave(k, dim=0)
        later = torch.ones(len(real), max_new_tokens, dtype=torch.bool, device=device)
        decode_mask = additive(torch.cat([real, later], dim=1)[:, None, None], dtype)
    poll()
    logits = _forward(model, ids, positions, prefill_mask, cache)
    cache.expand(k, width + CHUNK)
    logits = logits.repeat_interleave(k, dim=0)
    position = (positions[:, -1:] + 1).repeat_interleave(k, dim=0)

    total = len(prompts) * k
    tokens = torch.full((total, max_new_tokens), eos_id, device=device)
    logprobs = torch.zeros(total, max_new_tokens, device=device)
    entropies = torch.zeros(total, max_new_tokens, device=device)
    rows = torch.arange(total, device=device)  # which sequence each row of the batch is
    running = torch.ones(total, dtype=torch.bool, device=device)
    for step in range(max_new_tokens):
        logp = torch.log_softmax(logits.float(), dim=-1)
        if temperature > 0:
            assert uniforms is not None
            token = _draw(logp, temperature, uniforms[rows, step])
        else:
            token = logp.argmax(dim=-1)
        token = token.where(running, eos_id)
        tokens[rows, step] = token
        logprobs[rows, step] = logp.gather(1, token[:, None])[:, 0]
        entropies[rows, step] = torch.special.entr(logp.exp_()).sum(dim=-1)
        running &= token != eos_id
        left = int(running.sum())
        if left == 0 or step == max_new_tokens - 1:
            break
        if left <= (1 - DROP_SHARE) * len(rows):
            kept = running.nonzero()[:, 0]
            rows, token, position = rows[kept], token[kept], position[kept]
            running = running[kept]
            decode_mask = None if decode_mask is None else decode_mask[kept]
            cache.keep(kept)
        poll()
        mask = None if decode_mask is None else decode_mask[..., : width + step + 1]
        logits = _forward(model, token[:, None], position, mask, cache)
        position = position + 1
    return _sequences(tokens, logprobs, entropies, eos_id)


def _forward(
    model: Any, ids: Tensor, positions: Tensor, mask: Tensor | None, cache: PreallocatedCache
) -> Tensor:
    out = model(
        input_ids=ids,
        position_ids=positions,
        attention_mask=mask,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    logits: Tensor = out.logits[:, -1]
    return logits


def _draw(logp: Tensor, temperature: float, uniform: Tensor) -> Tensor:
    """Inverse of the cumulative distribution at `uniform`."""
    p = torch.softmax(logp / temperature, dim=-1) if temperature != 1 else logp.exp()
    cumulative = p.cumsum(dim=-1, dtype=torch.float32)
    # Scaled by the rounded total, and below it, so that a token with probability 0 is never drawn.
    level = (uniform * (1 - 1e-6) * cumulative[:, -1])[:, None]
    return torch.searchsorted(cumulative, level, right=True)[:, 0].clamp(max=p.shape[1] - 1)


def _sequences(tokens: Tensor, logprobs: Tensor, entropies: Tensor, eos_id: int) -> list[Generated]:
    found = []
    for row, lp, h in zip(tokens.tolist(), logprobs.tolist(), entropies.tolist(), strict=True):
        finished = eos_id in row
        n = row.index(eos_id) if finished else len(row)
        found.append(Generated(row[:n], lp[:n], h[:n], finished))
    return found
