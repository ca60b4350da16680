from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elad_exp.metrics import (
    accuracy,
    area_under_curve,
    auroc,
    average_precision,
    holm,
    majority,
    mean_over_seeds,
    paired_difference,
    proportion,
)


def test_wilson_matches_published_example() -> None:
    # Newcombe 1998, table I: 81 of 263.
    found = proportion(81, 263)
    assert found.ci95 == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert (found.value, found.n) == (81 / 263, 263)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_contains_the_share_and_stays_in_range(case: tuple[int, int]) -> None:
    k, n = case
    found = proportion(k, n)
    low, high = found.ci95
    assert 0 <= low <= found.value <= high <= 1
    assert low < high
    mirrored = proportion(n - k, n).ci95
    assert (1 - high, 1 - low) == pytest.approx(mirrored)


@pytest.mark.parametrize(("k", "n"), [(0, 0), (2, 1), (-1, 3)])
def test_impossible_proportions_are_refused(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="proportion"):
        proportion(k, n)


def test_accuracy_and_majority() -> None:
    assert accuracy([True, False, True, True]).value == 0.75
    assert majority(["yes", "no", "yes"]).value == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="empty"):
        majority([])


def test_auroc_agrees_with_sklearn_with_ties() -> None:
    from sklearn.metrics import roc_auc_score  # slow to import

    rng = np.random.default_rng(0)
    for _ in range(20):
        scores = rng.integers(0, 6, size=40).astype(float)
        positives = rng.random(40) < 0.4
        found = auroc(list(scores), list(positives))
        assert found is not None
        assert found.value == pytest.approx(roc_auc_score(positives, scores))
        assert found.ci95[0] <= found.value <= found.ci95[1]


def test_auroc_needs_both_classes_and_real_scores() -> None:
    assert auroc([0.1, 0.2], [True, True]) is None
    assert auroc([0.1, 0.2], [False, False]) is None
    assert auroc([], []) is None
    with pytest.raises(ValueError, match="NaN"):
        auroc([0.1, math.nan], [True, False])
    with pytest.raises(ValueError, match="labels"):
        auroc([0.1], [True, False])


def test_auroc_interval_of_separated_classes_is_not_a_point() -> None:
    found = auroc([1, 2, 3, 4, 5, 6], [False, False, False, True, True, True])
    assert found is not None
    assert found.value == 1.0
    assert found.ci95[1] == 1.0
    assert found.ci95[0] < 0.8
    reverse = auroc([6, 5, 4, 3, 2, 1], [False, False, False, True, True, True])
    assert reverse is not None
    assert reverse.ci95 == pytest.approx((0.0, 1 - found.ci95[0]))


@pytest.mark.parametrize(("shift", "m", "n"), [(0.0, 15, 60), (1.0, 20, 20), (1.8, 60, 15)])
def test_auroc_interval_covers_the_truth(shift: float, m: int, n: int) -> None:
    """Two normal classes `shift` apart have area Phi(shift / sqrt 2)."""
    truth = 0.5 * math.erfc(-shift / 2)
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(400):
        scores = np.concatenate([rng.normal(shift, 1, m), rng.normal(0, 1, n)])
        found = auroc(list(scores), [True] * m + [False] * n)
        assert found is not None
        hits += found.ci95[0] <= truth <= found.ci95[1]
    assert hits / 400 >= 0.92


def test_average_precision_agrees_with_sklearn_with_ties() -> None:
    from sklearn.metrics import average_precision_score  # slow to import

    rng = np.random.default_rng(0)
    for _ in range(20):
        scores = rng.integers(0, 6, size=40).astype(float)
        positives = rng.random(40) < 0.4
        found = average_precision(list(scores), list(positives))
        assert found is not None
        assert found.value == pytest.approx(average_precision_score(positives, scores))
        assert found.ci95[0] <= found.value <= found.ci95[1]
        assert found.n == 40


def test_average_precision_of_equal_scores_is_the_share_of_positives() -> None:
    found = average_precision([1.0] * 8, [True] * 2 + [False] * 6)
    assert found is not None
    assert found.value == 0.25


def test_average_precision_needs_both_classes_and_real_scores() -> None:
    assert average_precision([0.1, 0.2], [True, True]) is None
    assert average_precision([0.1, 0.2], [False, False]) is None
    with pytest.raises(ValueError, match="average precision: a score is NaN"):
        average_precision([0.1, math.nan], [True, False])
    with pytest.raises(ValueError, match="1 scores for 2"):
        average_precision([0.1], [True, False])


