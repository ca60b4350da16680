"""Which answers are forced after which steps, as continuations that the student scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from elad_exp.data.collate import target_ids
from elad_exp.protocols import Task
from elad_exp.student.base import Item
from elad_exp.student.forced import Asking, continuations
from elad_exp.types import Explanation

SAMPLES_TOGETHER = 256
"""So many samples' forced answers are laid out at a time, which takes memory of its own."""


def parts(items: Sequence[Item]) -> Iterator[list[int]]:
    """Numbers of the items of so many samples at a time, in order of the samples' ids."""
    own: dict[str, list[int]] = {}
    for i, (sample, _) in enumerate(items):
        own.setdefault(sample.id, []).append(i)
    ids = sorted(own)
    for start in range(0, len(ids), SAMPLES_TOGETHER):
        yield [i for id_ in ids[start : start + SAMPLES_TOGETHER] for i in own[id_]]


def lay_out(
    items: Sequence[Item],
    labels: Sequence[tuple[str, ...]],
    prompts: Mapping[str, Sequence[int]],
    asked: Sequence[Asking],
    *,
    task: Task,
    tokenizer: Any,
    most: int,
) -> list[tuple[int, list[int]]]:
    """Add the continuations of all items to what is asked.

    Args:
        items: Samples, and the steps after which they are answered.
        labels: Of each item.
        prompts: Token ids by id of a sample.
        asked: For each prompt.
        task: Makes targets.
        tokenizer: Of the student.
        most: Tokens that an item may have with its answer.

    Returns:
        For each item which of `asked` it is part of, and the numbers of the scores that it needs:
        none if it has too many tokens.
    """
    targets = iter(
        target_ids(
            tokenizer,
            [
                task.target(sample, Explanation.of(steps, label))
                for (sample, steps), names in zip(items, labels, strict=True)
                for label in names
            ],
        )
    )
    numbers = {id_: n for n, id_ in enumerate(prompts)}
    where = []
    for (sample, _), names in zip(items, labels, strict=True):
        prompt, n = prompts[sample.id], numbers[sample.id]
        own = continuations([[*prompt, *next(targets)] for _ in names])
        fits = max(len(c.context) + len(c.tokens) for c in own) <= most
        where.append((n, [asked[n].add(c) for c in own] if fits else []))
    return where


def distributions(
    labels: Sequence[tuple[str, ...]],
    scores: Mapping[int, Sequence[float]],
    where: Sequence[tuple[int, list[int]]],
) -> list[dict[str, float]]:
    """Probabilities of every item's labels; `{}` where nothing was asked.

    Args:
        labels: Of each item.
        scores: Log-probabilities of the continuations of each of what was asked.
        where: As `lay_out` returns it.
    """
    found: list[dict[str, float]] = []
    for names, (n, numbers) in zip(labels, where, strict=True):
        if not numbers:
            found.append({})
            continue
        values = torch.tensor([scores[n][i] for i in numbers], dtype=torch.float64)
        found.append(dict(zip(names, values.softmax(dim=0).tolist(), strict=True)))
    return found
