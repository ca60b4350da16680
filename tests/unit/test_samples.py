"""Samples read from a table behave like a tuple of them, and pools of them like pools in memory."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elad_exp.data import table
from elad_exp.data.pool import Pool
from elad_exp.data.rows import Row
from elad_exp.data.samples import ListedSamples, RemainingSamples, SampleBook
from elad_exp.data.sources import collect, content_sha256, make_splits
from elad_exp.errors import DataError
from elad_exp.rng import derive_seed
from elad_exp.selectors.query import draw_candidates, draw_uniform, initial_query
from elad_exp.types import (
    Annotation,
    Choice,
    Gold,
    Query,
    QueryItem,
    Sample,
    Status,
    normalise,
    sample_id,
)

CHOICES = ((), (Choice("A", "x"), Choice("B", "y")))
# Few questions, so that many rows are copies of each other, some with another answer.
ROW = st.builds(
    lambda q, big, a, steps, c: Row("", "", f"{'Q' if big else 'q'}{q}?", a, CHOICES[c], steps),
    st.integers(0, 14),
    st.booleans(),
    st.sampled_from("AAAB"),
    st.sampled_from([(), ("one",), ("a step", "one")]),
    st.sampled_from([0, 0, 0, 1]),
)
SPLITS = st.fixed_dictionaries(
    {"pool": st.lists(ROW, max_size=25)},
    optional={"dev": st.lists(ROW, max_size=6), "test": st.lists(ROW, max_size=6)},
)


def placed(rows: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """The rows with places and ids of their own."""
    return {
        split: [
            Row(f"{split} {i}", f"{split}-{i}", r.question, r.answer, r.choices, r.explanation)
            for i, r in enumerate(found)
        ]
        for split, found in rows.items()
    }


def stored(rows: dict[str, list[Row]]) -> table.RowTable:
    """In a file, in batches of three rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "_BATCH_ROWS", 3)
        patch.setattr(table, "IN_MEMORY", 100)
        return table.RowTable.of(rows)


def book(n: int, *, name: str = "q") -> SampleBook:
    rows = [Row(f"f {i}", str(i), f"{name}{i}?", "A") for i in range(n)]
    return collect(stored({"pool": rows})).samples["pool"]


def in_memory(
    rows: dict[str, list[Row]],
) -> tuple[dict[str, list[Sample]], dict[str, Gold], dict[str, str]]:
    """What `collect` does, in a few lines that hold everything in memory."""
    precedence = ("test", "dev", "pool")
    copies: dict[str, list[tuple[int, Row]]] = {}
    for rank, split in enumerate(precedence):
        for row in rows.get(split, ()):
            copies.setdefault(row.key, []).append((rank, row))
    samples: dict[str, list[Sample]] = {split: [] for split in precedence if split in rows}
    gold, skipped = {}, {}
    for key, group in copies.items():
        answers = sorted({row.answer for _, row in group})
        if len(answers) > 1:
            places = ", ".join(row.where for _, row in group)
            skipped[key] = f"different answers ({', '.join(answers)}) in {places}"
            continue
        group.sort(key=lambda item: (item[0], item[1].explanation, item[1].question))
        rank, row = group[0]
        samples[precedence[rank]].append(Sample(key, row.question, row.choices))
        gold[key] = Gold(row.answer, row.explanation, {**row.meta, "source_id": row.source_id})
        skipped |= {other.where: f"same question as {row.where}" for _, other in group[1:]}
    return samples, gold, skipped


@settings(deadline=None)
@given(SPLITS)
def test_copies_and_contradictions_are_found_as_in_memory(rows: dict[str, list[Row]]) -> None:
    rows = placed(rows)
    samples, gold, skipped = in_memory(rows)
    found = collect(stored(rows))
    assert {split: list(book) for split, book in found.samples.items()} == samples
    assert list(found.gold.items()) == list(gold.items())
    assert list(found.skipped.items()) == list(skipped.items())
    lines = (json.dumps([key, gold[key].answer, *gold[key].explanation]) for key in sorted(gold))
    assert content_sha256(found.gold) == hashlib.sha256("\n".join(lines).encode()).hexdigest()


@settings(deadline=None)
@given(SPLITS, st.integers(1, 4), st.integers(1, 4), st.integers(0, 3))
def test_splits_are_those_that_sorting_in_memory_gives(
    rows: dict[str, list[Row]], n_dev: int, n_test: int, seed: int
) -> None:
    rows = placed(rows)
    samples, _, _ = in_memory(rows)
    ordered = {
        split: sorted(found, key=lambda s: hashlib.sha256(f"{seed}\x1f{s.id}".encode()).digest())
        for split, found in samples.items()
    }
    pool = ordered["pool"]
    try:
        got = make_splits(stored(rows), n_dev=n_dev, n_test=n_test, split_seed=seed, info={})
    except DataError:
        return
    if "test" in rows:
        test = ordered["test"][:n_test]
    else:
        test, pool = pool[:n_test], pool[n_test:]
    if "dev" in rows:
        dev = ordered["dev"][:n_dev]
    else:
        pool, dev = pool[:-n_dev], pool[-n_dev:]
    # No split asks a question of another one, whatever the choices.
    dev = [s for s in dev if normalise(s.question) not in {normalise(t.question) for t in test}]
    others = {normalise(s.question) for s in (*dev, *test)}
    pool = [s for s in pool if normalise(s.question) not in others]
    assert (got.pool, got.dev, got.test) == (pool, dev, test)
    ids = [set(book.ids()) for book in (got.pool, got.dev, got.test)]
    texts = [{sample_id(s.question, s.choices) for s in b} for b in (got.pool, got.dev, got.test)]
    assert ids == texts
    assert sum(map(len, ids)) == len(set().union(*ids))


