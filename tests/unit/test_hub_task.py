"""Datasets of the hub: from its cache, from files, and what is said where they cannot be had."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from huggingface_hub import HfApi, constants
from pyarrow import parquet

from elad_exp.assets import cache_dir
from elad_exp.building import build
from elad_exp.config import compose_config
from elad_exp.errors import AssetError, ConfigError, DataError
from elad_exp.protocols import SourcedTask, Splits, Task
from elad_exp.tasks.hub import HubTask
from tests.unit.test_layouts import ANLI, AQUA, ARC, CSQA, ECQA, ESNLI, GSM8K

COMMIT = "c0ffee" * 7
WORDS = ["red", "blue", "green", "black", "white", "grey", "pink", "brown", "teal", "gold"]


def varied(record: dict[str, Any], column: str, n: int, *, start: int = 0) -> list[dict[str, Any]]:
    """Copies of `record` that ask about different things."""
    return [
        record | {column: f"{WORDS[i % 10]} {i} {record[column]} {i * i} {WORDS[i // 10 % 10]}?"}
        for i in range(start, start + n)
    ]


def write(path: Path, records: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(records), path)


def cached(repo: str, files: dict[str, list[dict[str, Any]]], *, revision: str = "main") -> None:
    """A dataset repository in the hub's cache, as the hub's own client lays it out."""
    folder = cache_dir() / "hub" / f"datasets--{repo.replace('/', '--')}"
    if len(revision) == 40:
        commit = revision
    else:
        commit = COMMIT[:40]
        (folder / "refs" / revision).parent.mkdir(parents=True, exist_ok=True)
        (folder / "refs" / revision).write_text(commit)
    for name, records in files.items():
        write(folder / "snapshots" / commit / name, records)


def loaded(*overrides: str) -> Splits:
    task = build(compose_config(list(overrides)).dataset)
    assert isinstance(task, Task)
    splits = task.load()
    assert isinstance(task, SourcedTask)
    assert set(task.source_ids) == {s.id for s in splits.pool}
    return splits


def sizes(splits: Splits) -> list[int]:
    return [len(splits.pool), len(splits.dev), len(splits.test)]


def parts(
    folder: str, record: dict[str, Any], column: str, **splits: int
) -> dict[str, list[dict[str, Any]]]:
    files, start = {}, 0
    for split, n in splits.items():
        name = f"{folder}/{split}-00000-of-00001.parquet"
        files[name] = varied(record, column, n, start=start)
        start += n
    return files


def test_gsm8k_from_the_cache_at_its_commit() -> None:
    revision = compose_config(["dataset=gsm8k"]).dataset.revision
    cached("openai/gsm8k", parts("main", GSM8K, "question", train=20, test=6), revision=revision)
    splits = loaded("dataset=gsm8k", "dataset.n_dev=4")
    assert sizes(splits) == [16, 4, 6]
    assert (splits.info["source"], splits.info["revision"]) == ("hub:openai/gsm8k", revision)
    assert {g.answer for g in splits.gold.values()} == {"1200"}


def test_aqua_and_arc_keep_their_official_splits() -> None:
    record = AQUA | {"options": ["A)21", "B)20", "C)1", "D)2", "E)3"]}
    cached("deepmind/aqua_rat", parts("raw", record, "question", train=9, validation=3, test=4))
    assert sizes(loaded("dataset=aqua")) == [9, 3, 4]
    for subset, option in (("ARC-Challenge", "arc_challenge"), ("ARC-Easy", "arc_easy")):
        revision = compose_config([f"dataset={option}"]).dataset.revision
        files = parts(subset, ARC, "question", train=9, validation=3, test=4)
        cached("allenai/ai2_arc", files, revision=revision)
        splits = loaded(f"dataset={option}")
        assert sizes(splits) == [9, 3, 4]
        assert splits.info["name"] == option


def test_commonsenseqa_joins_ecqa() -> None:
    five = {"label": list("ABCDE"), "text": ["bank", "sea", "c", "d", "e"]}
    files = parts("data", CSQA | {"choices": five}, "question", train=12, validation=5)
    hidden = [CSQA | {"choices": five, "answerKey": ""}] * 3
    cached("tau/commonsense_qa", {**files, "data/test-00000-of-00001.parquet": hidden})
    questions = [r["question"] for records in files.values() for r in records]
    known = [ECQA | {"q_text": question} for question in questions[:15]]
    cached(
        "tasksource/ecqa",
        {
            f"data/{split}-00000-of-00001.parquet": known[i::3]
            for i, split in enumerate(("train", "validation", "test"))
        },
    )
    splits = loaded("dataset=commonsenseqa", "dataset.n_dev=2")
    assert sizes(splits) == [10, 2, 5]
    assert sum(bool(g.explanation) for g in splits.gold.values()) == 15
    assert [a["name"] for a in splits.info["assets"]] == ["tau/commonsense_qa", "tasksource/ecqa"]
    plain = loaded("dataset=commonsenseqa", "dataset.n_dev=2", "dataset.explanations=null")
    assert not any(g.explanation for g in plain.gold.values())


def test_commonsenseqa_without_ecqa_says_how_to_go_on() -> None:
    cached("tau/commonsense_qa", parts("data", CSQA, "question", train=12, validation=5))
    with pytest.raises(AssetError, match="dataset tasksource/ecqa") as caught:
        loaded("dataset=commonsenseqa")
    assert "dataset.explanations=null goes without" in str(caught.value)


def csqa_copy(folder: Path, n: int) -> list[str]:
    """A file of questions with five options at `folder`; the questions."""
    five = {"label": list("ABCDE"), "text": ["bank", "sea", "c", "d", "e"]}
    records = varied(CSQA | {"choices": five}, "question", n)
    write(folder / "train.parquet", records)
    return [record["question"] for record in records]


def joined(folder: Path, questions: list[str]) -> Splits:
    """That copy with explanations of `questions`."""
    write(folder / "ecqa.parquet", [ECQA | {"q_text": question} for question in questions])
    return loaded(
        "dataset=commonsenseqa",
        f"dataset.path={folder / 'train.parquet'}",
        f"dataset.explanations.path={folder / 'ecqa.parquet'}",
        "dataset.n_dev=2",
        "dataset.n_test=3",
    )


def test_ecqa_that_explains_few_questions_is_told_and_none_is_refused(tmp_path: Path) -> None:
    questions = csqa_copy(tmp_path, 20)
    assert joined(tmp_path, questions[:10]).info["warnings"] == []
    assert joined(tmp_path, questions[:9]).info["warnings"] == [
        "9 of 20 questions have an explanation in ECQA"
    ]
    with pytest.raises(DataError, match="none of 20 questions has an explanation in ECQA"):
        joined(tmp_path, ["What else?"])


def test_what_is_wrong_with_ecqa_is_named_with_its_place(tmp_path: Path) -> None:
    csqa_copy(tmp_path, 20)
    copy = ["dataset=commonsenseqa", f"dataset.path={tmp_path / 'train.parquet'}"]
    given = f"dataset.explanations.path={tmp_path / 'ecqa.parquet'}"
    with pytest.raises(DataError, match=r"\.explanations\.path=.*ecqa\.parquet: no such file"):
        loaded(*copy, given)
    write(tmp_path / "ecqa.parquet", [ECQA, {**ECQA, "taskB": None}])
    with pytest.raises(DataError, match=r"ecqa\.parquet row 2: ECQA: taskB: a string is expected"):
        loaded(*copy, given)
    with pytest.raises(ConfigError, match=r"\.explanations\.repo and .*\.path are both empty"):
        loaded(*copy, "dataset.explanations.repo=null")


def test_anli_takes_the_rounds_that_are_named() -> None:
    files = {}
    for n in (1, 2, 3):
        for part, size in (("train", 9), ("dev", 3), ("test", 4)):
            records = varied(ANLI, "premise", size, start=100 * n + 10 * len(part))
            files[f"plain_text/{part}_r{n}-00000-of-00001.parquet"] = records
    cached("facebook/anli", files)
    assert sizes(loaded("dataset=anli", "dataset.n_dev=null")) == [27, 9, 12]
    assert sizes(loaded("dataset=anli", "dataset.rounds=[2]", "dataset.n_dev=2")) == [9, 2, 4]
    for rounds in ("[]", "[4]", "[1,1]"):
        with pytest.raises(ConfigError, match=r"dataset\.rounds="):
            loaded("dataset=anli", f"dataset.rounds={rounds}")


def test_esnli_from_the_branch_of_the_hub_s_converter() -> None:
    files = {
        f"plain_text/{part}/0000.parquet": varied(ESNLI, "premise", n, start=100 * n)
        for part, n in (("train", 9), ("validation", 3), ("test", 4))
    }
    cached("esnli/esnli", files, revision="refs/convert/parquet")
    splits = loaded("dataset=esnli", "dataset.n_dev=2", "dataset.n_test=3")
    assert sizes(splits) == [9, 2, 3]


def test_any_dataset_by_its_columns() -> None:
    records = [
        {"query": f"Is {word} {i} a colour?", "gold": i % 2, "opts": ["no", "yes"], "why": "So."}
        for i, word in enumerate(WORDS)
    ]
    cached("me/mine", {"train.parquet": records})
    overrides = [
        "dataset=hf",
        "dataset.name=me/mine",
        "dataset.columns.question=query",
        "dataset.columns.answer=gold",
        "dataset.columns.choices=opts",
        "dataset.columns.explanation=why",
        "dataset.n_test=3",
    ]
    splits = loaded(*overrides)
    assert (sizes(splits), splits.info["name"]) == ([6, 1, 3], "me/mine")
    assert {g.answer for g in splits.gold.values()} == {"A", "B"}
    named = loaded(*overrides, "dataset.name=colours", "dataset.repo=me/mine")
    assert (named.info["name"], named.info["source"]) == ("colours", "hub:me/mine")
    with pytest.raises(AssetError, match="no file of the split other"):
        loaded(*overrides, "dataset.splits.test=other")


def test_a_file_of_any_dataset_with_missing_columns(tmp_path: Path) -> None:
    write(tmp_path / "f.parquet", varied(GSM8K, "question", 9))
    task = HubTask(
        name="x",
        path=str(tmp_path / "f.parquet"),
        columns={"question": "question", "answer": "gold", "choices": "opts"},
    )
    with pytest.raises(DataError, match=r"(?s)1 problem in the data.*row 1: no column gold, opts"):
        task.load()


def test_offline_the_answer_comes_at_once_and_says_how_to_go_on() -> None:
    before = time.monotonic()
    with pytest.raises(AssetError) as caught:
        loaded("dataset=gsm8k")
    assert time.monotonic() - before < 5
    message = str(caught.value)
    assert "dataset openai/gsm8k could not be had" in message
    assert "hub cache: openai/gsm8k is not in" in message
    assert "hub: offline mode is on (HF_HUB_OFFLINE)" in message
    assert "python -m elad_exp +experiment=quickstart" in message


def test_a_cache_without_the_wanted_split_is_no_dataset() -> None:
    cached("deepmind/aqua_rat", parts("raw", AQUA, "question", train=3))
    with pytest.raises(AssetError, match=r"hub cache: .* no file of the split validation"):
        loaded("dataset=aqua")


def repository(monkeypatch: pytest.MonkeyPatch, *files: str) -> None:
    """A hub that has these files, none of which may be fetched."""
    info = SimpleNamespace(
        sha=COMMIT, siblings=[SimpleNamespace(rfilename=name, size=1) for name in files]
    )
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(HfApi, "dataset_info", lambda *_, **__: info)


def test_a_repository_with_a_script_alone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    repository(monkeypatch, "README.md", "esnli.py", "dataset_infos.json")
    with pytest.raises(AssetError) as caught:
        loaded("dataset=esnli", "dataset.revision=main")
    message = str(caught.value)
    assert "has a loading script (esnli.py), which is never run" in message
    assert "dataset.revision=refs/convert/parquet" in message


def test_a_repository_without_data_files_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    repository(monkeypatch, "README.md", "train.csv")
    with pytest.raises(AssetError, match=r"has no file .*it holds README\.md, train\.csv"):
        loaded("dataset=esnli")


def test_a_folder_without_a_split_says_how_to_cut_it(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", varied(AQUA, "question", 9))
    write(tmp_path / "dev.parquet", varied(AQUA, "question", 3, start=20))
    with pytest.raises(DataError, match=r"split test .*dataset\.splits\.test=null to cut test"):
        loaded("dataset=aqua", f"dataset.path={tmp_path}")
    cut = ["dataset.splits.test=dev", "dataset.splits.dev=null", "dataset.n_dev=2"]
    assert sizes(loaded("dataset=aqua", f"dataset.path={tmp_path}", *cut)) == [7, 2, 3]
    with pytest.raises(DataError, match=r"nowhere: no such file or folder"):
        loaded("dataset=aqua", f"dataset.path={tmp_path / 'nowhere'}")


def test_the_subset_is_a_folder_of_a_copy(tmp_path: Path) -> None:
    for subset, start in (("ARC-Challenge", 0), ("ARC-Easy", 50)):
        for split, n in (("train", 9), ("validation", 3), ("test", 4)):
            start += 10
            write(tmp_path / subset / f"{split}.parquet", varied(ARC, "question", n, start=start))
    splits = loaded("dataset=arc_easy", f"dataset.path={tmp_path}")
    assert sizes(splits) == [9, 3, 4]
    assert all("/ARC-Easy/" in asset["path"] for asset in splits.info["assets"])
    with pytest.raises(DataError, match="several folders: ARC-Challenge, ARC-Easy") as caught:
        loaded("dataset=arc_easy", f"dataset.path={tmp_path}", "dataset.subset=null")
    assert "name another split" not in str(caught.value)
    assert sizes(loaded("dataset=arc_easy", f"dataset.path={tmp_path / 'ARC-Easy'}")) == [9, 3, 4]


def test_left_out_records_and_questions_are_in_the_run_s_record(tmp_path: Path) -> None:
    twins = AQUA | {"options": ["A)21", "B)21", "C)1"]}
    records = [
        *varied(AQUA, "question", 19),
        *varied(AQUA | {"correct": "G"}, "question", 1, start=30),
        *varied(twins, "question", 1, start=40),
    ]
    path = tmp_path / "f.parquet"
    write(path, records)
    splits = loaded("dataset=aqua", f"dataset.path={path}", "dataset.n_dev=3")
    assert sum(sizes(splits)) == 19
    assert set(splits.info["skipped"]) == {f"{path} row 20", f"{path} row 21"}
    left_out, ungradable = splits.info["warnings"]
    assert left_out.startswith("left out 1 of 21 records that cannot be used")
    assert ungradable.startswith("left out 1 questions whose right answer stands under two labels")


def test_an_answer_that_is_no_number_is_left_out_of_gsm8k(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    bad = GSM8K | {"question": "How many?", "answer": "None.\n#### unknown"}
    write(path, [*varied(GSM8K, "question", 19), bad])
    splits = loaded("dataset=gsm8k", f"dataset.path={path}", "dataset.n_dev=2")
    assert sum(sizes(splits)) == 19
    assert list(splits.info["skipped"]) == [f"{path} row 20"]
    assert splits.info["warnings"][0].startswith("left out 1 of 20 records that cannot be used")


def test_our_schema_is_read_in_place_of_gsm8k(tmp_path: Path) -> None:
    rows = [{"id": str(i), "question": f"{w}?", "answer": "18"} for i, w in enumerate(WORDS)]
    write(tmp_path / "f.parquet", rows)
    splits = loaded("dataset=gsm8k", f"dataset.path={tmp_path / 'f.parquet'}", "dataset.n_dev=2")
    assert sizes(splits) == [6, 2, 2]


def test_questions_that_all_have_two_right_labels_are_named(tmp_path: Path) -> None:
    twins = AQUA | {"options": ["A)21", "B)21", "C)1"]}
    for split, record in (("train", twins), ("validation", AQUA), ("test", AQUA)):
        write(tmp_path / f"{split}.parquet", varied(record, "question", 5))
    with pytest.raises(DataError, match=r"no row of pool is left: 5 have .*train\.parquet row 1: "):
        loaded("dataset=aqua", f"dataset.path={tmp_path}")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, r"dataset\.repo and dataset\.path are both empty"),
        ({"repo": "a/b", "layout": "gsm9k"}, "'gsm9k' is not one of columns, gsm8k, aqua"),
        ({"repo": "a/b", "columns": {"question": "q"}}, r"dataset\.columns is for"),
        ({"repo": "a/b", "splits": {"train": "x"}}, r"dataset\.splits: train is not one of pool"),
        ({"repo": "a/b", "splits": {"pool": None}}, r"dataset\.splits\.pool is empty"),
        ({"repo": "a/b", "answers": "maybe"}, "answers='maybe' is not one of"),
    ],
)
def test_configuration_is_checked_at_once(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        HubTask(**({"name": "x", "layout": "gsm8k"} | given))
