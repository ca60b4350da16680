"""A run that is interrupted anywhere goes on to the end of one that was not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from elad_exp.__main__ import main
from elad_exp.budget.store import Store
from elad_exp.console import Console
from elad_exp.rundir import read_lines
from elad_exp.signals import Interrupt
from elad_exp.student.base import InferenceBase
from elad_exp.teachers.metered import MeteredTeacher
from elad_exp.types import Annotation, Query
from tests.helpers_main import TINY, bought, result, run

# Which entry into which phase, and at which poll in it. Round 0 and each round evaluate twice
# (dev, test); the initial query and one for each later round are annotated.
PHASES = {
    "round-0 evaluation": ("evaluate", 2, 1),
    "the initial purchase": ("annotate", 1, 3),
    "the first training": ("train", 1, 2),
    "evaluation after the first training": ("evaluate", 3, 1),
    "scoring": ("score", 1, 2),
    "a later purchase": ("annotate", 2, 3),
    "a later training": ("train", 2, 1),
    "a later evaluation": ("evaluate", 6, 1),
    "the last training": ("train", 3, 2),
}
QUICK = ("the first training", "scoring", "a later purchase")


class At:
    """Acts once, at a chosen poll of a chosen entry into a phase."""

    def __init__(self, name: str, entry: int, poll: int, act: Callable[[Interrupt], None]) -> None:
        self.name, self.entry, self.poll, self.act = name, entry, poll, act
        self.current = ""
        self.entries = self.polls = 0
        self.done = False

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        phase, check = Console.phase, Interrupt.check

        @contextmanager
        def watched_phase(console: Console, name: str) -> Iterator[None]:
            self.current, self.polls = name, 0
            self.entries += name == self.name
            with phase(console, name):
                yield
            self.current = ""

        def watched_check(interrupt: Interrupt) -> None:
            self.polls += 1
            here = self.current == self.name and self.entries == self.entry
            if here and self.polls == self.poll and not self.done:
                self.done = True
                self.act(interrupt)
            check(interrupt)

        monkeypatch.setattr(Console, "phase", watched_phase)
        monkeypatch.setattr(Interrupt, "check", watched_check)


def really(signum: int) -> Callable[[Interrupt], None]:
    return lambda interrupt: os.kill(os.getpid(), signum)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """An uninterrupted run: its ids, its bill, its last accuracy."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ELAD_EXP_CACHE", str(folder / "cache"))
        assert run(folder / "run") == 0
    return outcome(folder / "run")


def outcome(path: Path) -> dict[str, Any]:
    found = result(path)
    lines = read_lines(path / "rounds.jsonl")
    spent = {unit: found["spent"][unit] for unit in ("annotations", "calls", "tokens", "usd")}
    scores = read_lines(path / "scores.jsonl.gz")
    return {
        "bought": bought(path),
        "spent": spent,
        "accuracies": [(x["dev"]["acc"]["value"], x["test"]["acc"]["value"]) for x in lines],
        "spent_by_round": [{k: x["spent"][k] for k in spent} for x in lines],
        "purchases": [x["bought"] for x in lines],
        "choices": [x["select"] for x in lines],
        "losses": [x["train_loss"] for x in lines],
        "train_tokens": [x["train_tokens"] for x in lines],
        "predictions": read_lines(path / "predictions.jsonl"),
        "scored": [(x["round"], x["id"]) for x in scores],
        "ledger": [x["state"] for x in read_lines(path / "ledger.jsonl")],
    }


@pytest.mark.parametrize(("poll", "kept"), [(1, False), (3, True)])
def test_a_purchase_for_another_student_is_begun_anew_and_not_twice(
    tmp_path: Path, poll: int, kept: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        at = At("annotate", 2, poll, really(signal.SIGINT))
        at.install(patch)
        assert run(path) == 128 + signal.SIGINT
        assert at.done
    spent = result(path)["spent"]["annotations"]
    assert (spent > 6) is kept, "6 are of the initial query"
    before = json.loads((path / "open_query.json").read_text())
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InferenceBase, "version", lambda self: "trained elsewhere")
        assert main([f"resume={path}"]) == 0
    shown = capsys.readouterr().out
    assert ("going on with the query chosen" in shown) is kept
    assert ("choosing anew" in shown) is not kept
    select = read_lines(path / "rounds.jsonl")[1]["select"]
    old = before["snapshot"]["select"]["scored_by"]
    assert (select["scored_by"] == old) is kept
    assert result(path)["spent"]["annotations"] == 6 + 4 + 4
    scores = read_lines(path / "scores.jsonl.gz")
    assert len(scores) == len({(x["round"], x["id"]) for x in scores})
    assert {x["scored_by"]["student"] for x in scores if x["round"] == 1} == {
        select["scored_by"]["student"]
    }


