"""Actions of rank 0 whose outcome all ranks must share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import lightning as L

T = TypeVar("T")


def on_rank_zero(trainer: L.Trainer, action: Callable[[], T]) -> T:
    """Run `action` on rank 0 and give its result to every rank.

    An exception on rank 0 alone would leave the others waiting at the next barrier; so the
    outcome is broadcast first, and then all go on or all raise.
    """
    if trainer.world_size == 1:
        return action()
    outcome: tuple[str, object] = ("ok", None)
    if trainer.is_global_zero:
        try:
            outcome = ("ok", action())
        except Exception as error:  # boundary: every rank must learn of it
            outcome = ("err", error)
    kind, value = trainer.strategy.broadcast(outcome, src=0)
    if kind == "err":
        assert isinstance(value, Exception)
        raise value
    return cast(T, value)
