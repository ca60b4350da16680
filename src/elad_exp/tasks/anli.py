"""Adversarial NLI: premises and hypotheses in three rounds, each harder for the models before it.

Nie et al. 2020. The hub has the splits `train_r1`, `dev_r1`, `test_r1`, ... `test_r3`. A human
reason goes with every dev and test pair and with some of the training pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elad_exp.errors import ConfigError
from elad_exp.tasks.hub import HubTask

ROUNDS = (1, 2, 3)


class AnliTask(HubTask):
    """The chosen rounds of ANLI together.

    Args:
        rounds: Which rounds, of 1, 2 and 3.
        given: See `HubTask`, without `splits` and `layout`.

    Raises:
        ConfigError: A round is unknown, named twice, or none is named.
    """

    def __init__(self, *, rounds: Sequence[int] = ROUNDS, **given: Any) -> None:
        if not rounds or set(rounds) - set(ROUNDS) or len(set(rounds)) < len(rounds):
            raise ConfigError(f"dataset.rounds={list(rounds)}: name one or more of 1, 2, 3, once")
        super().__init__(layout="anli", splits=round_splits(rounds), **given)


def round_splits(rounds: Sequence[int] = ROUNDS) -> dict[str, list[str]]:
    """`pool`, `dev` and `test` -> the hub's names of `rounds`, such as `train_r1`."""
    parts = {"pool": "train", "dev": "dev", "test": "test"}
    return {split: [f"{part}_r{n}" for n in rounds] for split, part in parts.items()}