@pytest.mark.parametrize(("shift", "m", "n"), [(0.0, 20, 60), (1.5, 20, 20), (3.0, 10, 30)])
def test_average_precision_interval_covers_the_truth(shift: float, m: int, n: int) -> None:
    rng = np.random.default_rng(3)

    def drawn(times: int) -> tuple[list[float], list[bool]]:
        scores = [*rng.normal(shift, 1, m * times), *rng.normal(0, 1, n * times)]
        return scores, [True] * (m * times) + [False] * (n * times)

    truth = average_precision(*drawn(400))
    assert truth is not None
    covered = 0
    for _ in range(200):
        found = average_precision(*drawn(1))
        assert found is not None
        covered += found.ci95[0] <= truth.value <= found.ci95[1]
    assert covered >= 186


def test_area_is_the_value_averaged_over_the_budget() -> None:
    assert area_under_curve([0, 40, 80], [0.5, 0.5, 0.5]) == pytest.approx(0.5)
    assert area_under_curve([0, 10, 40], [0.0, 1.0, 1.0]) == pytest.approx((5 + 30) / 40)
    assert area_under_curve([0, 10, 40], [0.0, 1.0, 1.0], until=10) == pytest.approx(0.5)
    assert area_under_curve([0, 10, 40], [0.0, 1.0, 0.4], until=25) == pytest.approx(
        (5 + 15 * 0.85) / 25
    )


@pytest.mark.parametrize(
    ("costs", "values"), [([0], [0.5]), ([0, 0], [0.5, 0.6]), ([0, 5, 3], [1, 1, 1])]
)
def test_impossible_curves_are_refused(costs: list[float], values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"curve|costs"):
        area_under_curve(costs, values)
    with pytest.raises(ValueError, match="until"):
        area_under_curve([0, 10], [0, 1], until=11)


def test_mean_over_seeds_is_students_t() -> None:
    from scipy import stats

    values = [0.61, 0.66, 0.64, 0.70]
    expected = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert mean_over_seeds(values).ci95 == pytest.approx(expected)
    assert mean_over_seeds([0.5]).ci95 == ()


def test_the_interval_of_few_seeds_is_clipped_to_what_an_accuracy_can_be() -> None:
    found = mean_over_seeds([0.4, 0.6])
    assert found.ci95 == (0.0, 1.0)  # without: 0.5 -+ 1.27
    assert "clipped" in found.method
    with pytest.raises(ValueError, match=r"accuracies lie within 0\.\.1"):
        mean_over_seeds([0.4, 1.1])


def test_paired_difference_of_few_seeds_is_exact() -> None:
    # All three differences positive: only all-plus and all-minus are as extreme, 2 of 8.
    found = paired_difference([0.8, 0.7, 0.9], [0.7, 0.65, 0.6])
    assert found.p == pytest.approx(0.25)
    assert found.value == pytest.approx(0.15)
    assert found.n == 3


def test_paired_difference_of_unequal_lengths_is_refused() -> None:
    with pytest.raises(ValueError, match="1 values paired with 3"):
        paired_difference([0.8], [0.7, 0.65, 0.6])


def test_paired_difference_of_equal_runs_is_no_evidence() -> None:
    found = paired_difference([0.5, 0.6, 0.7], [0.5, 0.6, 0.7])
    assert (found.value, found.p, found.ci95) == (0.0, 1.0, (0.0, 0.0))


@pytest.mark.parametrize("n", [6, 20])
def test_paired_difference_keeps_its_error_rate_and_coverage(n: int) -> None:
    rng = np.random.default_rng(n)
    covered = rejected = 0
    for _ in range(200):
        seed_effect = rng.normal(0, 0.05, n)
        a = 0.7 + seed_effect + rng.normal(0, 0.02, n)
        b = 0.7 + seed_effect + rng.normal(0, 0.02, n)
        found = paired_difference(list(a), list(b), draws=500)
        covered += found.ci95[0] <= 0 <= found.ci95[1]
        rejected += found.p <= 0.05
    assert covered / 200 >= 0.91
    assert rejected / 200 <= 0.09


def test_paired_difference_finds_what_seed_noise_hides() -> None:
    rng = np.random.default_rng(3)
    seed_effect = rng.normal(0, 0.1, 20)
    a = seed_effect + 0.02 + rng.normal(0, 0.01, 20)
    b = seed_effect + rng.normal(0, 0.01, 20)
    found = paired_difference(list(a), list(b))
    assert found.p < 0.001
    assert found.ci95[0] > 0.01
    assert found == paired_difference(list(a), list(b))


def test_holm_is_step_down_and_monotone() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_a_p_value(pvalues: list[float]) -> None:
    adjusted = holm(pvalues)
    assert all(p <= q <= 1 for p, q in zip(pvalues, adjusted, strict=True))
    order = np.argsort(pvalues, kind="stable")
    assert list(np.array(adjusted)[order]) == sorted(adjusted)
