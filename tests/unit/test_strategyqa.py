"""StrategyQA from each of its layouts; the questions here are made up."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from elad_exp.assets import AssetRecord, pypi
from elad_exp.data.sentences import split_sentences
from elad_exp.errors import AssetError, ConfigError, DataError
from elad_exp.protocols import Splits
from elad_exp.tasks import strategyqa
from elad_exp.tasks.strategyqa import StrategyQATask, steps_of

FACTS = [
    ["Kites need wind", "Submarines travel below the sea. "],
    ["A tuba weighs ten kilograms.", 'Its player said: "Too heavy."', "A feather weighs a gram"],
    ["Rain is wet,", "The Sahara is dry ."],
]
QUESTIONS = [f"Could {thing} be carried number {i}?" for i, thing in enumerate(["it", "he"] * 6)]
ROWS = [(q, i % 3 == 0, FACTS[i % 3]) for i, q in enumerate(QUESTIONS)]
KNOBS: dict[str, Any] = {"n_dev": 2, "n_test": 3}


def bigbench(facts: list[str]) -> str:
    """As BIG-bench joins the facts."""
    return " ".join(f if f.strip().endswith((".", ",")) else f + "." for f in facts)


def task_json(path: Path) -> Path:
    examples = [
        {
            "input": f" {q} ",
            "target_scores": {"Yes": int(yes), "No": int(not yes)},
            "target": f"{'Yes' if yes else 'No'}. {bigbench(facts)}",
        }
        for q, yes, facts in reversed(ROWS)
    ]
    path.write_text(json.dumps({"name": "strategyqa", "examples": examples}))
    return path


def schema_folder(folder: Path) -> Path:
    folder.mkdir()
    for part, rows in (("train", ROWS[:7]), ("dev", ROWS[7:])):
        lines = [
            {
                "id": f"x{i}",
                "question": q,
                "choices": [],
                "answer": "yes" if yes else "no",
                "explanation": [f.strip() for f in facts],
                "meta": {"facts": facts},
            }
            for i, (q, yes, facts) in enumerate(rows)
        ]
        (folder / f"{part}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (folder / "rationales_of_a_model.jsonl").write_text("not data")
    return folder


def authors_json(path: Path) -> Path:
    rows = [
        {"qid": str(i), "question": q, "answer": y, "facts": f} for i, (q, y, f) in enumerate(ROWS)
    ]
    path.write_text(json.dumps(rows))
    return path


def hub_snapshot(cache: Path, *, as_text: bool = False) -> None:
    """A dataset repository in the hub's cache, as the hub's own client lays it out."""
    repo = cache / "hub" / "datasets--ChilleD--StrategyQA"
    data = repo / "snapshots" / "c0ffee" / "data"
    data.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("c0ffee")
    for part, rows in (("train", ROWS[:5]), ("test", ROWS[5:])):
        columns = {
            "qid": [q[-6:] for q, _, _ in rows],
            "question": [q for q, _, _ in rows],
            "answer": [yes for _, yes, _ in rows],
            "facts": [bigbench(f) if as_text else f for _, _, f in rows],
        }
        parquet.write_table(pa.table(columns), data / f"{part}-00000-of-00001.parquet")


def compared(splits: Splits) -> dict[str, Any]:
    gold = {key: (g.answer, g.explanation) for key, g in splits.gold.items()}
    parts = [splits.pool, splits.dev, splits.test]
    return {"parts": parts, "gold": gold, "sha256": splits.info["sha256"]}


@pytest.mark.parametrize("as_text", [False, True])
def test_every_source_gives_the_same(tmp_path: Path, as_text: bool) -> None:
    hub_snapshot(tmp_path / "cache", as_text=as_text)
    hub = StrategyQATask(source="hub", **KNOBS).load()
    assert hub.info["source"] == "hub:ChilleD/StrategyQA"
    assert hub.info["revision"] == "c0ffee"
    paths = [
        task_json(tmp_path / "task.json"),
        schema_folder(tmp_path / "folder"),
        authors_json(tmp_path / "strategyqa_train.json"),
    ]
    for path in paths:
        splits = StrategyQATask(str(path), **KNOBS).load()
        assert splits.info["source"] == "file"
        assert compared(splits) == compared(hub)
    assert [len(part) for part in compared(hub)["parts"]] == [7, 2, 3]


def test_steps_are_sentences_without_stray_full_stops() -> None:
    assert steps_of(FACTS[0]) == ("Kites need wind.", "Submarines travel below the sea.")
    assert steps_of(FACTS[1])[1] == 'Its player said: "Too heavy."'
    assert all(steps_of(facts) == steps_of(bigbench(facts)) for facts in FACTS)


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("Dr. Who met J. R. R. Tolkien. They spoke.", 2),
        ("He lives in the U.S. The flat is small.", 2),
        ("The U.S. Congress sat.", 1),
        ("World War I. World War II ended in 1945.", 2),
        ("It holds vitamin C. Oranges do too.", 2),
        ("It costs 3.5 dollars. 4 is more.", 2),
        ("What? No! Yes.", 3),
        ("a.b.c.", 1),
        ("No full stop", 1),
        (" . ", 0),
    ],
)
def test_sentences(text: str, n: int) -> None:
    got = split_sentences(text)
    assert len(got) == n
    assert "".join("".join(got).split()) == "".join(text.split()) or n == 0


def test_rows_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    path = tmp_path / "task.json"
    examples = [
        {"input": "a?", "target_scores": {"Yes": 1, "No": 0}, "target": "No. Because."},
        {"input": "b?"},
        "c?",
    ]
    path.write_text(json.dumps({"examples": examples}))
    with pytest.raises(DataError) as caught:
        StrategyQATask(str(path)).load()
    message = str(caught.value)
    assert "example 1: target 'No. Because.' does not begin with 'yes'" in message
    assert "example 2: not a BIG-bench example (KeyError('target_scores'))" in message
    assert "example 3" in message
    path.write_text(json.dumps([{"question": "a?", "answer": "maybe", "facts": ["b"]}, {"q": 1}]))
    with pytest.raises(DataError, match=r"row 1: answer is no truth value(.|\n)*found q"):
        StrategyQATask(str(path)).load()


@pytest.mark.parametrize("content", ["{", "{}", "3", "[" * 100_000])
def test_json_of_no_known_layout(tmp_path: Path, content: str) -> None:
    path = tmp_path / "task.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"task\.json: (cannot be read as JSON|neither a list)"):
        StrategyQATask(str(path)).load()


def test_answers_other_than_yes_and_no_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps({"question": "How many?", "answer": "4"}))
    with pytest.raises(DataError, match="answer '4' is neither yes nor no"):
        StrategyQATask(str(path)).load()


def test_a_path_that_is_not_there_and_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        StrategyQATask(str(tmp_path / "no.jsonl")).load()
    with pytest.raises(DataError, match=r"holds none of train\.jsonl"):
        StrategyQATask(str(tmp_path)).load()


def test_no_source_is_one_error_with_every_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    # The download is not begun on a disk that is nearly full.
    monkeypatch.setattr(pypi.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**12))
    with pytest.raises(AssetError) as caught:
        StrategyQATask().load()
    message = str(caught.value)
    for part in (
        "hub cache: ChilleD/StrategyQA is not in",
        "hub: offline mode is on (HF_HUB_OFFLINE)",
        "package index: pip could not download bigbench==1.0.0: ERROR",
        "python -m elad_exp +experiment=quickstart",
        "dataset.path=",
    ):
        assert part in message
    with pytest.raises(AssetError) as caught:
        StrategyQATask(source="hub").load()
    assert "package index" not in str(caught.value)


def test_a_snapshot_without_data_files_is_no_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub_snapshot(tmp_path / "cache")
    for file in (tmp_path / "cache").rglob("*.parquet"):
        file.rename(file.with_name("notes.json"))
    with pytest.raises(AssetError, match="has no file named after a split"):
        StrategyQATask(source="hub").load()


def test_a_source_with_another_number_of_questions_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hub_snapshot(tmp_path / "cache")
    splits = StrategyQATask(source="hub", **KNOBS).load()
    assert "has 12 questions instead of 2290" in caplog.text
    [warning] = [w for w in splits.info["warnings"] if "instead of 2290" in w]
    assert "splits and results differ" in warning
    assert "hub: offline mode is on" in warning


def test_an_incomplete_copy_does_not_hide_the_other_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub_snapshot(tmp_path / "cache")
    whole = tmp_path / "whole"
    whole.mkdir()
    rows = [{"question": f"Is it {i}?", "answer": True, "facts": ["So."]} for i in range(2290)]
    (whole / "train.json").write_text(json.dumps(rows))
    record = AssetRecord("strategyqa", "pypi:bigbench==1.0.0", str(whole))
    monkeypatch.setattr(strategyqa, "fetch_pypi", lambda asset: record)
    splits = StrategyQATask(**KNOBS).load()
    assert splits.info["source"] == "pypi:bigbench==1.0.0"
    assert len(splits.gold) == 2290
    assert splits.info["warnings"] == []


def test_a_damaged_copy_is_refused_by_name(tmp_path: Path) -> None:
    hub_snapshot(tmp_path / "cache")
    [file] = (tmp_path / "cache").rglob("train-*.parquet")
    file.write_bytes(b"PAR1" + file.read_bytes()[4:100])
    with pytest.raises(AssetError, match=r"hub cache: (.|\n)*train-\S*parquet: cannot be read"):
        StrategyQATask(source="hub").load()
    with pytest.raises(DataError, match=r"train-\S*parquet: cannot be read as parquet"):
        StrategyQATask(str(file)).load()
    with pytest.raises(DataError, match=r"no\.parquet: cannot be read as parquet"):
        StrategyQATask(str(tmp_path / "no.parquet")).load()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"question": None}, "question: a string is expected, not null"),
        ({"question": " "}, "question is empty"),
        ({"answer": ["yes"]}, "answer is no truth value"),
        ({"answer": {}}, "answer is no truth value"),
        ({"facts": [None]}, "fact 1: a string is expected, not null"),
        ({"facts": ["", "\ud800"]}, "fact 2 holds half of a surrogate pair"),
        ({"facts": {"a": 1}}, "facts is neither text nor a list of texts"),
        ({"facts": []}, "facts is neither text nor a list of texts"),
        ({"facts": None}, "facts is neither text nor a list of texts"),
    ],
)
def test_bad_cells_are_problems_with_file_and_row(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    path = tmp_path / "train.json"
    good = {"question": "a?", "answer": True, "facts": ["b", "", " "]}
    path.write_text(json.dumps([good, {**good, **change}, {**good, **change}]))
    with pytest.raises(DataError) as caught:
        StrategyQATask(str(path)).load()
    lines = str(caught.value).splitlines()
    assert lines[0] == "2 problems in the data"
    assert lines[1].startswith(f"  {path} row 2: {reason}")


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ([1, 2], "fact 1: a string is expected, not the number 1"),
        ({"a": 1}, "facts is neither text nor a list of texts"),
        (5, "facts is neither text nor a list of texts"),
    ],
)
def test_bad_facts_in_meta_are_problems_with_file_and_line(
    tmp_path: Path, facts: Any, reason: str
) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps({"question": "a?", "answer": "yes", "meta": {"facts": facts}}))
    with pytest.raises(DataError) as caught:
        StrategyQATask(str(path)).load()
    assert f"{path} line 1: {reason}" in str(caught.value)


def test_bad_cells_of_bigbench_are_problems(tmp_path: Path) -> None:
    good = {"input": "a?", "target_scores": {"Yes": 1, "No": 0}, "target": "Yes. Because."}
    bad = [{**good, "input": None}, {**good, "target": None}, {**good, "target_scores": []}]
    path = tmp_path / "task.json"
    path.write_text(json.dumps({"examples": [*bad, {**good, "target_scores": {}}]}))
    with pytest.raises(DataError, match="4 problems"):
        StrategyQATask(str(path)).load()


def test_unknown_source_is_refused() -> None:
    with pytest.raises(ConfigError, match="source='web' is not one of auto, hub, pypi"):
        StrategyQATask(source="web")


def test_real_file(shared_data: Path) -> None:
    splits = StrategyQATask(str(shared_data / "strategyqa")).load()
    assert [len(splits.pool), len(splits.dev), len(splits.test)] == [1589, 200, 500]
    assert len(splits.gold) == 2289
    [reason] = splits.info["skipped"].values()
    assert "same question" in reason


@pytest.mark.network
def test_package_index_and_file_give_the_same(shared_data: Path) -> None:
    fetched = StrategyQATask(source="pypi").load()
    assert compared(fetched) == compared(StrategyQATask(str(shared_data / "strategyqa")).load())
