"""How often work is tried to find its best speed."""

from __future__ import annotations

from elad_exp.student.speed import best


def tried(turns: list[float], seconds: float) -> tuple[float, int]:
    """The best speed where turns take so many seconds, and how many there were."""
    now, left = 0.0, iter(turns)
    done = 0

    def work() -> float:
        nonlocal now, done
        took = next(left)
        now, done = now + took, done + 1
        return 1 / took

    return best(work, seconds, clock=lambda: now), done


def test_a_slow_first_turn_and_one_that_was_disturbed_do_not_count() -> None:
    speed, turns = tried([4.0, 0.5, 2.0, 0.25, 0.5, 0.5, 0.5, 0.5], 7.9)
    assert speed == 4.0
    assert turns == 6


def test_long_work_is_done_twice() -> None:
    assert tried([9.0, 8.0], 6.0) == (1 / 8, 2)
