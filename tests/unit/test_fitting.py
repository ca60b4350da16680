"""Questions that are too long for a student."""

from __future__ import annotations

import pytest

from elad_exp.data import fitting
from elad_exp.data.fitting import drop_too_long
from elad_exp.errors import ConfigError
from elad_exp.protocols import Splits
from elad_exp.selectors.query import draw_candidates, initial_query
from elad_exp.types import GoldBook, Sample


def splits(n: int) -> Splits:
    """Every seventh question of the pool is long, and the first of test."""
    pool = tuple(Sample(f"p{i:04}", "long" if i % 7 == 3 else "short") for i in range(n))
    test = (Sample("t0", "long"), Sample("t1", "short"))
    return Splits(pool, (Sample("d0", "short"),), test, GoldBook({}), {"name": "x"})


def fits(sample: Sample) -> bool:
    return sample.question == "short"


def test_too_long_questions_are_left_out_and_named() -> None:
    got, [warning] = drop_too_long(splits(10), fits)
    assert [s.id for s in got.pool] == [f"p{i:04}" for i in range(10) if i != 3]
    assert (len(got.dev), [s.id for s in got.test]) == (1, ["t1"])
    assert warning == ("2 questions do not fit the student's context and are skipped: p0003, t0")
    assert got.info == {"name": "x"}


def test_twenty_are_named_and_the_rest_counted() -> None:
    _, [warning] = drop_too_long(splits(350), fits)
    assert warning.startswith("51 questions")
    assert warning.endswith(f"p{19 * 7 + 3:04} and 31 more")


def test_nothing_is_said_where_all_fit() -> None:
    given = splits(10)
    assert drop_too_long(given, lambda sample: True) == (given, [])


def test_a_large_pool_is_looked_at_where_it_is_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    small, _ = drop_too_long(splits(1400), fits)
    monkeypatch.setattr(fitting, "LOOKED_THROUGH", 1000)
    asked: list[str] = []

    def fits_too(sample: Sample) -> bool:
        asked.append(sample.id)
        return fits(sample)

    large, warnings = drop_too_long(splits(1400), fits_too)
    assert len(asked) == 1000 + 3
    assert len(large.pool) == 1400
    assert [s.id for s in large.test] == ["t1"]
    assert warnings[0] == "1 questions do not fit the student's context and are skipped: t0"
    found = int(warnings[1].partition(" of 1,000 questions out of the 1,400 of pool do not fit")[0])
    assert 110 < found < 180
    for seed in range(5):
        assert initial_query(large.pool, 50, seed) == initial_query(small.pool, 50, seed)
        drawn = [
            draw_candidates(found.pool, size=90, seed=seed, round=1) for found in (large, small)
        ]
        assert drawn[0] == drawn[1]


@pytest.mark.parametrize("largest", [10, 10_000])
def test_a_pool_of_which_nothing_fits_is_refused(
    largest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "LOOKED_THROUGH", largest)
    with pytest.raises(ConfigError, match=r"none of .* of pool fits .*raise student\.max_length"):
        drop_too_long(splits(1100), lambda sample: sample.id[0] != "p")
