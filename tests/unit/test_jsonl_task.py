"""The task over a user's own files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from elad_exp.errors import ConfigError, DataError
from elad_exp.protocols import Task
from elad_exp.tasks.jsonl import JsonlTask


def write(path: Path, questions: list[str], answers: list[str], **more: object) -> str:
    rows = [{"question": q, "answer": a, **more} for q, a in zip(questions, answers, strict=True)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def numbered(letter: str, n: int) -> list[str]:
    return [f"{letter}{i}?" for i in range(n)]


def test_yes_no_file_is_cut_by_hash(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.jsonl", numbered("q", 20), ["Yes", "no"] * 10)
    task = JsonlTask(path, n_dev=4, n_test=6)
    splits = task.load()
    assert isinstance(task, Task)
    assert task.name == "mine"
    assert [len(splits.pool), len(splits.dev), len(splits.test)] == [10, 4, 6]
    assert task.labels(splits.pool[0]) == ("yes", "no")
    assert {g.answer for g in splits.gold.values()} == {"yes", "no"}
    assert splits.info["source"] == "file"
    assert splits.info["assets"][0]["bytes"] == Path(path).stat().st_size
    assert sorted(tmp_path.iterdir()) == [Path(path)]


def test_choice_and_open_files(tmp_path: Path) -> None:
    choices = [{"label": "A", "text": "x"}, {"label": "B", "text": "y"}]
    path = write(tmp_path / "c.jsonl", numbered("q", 20), ["A", "B"] * 10, choices=choices)
    task = JsonlTask(path)
    sample = task.load().pool[0]
    assert task.labels(sample) == ("A", "B")
    path = write(tmp_path / "o.jsonl", numbered("q", 20), [str(i) for i in range(20)])
    task = JsonlTask(path)
    assert task.labels(task.load().pool[0]) is None


def test_files_for_dev_and_test(tmp_path: Path) -> None:
    pool = write(tmp_path / "p.jsonl", [*numbered("p", 9), "T0?"], ["no"] * 10)
    dev = write(tmp_path / "d.jsonl", numbered("d", 5), ["yes"] * 5)
    test = write(tmp_path / "t.jsonl", numbered("t", 5), ["no"] * 5)
    splits = JsonlTask(pool, dev_path=dev, test_path=test, n_dev=3).load()
    assert {s.question[0] for s in splits.pool} == {"p"}
    assert {s.question[0] for s in splits.dev} == {"d"}
    assert [len(splits.pool), len(splits.dev), len(splits.test)] == [9, 3, 5]
    [(place, reason)] = splits.info["skipped"].items()
    assert place.endswith("p.jsonl line 10")
    assert "t.jsonl line 1" in reason


def test_a_right_answer_under_two_labels_is_left_out_and_named(tmp_path: Path) -> None:
    choices = [{"label": label, "text": text} for label, text in zip("ABC", "xyx", strict=True)]
    path = write(tmp_path / "c.jsonl", numbered("q", 20), ["A", *"B" * 19], choices=choices)
    splits = JsonlTask(path, n_dev=4, n_test=5).load()
    assert len(splits.pool) == 10
    place = f"{path} line 1"
    assert splits.info["skipped"] == {
        place: "options A and C have the text of the right answer",
    }
    [warning] = splits.info["warnings"]
    assert warning.startswith("left out 1 questions whose right answer stands under two labels")


def test_near_duplicates_of_pool_and_test_become_a_warning(tmp_path: Path) -> None:
    dev = write(tmp_path / "d.jsonl", numbered("d", 5), ["no"] * 5)
    test = write(tmp_path / "t.jsonl", ["Has a red fox four quick legs?", "t1?"], ["yes", "no"])
    other = ["Has a red fox four quick legs, then?", *numbered("p", 9)]
    pool = write(tmp_path / "p.jsonl", other, ["yes", *["no"] * 9])
    splits = JsonlTask(pool, dev_path=dev, test_path=test).load()
    [warning] = splits.info["warnings"]
    assert warning.startswith("1 of 10 questions of the pool are near-duplicates of one of 2 of")
    first = next(s.id for s in splits.pool if s.question == other[0])
    assert f"{first} and " in warning


def test_problems_of_all_files_are_reported_together(tmp_path: Path) -> None:
    pool = write(tmp_path / "p.jsonl", ["", "b?"], ["yes", "no"])
    with pytest.raises(DataError) as caught:
        JsonlTask(pool, dev_path=str(tmp_path / "no.jsonl"), test_path=str(tmp_path)).load()
    message = str(caught.value)
    assert message.startswith("3 problems")
    for part in ("p.jsonl line 1: question is empty", "no.jsonl: no such file", "is a folder"):
        assert part in message


def test_unknown_answer_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="answers='boolean' is not one of auto, yes_no"):
        JsonlTask("x.jsonl", answers="boolean")


@pytest.mark.slow
def test_real_files_load(shared_data: Path) -> None:
    task = JsonlTask(str(shared_data / "gsm8k" / "test.jsonl"), n_dev=100, n_test=200)
    splits = task.load()
    assert task.answers == "number"
    assert len(splits.pool) == 1019
    task = JsonlTask(
        str(shared_data / "commonsenseqa" / "train.jsonl.gz"),
        dev_path=str(shared_data / "commonsenseqa" / "dev.jsonl"),
        n_dev=100,
        n_test=1000,
    )
    splits = task.load()
    assert task.answers == "choice"
    # Of 9,741 rows 42 cannot be graded: the right answer's text stands under two labels.
    assert [len(splits.pool), len(splits.dev), len(splits.test)] == [8699, 100, 1000]
    assert len(splits.info["skipped"]) == 48
    assert "left out 48 questions" in splits.info["warnings"][-1]


def test_a_file_in_which_nothing_can_be_graded_is_said_plainly(tmp_path: Path) -> None:
    choices = [{"label": label, "text": "x"} for label in "AB"]
    path = write(tmp_path / "t.jsonl", numbered("q", 20), ["A", "B"] * 10, choices=choices)
    with pytest.raises(DataError) as caught:
        JsonlTask(path).load()
    assert "no row of pool is left: 20 have" in str(caught.value)
    assert f"{path} line 1: options A and B have the text of the right answer" in str(caught.value)
