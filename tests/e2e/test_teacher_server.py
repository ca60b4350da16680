"""A whole run whose teacher is a server that has bad days."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("litellm", reason="litellm is not installed (extra `litellm`)")

from elad_exp.__main__ import main
from elad_exp.building import build
from elad_exp.config import compose_config
from elad_exp.rundir import read_lines
from elad_exp.teachers import calling
from tests.helpers_litellm import QUIET
from tests.helpers_main import TINY, bought, result
from tests.helpers_openai import Fault, Server, serve
from tests.scripted_teacher import ScriptedTeacher

pytestmark = [pytest.mark.slow, *QUIET]

FAULTS = [
    Fault(status=429),
    Fault(status=429, headers={"Retry-After": "0.05"}),
    Fault(status=500),
    Fault(status=503),
    Fault(reset="before"),
    Fault(reset="during"),
    Fault(hang_s=2),
    Fault(content=""),
    Fault(content="no JSON"),
    Fault(fence=True),
    Fault(finish="length"),
    Fault(refusal="No."),
    Fault(usage={}),
    Fault(body="<html>"),
]


@pytest.fixture
def server() -> Iterator[Server]:
    task = build(compose_config(TINY).dataset)
    with serve(ScriptedTeacher(task, task.load())) as running:
        yield running


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "FIRST_PAUSE_S", 0.02)


def run(path: Path, server: Server, *overrides: str) -> int:
    teacher = {
        "model": "openai/scripted",
        "api_base": server.url,
        "prompt_usd": 1e-7,
        "completion_usd": 4e-7,
        "max_completion_tokens": 300,
        "timeout_s": 0.8,
        "longest_pause_s": 0.05,
        "concurrency": 3,
    }
    given = [f"teacher.{key}={value}" for key, value in teacher.items()]
    given += ["teacher=litellm", f"paths.run_dir={path}", f"paths.store={path}.sqlite"]
    return main([*TINY, *given, *overrides])


def audit(path: Path) -> None:
    """The bill is the sum of the ledger, and what was trained on has steps and an answer."""
    found, ledger = result(path), read_lines(path / "ledger.jsonl")
    assert {call["state"] for call in ledger} <= {"settled", "released", "unknown"}
    for unit in ("tokens", "usd"):
        total = sum(call["spent"][unit] for call in ledger)
        assert found["spent"][unit] == pytest.approx(total)
    assert found["spent"]["calls"] == sum(call["state"] != "released" for call in ledger)
    lines = read_lines(path / "annotations.jsonl")
    for line in lines:
        assert line["trained_on"] is (line["status"] == "ok")
        if line["trained_on"]:
            assert line["steps"]
            assert all(line["steps"])
            assert line["answer"]


@pytest.mark.parametrize("mode", ["single", "sequential"])
@pytest.mark.parametrize("limit", [1.0, 0.003])
def test_a_run_with_every_fault_completes_within_its_budget(
    tmp_path: Path, server: Server, mode: str, limit: float
) -> None:
    rng = random.Random(7)
    server.faults[:] = [Fault(), *rng.sample(FAULTS, len(FAULTS))]
    path = tmp_path / "run"
    code = run(path, server, f"teacher.mode={mode}", f"budget.max_usd={limit}")
    found = result(path)
    assert (code, found["status"]) == (0, "completed")
    assert found["stop_reason"] == ("rounds" if limit == 1.0 else "budget")
    assert found["spent"]["usd"] <= limit
    if limit == 1.0:
        assert server.faults == []
        statuses = {line["status"] for line in read_lines(path / "annotations.jsonl")}
        assert {"ok", "unparsed", "refused", "truncated"} <= statuses
    audit(path)


def test_a_run_that_the_breaker_has_stopped_goes_on_to_the_end_of_one_that_was_not(
    tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "whole", server) == 0
    asked = len(server.requests)
    server.reset()

    path = tmp_path / "run"
    # In the second round, of 4 items, 1 is bought.
    server.faults[:] = [*[Fault()] * 7, *[Fault(status=500, message="out of cards")] * 200]
    few = ["teacher.attempts=2", "teacher.give_up_after=2"]
    assert run(path, server, *few) == 75
    stopped = result(path)
    assert (stopped["status"], stopped["exit_code"]) == ("stopped", 75)
    assert stopped["stop_reason"] == "teacher"
    said = capsys.readouterr().out
    assert "failed 2 times in a row" in said
    assert "out of cards" in said
    assert f"resume={path}" in said
    audit(path)
    unknown = sum(x["state"] == "unknown" for x in read_lines(path / "ledger.jsonl"))
    assert unknown == len(server.requests) - 7

    server.reset()
    assert main([f"resume={path}"]) == 0
    audit(path)
    assert bought(path) == bought(tmp_path / "whole")
    assert len(server.requests) == asked - 7, "nothing was asked twice"

    def accuracies(folder: Path) -> list[tuple[float, float]]:
        lines = read_lines(folder / "rounds.jsonl")
        return [(x["dev"]["acc"]["value"], x["test"]["acc"]["value"]) for x in lines]

    assert accuracies(path) == accuracies(tmp_path / "whole")
    one, other = (result(folder)["spent"] for folder in (path, tmp_path / "whole"))
    assert one["annotations"] == other["annotations"]
    assert one["calls"] == other["calls"] + unknown
