"""Which answers to the initial query a plan finds paid for; looking leaves the store as it is."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

import pytest

from elad_exp.plan.answers import first_round
from elad_exp.types import Request, Usage
from tests.unit.teacher_toys import USAGE, Scripted, metered, open_store, query


class Known(Scripted):
    """Says what it will ask, and has a price of its own."""

    def requests(self, item) -> list[tuple[Request, float]]:
        return [(self.request(item), 1.0)]

    def priced(self, usage: Usage) -> Usage:
        return Usage(usage.prompt_tokens, usage.completion_tokens, 0.5)


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def bought(tmp_path: Path) -> Path:
    """A store with answers to two questions, one of them unusable."""
    with open_store(tmp_path) as store:
        metered(store, Known("ok", "unparsed", shares_cache=True)).annotate(query(1, 2))
        return store.path


def test_usable_answers_are_spent_at_the_own_price_and_not_paid(
    bought: Path, tmp_path: Path
) -> None:
    before = files(tmp_path)
    part = first_round(Known(shares_cache=True), query(1, 2, 3).items, bought, set())
    assert files(tmp_path) == before
    assert (part.annotations, part.expected.calls, part.stored.calls) == (3, 3, 1)
    assert (part.stored.tokens, part.stored.usd) == (USAGE.tokens, 0.5)
    assert part.paid.usd == pytest.approx(2 * USAGE.usd)


def test_a_teacher_without_the_shared_cache_finds_nothing(bought: Path) -> None:
    assert first_round(Known(), query(1).items, bought, set()).stored.calls == 0


def test_a_store_that_does_not_exist_is_not_made(tmp_path: Path) -> None:
    place = tmp_path / "no" / "store.sqlite"
    assert first_round(Known(shares_cache=True), query(1).items, place, set()).stored.calls == 0
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_cannot_be_read_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "other.sqlite"
    with sqlite3.connect(place) as db:
        db.execute("CREATE TABLE notes (text TEXT)")
    db.close()
    with caplog.at_level(logging.WARNING):
        part = first_round(Known(shares_cache=True), query(1).items, place, set())
    assert part.stored.calls == 0
    assert "another program" in caplog.text


def test_what_an_earlier_job_buys_is_expected_to_be_paid_once(tmp_path: Path) -> None:
    place, asked = tmp_path / "store.sqlite", set[str]()
    first = first_round(Known(shares_cache=True), query(1, 2).items, place, asked)
    second = first_round(Known(shares_cache=True), query(2, 3).items, place, asked)
    assert (first.repeated.calls, second.repeated.calls) == (0, 1)
    assert second.paid.calls == 1
    assert second.most.calls == 2
