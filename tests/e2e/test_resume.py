"""What resuming may and may not do to a run that has ended, and to what it has spent."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from elad_exp.__main__ import main
from elad_exp.callbacks.report import RoundReport
from elad_exp.record import Stopwatch
from elad_exp.run import Run
from elad_exp.rundir import read_lines
from tests.helpers_main import bought, result, run, tree


@pytest.mark.parametrize(
    ("overrides", "more", "why"),
    [
        ((), (), "rounds: 3 rounds are done"),
        ((), ("budget.max_annotations=null",), "rounds: 3 rounds are done"),
        pytest.param(("budget.max_annotations=8",), (), "budget: ", marks=pytest.mark.slow),
        (("budget.max_annotations=10",), (), "budget: max_annotations=10 is used up"),
    ],
)
def test_a_completed_run_with_nothing_left_to_do_stays_as_it_is(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    overrides: tuple[str, ...],
    more: tuple[str, ...],
    why: str,
) -> None:
    path = tmp_path / "run"
    assert run(path, *overrides) == 0
    before = tree(path)
    capsys.readouterr()
    assert main([f"resume={path}", *more]) == 2
    error = capsys.readouterr().err
    assert why in error
    assert "nothing is left to do" in error
    assert tree(path) == before


def test_a_budget_raised_after_an_interruption_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The purchase was cut short by the old limit; the run was interrupted before it could stop.
    def breaks(*_: Any) -> None:
        raise MemoryError

    path = tmp_path / "run"
    with monkeypatch.context() as patch:
        train = RoundReport.on_train_epoch_start
        patch.setattr(
            RoundReport,
            "on_train_epoch_start",
            lambda self, trainer, module: (
                breaks() if trainer.current_epoch == 1 else train(self, trainer, module)
            ),
        )
        with pytest.raises(MemoryError):
            run(path, "budget.max_annotations=8")
    assert len(bought(path)) == 8
    assert main([f"resume={path}", "budget.max_annotations=12"]) == 0
    assert result(path)["spent"]["annotations"] == 12


@pytest.mark.slow
def test_a_purchase_after_a_raised_budget_is_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(tmp_path / "whole", "budget.max_annotations=14") == 0
    path = tmp_path / "run"
    assert run(path, "budget.max_annotations=10") == 0
    with monkeypatch.context() as patch:

        def dies(*_: Any) -> None:
            raise SystemExit(9)

        patch.setattr(RoundReport, "on_train_epoch_start", dies)
        with pytest.raises(SystemExit):
            main([f"resume={path}", "budget.max_annotations=14"])
    assert len(bought(path)) == 14, "the purchase came before the interruption"
    assert main([f"resume={path}"]) == 0
    assert bought(path) == bought(tmp_path / "whole")
    scores = read_lines(path / "scores.jsonl.gz")
    assert len(scores) == len({(x["round"], x["id"]) for x in scores})


def test_another_store_does_not_make_the_run_forget_what_it_has_spent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, store = tmp_path / "run", tmp_path / "mine.sqlite"
    assert run(path, "budget.max_annotations=10", f"paths.store={store}") == 0
    before = tree(path)
    moved = tmp_path / "moved.sqlite"
    shutil.move(store, moved)
    capsys.readouterr()
    assert main([f"resume={path}", "budget.max_annotations=14"]) == 2
    error = capsys.readouterr().err
    assert f"{store} knows of 0 annotations of this run" in error
    assert "paths.store=FILE" in error
    assert tree(path) == before
    assert not store.exists()
    assert main([f"resume={path}", "budget.max_annotations=14", f"paths.store={moved}"]) == 0
    assert result(path)["spent"]["annotations"] == 14


def test_the_store_does_not_depend_on_where_the_run_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(tmp_path / "run", "budget.max_annotations=10", "paths.store=mine.sqlite") == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("ELAD_EXP_CACHE", str(tmp_path / "another"))
    assert main([f"resume={tmp_path / 'run'}", "budget.max_annotations=14"]) == 0
    assert result(tmp_path / "run")["spent"]["annotations"] == 14


def test_seconds_of_a_session_that_was_killed_are_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run"
    assert run(path, "budget.max_annotations=10") == 0
    lines = read_lines(path / "rounds.jsonl")
    lines[-1]["spent"]["wall_s"] = 5000.0
    (path / "rounds.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    started: list[float] = []
    init = Stopwatch.__init__

    def seen(self: Stopwatch, before: float) -> None:
        started.append(before)
        init(self, before)

    monkeypatch.setattr(Stopwatch, "__init__", seen)
    assert main([f"resume={path}", "budget.max_annotations=14"]) == 0
    assert started == [5000.0]
    assert result(path)["wall_s"] >= 5000


def test_a_run_stopped_between_its_last_round_and_its_end_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run"
    with monkeypatch.context() as patch:

        def breaks(*_: Any) -> int:
            raise OSError("disk full")

        patch.setattr(Run, "_finish", breaks)
        with pytest.raises(OSError, match="disk full"):
            run(path)
    assert not (path / "student").exists()
    before = bought(path)
    assert main([f"resume={path}"]) == 0
    assert bought(path) == before
    assert result(path)["stop_reason"] == "rounds"
    assert (path / "student" / "config.json").exists()


def test_diverged_training_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "run", "optim.learning_rate=1e30", "optim.clip=0") == 1
    assert "lower optim.learning_rate" in capsys.readouterr().out
    assert result(tmp_path / "run")["status"] == "failed"
