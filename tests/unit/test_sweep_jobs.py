"""What a sweep's jobs are given, and what is refused before the first; no job runs here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig

from elad_exp.__main__ import main
from elad_exp.config import check_jobs
from elad_exp.errors import ConfigError
from elad_exp.record import start_record


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What each job would have run with: configuration, path, overrides and recorded command."""
    found: list[dict[str, Any]] = []

    def note(config: DictConfig, path: Path, *, overrides: Sequence[str], sweep: str) -> int:
        record = start_record({"name": "x", "seed": 0, "budget": {"scope": "run"}})
        found.append(
            {"config": config, "path": path, "overrides": list(overrides)}
            | {"command": record["command"]}
        )
        return 0

    monkeypatch.setattr("elad_exp.__main__.run_one", note)
    return found


def refused(
    arguments: list[str], folder: Path, jobs: list[Any], capsys: pytest.CaptureFixture[str]
) -> str:
    assert main(["-m", f"hydra.sweep.dir={folder}", *arguments]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert len(shown.err.splitlines()) == 1
    assert not folder.exists()
    assert jobs == []
    return shown.err


def test_a_key_that_is_mandatory_may_be_swept(tmp_path: Path, jobs: list[dict[str, Any]]) -> None:
    folder = tmp_path / "sweep"
    own = ["dataset=jsonl", "dataset.path=a.jsonl,b.jsonl", "teacher=gold", "name=mine"]
    assert main(["-m", *own, f"hydra.sweep.dir={folder}"]) == 0
    assert [job["config"].dataset.path for job in jobs] == ["a.jsonl", "b.jsonl"]
    assert [job["path"].name for job in jobs] == ["dataset.path=a.jsonl", "dataset.path=b.jsonl"]


@pytest.mark.slow
def test_a_key_of_a_swept_option_may_be_fixed(tmp_path: Path, jobs: list[dict[str, Any]]) -> None:
    folder = tmp_path / "sweep"
    fixed = ["name=mine", "dataset.path='my, \\'own\\' file'", "dataset.n_dev=null", "optim.clip=2"]
    sweep = ["dataset=jsonl,strategyqa", "seed=0,1", f"hydra.sweep.dir={folder}"]
    assert main(["-m", *fixed, *sweep]) == 0
    assert len(jobs) == 4
    assert {job["config"].dataset.path for job in jobs} == {"my, 'own' file"}
    assert {job["config"].dataset.n_dev for job in jobs} == {None}
    assert set(fixed) < set(jobs[0]["overrides"])
    assert jobs[0]["path"].name == "dataset=jsonl,seed=0"


def test_a_job_records_the_command_as_it_was_given(
    tmp_path: Path, jobs: list[dict[str, Any]]
) -> None:
    sweep = ["-m", "dataset=jsonl,strategyqa", "dataset.path=a.jsonl", "name=mine"]
    assert main([*sweep, f"hydra.sweep.dir={tmp_path}"]) == 0
    commands = {job["command"] for job in jobs}
    assert commands == {f"python -m elad_exp {' '.join(sweep)} hydra.sweep.dir={tmp_path}"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["selector=elad,randm"], "randm.*rare_words"),
        (["student=tiny_schooled,tiny", "student.exercises=7"], "exercises"),
        (["budget.max_usd=1,abc"], "max_usd=abc"),
        (["dataset=almanac,jsonl"], "dataset.path is not set; write dataset.path=VALUE"),
        (["optim.batch_sise=4", "seed=0,1"], "batch_sise"),
        (["seed=interval(0,1)"], "does not support"),
        (["seed=0,1", "paths.run_dir=there"], "paths.run_dir=there: .*hydra.sweep.dir=there"),
        (["seed=0,1", "paths.root=there"], "paths.root=there: .*hydra.sweep.dir=there"),
        (["paths.run_dir=a,b"], "paths.run_dir=a: .*hydra.sweep.dir"),
        (["mode=plan,run"], "mode=plan,run: all jobs"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_in_any_job_is_told_once_before_the_first(
    tmp_path: Path,
    jobs: list[dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    error = refused(arguments, tmp_path / "sweep", jobs, capsys)
    assert re.search(message, error), error


def test_of_a_very_large_sweep_the_first_jobs_are_composed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elad_exp.config._MOST_COMPOSED", 2)
    check_jobs(["selector=elad,nope", "seed=0,1"])
    with pytest.raises(ConfigError, match="nope"):
        check_jobs(["selector=nope,elad", "seed=0,1"])


def test_all_options_of_a_group_can_be_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elad_exp.config._MOST_COMPOSED", 1)
    check_jobs(["selector=glob(*)"])