def test_a_book_is_a_sequence() -> None:
    samples = [Sample(sample_id(f"q{i}?"), f"q{i}?") for i in range(9)]
    for found in (book(9), ListedSamples(samples), RemainingSamples(book(9), set())):
        assert list(found) == samples
        assert found == samples
        assert samples == found
        assert found != samples[:8]
        assert found != [*samples[:8], samples[0]]
        assert (found[0], found[-1], found[3:5], found[::-2]) == (
            samples[0],
            samples[-1],
            samples[3:5],
            samples[::-2],
        )
        assert found + samples[:1] == (*samples, samples[0])
        assert samples[4] in found
        assert Sample(samples[4].id, "another text") not in found
        assert Sample("0" * 16, "q4?") not in found
        assert list(found.ids()) == [s.id for s in samples]
        assert found.get(samples[2].id) == samples[2]
        assert found.has(samples[2].id)
        assert not found.has("nothing")
        with pytest.raises(KeyError):
            found.get("0" * 16)
        with pytest.raises(IndexError):
            found[9]


def test_a_book_without_some_samples() -> None:
    everything = book(6)
    without = {everything[1].id, everything[4].id}
    left = RemainingSamples(everything, without)
    assert left == [everything[i] for i in (0, 2, 3, 5)]
    assert left[2] == everything[3]
    assert left[-1:] == [everything[5]]
    assert not left.has(everything[1].id)
    with pytest.raises(KeyError):
        left.get(everything[1].id)


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(0, 99), st.sets(st.integers(0, 39)))
def test_draws_are_those_that_sorting_in_memory_gives(n: int, seed: int, left: set[int]) -> None:
    everything = book(40)
    gone = {everything[i].id for i in left}
    remaining = RemainingSamples(everything, gone)
    listed = [s for s in everything if s.id not in gone]
    n = min(n, len(listed))
    expected = sorted(listed, key=lambda s: (derive_seed(seed, "x", 3, s.id), s.id))
    drawn = draw_uniform(remaining, n, seed=seed, purpose=("x", 3))
    assert drawn == expected[:n] == draw_uniform(listed, n, seed=seed, purpose=("x", 3))


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(0, 99), st.sets(st.integers(0, 39)))
def test_what_is_not_admitted_is_drawn_as_if_it_were_not_there(
    n: int, seed: int, long: set[int]
) -> None:
    everything = book(40)
    too_long = {everything[i].id for i in long}
    asked: list[str] = []

    def fits(sample: Sample) -> bool:
        asked.append(sample.id)
        return sample.id not in too_long

    rest = [s for s in everything if s.id not in too_long]
    for draw in (
        lambda samples, n: draw_candidates(samples, size=n, seed=seed, round=2),
        lambda samples, n: [item.sample for item in initial_query(samples, n, seed).items],
    ):
        expected = draw(rest, min(n, len(rest))) if rest else []
        assert draw(RemainingSamples(everything.admitting(fits), set()), n) == expected
    if not long:
        assert len(asked) == 2 * n


def test_a_pool_reads_what_is_drawn_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool(book(500))
    read: list[int] = []
    sample = table.RowTable.sample
    monkeypatch.setattr(table.RowTable, "sample", lambda self, i: read.append(i) or sample(self, i))
    drawn = draw_candidates(pool.unlabelled, size=20, seed=0, round=1)
    pool.open(Query(0, tuple(map(QueryItem, drawn))))
    pool.close([Annotation(s, None, Status.OK, "t") for s in drawn[:15]])
    assert len(pool.unlabelled) == 485
    assert len(read) == 20
    state = json.dumps(pool.state_dict())
    assert {s.id in state for s in drawn[:15]} == {True}
    assert len(state) < 15 * 500


def test_gold_is_found_by_id_without_reading_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    found = collect(stored({"pool": [Row("f 1", "7", "q?", "A", (), ("s",), {"m": [1]})]}))
    key = sample_id("q?")
    assert found.gold[key] == Gold("A", ("s",), {"m": [1], "source_id": "7"})
    assert found.gold.get("0" * 16) is None
    assert list(found.gold) == [key]
    assert len(found.gold) == 1
    monkeypatch.setattr(table.RowTable, "gold", None)
    assert key in found.gold
    assert "0" * 16 not in found.gold
