"""The whole job, in-process, on a two-layer student; then resumed, with counts asserted."""

from __future__ import annotations

from pathlib import Path

import pytest

from elad_exp.__main__ import main
from elad_exp.rundir import read_lines
from tests.helpers_main import bought, result

SMALL = [
    "+experiment=quickstart",
    "dataset.n_pool=150",
    "dataset.n_dev=20",
    "dataset.n_test=40",
    "student.layers=2",
    "student.d_model=32",
    "student.heads=2",
    "student.max_new_tokens=16",
    "optim.batch_size=8",
    "schedule.rounds=3",
    "schedule.initial_size=12",
    "schedule.query_size=10",
    "schedule.steps_per_round=4",
    "selection.candidates=40",
    "selection.samples=2",
    "trainer.accelerator=cpu",
    "trainer.threads=1",
]

AUDIT = (
    "teacher/answer_accuracy_round0",
    "teacher/answer_accuracy",
    "teacher/first_error_accuracy",
)


def run(path: Path, *overrides: str) -> int:
    return main([*SMALL, f"paths.run_dir={path}", *overrides])


def test_a_run_completes_with_the_counts_of_its_schedule(tmp_path: Path) -> None:
    assert run(tmp_path / "run") == 0
    found = result(tmp_path / "run")
    assert found["status"] == "completed"
    assert found["stop_reason"] == "rounds"
    assert found["spent"]["annotations"] == 12 + 10 + 10
    lines = read_lines(tmp_path / "run" / "rounds.jsonl")
    assert [x["n_labelled"] for x in lines] == [0, 12, 22, 32]
    assert [x["optimizer_steps"] for x in lines] == [0, 4, 8, 12]
    assert all(x["seconds"]["train"] > 0 for x in lines[1:])
    assert all(x["tokens_per_s"]["train"] > 0 for x in lines[1:])
    annotations = read_lines(tmp_path / "run" / "annotations.jsonl")
    assert [x["audit"] for x in annotations].count(True) == 2
    assert all(x["attempt"] for x in annotations if x["round"] > 0)
    assert len(read_lines(tmp_path / "run" / "ledger.jsonl")) == 32
    assert len(read_lines(tmp_path / "run" / "scores.jsonl.gz")) == 2 * 40
    assert len(read_lines(tmp_path / "run" / "predictions.jsonl")) == 4 * 60
    audit = {k: (m["value"], m["n"]) for k, m in found["metrics"].items() if k in AUDIT}
    assert audit == dict(zip(AUDIT, [(1.0, 12), (1.0, 2), (1.0, 2)], strict=True))
    for name in ("report.html", "curve.png", "config.yaml", "overrides.txt", "run.log"):
        assert (tmp_path / "run" / name).stat().st_size > 0
    assert (tmp_path / "run" / "student" / "model.safetensors").exists()


def test_split_initial_query_and_untrained_student_do_not_depend_on_the_selector(
    tmp_path: Path,
) -> None:
    seen = []
    for selector in ("elad", "random", "rare_words"):
        path = tmp_path / selector
        assert run(path, f"selector={selector}", "schedule.rounds=1") == 0
        untrained = [p for p in read_lines(path / "predictions.jsonl") if p["round"] == 0]
        seen.append((bought(path), untrained, result(path)["dataset"]["sha256"]))
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.parametrize(
    "limit", [17, *(pytest.param(n, marks=pytest.mark.slow) for n in (12, 22))]
)
def test_a_budget_is_never_exceeded_and_a_partial_purchase_is_measured(
    tmp_path: Path, limit: int
) -> None:
    assert run(tmp_path / "run", f"budget.max_annotations={limit}") == 0
    found = result(tmp_path / "run")
    assert found["stop_reason"] == "budget"
    assert found["spent"]["annotations"] == limit
    assert read_lines(tmp_path / "run" / "rounds.jsonl")[-1]["n_labelled"] == limit


@pytest.mark.slow
def test_a_raised_budget_goes_on_to_the_same_end_as_an_uninterrupted_run(tmp_path: Path) -> None:
    assert run(tmp_path / "whole", "budget.max_annotations=32") == 0
    assert run(tmp_path / "parts", "budget.max_annotations=22") == 0
    assert main([f"resume={tmp_path / 'parts'}", "budget.max_annotations=32"]) == 0
    assert bought(tmp_path / "parts") == bought(tmp_path / "whole")
    parts, whole = result(tmp_path / "parts"), result(tmp_path / "whole")
    assert parts["resumed"] == 1
    assert parts["spent"]["tokens"] == whole["spent"]["tokens"]
    for key in ("test/acc", *AUDIT):
        assert parts["metrics"][key] == whole["metrics"][key]


def test_a_lowered_budget_is_refused_on_resume(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "run", "budget.max_annotations=22") == 0
    assert main([f"resume={tmp_path / 'run'}", "budget.max_annotations=20"]) == 2
    assert "max_annotations" in capsys.readouterr().err


def test_a_directory_that_holds_a_run_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "run", "schedule.rounds=1") == 0
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*")}
    assert run(tmp_path / "run") == 2
    assert "already holds a run" in capsys.readouterr().err
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*")} == before
