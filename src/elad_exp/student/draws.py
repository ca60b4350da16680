"""From logits to the next token: what is drawn, how probable it was, how uncertain the choice."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# Numbers looked at together: on a processor so few that they stay in its cache.
_PIECE = 2**20
_PIECE_GPU = 2**27
_BLOCK = 256
_LOWEST = -1e4  # its exponential is 0, and so is its share of the entropy


@dataclass(frozen=True, slots=True)
class Drawn:
    """Per row: token, its log-probability and the entropy (nats) of the model's distribution."""

    tokens: Tensor
    logprobs: Tensor
    entropies: Tensor

    def of(self, rows: Tensor) -> Drawn:
        """Of some of the rows."""
        return Drawn(self.tokens[rows], self.logprobs[rows], self.entropies[rows])


def next_tokens(
    logits: Tensor, *, temperature: float = 0.0, uniforms: Tensor | None = None, greedy: Tensor
) -> Drawn:
    """Draw a token for every row; the numbers are those of temperature 1.

    Args:
        logits: (rows, vocabulary).
        temperature: Of the draws; 0 takes the most probable token in every row.
        uniforms: (rows,) in [0, 1): the draw is where the cumulative distribution passes it.
            Needed when `temperature` > 0.
        greedy: (rows,) which rows take the most probable token all the same.
    """
    piece = _PIECE_GPU if logits.is_cuda else _PIECE
    rows, vocabulary = logits.shape
    width = -(-vocabulary // _BLOCK) * _BLOCK
    step = max(1, piece // width)
    tokens = torch.empty(rows, dtype=torch.long, device=logits.device)
    logprobs, entropies = torch.empty(2, rows, device=logits.device)
    shifted = torch.full((min(step, rows), width), _LOWEST, device=logits.device)
    weights = torch.empty_like(shifted)
    for start in range(0, rows, step):
        part = slice(start, min(start + step, rows))
        x, w = shifted[: part.stop - start], weights[: part.stop - start]
        x[:, :vocabulary] = logits[part]
        top, token = x.max(dim=-1)
        x.sub_(top[:, None]).clamp_(min=_LOWEST)
        torch.exp(x, out=w)
        log_total = w.sum(dim=-1).log()
        entropies[part] = log_total - torch.linalg.vecdot(w, x) * (-log_total).exp()
        if temperature > 0:
            assert uniforms is not None
            if temperature != 1:
                torch.exp(torch.mul(x, 1 / temperature, out=w), out=w)
            token = token.where(greedy[part], _located(w, uniforms[part]))
        tokens[part] = token
        logprobs[part] = x.gather(1, token[:, None])[:, 0] - log_total
    return Drawn(tokens, logprobs, entropies.clamp_(min=0))


def _located(weights: Tensor, uniforms: Tensor) -> Tensor:
    """(rows,): where the cumulative sum of the weights passes `uniforms` of their total.

    First the block of columns, then the column in it. Levels stay below what they are compared
    with, so that a column without weight is never found.
    """
    blocks = weights.view(len(weights), -1, _BLOCK)
    sums = blocks.sum(dim=-1).cumsum(dim=-1)
    level = (uniforms * (1 - 1e-6) * sums[:, -1])[:, None]
    # The bounds matter for what is not a number only, which is for others to complain of.
    block = torch.searchsorted(sums, level, right=True).clamp(max=blocks.shape[1] - 1)
    before = torch.where(block > 0, sums.gather(1, (block - 1).clamp(min=0)), 0.0)
    inner = blocks[torch.arange(len(weights), device=weights.device), block[:, 0]].cumsum(dim=-1)
    rest = torch.minimum(level - before, inner[:, -1:] * (1 - 1e-6)).clamp(min=0)
    column = torch.searchsorted(inner, rest, right=True).clamp(max=_BLOCK - 1)
    return (block * _BLOCK + column)[:, 0]
