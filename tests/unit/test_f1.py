"""F1 against its definition, and intervals that mean something."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from elad_exp.entities import Span
from elad_exp.f1 import macro_f1, span_f1

LABELS = ("a", "b", "c")
pairs = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=30)


@given(pairs)
def test_macro_f1_is_the_mean_over_labels_that_occur(found: list[tuple[str, str]]) -> None:
    gold, predicted = zip(*found, strict=True)
    metric = macro_f1(gold, predicted, LABELS)
    assert metric.value == pytest.approx(f1_score(gold, predicted, average="macro"), abs=1e-6)
    assert metric.n == len(gold)
    low, high = metric.ci95
    assert 0 <= low <= high <= 1


def test_what_is_no_label_helps_nobody_and_harms_its_own_label_alone() -> None:
    metric = macro_f1(["a", "a", "b", "b"], ["a", None, "b", "z"], ("a", "b"))
    assert metric.value == pytest.approx(2 / 3)


def test_span_f1_counts_spans_of_the_same_type_and_place() -> None:
    gold = [[Span("PER", 0, 3), Span("LOC", 5, 9)], [], [Span("PER", 2, 4)]]
    predicted = [[Span("PER", 0, 3), Span("PER", 5, 9)], [Span("LOC", 0, 1)], [Span("PER", 2, 5)]]
    metric = span_f1(gold, predicted, ("PER", "LOC"))
    assert metric.value == pytest.approx(2 * 1 / (3 + 4))
    assert span_f1([[]], [[]], ("PER",)).value == 0
    assert span_f1(gold, gold, ("PER", "LOC")).value == 1


def test_intervals_cover() -> None:
    """Of many studies of 100 samples about 95 % must have the true value in their interval."""
    rng = np.random.default_rng(0)
    gold = rng.integers(2, size=20_000)
    right = np.where(rng.random(20_000) < 0.8, gold, 1 - gold)
    names = np.array(["a", "b"])
    truth = f1_score(gold, right, average="macro")
    covered = 0
    for _ in range(100):
        i = rng.integers(20_000, size=100)
        low, high = macro_f1(names[gold[i]].tolist(), names[right[i]].tolist(), ("a", "b")).ci95
        covered += low <= truth <= high
    assert 86 <= covered <= 100


def test_nothing_is_refused() -> None:
    for measure in (macro_f1, span_f1):
        with pytest.raises(ValueError, match="no samples"):
            measure([], [], LABELS)