@pytest.mark.parametrize(
    "phase",
    [p if p in QUICK else pytest.param(p, marks=pytest.mark.slow) for p in PHASES],
)
def test_a_run_interrupted_in_any_phase_ends_like_one_that_was_not(
    tmp_path: Path, phase: str, whole: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run"
    signum = signal.SIGTERM if len(phase) % 2 else signal.SIGINT
    with pytest.MonkeyPatch.context() as patch:
        at = At(*PHASES[phase], really(signum))
        at.install(patch)
        assert run(path) == 128 + signum
        assert at.done
    stopped = result(path)
    assert (stopped["status"], stopped["exit_code"]) == ("stopped", 128 + signum)
    assert stopped["stop_reason"] == "signal"
    assert f"resume={path}" in capsys.readouterr().out
    assert main([f"resume={path}"]) == 0
    assert result(path)["resumed"] == 1
    assert outcome(path) == whole


@pytest.mark.slow
def test_a_run_interrupted_again_and_again_ends_the_same(
    tmp_path: Path, whole: dict[str, Any]
) -> None:
    path = tmp_path / "run"
    start: list[str] | None = None
    for name, entry, poll in (("annotate", 1, 2), ("score", 1, 1), ("train", 1, 2)):
        with pytest.MonkeyPatch.context() as patch:
            at = At(name, entry, poll, really(signal.SIGINT))
            at.install(patch)
            code = run(path) if start is None else main(start)
            assert (code, at.done) == (130, True)
        start = [f"resume={path}"]
    assert main([f"resume={path}"]) == 0
    assert result(path)["resumed"] == 3
    assert outcome(path) == whole


def test_f7_a_purchase_that_failed_is_made_when_the_run_goes_on(
    tmp_path: Path, whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def breaks(teacher: MeteredTeacher, query: Query) -> list[Annotation]:
        asked.append(query.round)
        if len(asked) == 2:
            raise ConnectionError("the teacher is out")
        return annotate(teacher, query)

    annotate = MeteredTeacher.annotate
    monkeypatch.setattr(MeteredTeacher, "annotate", breaks)
    path = tmp_path / "run"
    with pytest.raises(ConnectionError):
        run(path)
    failed = result(path)
    assert (failed["status"], failed["exit_code"]) == ("failed", 1)
    assert failed["stop_reason"] == "ConnectionError: the teacher is out"
    assert main([f"resume={path}"]) == 0
    assert outcome(path) == whole


def test_a_run_resumed_within_its_budget_stops_where_an_uninterrupted_one_does(
    tmp_path: Path,
) -> None:
    # What the store holds is ahead of the round that is done again: it must not stop that round.
    limit = "budget.max_annotations=10"
    assert run(tmp_path / "whole", limit) == 0
    with pytest.MonkeyPatch.context() as patch:
        at = At("train", 2, 1, really(signal.SIGINT))
        at.install(patch)
        assert run(tmp_path / "run", limit) == 130
    (tmp_path / "run" / "checkpoints" / "last.ckpt").unlink()
    assert main([f"resume={tmp_path / 'run'}"]) == 0
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")
    assert result(tmp_path / "run")["stop_reason"] == "budget"


def test_a_second_signal_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    polls_after = 0

    def twice(interrupt: Interrupt) -> None:
        nonlocal polls_after
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        polls_after += 1

    At("evaluate", 1, 1, twice).install(monkeypatch)
    assert run(tmp_path / "run") == 130
    assert polls_after == 0
    assert result(tmp_path / "run")["status"] == "stopped"


def test_a_second_signal_while_the_outcome_is_written_ends_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never_ends(path: Path) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("the signal did not end this")

    monkeypatch.setattr("elad_exp.run.write_report", never_ends)
    At("evaluate", 1, 1, really(signal.SIGTERM)).install(monkeypatch)
    with pytest.raises(SystemExit) as ended:
        run(tmp_path / "run")
    assert ended.value.code == 143
    assert result(tmp_path / "run")["status"] == "stopped"


def test_the_handlers_are_those_of_before_when_a_run_has_ended(tmp_path: Path) -> None:
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    assert run(tmp_path / "run", "schedule.rounds=1") == 0
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before


# Dies in the middle of a purchase, before its n-th call.
KILLED = """
import os, signal, sys
from elad_exp.__main__ import main
from elad_exp.budget.store import Store
calls = 0
def dies(self, reserve=Store.reserve, **asked):
    global calls
    calls += 1
    if calls == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    return reserve(self, **asked)
Store.reserve = dies
main(sys.argv[2:])
"""


@pytest.mark.slow
@pytest.mark.parametrize("calls", [9, 4])
def test_a_run_killed_in_a_purchase_ends_with_the_same_ids_and_the_same_bill(
    tmp_path: Path, calls: int, whole: dict[str, Any]
) -> None:
    path = tmp_path / "run"
    command = [sys.executable, "-c", KILLED, str(calls), *TINY, f"paths.run_dir={path}"]
    killed = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL
    left = result(path)
    assert left["status"] == "running"
    with Store(tmp_path / "cache" / "store" / "store.sqlite") as store:
        states = [call["state"] for call in store.calls(left["run_id"])]
    assert states == ["settled"] * (calls - 1)
    assert main([f"resume={path}"]) == 0
    assert outcome(path) == whole


@pytest.mark.slow
def test_a_call_that_may_have_been_billed_is_charged_at_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "run"
    sent = KILLED.replace("os.kill(", "reserve(self, **asked); os.kill(")
    limited = [*TINY, "budget.max_annotations=14", f"paths.run_dir={path}"]
    command = [sys.executable, "-c", sent, "3", *limited]
    subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert main([f"resume={path}"]) == 0
    states = [call["state"] for call in read_lines(path / "ledger.jsonl")]
    assert states.count("unknown") == 1
    assert result(path)["spent"]["annotations"] <= 14


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("file", ["result.json", "annotations.jsonl", "checkpoints/last.ckpt"])
def test_a_process_that_gets_a_real_signal_stops_and_goes_on(
    tmp_path: Path, signum: int, file: str
) -> None:
    path = tmp_path / "run"
    longer = ["schedule.rounds=4", "schedule.steps_per_round=60", "selection.candidates=50"]
    command = [sys.executable, "-m", "elad_exp", *TINY, *longer, f"paths.run_dir={path}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while not (path / file).exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(0.3)
        process.send_signal(signum)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signum, out
    assert result(path)["status"] == "stopped"
    assert main([f"resume={path}"]) == 0
    assert main([*TINY, *longer, f"paths.run_dir={tmp_path / 'whole'}"]) == 0
    assert outcome(path) == outcome(tmp_path / "whole")
