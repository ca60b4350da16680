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


@given(st.sampled_from([0.0, 0.01, 0.1, 0.25, 0.5, 0.9, 0.99]), st.integers(2, 16))
def test_each_batch_has_its_share_of_earlier_ones_and_one_of_each(review: float, size: int) -> None:
    many = [False] * 7 + [True] * 16
    for batch in batches(many, review=review, batch_size=size):
        earlier = sum(not many[i] for i in batch)
        assert len(batch) == size
        if review == 0:
            assert earlier == 0
        else:
            assert 1 <= earlier <= size - 1
            assert abs(earlier - review * size) <= 0.5 or earlier in (1, size - 1)


@pytest.mark.parametrize("few", [1, 3, 7])
def test_few_new_ones_stand_in_a_batch_once_and_the_rest_is_review(few: int) -> None:
    new = [False] * 30 + [True] * few
    for batch in batches(new, review=0.5, batch_size=16, steps=60):
        counts = Counter(batch)
        assert [counts[i] for i in range(30, 30 + few)] == [1] * few
        assert len(batch) == 16


def test_without_review_there_is_none_however_few_are_new() -> None:
    assert {i for batch in batches([False, False, True], review=0.0) for i in batch} == {2}


def test_where_new_ones_suffice_draws_are_those_of_measured_runs() -> None:
    new = [False] * 6 + [True] * 8
    expected = [[10, 9, 5, 2], [13, 12, 1, 0], [6, 7, 4, 3]]
    assert batches(new, review=0.5, batch_size=4, steps=3) == expected


def test_all_of_a_kind_come_before_one_comes_again() -> None:
    drawn = [i for batch in batches([False] * 7 + [True] * 10) for i in batch]
    new = [i for i in drawn if i >= 7]
    assert [sorted(new[k : k + 10]) for k in range(0, 60, 10)] == [list(range(7, 17))] * 6
    assert max(Counter(i for i in drawn if i < 7).values()) == 3


@pytest.mark.parametrize("new", [[True] * 3, [False] * 3])
def test_one_kind_alone_fills_the_batches(new: list[bool]) -> None:
    assert {i for batch in batches(new) for i in batch} == {0, 1, 2}


def test_rounds_and_seeds_differ() -> None:
    assert batches() != batches(round=3)
    assert batches() != batches(seed=1)


def test_no_examples_are_an_error() -> None:
    with pytest.raises(ValueError, match="round 2: no examples"):
        batches([])
