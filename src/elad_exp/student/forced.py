"""Forced answers: which label a student prefers after a given explanation, without generating.

All prefixes of a sample's explanation share one forward pass: their token sequences are laid out
as a tree, in which a token attends to its ancestors and has its depth as position.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from elad_exp.student.generate import additive
from elad_exp.student.kept import Kept, past

FORCED_ANSWER_TOKENS = 32
"""Room for a forced answer: its line, and the end token, after the longest explanation."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """Tokens whose probability is asked after `context`, all of them together one label."""

    context: tuple[int, ...]
    tokens: tuple[int, ...]


def continuations(sequences: Sequence[Sequence[int]]) -> list[Continuation]:
    """What must be scored to compare complete targets that differ in their label.

    The tokens in common say nothing about the label. If the next ones differ, they decide;
    otherwise whole remainders are compared, end token included.

    Args:
        sequences: Token ids of prompt and target for each label, each ending with the end token.
    """
    common = 0
    for column in zip(*sequences, strict=False):
        if len(set(column)) > 1:
            break
        common += 1
    if len({tuple(s[common : common + 1]) for s in sequences}) == len(sequences):
        return [Continuation(tuple(s[:common]), tuple(s[common : common + 1])) for s in sequences]
    return [Continuation(tuple(s[:common]), tuple(s[common:])) for s in sequences]


class Asking(Protocol):
    """Continuations whose probability is asked; its length is how many tokens that takes."""

    def __len__(self) -> int: ...

    def add(self, continuation: Continuation) -> int:
        """Add what `continuation` needs; returns its number among the scores."""
        ...


class TokenTree:
    """Token sequences that share beginnings, as one tree.

    Args:
        kept: What the model knows already; those tokens are not read again.
    """

    def __init__(self, kept: Kept | None = None) -> None:
        self.kept = kept
        self.tokens: list[int] = []
        self.parents: list[int] = []
        self.depths: list[int] = []
        self._children: dict[tuple[int, int], int] = {}
        self._asked: dict[int, None] = {}
        self.scored: list[list[tuple[int, int]]] = []

    def __len__(self) -> int:
        return len(self.tokens)

    def add(self, continuation: Continuation) -> int:
        """Add what `continuation` needs; returns its number in `scored`."""
        node = -1
        for token in continuation.context:
            node = self._child(node, token)
        edges = []
        for i, token in enumerate(continuation.tokens):
            edges.append((node, token))
            self._asked[node] = None
            if i + 1 < len(continuation.tokens):
                node = self._child(node, token)
        self.scored.append(edges)
        return len(self.scored) - 1

    def _child(self, parent: int, token: int) -> int:
        node = self._children.get((parent, token))
        if node is None:
            node = self._children[parent, token] = len(self.tokens)
            self.tokens.append(token)
            self.parents.append(parent)
            self.depths.append(self.depths[parent] + 1 if parent >= 0 else 0)
        return node

    @property
    def asked(self) -> list[int]:
        """Nodes whose next-token distribution is needed."""
        return list(self._asked)

    def known(self) -> dict[int, int]:
        """Nodes that need not be read again, and their places in what is kept."""
        found: dict[int, int] = {}
        node = -1
        for place, token in enumerate(self.kept.tokens if self.kept else ()):
            child = self._children.get((node, token))
            if child is None:
                break
            node = child
            if node not in self._asked:
                found[node] = place
        return found

    def order(self, known: Collection[int] = ()) -> list[int]:
        """Nodes to read, those whose distribution is needed last: logits are computed for these
        only.

        Any order is right, because mask and positions carry the structure.
        """
        rest = (n for n in range(len(self)) if n not in self._asked and n not in known)
        return [*rest, *self.asked]

    def ancestors(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """(nodes, nodes): whether the column is the row's node or one of its ancestors."""
        seen = np.eye(len(self), dtype=bool)
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                seen[node] |= seen[parent]
        return seen


@torch.inference_mode()
def score_trees(
    model: Any,
    trees: Sequence[TokenTree],
    *,
    pad_id: int,
    poll: Callable[[], None] = lambda: None,
) -> list[list[float]]:
    """Log-probabilities (nats) of the continuations of every tree, in one forward pass."""
    poll()
    device = model.device
    known = [tree.known() for tree in trees]
    orders = [tree.order(own) for tree, own in zip(trees, known, strict=True)]
    before = max(1 + max(own.values(), default=-1) for own in known)
    width = max(map(len, orders))
    ids = torch.full((len(trees), width), pad_id)
    positions = torch.zeros_like(ids)
    allowed = torch.zeros(len(trees), width, before + width, dtype=torch.bool)
    allowed[:, :, before:] = torch.eye(width, dtype=torch.bool)
    places: list[dict[int, int]] = []
    for row, (tree, order) in enumerate(zip(trees, orders, strict=True)):
        start, ancestors = width - len(order), tree.ancestors()[order]
        ids[row, start:] = torch.tensor(tree.tokens)[order]
        positions[row, start:] = torch.tensor(tree.depths)[order]
        allowed[row, start:, before + start :] = torch.from_numpy(ancestors[:, order])
        for node, place in known[row].items():
            allowed[row, start:, place] = torch.from_numpy(ancestors[:, node])
        places.append({node: i - len(tree.asked) for i, node in enumerate(tree.asked)})
    out = model(
        input_ids=ids.to(device),
        position_ids=positions.to(device),
        attention_mask=additive(allowed[:, None].to(device), model.dtype),
        past_key_values=past([tree.kept for tree in trees], before) if before else None,
        use_cache=before > 0,
        logits_to_keep=max(len(tree.asked) for tree in trees),
    )
    logp: Tensor = torch.log_softmax(out.logits.float(), dim=-1)
    edges = [
        (row, logp.shape[1] + places[row][node], token)
        for row, tree in enumerate(trees)
        for scored in tree.scored
        for node, token in scored
    ]
    r, p, t = (torch.tensor(column, device=device) for column in zip(*edges, strict=True))
    values = iter(logp[r, p, t].tolist())
    return [[sum(next(values) for _ in scored) for scored in tree.scored] for tree in trees]
