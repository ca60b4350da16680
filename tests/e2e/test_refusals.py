"""The user's mistakes: exit 2, one short message, no traceback, nothing written."""

from __future__ import annotations

import json
import re
import shutil
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from elad_exp.__main__ import main
from elad_exp.config import config_dir
from elad_exp.rundir import RunDirectory, read_lines
from tests.helpers_main import SIZES, TINY, result, run, tree


def refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], *, lines: int = 1
) -> str:
    """The message, having checked that it is all that came of it."""
    place = tmp_path / "out"
    place.mkdir(exist_ok=True)
    before = tree(place)
    folders = {p for p in place.rglob("*") if p.is_dir()}
    arguments = [a.replace("OUT", str(place)) for a in arguments]
    if not any(a.startswith(("paths.", "resume=")) for a in arguments):
        arguments.append(f"paths.run_dir={place / 'deep' / 'run'}")
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err + shown.out
    assert shown.err.startswith("error: ")
    assert len(shown.err.splitlines()) <= lines
    assert tree(place) == before
    assert {p for p in place.rglob("*") if p.is_dir()} == folders
    return shown.err


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["selector=nope"], "nope.*random"),
        (["stopping=[nope]"], "stopping=nope.*dev_plateau"),
        (["optim.batch_sise=4"], "batch_sise"),
        (["dataset.n_pol=4"], "n_pol"),
        (["+selector.weight=1"], "weight"),
        (["+budget.max_usdd=1"], "max_usdd"),
        (["++budget.max_usdd=1"], "max_usdd"),
        (["+budgett.max_usd=1"], "budgett"),
        (["budget.max_annotations=-3"], "max_annotations=-3.*at least 0"),
        (["budget.max_usd=-0.5"], "max_usd=-0.5.*at least 0"),
        (["budget.max_usd=nan"], "max_usd=nan.*finite"),
        (["budget.max_annotations=many"], "max_annotations=many: a whole number"),
        (["budget.max_annotations=5"], "initial_size=6.*max_annotations=5"),
        (["budget.max_tokens=300"], "max_tokens=300 does not cover one annotation"),
        (["budget.max_calls=0"], "max_calls=0 does not cover one annotation"),
        (["budget.max_wall_s=0"], "max_wall_s=0 leaves no time"),
        (["schedule.initial_size=61"], "initial_size=61.*pool of 60"),
        (["schedule.initial_size=many"], "initial_size=many: choose a whole number, all"),
        (["selection.candidates=3"], "candidates=3.*query_size=4"),
        (["selection.samples=1", "selection.intra=x"], "samples=1.*intra=x: choose truncate"),
        (["mode=plan", "selection.temperature=0"], "temperature=0.*above 0"),
        (["selection.also_score=null"], "also_score.*write a list"),
        (["selection.also_score=[nope]"], "also_score.*nope"),
        (["selection.guided_fraction=0.3"], "guided_fraction=0.3.*candidates=10.*query_size=4"),
        (["selection.guided_fraction=0"], "guided_fraction=0.0: must be above 0"),
        (["selection.also_score=[inter,intro]"], "unknown component 'intro'.*inter"),
        (["selection.inter_from=middle"], "inter_from=middle: choose root, prefixes"),
        (["schedule.rounds=0", "optim.batch_size=0"], "rounds=0.*batch_size=0"),
        (["schedule.reset=cold"], "cold.*warm or scratch"),
        (["selection.samples=0"], "samples=0.*at least 2"),
        (["student.heads=3"], "heads=3"),
        (["optim.class_weights=balanced"], "class_weights=balanced.*writes its answers"),
        (["optim.doubt=0.5"], "doubt=0.5.*writes its answers"),
        (["teacher.mode=foo"], "foo.*revise or explain"),
        (["dataset.condition=foo"], "foo.*uniform"),
        (["trainer.accelerator=gpu9"], "accelerator=gpu9"),
        (["trainer.precision=7"], "precision=7"),
        (["paths.store=OUT"], "store"),
        (["teacher.api_key=hunter2"], "environment only"),
        (["--fast"], "unknown option --fast"),
        (["seed=0,1"], "seed"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_value_that_cannot_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], overrides: list[str], message: str
) -> None:
    where = [f"paths.run_dir={tmp_path / 'out' / 'deep' / 'run'}"]
    error = refused(tmp_path, capsys, [*TINY, *where, *overrides])
    assert re.search(message, error), error
    assert "hunter2" not in error


def test_an_experiment_without_plus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = refused(tmp_path, capsys, ["experiment=quickstart", *SIZES])
    assert "write +experiment=quickstart" in error


def test_no_arguments_list_the_experiments(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "+experiment=strategyqa" in capsys.readouterr().out


def test_a_misspelt_key_inside_an_experiment_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "conf"
    shutil.copytree(config_dir(), copy)
    (copy / "experiment" / "typo.yaml").write_text(
        "# @package _global_\nschedule:\n  query_sise: 3\n"
    )
    monkeypatch.setattr("elad_exp.config.config_dir", lambda: copy)
    assert "query_sise" in refused(tmp_path, capsys, ["+experiment=typo"])


ROW: dict[str, Any] = {"question": "Is {} even?", "answer": "yes", "explanation": ["A fact."]}


def write_rows(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows))
    return path


def questions(n: int) -> list[dict[str, Any]]:
    return [
        ROW | {"question": f"Is {i} even?", "answer": "no" if i % 2 else "yes"} for i in range(n)
    ]


