"""Files of a run directory survive crashes and are cut back on resume."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from elad_exp.errors import ConfigError
from elad_exp.rundir import RunDirectory, read_lines
from elad_exp.types import Query, QueryItem, Sample


def test_a_directory_that_holds_a_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"already holds a run.*resume="):
        RunDirectory(tmp_path).create()


def test_an_unwritable_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        RunDirectory(tmp_path / "file" / "run").create()


def test_only_one_process_runs_in_a_directory(tmp_path: Path) -> None:
    first, second = RunDirectory(tmp_path), RunDirectory(tmp_path)
    in_use = pytest.raises(ConfigError, match="in use by another process")
    with first.held(), in_use, second.held():
        pass
    with second.held():  # free again
        pass


def test_cut_back_drops_later_rounds_and_half_lines(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.create()
    for r in range(3):
        run.put_round({"round": r, "select": {"n": 1}, "bought": {"ok": 1}})
        run.append("predictions.jsonl", [{"round": r, "id": "a"}])
        run.append("annotations.jsonl", [{"round": r, "id": "a"}])
        run.append("scores.jsonl.gz", [{"round": r, "id": "a"}])
    with (tmp_path / "annotations.jsonl").open("a") as file:
        file.write('{"round": 2, "id"')
    with (tmp_path / "scores.jsonl.gz").open("ab") as file:
        file.write(gzip.compress(b'{"round": 3}\n')[:-9])
    run.cut_back(measured=2, bought=2)
    assert [x["round"] for x in run.rounds] == [0, 1]
    for name in ("annotations.jsonl", "predictions.jsonl", "scores.jsonl.gz"):
        assert [x["round"] for x in read_lines(tmp_path / name)] == [0, 1], name
    # A run that a rule stopped in round 1 and that was then cut off in its next purchase.
    run.cut_back(measured=2, bought=1)
    assert [x["bought"] for x in run.rounds] == [{"ok": 1}, None]
    assert [x["select"] for x in run.rounds] == [{"n": 1}, None]
    assert len(read_lines(tmp_path / "predictions.jsonl")) == 2
    for name in ("annotations.jsonl", "scores.jsonl.gz"):
        assert [x["round"] for x in read_lines(tmp_path / name)] == [0], name


def test_a_kept_query_keeps_its_scores(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.create()
    run.append("scores.jsonl.gz", [{"round": 1, "id": "a"}, {"round": 2, "id": "a"}])
    query = Query(2, (QueryItem(Sample("a", "q"), score=0.5),))
    run.keep_query(query, {"seconds": {"score": 3.0}})
    assert run.kept_query(2) == (query, {"seconds": {"score": 3.0}})
    assert run.kept_query(1) is None
    run.cut_back(measured=2, bought=2)
    assert [x["round"] for x in read_lines(tmp_path / "scores.jsonl.gz")] == [1, 2]


def test_a_query_is_forgotten_with_its_scores(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.create()
    run.forget_query()
    run.append("scores.jsonl.gz", [{"round": 1, "id": "a"}, {"round": 2, "id": "a"}])
    run.keep_query(Query(2, (QueryItem(Sample("a", "q"), score=0.5),)), {})
    run.forget_query()
    assert run.kept_query(2) is None
    assert [x["round"] for x in read_lines(tmp_path / "scores.jsonl.gz")] == [1]


def test_a_round_line_is_replaced_when_its_purchase_is_known(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.create()
    run.put_round({"round": 0, "bought": None})
    run.put_round({"round": 0, "bought": {"ok": 3}})
    assert read_lines(tmp_path / "rounds.jsonl") == [{"round": 0, "bought": {"ok": 3}}]


@pytest.mark.parametrize("name", ["config.yaml", "run.log", "student"])
def test_a_folder_with_a_file_that_a_run_would_replace_is_refused(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(ConfigError, match=rf"holds {name}, which a run would replace"):
        RunDirectory(tmp_path).create()
    assert (tmp_path / name).read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == [name]
