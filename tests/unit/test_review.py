"""Batches of new and of earlier examples."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elad_exp.data.review import ReviewBatches

NEW = [False] * 7 + [True] * 5


def batches(new: list[bool] = NEW, **changes) -> list[list[int]]:
    options = {"review": 0.25, "batch_size": 8, "steps": 10, "seed": 0, "round": 2}
    made = ReviewBatches(new, **(options | changes))
    found = list(made)
    assert len(found) == len(made)
    assert found == list(made)
    return found


@given(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9]), st.integers(1, 16))
def test_each_batch_has_its_share_of_earlier_ones(review: float, size: int) -> None:
    for batch in batches(review=review, batch_size=size):
        earlier = sum(not NEW[i] for i in batch)
        assert len(batch) == size
        assert abs(earlier - review * size) <= 0.5


def test_all_of_a_kind_come_before_one_comes_again() -> None:
    new = [i for batch in batches() for i in batch if NEW[i]]
    assert [sorted(new[k : k + 5]) for k in range(0, 60, 5)] == [[7, 8, 9, 10, 11]] * 12
    assert max(Counter(i for b in batches() for i in b if not NEW[i]).values()) == 3


@pytest.mark.parametrize("new", [[True] * 3, [False] * 3])
def test_one_kind_alone_fills_the_batches(new: list[bool]) -> None:
    assert {i for batch in batches(new) for i in batch} == {0, 1, 2}


def test_rounds_and_seeds_differ() -> None:
    assert batches() != batches(round=3)
    assert batches() != batches(seed=1)


def test_no_examples_are_an_error() -> None:
    with pytest.raises(ValueError, match="round 2: no examples"):
        batches([])
