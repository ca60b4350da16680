"""Batches by tokens, and what happens when memory runs out."""

from __future__ import annotations

import logging

import pytest
import torch

from elad_exp.errors import EladError
from elad_exp.student.batches import Batches, out_of_memory

CPU = "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes."


class Machine:
    """Holds so many tokens at a time."""

    def __init__(self, room: int, error: Exception) -> None:
        self.room, self.error = room, error
        self.done: list[int] = []
        self.tried: list[int] = []

    def work(self, batch: list[int]) -> None:
        self.tried.append(len(batch))
        if len(batch) * 10 > self.room:
            raise self.error
        self.done += batch


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError(CPU), MemoryError()]
)
def test_out_of_memory_halves_the_batches_and_goes_on(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    machine, batches = Machine(30, error), Batches(160)
    with caplog.at_level(logging.WARNING):
        batches.run(range(20), [10] * 20, machine.work)
    assert machine.done == list(range(20))
    assert machine.tried == [16, 8, 4, *[2] * 10]
    assert batches.tokens == 20
    assert "student.tokens_per_batch=20" in caplog.text
    batches.run(range(4), [10] * 4, machine.work)
    assert machine.tried[-2:] == [2, 2]


def test_a_single_item_that_is_too_large_is_an_error_that_says_what_to_lower() -> None:
    machine = Machine(5, MemoryError())
    with pytest.raises(
        EladError, match=r"10 tokens.*lower student\.max_length.*selection\.samples"
    ):
        Batches(160).run(range(3), [10] * 3, machine.work)


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    machine, batches = Machine(5, RuntimeError("shapes do not match")), Batches(160)
    with pytest.raises(RuntimeError, match="shapes"):
        batches.run(range(3), [10] * 3, machine.work)
    assert batches.tokens == 160
    assert not out_of_memory(ValueError("memory"))
