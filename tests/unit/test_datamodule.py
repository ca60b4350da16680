"""Training batches of a round."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elad_exp.data.datamodule import RoundBatches


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=70),
    st.integers(1, 16),
    st.integers(1, 40),
    st.integers(0, 3),
)
def test_exactly_the_asked_steps_and_every_example_equally_often(
    lengths: list[int], batch_size: int, steps: int, round_: int
) -> None:
    batches = RoundBatches(lengths, batch_size=batch_size, steps=steps, seed=0, round=round_)
    found = list(batches)
    assert len(found) == len(batches) == steps
    assert all(len(batch) == batch_size for batch in found)
    counts = Counter(i for batch in found for i in batch)
    assert all(0 <= i < len(lengths) for i in counts)
    seen = [counts.get(i, 0) for i in range(len(lengths))]
    assert max(seen) - min(seen) <= 1
    assert found == list(batches)


def test_no_examples_are_refused_instead_of_drawn_forever() -> None:
    with pytest.raises(ValueError, match="no examples"):
        RoundBatches([], batch_size=2, steps=1, seed=0, round=1)


def test_similar_lengths_go_together() -> None:
    lengths = [1, 100] * 64
    batches = list(RoundBatches(lengths, batch_size=8, steps=16, seed=0, round=1))
    mixed = sum(len({lengths[i] for i in batch}) > 1 for batch in batches)
    assert mixed <= 2  # at most one in each of the two groups of eight


def test_rounds_have_their_own_order() -> None:
    first, second = (
        list(RoundBatches(range(50), batch_size=5, steps=5, seed=0, round=r)) for r in (1, 2)
    )
    assert first != second
