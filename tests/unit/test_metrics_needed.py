"""The measure "annotations needed", and its self-test: random against random gives 100 %."""

from __future__ import annotations

import math

import numpy as np
import pytest

from elad_exp.metrics import Curve, annotations_needed, mean_curve

COSTS = np.arange(0, 441, 40)


def noisy(seeds: range, rng: np.random.Generator, *, speed: float = 1.0) -> dict[int, Curve]:
    """Saturating curves, measured on 400 questions, with an effect of the seed."""
    true = 0.5 + 0.25 * (1 - np.exp(-speed * COSTS / 200))
    return {
        seed: (
            [float(c) for c in COSTS],
            [float(v) for v in true + rng.normal(0, 0.01) + rng.normal(0, 0.022, COSTS.size)],
        )
        for seed in seeds
    }


def first_crossings(curves: dict[int, Curve], reference: dict[int, Curve]) -> float:
    """The naive measure: median over seeds of the first point at the reference's final mean."""
    level = np.mean([values[-1] for _, values in reference.values()])
    found = []
    for costs, values in curves.values():
        reached = [c for c, v in zip(costs, values, strict=True) if v >= level]
        found.append(reached[0] / costs[-1] if reached else math.inf)
    return float(np.median(found))


def test_random_against_random_is_100_percent_within_its_interval() -> None:
    rng = np.random.default_rng(0)
    covered, below, naive = 0, 0, []
    repeats = 60
    for _ in range(repeats):
        one = noisy(range(8), rng, speed=2.0)
        other = noisy(range(100, 108), rng, speed=2.0)
        found = annotations_needed(one, other, draws=200)
        covered += found.ci95[0] <= 1.0 <= found.ci95[1]
        below += found.value < 1.0
        naive.append(first_crossings(one, other))
    assert covered / repeats >= 0.9
    # On one side of 100 % as often as on the other; the naive measure claims a saving throughout.
    assert 0.35 <= below / repeats <= 0.65
    assert np.mean(np.array(naive) < 1.0) >= 0.85
    assert np.median(naive) < 0.85


def test_a_curve_against_itself_needs_no_more_than_its_budget() -> None:
    curves = noisy(range(5), np.random.default_rng(1))
    found = annotations_needed(curves, curves, draws=50)
    assert found.value <= 1.0
    assert found.observed == 1.0
    rising = {0: ([0.0, 10.0, 20.0], [0.5, 0.6, 0.7])}
    assert annotations_needed(rising, rising).value == pytest.approx(1.0)


def test_a_faster_learner_needs_the_share_it_was_made_to_need() -> None:
    rng = np.random.default_rng(2)
    found = annotations_needed(noisy(range(20), rng, speed=2.0), noisy(range(20), rng), draws=300)
    assert found.value == pytest.approx(0.5, abs=0.12)
    assert found.ci95[0] <= 0.5 <= found.ci95[1] < 1.0


def test_a_slower_learner_never_arrives() -> None:
    rng = np.random.default_rng(3)
    found = annotations_needed(noisy(range(10), rng, speed=0.4), noisy(range(10), rng), draws=100)
    assert found.value == math.inf
    assert found.ci95[1] == math.inf


def test_crossing_is_interpolated_on_the_monotone_mean() -> None:
    # The dip at cost 20 is pooled with the value before it: 0.6, 0.6.
    curves = {0: ([0.0, 10.0, 20.0, 30.0], [0.4, 0.7, 0.5, 0.8])}
    reference = {0: ([0.0, 40.0], [0.4, 0.7])}
    found = annotations_needed(curves, reference)
    assert found.value == pytest.approx(25 / 40)
    assert found.observed == pytest.approx(30 / 40)
    assert found.ci95 == ()
    assert annotations_needed(curves, reference, level=0.5).value == pytest.approx(5 / 40)
    assert annotations_needed(curves, reference, level=0.3).value == 0.0


def test_one_seed_is_a_whole_curve_of_the_bootstrap() -> None:
    rng = np.random.default_rng(4)
    curves, reference = noisy(range(4), rng, speed=3.0), noisy(range(4), rng)
    assert "paired" in annotations_needed(curves, reference, draws=20).method
    shifted = {seed + 10: curve for seed, curve in reference.items()}
    assert "unpaired" in annotations_needed(curves, shifted, draws=20).method


def test_pairing_takes_out_what_seeds_have_in_common() -> None:
    rng = np.random.default_rng(5)
    curves, reference, costs = {}, {}, [float(c) for c in COSTS]
    for seed in range(8):
        effect = rng.normal(0, 0.05)
        curves[seed] = (costs, [0.5 + effect + 0.0008 * c for c in costs])
        reference[seed] = (costs, [0.5 + effect + 0.0005 * c for c in costs])
    paired = annotations_needed(curves, reference, draws=200)
    apart = annotations_needed(curves, {s + 10: c for s, c in reference.items()}, draws=200)
    assert paired.ci95 == pytest.approx((5 / 8, 5 / 8))
    assert apart.ci95[1] - apart.ci95[0] > 0.1


def test_mean_curve_covers_what_all_curves_cover() -> None:
    grid, rows = mean_curve([([0, 10, 20], [0.0, 1.0, 2.0]), ([0, 15], [0.0, 3.0])])
    assert grid.tolist() == [0, 10, 15]
    assert rows.tolist() == [[0.0, 1.0, 1.5], [0.0, 2.0, 3.0]]


def test_mean_curve_takes_the_last_value_at_one_cost() -> None:
    grid, rows = mean_curve([([0, 10, 10, 20], [0.0, 1.0, 5.0, 6.0])])
    assert grid.tolist() == [0, 10, 20]
    assert rows.tolist() == [[0.0, 5.0, 6.0]]
    with pytest.raises(ValueError, match="in common"):
        mean_curve([([0, 10], [0.0, 1.0]), ([20, 30], [0.0, 1.0])])
