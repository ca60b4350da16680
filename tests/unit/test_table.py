"""Rows that go to a file and come back one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elad_exp.data import table
from elad_exp.data.rows import Row
from elad_exp.data.table import RowTable, TableWriter, id_number, id_text
from elad_exp.errors import DataError
from elad_exp.types import Choice, Gold, Sample

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
META = st.dictionaries(TEXT, st.none() | st.integers() | st.text(max_size=5) | st.lists(TEXT))
CHOICES = st.lists(st.builds(Choice, TEXT, TEXT), max_size=3).map(tuple)
# What is no valid Unicode is refused in questions, and allowed in ids and places.
ROWS = st.builds(
    Row,
    where=st.text(max_size=9),
    source_id=st.text(max_size=9),
    question=TEXT,
    answer=TEXT,
    choices=CHOICES,
    explanation=st.lists(TEXT, max_size=3).map(tuple),
    meta=META,
)


def numbered(n: int, *, length: int = 0) -> list[Row]:
    return [Row(f"f line {i}", str(i), f"q{i}?{'x' * length}", str(i)) for i in range(n)]


@settings(deadline=None)
@given(st.lists(ROWS, max_size=12), st.integers(1, 5), st.sampled_from([0, 50, 10**6]))
def test_rows_come_back_as_they_were(rows: list[Row], batch: int, memory: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "_BATCH_ROWS", batch)
        patch.setattr(table, "IN_MEMORY", memory)
        stored = RowTable.of({"pool": rows[::2], "test": rows[1::2]})
    expected = rows[::2] + rows[1::2]
    assert len(stored) == len(rows)
    assert stored.counts() == {"pool": len(rows[::2]), "test": len(rows[1::2])}
    for i, row in enumerate(expected):
        assert stored.row(i) == row
        assert stored.sample(i) == Sample(row.key, row.question, row.choices)
        meta = {**row.meta, "source_id": row.source_id}
        assert stored.gold(i) == Gold(row.answer, row.explanation, meta)
        assert id_text(int(stored.ids[i])) == row.key


def test_gold_lines_of_rows_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_BATCH_ROWS", 4)
    stored = RowTable.of({"pool": numbered(11)})
    lines = list(stored.gold_lines(np.array([10, 0, 4, 3])))
    assert [line.split(", ")[1] for line in lines] == ['"10"]', '"0"]', '"4"]', '"3"]']


def test_a_small_table_writes_no_file(tmp_path: Path) -> None:
    RowTable.of({"pool": numbered(2000)})
    assert not (tmp_path / "cache").exists()


def test_a_large_table_lies_in_the_cache_folder_and_leaves_nothing_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "IN_MEMORY", 10_000)
    monkeypatch.setattr(table, "_BATCH", 5_000)
    rows = numbered(300, length=100)
    folder = tmp_path / "cache" / "tables"
    with TableWriter(["pool"]) as writer:
        for row in rows:
            writer.add("pool", row)
        assert list(folder.iterdir()) == []  # it has no name even while it is written
        stored = writer.table()
    assert [stored.row(i) for i in range(300)] == rows
    assert list(folder.iterdir()) == []


def test_a_row_of_a_megabyte_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "IN_MEMORY", 1 << 20)
    rows = numbered(5, length=1_000_000)
    stored = RowTable.of({"pool": rows})
    assert [stored.row(i) for i in range(5)] == rows


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ELAD_EXP_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(table, "IN_MEMORY", 0)
    with pytest.raises(DataError, match=r"cannot be kept in .*file.tables.*Set ELAD_EXP_CACHE"):
        RowTable.of({"pool": numbered(3)})


def test_a_table_without_rows() -> None:
    stored = RowTable.of({"pool": [], "dev": []})
    assert (len(stored), stored.counts()) == (0, {"pool": 0, "dev": 0})


@pytest.mark.parametrize("text", ["", "0", "zz", "+00000000000000a", "000000000000000A", "1" * 17])
def test_what_is_no_sample_id_has_no_number(text: str) -> None:
    assert id_number(text) is None
    assert id_number("00000000000000ff") == 255
