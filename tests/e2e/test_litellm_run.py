"""A whole tiny run taught over HTTP by a scripted teacher, and its plan beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("litellm", reason="litellm is not installed (extra `litellm`)")

from hydra.utils import instantiate

from elad_exp.config import compose_config
from elad_exp.console import Console
from elad_exp.plan.costs import RoundPlan
from elad_exp.plan.tell import plan
from elad_exp.rundir import read_lines
from elad_exp.teachers.litellm import count_tokens
from elad_exp.teachers.llm import LanguageModelTeacher
from elad_exp.types import Usage
from tests.helpers_litellm import QUIET
from tests.helpers_main import TINY, main, result, run, tree
from tests.helpers_openai import Server, serve
from tests.scripted_teacher import ScriptedTeacher

pytestmark = QUIET
PRICE = 1e-6


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    task = instantiate(compose_config(TINY).dataset)
    with serve(ScriptedTeacher(task, task.load()), count=lambda t: count_tokens(t) + 4) as running:
        yield running


def teacher(server: Server, mode: str) -> list[str]:
    return [
        "teacher=litellm",
        "teacher.model=openai/scripted",
        f"teacher.mode={mode}",
        f"teacher.api_base={server.url}",
        f"teacher.prompt_usd={PRICE}",
        f"teacher.completion_usd={PRICE}",
        "budget.max_usd=1",
    ]


def planned(overrides: list[str]) -> list[RoundPlan]:
    config = compose_config([*TINY, *overrides, "mode=plan"])
    return plan(config, console=Console(quiet=True)).rounds


@pytest.mark.parametrize("mode", ["single", pytest.param("sequential", marks=pytest.mark.slow)])
def test_a_run_over_http_costs_what_its_plan_says(
    tmp_path: Path, server: Server, mode: str
) -> None:
    overrides = teacher(server, mode)
    server.billed.clear()
    rounds = planned(overrides)
    assert server.billed == []
    assert list(tmp_path.iterdir()) == []
    assert run(tmp_path / "run", *overrides) == 0
    found = result(tmp_path / "run")
    calls = read_lines(tmp_path / "run" / "ledger.jsonl")
    billed = sum(usage["total_tokens"] for usage in server.billed)
    assert found["spent"]["tokens"] == found["paid"]["tokens"] == billed
    assert found["spent"]["usd"] == pytest.approx(billed * PRICE)
    assert found["metrics"]["teacher/first_error_accuracy"]["value"] == 1.0
    assert found["teacher"]["model"] == "openai/scripted"

    # The initial query is known, and so are its prompts; replies and later prompts are estimated.
    first = [call for call in calls if call["round"] == 0]
    prompts = sum(call["prompt_tokens"] for call in first)
    assert rounds[0].expected.prompt_tokens == pytest.approx(prompts, rel=0.01)
    for number, part in enumerate(rounds[:-1]):
        tokens = sum(call["spent"]["tokens"] for call in calls if call["round"] == number)
        asked = len({call["annotation"] for call in calls if call["round"] == number})
        assert part.annotations == asked
        assert tokens < part.most.tokens
        assert tokens == pytest.approx(part.expected.tokens, rel=0.2 if mode == "single" else 0.6)


def test_a_price_that_nobody_knows_is_told_and_is_not_zero(
    tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    priced = ("teacher.prompt_usd", "teacher.completion_usd", "budget.max_usd")
    overrides = [x for x in teacher(server, "single") if not x.startswith(priced)]
    assert run(tmp_path / "run", *overrides, "schedule.rounds=1") == 0
    found, shown = result(tmp_path / "run"), capsys.readouterr().out
    assert found["teacher"]["price"] is None
    assert found["spent"]["tokens"] > 0
    (warning,) = [x for x in found["warnings"] if "price" in x]
    assert "openai/scripted has no known price" in warning
    assert f"warning   {warning}" in shown
    assert "dollars not counted" in shown
    assert "$" not in shown.replace(warning, "")
    planned(overrides)
    again = LanguageModelTeacher.of(instantiate(compose_config(TINY).dataset), found["teacher"])
    assert again.info["price"] is None
    assert again.priced(Usage(3, 4, 1.0)) == Usage(3, 4, 0.0)


def test_a_plan_writes_nothing_and_needs_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    model = ["teacher=litellm", "teacher.model=openai/gpt-4o-mini", "budget.max_usd=0.0005"]
    assert main([*TINY, *model, "mode=plan"]) == 0
    shown = capsys.readouterr().out
    assert "max_usd=0.0005 covers no annotation of the initial query" in shown
    assert "at most $0.0005 (budget.max_usd)" in shown
    assert list(tmp_path.iterdir()) == []


def test_a_run_whose_server_is_gone_waits_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = instantiate(compose_config(TINY).dataset)
    with serve(ScriptedTeacher(task, task.load()), count=lambda t: count_tokens(t) + 4) as own:
        assert run(tmp_path / "run", *teacher(own, "single"), "budget.max_annotations=6") == 0
    before = tree(tmp_path / "run")
    assert main([f"resume={tmp_path / 'run'}", "budget.max_annotations=10"]) == 75
    assert "cannot be reached" in capsys.readouterr().err
    assert tree(tmp_path / "run") == before


@pytest.mark.slow
def test_a_plan_says_which_answers_are_paid_for(tmp_path: Path, server: Server) -> None:
    store = tmp_path / "store.sqlite"
    overrides = [*teacher(server, "single"), f"paths.store={store}", "schedule.rounds=1"]
    fresh = planned(overrides)
    assert not store.exists()
    assert fresh[0].stored.calls == 0
    server.billed.clear()
    assert run(tmp_path / "run", *overrides) == 0
    billed = sum(usage["total_tokens"] for usage in server.billed)
    before = sorted(path.name for path in tmp_path.iterdir())
    again = planned(overrides)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert again[0].annotations == again[0].stored.calls == 6
    assert again[0].expected.tokens == again[0].stored.tokens == billed
    assert again[0].paid.tokens == 0
    assert planned([*overrides, "seed=1"])[0].stored.calls < 6
