"""What a student has written: token ids with the numbers of each token."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from elad_exp.student.draws import Drawn


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


class Sheet:
    """Room for so many sequences of at most so many tokens, filled as they are written.

    Args:
        sequences: Their number.
        width: Most tokens of each, the end token included.
        eos_id: Ends a sequence.
        device: Where the model is.
    """

    def __init__(self, sequences: int, width: int, *, eos_id: int, device: torch.device) -> None:
        self.eos_id = eos_id
        self.tokens = torch.full((sequences, width), eos_id, device=device)
        self.logprobs, self.entropies = torch.zeros(2, sequences, width, device=device)

    def put(self, rows: Tensor, at: Tensor | int, drawn: Drawn) -> None:
        """Write one token of each of the sequences `rows`, at place `at` of its sequence.

        What comes after an end token does not count.
        """
        self.tokens[rows, at] = drawn.tokens
        self.logprobs[rows, at], self.entropies[rows, at] = drawn.logprobs, drawn.entropies

    def sequences(self) -> list[Generated]:
        """All of them, each up to its first end token."""
        found = []
        columns = (self.tokens.tolist(), self.logprobs.tolist(), self.entropies.tolist())
        for row, lp, h in zip(*columns, strict=True):
            finished = self.eos_id in row
            n = row.index(self.eos_id) if finished else len(row)
            found.append(Generated(row[:n], lp[:n], h[:n], finished))
        return found
