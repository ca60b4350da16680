"""A whole tiny run taught over HTTP, exported, and gone through again with the server gone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("litellm", reason="litellm is not installed (extra `litellm`)")

from hydra.utils import instantiate

from elad_exp.__main__ import main
from elad_exp.assets import store_path
from elad_exp.cli import main as elad_exp
from elad_exp.config import compose_config
from elad_exp.rundir import read_lines
from tests.helpers_litellm import QUIET
from tests.helpers_main import TINY, bought, result, run
from tests.helpers_openai import serve
from tests.scripted_teacher import ScriptedTeacher

pytestmark = [pytest.mark.slow, *QUIET]
PRICE = 1e-6


def paid_run(path: Path, mode: str) -> dict[str, Any]:
    task = instantiate(compose_config(TINY).dataset)
    with serve(ScriptedTeacher(task, task.load())) as server:
        teacher = [
            "teacher=litellm",
            "teacher.model=openai/scripted",
            f"teacher.mode={mode}",
            f"teacher.api_base={server.url}",
            f"teacher.prompt_usd={PRICE}",
            f"teacher.completion_usd={PRICE}",
        ]
        assert run(path, *teacher) == 0
    return result(path)


def export(path: Path) -> Path:
    assert elad_exp(["store", "export", str(path)]) == 0
    store_path().unlink()  # nothing but the file is left
    return path


def accuracies(path: Path) -> list[tuple[float, float]]:
    lines = read_lines(path / "rounds.jsonl")
    return [(line["dev"]["acc"]["value"], line["test"]["acc"]["value"]) for line in lines]


def without_places(path: Path) -> list[dict[str, Any]]:
    """The annotations, without who gave them, in which call, and what was paid."""
    own = ("teacher", "call_ids", "cached", "replayed_by")
    lines = read_lines(path / "annotations.jsonl")
    return [{k: v for k, v in line.items() if k not in own} for line in lines]


@pytest.mark.parametrize("mode", ["single", "sequential"])
def test_a_replay_is_the_run_again_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    paid, again = tmp_path / "paid", tmp_path / "again"
    first = paid_run(paid, mode)
    recording = export(tmp_path / "recording.jsonl")
    monkeypatch.setitem(sys.modules, "litellm", None)
    assert run(again, "teacher=recorded", f"teacher.path={recording}") == 0
    second = result(again)
    assert bought(again) == bought(paid)
    assert accuracies(again) == accuracies(paid)
    assert without_places(again) == without_places(paid)
    for unit in ("annotations", "calls", "tokens", "usd"):
        assert second["spent"][unit] == first["spent"][unit] > 0
        assert second["paid"][unit] == 0
    n = first["spent"]["annotations"]
    assert second["teacher"]["replayed"] == {"by_key": n, "by_sample": 0, "missing": 0}
    assert second["teacher"]["name"] == "recorded"
    assert second["warnings"] == []


def test_another_selector_gets_what_is_there_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paid_run(tmp_path / "paid", "single")
    recording = export(tmp_path / "recording.jsonl")
    other = tmp_path / "other"
    assert run(other, "teacher=recorded", f"teacher.path={recording}", "selector=random") in (0, 75)
    found = result(other)
    lines = read_lines(other / "annotations.jsonl")
    counts = found["teacher"]["replayed"]
    assert sum(counts.values()) == len(lines)
    assert counts["by_key"] >= 6  # the initial query does not depend on the selector
    assert counts["missing"] > 0
    assert found["spent"]["annotations"] == len(lines) - counts["missing"]
    assert found["paid"]["calls"] == 0
    (warning,) = found["warnings"]
    assert "not every request is in the recording" in warning
    assert f"warning   {warning}" in capsys.readouterr().out
    missing = [line for line in lines if line["status"] == "missing"]
    assert not any(line["trained_on"] or line["call_ids"] for line in missing)


def test_a_replay_that_a_budget_ends_goes_on_where_it_was(tmp_path: Path) -> None:
    first = paid_run(tmp_path / "paid", "single")
    recording = export(tmp_path / "recording.jsonl")
    again = tmp_path / "again"
    replay = ["teacher=recorded", f"teacher.path={recording}", "budget.max_annotations=10"]
    assert run(again, *replay) == 0
    assert result(again)["stop_reason"] == "budget"
    assert main([f"resume={again}", "budget.max_annotations=100"]) == 0
    assert bought(again) == bought(tmp_path / "paid")
    assert accuracies(again) == accuracies(tmp_path / "paid")
    assert result(again)["spent"]["tokens"] == first["spent"]["tokens"]


def test_a_recording_of_other_questions_ends_with_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = tmp_path / "other.jsonl"
    recording.write_text('{"id": "elsewhere", "rationale": ["Why not."], "teacher_answer": "yes"}')
    assert run(tmp_path / "run", "teacher=recorded", f"teacher.path={recording}") == 1
    assert "is in the recording other.jsonl (1 answers)" in capsys.readouterr().out
    found = result(tmp_path / "run")
    assert found["status"] == "failed"
    assert "the initial query of 6 samples gave no usable annotation" in found["stop_reason"]
    assert found["teacher"]["replayed"] == {"by_key": 0, "by_sample": 0, "missing": 6}
