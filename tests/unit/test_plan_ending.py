"""Where a budget is expected to end a run, on rounds small enough to add up by hand."""

from __future__ import annotations

import pytest

from elad_exp.budget.budget import Limits
from elad_exp.plan.costs import Cost, Lot, RoundPlan, total
from elad_exp.plan.ending import Ending, Used, at_most, covered


def rounds() -> list[RoundPlan]:
    """10, 20 and 20 annotations of 10 tokens and a cent (20 and two at worst), 1 s of waiting for
    each; every round trains and measures for 10 s, and scores for 5.
    """
    found = [RoundPlan(i, n, wait_s=float(n)) for i, n in enumerate((10, 20, 20, 0))]
    for part in found:
        n = part.annotations
        part.expected, part.most = (
            Cost(n, 6 * n, 4 * n, 0.01 * n),
            Cost(n, 10 * n, 10 * n, 0.02 * n),
        )
        part.train_s, part.measure_s = 6.0 if part.round else 0.0, 4.0
        part.score_s = 5.0 if 0 < part.round < 3 else 0.0
        part.scored = part.score_s
    return found


def bought(limits: Limits, *, stops: bool = True) -> tuple[list[int], Ending | None]:
    kept, end = covered(rounds(), limits, Used(), stops=stops)
    return [part.annotations for part in kept], end


@pytest.mark.parametrize(
    ("limits", "annotations", "end"),
    [
        (Limits(), [10, 20, 20, 0], None),
        (Limits(max_annotations=50, max_usd=0.51), [10, 20, 20, 0], None),
        (Limits(max_annotations=25), [10, 15, 0], Ending("annotations", 1, 15, 20, 2)),
        # It is met before the round is scored, so the run is over.
        (Limits(max_annotations=30), [10, 20, 0], Ending("annotations", 2, 0, 20, 2)),
        (Limits(max_calls=49), [10, 20, 19, 0], Ending("calls", 2, 19, 20, 3)),
        # The last one is reserved at its worst: 140 + 20 fit, 150 + 20 do not.
        (Limits(max_tokens=165), [10, 5, 0], Ending("tokens", 1, 5, 20, 2)),
        (Limits(max_usd=0.15), [10, 4, 0], Ending("usd", 1, 4, 20, 2)),
        (Limits(max_usd=0.01), [0], Ending("usd", 0, 0, 10, 1)),
        # Bought until 14 s; measured until 24, scored until 29; 11 s are left for buying.
        (Limits(max_wall_s=40), [10, 11, 0], Ending("wall_s", 1, 11, 20, 2)),
        (Limits(max_wall_s=20), [10, 0], Ending("wall_s", 1, 0, 20, 1)),
        (Limits(max_wall_s=27), [10, 0, 0], Ending("wall_s", 1, 0, 20, 2)),
        # The first that is met, not the first that is named.
        (Limits(max_tokens=400, max_usd=0.15), [10, 4, 0], Ending("usd", 1, 4, 20, 2)),
        (Limits(max_annotations=12, max_usd=0.15), [10, 2, 0], Ending("annotations", 1, 2, 20, 2)),
    ],
    ids=str,
)
def test_the_first_limit_that_is_met_ends_the_run(
    limits: Limits, annotations: list[int], end: Ending | None
) -> None:
    assert bought(limits) == (annotations, end)


def test_the_last_round_of_a_run_that_ends_early_only_trains_and_measures() -> None:
    kept, _ = covered(rounds(), Limits(max_calls=15), Used())
    assert (kept[-1].round, kept[-1].seconds, kept[-1].scored) == (2, 10.0, 0.0)
    assert (kept[1].expected.calls, kept[1].wait_s, kept[1].score_s) == (5, 5.0, 5.0)


def test_without_the_stopping_rule_a_run_trains_on() -> None:
    annotations, end = bought(Limits(max_annotations=25), stops=False)
    assert annotations == [10, 15, 0, 0]
    assert end == Ending("annotations", 1, 15, 20, 2)


@pytest.mark.parametrize("usd", [0.05, 0.3, 0.7, 2.0])
def test_no_bound_exceeds_the_budget_or_is_exceeded(usd: float) -> None:
    limits = Limits(max_usd=usd)
    most = at_most(rounds(), limits)
    kept, _ = covered(rounds(), limits, Used())
    assert total(kept).expected.usd <= most.usd <= min(usd, 1.0) + 1e-9
    assert ("usd" in most.capped) == (usd < 1.0)