def own(path: Path, *overrides: str) -> list[str]:
    """Overrides for the user's own file and a gold teacher."""
    sizes = [x for x in SIZES if not x.startswith("dataset")]
    data = ["dataset=jsonl", f"dataset.path={path}", "dataset.n_dev=4", "dataset.n_test=6"]
    return [*data, "teacher=gold", "selector=step_entropy", "name=mine", *sizes, *overrides]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (None, "no such file"),
        ([], "is empty"),
        ([*questions(3), '{"question": '], "line 4: malformed JSON"),
        ([*questions(3), ROW | {"question": " "}], "line 4: .*question.*empty"),
        ([*questions(30), ROW | {"answer": "perhaps"}], "line 31: .*perhaps.*neither yes nor no"),
        (
            [
                ROW
                | {
                    "question": f"Which, {i}?",
                    "choices": [{"label": x, "text": x} for x in "AB"],
                    "answer": "C" if i == 2 else "A",
                }
                for i in range(30)
            ],
            "line 3: .*C.*A, B",
        ),
        (questions(8), "leave nothing for the pool"),
    ],
    ids=["missing", "empty", "cut", "blank", "neither", "outside the choices", "too few"],
)
def test_a_data_file_that_cannot_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: list[Any] | None, message: str
) -> None:
    path = tmp_path / "mine.jsonl"
    if rows is not None:
        write_rows(path, rows)
    answers = ["dataset.answers=yes_no"] if message.endswith("nor no") else []
    error = refused(tmp_path, capsys, own(path, *answers), lines=3)
    assert re.search(message, error), error
    assert str(path) in error or "pool" in error


def test_questions_that_do_not_fit_are_left_out_counted_and_named(tmp_path: Path) -> None:
    long = ROW | {"question": "Is " + "one and " * 400 + "two even?"}
    path = write_rows(tmp_path / "mine.jsonl", [*questions(40), long])
    out = tmp_path / "run"
    assert main([*own(path, "schedule.rounds=1"), f"paths.run_dir={out}"]) == 0
    warned = [w for w in result(out)["warnings"] if "do not fit" in w]
    assert len(warned) == 1
    assert warned[0].startswith("1 questions do not fit the student's context")
    skipped = warned[0].rsplit(" ", 1)[1]
    assert skipped in (out / "run.log").read_text()
    found = result(out)["dataset"]
    assert found["n_pool"] + found["n_dev"] + found["n_test"] == 40
    assert skipped not in {x["id"] for x in read_lines(out / "predictions.jsonl")}


def test_a_directory_that_holds_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "out" / "run"
    assert run(place, "schedule.rounds=1") == 0
    capsys.readouterr()
    error = refused(tmp_path, capsys, [*TINY, "paths.run_dir=OUT/run", "seed=3"])
    assert "already holds a run" in error
    assert f"resume={place}" in error


def test_files_in_the_directory_that_are_not_of_a_run_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "out" / "notes"
    place.mkdir(parents=True)
    (place / "mine.txt").write_text("keep")
    refused(tmp_path, capsys, [*TINY, f"paths.run_dir={place}", "student.heads=3"])
    assert [(p.name, p.read_text()) for p in place.iterdir()] == [("mine.txt", "keep")]


def test_a_folder_that_a_run_has_chosen_itself_does_not_stay_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["paths.root=OUT/runs", "paths.run_dir=null"]
    for mistake in ("schedule.rounds=0", "student.heads=3"):  # seen at once; seen when built
        refused(tmp_path, capsys, [*TINY, *where, mistake])


def test_an_output_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    error = refused(tmp_path, capsys, [*TINY, f"paths.run_dir={tmp_path / 'file' / 'run'}"])
    assert "cannot be written" in error


def test_resume_with_another_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "out" / "run"
    assert run(place, "schedule.rounds=1") == 0
    capsys.readouterr()
    go_on = ["resume=OUT/run"]
    error = refused(tmp_path, capsys, [*go_on, "seed=3", "schedule.rounds=9"], lines=4)
    assert "seed: 0 -> 3" in error
    assert "schedule.rounds: 1 -> 9" in error
    for changed in ("budget.max_usd=abc", "budget.max_foo=1", "trainer.threads=0", "logger=nope"):
        refused(tmp_path, capsys, [*go_on, changed])
    for changed in ("budget.max_usd=", "~budget.max_usd", "budget=unlimited", "trainer={", "x=[y"):
        refused(tmp_path, capsys, [*go_on, changed])
    refused(tmp_path, capsys, ["resume=OUT/elsewhere"])
    with RunDirectory(place).held():
        assert "in use by another process" in refused(tmp_path, capsys, go_on)


def test_resume_without_the_data_leaves_the_run_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_rows(tmp_path / "mine.jsonl", questions(40))
    place = tmp_path / "out" / "run"
    assert main([*own(path, "schedule.rounds=1"), f"paths.run_dir={place}"]) == 0
    capsys.readouterr()
    path.unlink()
    assert "no such file" in refused(tmp_path, capsys, ["resume=OUT/run"], lines=3)


def test_hub_and_index_out_of_reach_is_one_error_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{port}/simple")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    start = time.monotonic()
    error = refused(tmp_path, capsys, ["+experiment=strategyqa"], lines=6)
    assert time.monotonic() - start < 30
    assert error.count("error:") == 1
    assert "could not be had" in error
    assert "python -m elad_exp +experiment=quickstart" in error
