"""EvoKD by a language model over HTTP: what is billed, what is dropped, and the replay."""

from __future__ import annotations

import json
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
from tests.helpers_main import LESSONS, bought, result
from tests.helpers_openai import Fault, Server, serve
from tests.scripted_lessons import PRICE, ScriptedLessons, asked

pytestmark = QUIET
SMALL = ["+experiment=evokd_quickstart", *LESSONS]


def go(path: Path, *overrides: str, script: type = ScriptedLessons) -> tuple[int, Server]:
    of_data = [o for o in overrides if o.startswith("dataset")]
    task = instantiate(compose_config([*SMALL, *of_data]).dataset)
    with serve(script(task)) as server:
        code = main([*SMALL, f"paths.run_dir={path}", *asked(server), *overrides])
    return code, server


def lasting(path: Path) -> list[dict[str, Any]]:
    own = ("teacher", "call_ids", "cached", "replayed_by")
    lines = read_lines(path / "annotations.jsonl")
    return [{k: v for k, v in line.items() if k not in own} for line in lines]


def test_lessons_are_asked_for_billed_and_replayed_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run"
    code, server = go(path)
    assert code == 0
    found = result(path)
    billed = sum(usage["total_tokens"] for usage in server.billed)
    assert found["spent"]["tokens"] == found["paid"]["tokens"] == billed
    assert found["spent"]["usd"] == pytest.approx(billed * PRICE)
    assert found["spent"]["calls"] == len(server.requests) == 2 * (1 + 2 * 2)
    assert found["teacher"]["name"] == "evokd"
    assert found["teacher"]["lessons"]["texts"] == 8
    lines = read_lines(path / "annotations.jsonl")
    written = [x for x in lines if x["round"]]
    assert len(written) == 16
    assert {x["status"] for x in written} <= {"ok", "unparsed"}
    assert all("nearly" in x["reason"] for x in written if x["status"] != "ok")
    recording = tmp_path / "recording.jsonl"
    assert elad_exp(["store", "export", str(recording)]) == 0
    store_path().unlink()
    monkeypatch.setitem(sys.modules, "litellm", None)
    again = tmp_path / "again"
    replay = ["teacher=recorded", f"teacher.path={recording}"]
    sizes = [x for x in SMALL if not x.startswith("teacher.")]
    assert main([*sizes, f"paths.run_dir={again}", *replay]) == 0
    assert lasting(again) == lasting(path)
    second = result(again)
    assert second["spent"]["tokens"] == found["spent"]["tokens"]
    assert second["paid"]["calls"] == 0
    assert second["teacher"]["replayed"]["by_key"] == 16


class Wayward(ScriptedLessons):
    """Does not keep to what it is asked."""

    def __call__(self, body: dict[str, Any]) -> str:
        prompt = body["messages"][-1]["content"]
        self.calls = getattr(self, "calls", 0) + 1
        if prompt.startswith("You study"):
            return "I think that it is fine."
        if prompt.startswith("You write") and self.calls % 2:
            return '{"easy": ["", "' + "long " * 200 + '"], "hard": ["One.", "One."]}'
        if prompt.startswith("You give"):
            n = len(self.label(prompt)["answers"])
            if self.calls == 3:  # one too many
                n += 1
            return json.dumps({"answers": ["party", *["meeting"] * (n - 1)]})
        return super().__call__(body)


def test_what_a_model_spoils_is_billed_dropped_and_said(tmp_path: Path) -> None:
    path = tmp_path / "run"
    code, server = go(path, script=Wayward)
    assert code in (0, 75)
    found = result(path)
    assert found["spent"]["tokens"] == sum(usage["total_tokens"] for usage in server.billed)
    lines = [x for x in read_lines(path / "annotations.jsonl") if x["round"]]
    reasons = {x["reason"] for x in lines}
    assert "an empty text" in reasons
    assert any("bytes, more than" in reason for reason in reasons)
    assert "the answer cannot be used: 'party'" in reasons
    assert "no answer came for it: 5 labels came for 4 texts" in reasons
    assert all((x["status"] == "ok") == x["trained_on"] == (not x["reason"]) for x in lines)


def test_faults_of_the_server_are_counted_and_cost_no_lesson_twice(tmp_path: Path) -> None:
    path = tmp_path / "run"
    task = instantiate(compose_config(SMALL).dataset)
    with serve(ScriptedLessons(task)) as server:
        server.faults += [Fault(status=429), Fault(), Fault(refusal="no"), Fault(finish="length")]
        assert main([*SMALL, f"paths.run_dir={path}", *asked(server)]) in (0, 75)
    calls = read_lines(path / "ledger.jsonl")
    states = [call["state"] for call in calls]
    assert states.count("released") == 1
    statuses = [call["status"] for call in calls if call["state"] == "settled"]
    assert statuses.count("refused") == 1
    assert statuses.count("truncated") == 1
    found = result(path)
    assert found["spent"]["tokens"] == sum(usage["total_tokens"] for usage in server.billed)
    ids = [x["id"] for x in read_lines(path / "annotations.jsonl") if x["status"] == "ok"]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("limit", ["max_usd=0.013", "max_tokens=12000", "max_calls=6"])
def test_a_budget_ends_between_lessons(tmp_path: Path, limit: str) -> None:
    path = tmp_path / "run"
    code, _ = go(path, f"budget.{limit}")
    assert code == 0
    found = result(path)
    assert found["stop_reason"] == "budget"
    unit, most = limit.removeprefix("max_").split("=")
    assert 0 < found["spent"][unit] <= float(most)
    lines = [x for x in read_lines(path / "annotations.jsonl") if x["round"]]
    assert not [x for x in lines if x["reason"].startswith("no answer came for it")]
    assert len(bought(path)) == 12 + len(lines)


def test_the_first_lessons_can_be_paraphrases(tmp_path: Path) -> None:
    path = tmp_path / "run"
    code, server = go(path, "teacher.init=auggpt", "teacher.init_rounds=1")
    assert code == 0
    prompts = [body["messages"][-1]["content"] for body in server.requests]
    firsts = [prompt.split()[1] for prompt in prompts]
    assert firsts[: firsts.index("study")] == ["rephrase"] * firsts.index("study")
    assert firsts.index("study") >= 8
    lines = [x for x in read_lines(path / "annotations.jsonl") if x["round"] == 1]
    assert len(lines) == 8
    assert all(len(x["parents"]) == 1 for x in lines)


def test_without_a_model_it_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, f"paths.run_dir={tmp_path / 'run'}", "teacher=evokd"]) == 2
    assert "teacher.model is not set" in capsys.readouterr().err


def test_replies_that_would_be_cut_off_are_told_of_by_a_plan_and_at_the_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = ["teacher.max_completion_tokens=450", "budget.max_calls=3", "schedule.rounds=2"]
    told = (
        "teacher.max_completion_tokens=450 is less than replies may need: analyse 704. One that is "
        "longer is cut off, billed and dropped; set teacher.max_completion_tokens=704, or ask for "
        "less at a time (teacher.lesson_size, teacher.texts, schedule.query_size)"
    )
    path = tmp_path / "run"
    assert go(path, *short)[0] == 0
    assert told in "".join(capsys.readouterr())
    assert told in result(path)["warnings"]
    model = ["teacher=evokd", "teacher.model=openai/gpt-4o-mini"]
    assert main([*SMALL, *model, *short, "mode=plan"]) == 0
    assert "".join(capsys.readouterr()).count(told) == 1
