"""Sweeps: every job leaves its own record, whatever became of it."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from elad_exp import cli
from elad_exp.__main__ import main
from elad_exp.signals import Interrupt
from tests.helpers_main import TINY, result


def sweep(folder: Path, *overrides: str) -> int:
    return main(["-m", *TINY, "schedule.rounds=2", f"hydra.sweep.dir={folder}", *overrides])


def jobs(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.rglob("result.json"))


@pytest.mark.parametrize(
    "budgets", [(10,), pytest.param((8, 10), marks=pytest.mark.slow)], ids=["one", "two"]
)
def test_jobs_of_a_sweep_have_folders_of_their_own_and_can_be_compared(
    tmp_path: Path, budgets: tuple[int, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sweep"
    limits = f"budget.max_annotations={','.join(map(str, budgets))}"
    assert sweep(folder, "selector=random,rare_words", limits, "seed=0,1") == 0
    found = [result(path) for path in jobs(folder)]
    assert {r["status"] for r in found} == {"completed"}
    kinds = {
        (r["selector"]["name"], r["budget"]["limits"]["max_annotations"], r["seed"]) for r in found
    }
    assert len(found) == len(kinds) == len({r["run_id"] for r in found}) == 4 * len(budgets)
    assert sorted(r["spent"]["annotations"] for r in found) == sorted(budgets * 4)
    n = len(found)
    annotations, tokens = (
        sum(r["spent"][unit] for r in found) for unit in ("annotations", "tokens")
    )
    cost = f"{annotations} annotations, {tokens} teacher tokens, $0.00"
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith(f"job 1 of {n}: ")
    assert out[-2:] == [
        f"sweep     {n} jobs: {n} completed, 0 stopped, 0 failed; spent {cost}; paid {cost}",
        f"compare   elad-exp compare {folder}",
    ]

    figures = tmp_path / "figures.json"
    assert cli.main(["compare", str(folder), "--json", str(figures)]) == 0
    shown = capsys.readouterr().out
    assert "rare_words" in shown
    assert "random" in shown
    settings = json.loads(figures.read_text())["settings"]
    assert len(settings) == len(budgets)
    for setting in settings:
        for row in setting["rows"]:
            accuracy = row["accuracy"]
            assert accuracy["n"] == 2  # seeds
            assert accuracy["ci95"][0] <= accuracy["value"] <= accuracy["ci95"][1]
            assert f"{accuracy['value']:.3f}" in shown


@pytest.mark.parametrize(
    "where", ["before", pytest.param("while building", marks=pytest.mark.slow)]
)
def test_a_failing_job_is_recorded_and_the_others_run(
    tmp_path: Path, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sweep"
    bad = {"before": "budget.max_annotations=3,8", "while building": "selection.samples=0,2"}
    assert sweep(folder, bad[where]) == 1
    first, second = (result(path) for path in jobs(folder))
    assert (first["status"], first["exit_code"]) == ("failed", 2)
    shown = capsys.readouterr()
    assert first["stop_reason"] in shown.err
    ending = "sweep     2 jobs: 1 completed, 0 stopped, 1 failed; spent "
    assert f"{ending}{second['spent']['annotations']} annotations" in shown.out
    assert (second["status"], second["exit_code"]) == ("completed", 0)
    assert cli.main(["compare", str(folder)]) == 0
    assert "failed" in capsys.readouterr().out


@pytest.mark.slow
def test_a_crash_in_one_job_does_not_keep_the_others_from_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from elad_exp.student.module import StudentModule

    step = StudentModule.training_step

    def crash_once(self: StudentModule, batch: dict, batch_idx: int) -> object:  # type: ignore[type-arg]
        if self.seed == 0:
            raise RuntimeError("a defect")
        return step(self, batch, batch_idx)

    monkeypatch.setattr(StudentModule, "training_step", crash_once)
    folder = tmp_path / "sweep"
    assert sweep(folder, "seed=0,1") == 1
    first, second = (result(path) for path in jobs(folder))
    assert (first["status"], first["exit_code"]) == ("failed", 1)
    assert first["stop_reason"] == "RuntimeError: a defect"
    assert second["status"] == "completed"


def test_a_signal_ends_the_sweep_and_not_only_its_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def asked_to_stop(self: Interrupt) -> None:
        self.signum = signal.SIGTERM
        check(self)

    check = Interrupt.check
    monkeypatch.setattr(Interrupt, "check", asked_to_stop)
    folder = tmp_path / "sweep"
    with pytest.raises(SystemExit) as ended:
        sweep(folder, "seed=0,1")
    assert ended.value.code == 143
    assert [result(path)["status"] for path in jobs(folder)] == ["stopped"]
    out = capsys.readouterr().out
    assert "sweep     1 job: 0 completed, 1 stopped, 0 failed; spent 0 annotations" in out
    assert "elad-exp compare" not in out  # there is nothing to compare


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("optim.batch_sise=4", "batch_sise"),
        ("selector=nope", "rare_words"),
        ("experiment=almanac", "write +experiment"),
    ],
)
def test_a_mistake_in_what_all_jobs_share_is_told_once_before_any(
    tmp_path: Path, mistake: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sweep"
    assert sweep(folder, "seed=0,1", mistake) == 2
    error = capsys.readouterr().err
    assert error.count("error:") == 1
    assert message in error
    assert not folder.exists()


@pytest.mark.slow
def test_a_sweep_into_the_folder_of_another_leaves_its_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sweep"
    assert sweep(folder, "seed=0", "schedule.rounds=1") == 0
    before = [result(path) for path in jobs(folder)]
    capsys.readouterr()
    assert sweep(folder, "seed=0", "schedule.rounds=1") == 1
    assert "sweep  " not in capsys.readouterr().out  # whose result is not this job's
    assert [result(path) for path in jobs(folder)] == before


@pytest.mark.slow
def test_all_sweep_syntaxes_of_hydra_are_swept(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    assert sweep(folder, "seed=range(0,2)", "stopping=[budget,rounds]", "schedule.rounds=1") == 0
    assert [result(path)["seed"] for path in jobs(folder)] == [0, 1]


@pytest.mark.slow
def test_a_budget_of_the_whole_sweep_ends_the_job_that_meets_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sweep"
    cap = ["budget.max_annotations=15", "budget.scope=sweep"]
    assert sweep(folder, "selector=elad,random", *cap) == 75
    first, second = (result(path) for path in jobs(folder))
    assert (first["status"], first["spent"]["annotations"]) == ("completed", 10)
    assert (second["status"], second["stop_reason"]) == ("stopped", "sweep_budget")
    assert (second["exit_code"], second["spent"]["annotations"]) == (75, 5)
    assert first["budget"]["scope"] == "sweep"
    assert cli.main(["compare", str(folder)]) == 2
    assert "the sweep's budget ended a job of seed 0" in capsys.readouterr().err
    # The second job goes on where it was stopped, and is still a job of its sweep.
    run = jobs(folder)[1]
    assert main([f"resume={run}", "budget.max_annotations=18"]) == 0
    ended = result(run)
    # Its last query was cut short: it is done, and still does not compare.
    assert (ended["status"], ended["stop_reason"]) == ("completed", "sweep_budget")
    assert ended["spent"]["annotations"] == 8
    assert cli.main(["compare", str(folder)]) == 2
    capsys.readouterr()
    assert main([f"resume={run}", "budget.max_annotations=null"]) == 2
    assert "nothing is left to do" in capsys.readouterr().err
