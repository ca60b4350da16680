"""Parquet and JSON files in our schema or in a dataset's own columns."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from elad_exp.data.layouts import LAYOUTS
from elad_exp.data.records import Reading, read_layout, split_files
from elad_exp.data.rows import Row
from elad_exp.errors import DataError
from tests.unit.test_layouts import ARC, GSM8K

OWN = {"question": "a?", "answer": "4"}
BAD = {**ARC, "answerKey": "9"}


def read(path: Path, layout: str = "arc") -> tuple[list[Row], Reading]:
    reading = Reading()
    return list(read_layout(path, LAYOUTS[layout], reading)), reading


def settled(reading: Reading) -> None:
    """Raises DataError for problems, and for more unusable records than a few."""
    reading.settle()
    reading.problems.check()


def write(path: Path, records: list[Any]) -> Path:
    if path.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(records), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(records))
    else:
        text = "\n".join(map(json.dumps, records)).encode()
        path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def numbered(n: int, **change: Any) -> list[dict[str, Any]]:
    return [{**ARC, "question": f"What is hot, {i}?"} | change for i in range(n)]


@pytest.mark.parametrize("name", ["f.parquet", "f.json", "f.jsonl", "f.jsonl.gz"])
def test_every_form_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    rows, reading = read(write(tmp_path / name, numbered(3)))
    settled(reading)
    assert [row.question for row in rows] == [f"What is hot, {i}?" for i in range(3)]
    assert {row.answer for row in rows} == {"B"}
    assert str(tmp_path / name) in rows[2].where
    assert rows[2].where.endswith(" 3")


def test_json_lines_under_the_name_json(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    path.write_text("\ufeff" + "\r\n".join(map(json.dumps, numbered(2))), encoding="utf-8")
    assert len(read(path)[0]) == 2


def test_our_schema_is_recognised_also_where_columns_overlap(tmp_path: Path) -> None:
    for name, layout, records in (
        ("a.jsonl", "arc", [OWN]),
        ("b.jsonl", "gsm8k", [{**OWN, "explanation": ["so"], "choices": []}]),
        ("c.parquet", "gsm8k", [{**OWN, "explanation": ["so"]}]),
        ("e.jsonl", "gsm8k", [{"id": "1", **OWN}]),
    ):
        rows, reading = read(write(tmp_path / name, records), layout)
        settled(reading)
        assert [row.answer for row in rows] == ["4"]
    rows, _ = read(write(tmp_path / "d.jsonl", [GSM8K]), "gsm8k")
    assert [row.answer for row in rows] == ["1200"]


def test_columns_of_neither_are_one_problem(tmp_path: Path) -> None:
    _, reading = read(write(tmp_path / "f.parquet", [{"text": "a", "label": 1}] * 40))
    with pytest.raises(DataError) as caught:
        settled(reading)
    message = str(caught.value)
    assert message.startswith("1 problem in the data")
    assert "neither of arc (no id, question, choices, answerKey) nor of our own" in message
    assert message.endswith("found: text, label")


def test_a_few_unusable_records_are_left_out_and_named(tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", [*numbered(19), BAD])
    rows, reading = read(path)
    settled(reading)
    assert len(rows) == 19
    assert list(reading.left_out) == [f"{path} line 20"]
    [warning] = reading.warnings
    assert warning.startswith("left out 1 of 20 records that cannot be used; the first: ")
    assert "answerKey '9' is not among" in warning


def test_many_unusable_records_are_refused(tmp_path: Path) -> None:
    _, reading = read(write(tmp_path / "f.jsonl", [*numbered(7), *[BAD] * 3]))
    with pytest.raises(DataError, match="3 problems in the data"):
        settled(reading)


def test_problems_of_our_schema_are_never_left_out(tmp_path: Path) -> None:
    _, reading = read(write(tmp_path / "f.jsonl", [*[OWN] * 50, {"question": "b?"}]))
    with pytest.raises(DataError, match=r"line 51: no answer \(found: question\)"):
        settled(reading)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("f.parquet", b"PAR1 nonsense", "cannot be read as parquet"),
        ("f.parquet", b"", "cannot be read as parquet"),
        ("f.json", b"[{]", "cannot be read as JSON"),
        ("f.json", b"[]", "is empty; it has no record"),
        ("f.jsonl", b"\n\n", "is empty; it has no record"),
        ("f.jsonl", b'{"id": "\xff"}', r"line 1: not UTF-8 \(byte 9\)"),
        ("f.jsonl.gz", gzip.compress(b"x" * 50_000, mtime=0)[:-20], "truncated or damaged"),
    ],
)
def test_unusable_files(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    rows, reading = read(tmp_path / name)
    assert rows == []
    with pytest.raises(DataError, match=reason):
        settled(reading)


def test_a_row_of_a_megabyte_is_read(tmp_path: Path) -> None:
    for name in ("f.jsonl", "f.parquet"):
        [row], _ = read(write(tmp_path / name, [{**ARC, "question": "x" * 1_000_000}]))
        assert len(row.question) == 1_000_000


def files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def names(folder: Path, split: str) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in split_files(folder, split)]


def test_the_files_of_a_split(tmp_path: Path) -> None:
    shards = [f"data/train-0000{i}-of-00002.parquet" for i in range(2)]
    hub = files(tmp_path / "hub", *shards, "data/test-00000-of-00001.parquet", "README.md")
    assert names(hub, "train") == shards
    converted = files(tmp_path / "c", "plain/train/0000.parquet", "plain/test/0000.parquet")
    assert names(converted, "train") == ["plain/train/0000.parquet"]
    rounds = files(tmp_path / "r", "train_r1-00000-of-00001.parquet", "train_r2.parquet")
    assert names(rounds, "train_r2") == ["train_r2.parquet"]
    with pytest.raises(DataError, match=r"no file of the split train .* found: train_r1-000"):
        split_files(rounds, "train")
    own = files(tmp_path / "own", "dev.jsonl", "train.jsonl.gz", "outputs_dev.jsonl")
    assert names(own, "validation") == ["dev.jsonl"]
    assert names(files(tmp_path / "n", "mine_train.json"), "train") == ["mine_train.json"]
    with pytest.raises(DataError, match="found: no data file"):
        split_files(files(tmp_path / "e", "train.csv"), "train")


def test_a_missing_part_of_a_split_is_named(tmp_path: Path) -> None:
    folder = files(tmp_path, "train-00000-of-00003.parquet", "train-00002-of-00003.parquet")
    with pytest.raises(DataError, match=r"train: of 3 parts \(from 0\), 1 is missing"):
        split_files(folder, "train")


def test_files_of_one_split_in_several_folders_are_refused(tmp_path: Path) -> None:
    both = files(tmp_path, "ARC-Challenge/train.parquet", "ARC-Easy/train-00000-of-00001.parquet")
    with pytest.raises(DataError, match=r"several folders: ARC-Challenge, ARC-Easy; .*subset=ARC-"):
        split_files(both, "train")
    assert names(both / "ARC-Easy", "train") == ["train-00000-of-00001.parquet"]
    nested = files(tmp_path / "n", "a/train/0.parquet", "b/train/0.parquet")
    with pytest.raises(DataError, match=r"several folders: a, b; "):
        split_files(nested, "train")
    one = files(tmp_path / "o", "train/x/0.parquet", "train/y/0.parquet")
    assert names(one, "train") == ["train/x/0.parquet", "train/y/0.parquet"]