def test_a_limit_of_annotations_bounds_all_the_rest() -> None:
    most = at_most(rounds(), Limits(max_annotations=30))
    assert (most.calls, most.tokens, most.usd) == (30, 600, pytest.approx(0.6))


def test_jobs_of_a_sweep_share_a_budget_of_what_is_paid() -> None:
    limits, used = Limits(max_usd=0.75, scope="sweep"), Used()
    _, end = covered(rounds(), limits, used)
    assert (end, used.usd) == (None, pytest.approx(0.5))
    job = rounds()
    job[0].repeated = job[0].expected  # the first job has bought them
    second, end = covered(job, limits, used)
    # 0.25 is left; the last one needs two cents of it, and is expected to cost one.
    assert [part.annotations for part in second] == [10, 20, 4, 0]
    assert end == Ending("usd", 2, 4, 20, 3)
    assert total(second).paid.usd == pytest.approx(0.24)


def test_what_the_store_has_is_in_no_bound_of_what_is_paid() -> None:
    job = rounds()
    job[0].stored = job[0].most = job[0].expected
    assert at_most(job, Limits()).usd == pytest.approx(0.8)
    assert total(job).paid.usd == pytest.approx(0.4)


def lessons() -> list[RoundPlan]:
    """Given examples; twice a study (10 tokens, 20 set aside, 40 at worst) and three lessons of 5
    texts in 2 calls (30 tokens, 50 set aside, 90 at worst); a call is waited for 1 s.
    """
    study = Lot(0, Cost(1, 6, 4), Cost(1, 12, 8), Cost(1, 20, 20))
    lots = (study, *[Lot(5, Cost(2, 20, 10), Cost(2, 30, 20), Cost(2, 50, 40))] * 3)
    bought = [
        RoundPlan(i, 15, lots=lots, expected=Cost(7, 66, 34), most=Cost(7, 170, 140), wait_s=7.0)
        for i in (1, 2)
    ]
    return [RoundPlan(0, given=4), *bought, RoundPlan(3)]


@pytest.mark.parametrize(
    ("limits", "annotations", "calls", "end"),
    [
        (Limits(), [0, 15, 15, 0], 14, None),
        (Limits(max_annotations=30, max_calls=14, max_tokens=220), [0, 15, 15, 0], 14, None),
        (Limits(max_annotations=12), [0, 10, 0], 5, Ending("annotations", 1, 10, 15, 2)),
        (Limits(max_annotations=15), [0, 15, 0], 7, Ending("annotations", 2, 0, 15, 2)),
        # The study is paid for, and no lesson follows.
        (Limits(max_calls=9), [0, 15, 0, 0], 8, Ending("calls", 2, 0, 15, 3)),
        # 70 are used, and the third lesson may take 50.
        (Limits(max_tokens=119), [0, 10, 0], 5, Ending("tokens", 1, 10, 15, 2)),
        (Limits(max_tokens=120), [0, 15, 0, 0], 8, Ending("tokens", 2, 0, 15, 3)),
        (Limits(max_tokens=19), [0, 0, 0], 0, Ending("tokens", 1, 0, 15, 2)),
        # What is begun in time is finished: the third begins after 5 s.
        (Limits(max_wall_s=4.9), [0, 10, 0], 5, Ending("wall_s", 1, 10, 15, 2)),
        (Limits(max_wall_s=5.1), [0, 15, 0], 7, Ending("wall_s", 2, 0, 15, 2)),
    ],
    ids=str,
)
def test_lessons_are_begun_only_if_they_are_covered_as_a_whole(
    limits: Limits, annotations: list[int], calls: int, end: Ending | None
) -> None:
    kept, found = covered(lessons(), limits, Used())
    assert ([part.annotations for part in kept], found) == (annotations, end)
    whole = total(kept)
    assert whole.expected.calls == calls
    assert whole.wait_s == pytest.approx(calls)


def test_a_limit_of_annotations_bounds_the_lessons_that_are_begun() -> None:
    most = at_most(lessons(), Limits(max_annotations=12))
    assert (most.calls, most.tokens) == (5, 220)
    assert at_most(lessons(), Limits(max_tokens=100)).capped == {"tokens"}


def test_lessons_of_a_sweep_share_a_budget() -> None:
    limits, used = Limits(max_calls=20, scope="sweep"), Used()
    assert covered(lessons(), limits, used)[1] is None
    kept, end = covered(lessons(), limits, used)
    assert [part.annotations for part in kept] == [0, 10, 0]
    assert end == Ending("calls", 1, 10, 15, 2)
