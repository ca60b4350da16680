"""Runs of what EvoKD is compared with: billed, dropped with a reason, replayed, resumed."""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("litellm", reason="litellm is not installed (extra `litellm`)")

from hydra.utils import instantiate

from elad_exp.__main__ import main
from elad_exp.assets import store_path
from elad_exp.cli import main as elad_exp
from elad_exp.config import compose_config
from elad_exp.errors import Interrupted
from elad_exp.rundir import read_lines
from elad_exp.teachers.lessons.eda import EDATeacher
from elad_exp.teachers.lessons.model import ModelSpeaker
from tests.helpers_litellm import QUIET
from tests.helpers_main import LESSONS, result
from tests.helpers_openai import Fault, Server, serve
from tests.scripted_lessons import PRICE, ScriptedLessons, asked

pytestmark = QUIET

DATA = ["+experiment=evokd_quickstart", *(x for x in LESSONS if x.startswith("dataset."))]
SMALL = [
    *("+experiment=evokd_quickstart", "selector=given", "selection.among=annotated"),
    *(x for x in LESSONS if not x.startswith("teacher.lesson_size")),
]
OPTIONS = {
    "eda": [],
    "auggpt": [],
    "zerogen": ["teacher.lesson_size=4"],
    "llm_da": ["dataset=bulletin_entities"],
}
PAID = {"tokens": None, "usd": None}
MODELS = sorted(set(OPTIONS) - {"eda"})
CALLS = {"eda": 0, "auggpt": 2 * 8, "zerogen": 3 * 6, "llm_da": 2 * (1 + 4)}
"""One for each text, one for each class (in round 0 as well), one for names and 4 for texts."""


@contextmanager
def scripted(
    teacher: str, script: type = ScriptedLessons, faults: Any = ()
) -> Iterator[tuple[Server, list[str]]]:
    """A server, and a small run that asks it."""
    of_data = [x for x in OPTIONS[teacher] if x.startswith("dataset=")]
    task = instantiate(compose_config([*DATA, *of_data]).dataset)
    with serve(script(task)) as server:
        server.faults += faults
        chosen = ["teacher=eda"] if teacher == "eda" else asked(server, teacher)
        yield server, [*SMALL, *OPTIONS[teacher], *chosen]


def go(path: Path, teacher: str, *overrides: str, **options: Any) -> tuple[int, Server]:
    with scripted(teacher, **options) as (server, given):
        return main([*given, f"paths.run_dir={path}", *overrides]), server


def written(path: Path, teacher: str) -> list[dict[str, Any]]:
    lines = read_lines(path / "annotations.jsonl")
    return [x for x in lines if x["round"] or teacher == "zerogen"]


def given(path: Path) -> list[dict[str, Any]]:
    return [x for x in read_lines(path / "annotations.jsonl") if x["teacher"] == "given"]


def tokens(server: Server) -> int:
    return sum(usage["total_tokens"] for usage in server.billed)


def lasting(path: Path) -> list[dict[str, Any]]:
    own = ("teacher", "call_ids", "cached", "replayed_by")
    lines = read_lines(path / "annotations.jsonl")
    return [{k: v for k, v in line.items() if k not in own} for line in lines]


@pytest.mark.parametrize("teacher", OPTIONS)
def test_a_baseline_runs_in_the_same_loop_and_is_replayed_for_nothing(
    teacher: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run"
    code, server = go(path, teacher)
    assert code == 0
    found = result(path)
    assert found["teacher"]["name"] == teacher
    assert found["spent"]["calls"] == len(server.requests) == CALLS[teacher]
    assert found["spent"]["tokens"] == tokens(server)
    assert found["spent"]["usd"] == pytest.approx(tokens(server) * PRICE)
    own = written(path, teacher)
    assert len(own) == 8 * (3 if teacher == "zerogen" else 2)
    asked_for = [line["bought"]["asked"] for line in read_lines(path / "rounds.jsonl")[:3]]
    assert asked_for == [8 if teacher == "zerogen" else len(given(path)), 8, 8]
    assert len([x for x in own if x["trained_on"]]) > len(own) / 2
    assert all((x["status"] == "ok") == x["trained_on"] == (not x["reason"]) for x in own)
    others = [x for x in read_lines(path / "annotations.jsonl") if x not in own]
    assert all(x["trained_on"] and x["tokens"] == 0 for x in others)
    known = {x["id"] for x in others}
    assert len(known) == len(others)
    if teacher == "zerogen":
        assert not known
        assert not any(x["parents"] for x in own)
    else:
        assert all(len(x["parents"]) == 1 and set(x["parents"]) <= known for x in own)
    if teacher == "eda":
        return
    recording = tmp_path / "recording.jsonl"
    assert elad_exp(["store", "export", str(recording)]) == 0
    store_path().unlink()
    monkeypatch.setitem(sys.modules, "litellm", None)
    again = tmp_path / "again"
    sizes = [x for x in [*SMALL, *OPTIONS[teacher]] if not x.startswith("teacher.")]
    replay = ["teacher=recorded", f"teacher.path={recording}", f"paths.run_dir={again}"]
    assert main([*sizes, *replay]) == 0
    assert lasting(again) == lasting(path)
    assert result(again)["paid"]["calls"] == 0


class Wayward(ScriptedLessons):
    """Keeps to what it is asked every fourth time, and says something else between."""

    LONG = json.dumps(["", "long " * 200])
    OTHERS = (
        "I would rather not write JSON.",
        '{"texts": [], "entities": []}',
        '{"texts": ' + LONG + ', "entities": [{"type": "RIVER", "names": ["Wey"]}]}',
    )

    def __init__(self, task: Any) -> None:
        super().__init__(task)
        self.calls = itertools.count()

    def __call__(self, body: dict[str, Any]) -> str:
        turn = next(self.calls) % 4
        return super().__call__(body) if turn == 0 else self.OTHERS[turn - 1]


def test_a_run_that_begins_with_nothing_says_why_the_first_lesson_was_lost(tmp_path: Path) -> None:
    path = tmp_path / "run"
    code, _ = go(path, "zerogen", faults=[Fault(finish="length") for _ in range(6)])
    assert code == 1
    why = result(path)["stop_reason"]
    assert "no answer at all; the first: cut off at max_completion_tokens" in why


@pytest.mark.parametrize("teacher", MODELS)
def test_what_a_model_spoils_is_billed_dropped_and_said(teacher: str, tmp_path: Path) -> None:
    path = tmp_path / "run"
    faults = [Fault(), Fault(status=429), Fault(refusal="no"), Fault(finish="length")]
    code, server = go(path, teacher, script=Wayward, faults=faults)
    assert code in (0, 75)
    found = result(path)
    assert found["spent"]["tokens"] == tokens(server)
    calls = read_lines(path / "ledger.jsonl")
    assert [call["state"] for call in calls].count("released") == 1
    statuses = [call["status"] for call in calls if call["state"] == "settled"]
    assert statuses.count("refused") == statuses.count("truncated") == 1
    assert {"unparsed", "ok"} <= set(statuses)
    own = written(path, teacher)
    assert all((x["status"] == "ok") == x["trained_on"] == (not x["reason"]) for x in own)
    reasons = {x["reason"] for x in own}
    assert "an empty text" in reasons
    if teacher == "zerogen":  # the only one here that asks for two texts at once
        assert any("bytes, more than" in reason for reason in reasons)


@pytest.mark.parametrize(
    ("teacher", "limit"),
    [("zerogen", "max_usd=0.0015"), ("llm_da", "max_calls=7")],
)
def test_a_budget_ends_a_run_between_lessons(teacher: str, limit: str, tmp_path: Path) -> None:
    path = tmp_path / "run"
    assert go(path, teacher, f"budget.{limit}")[0] == 0
    found = result(path)
    assert found["stop_reason"] == "budget"
    unit, most = limit.removeprefix("max_").split("=")
    assert 0 < found["spent"][unit] <= float(most)


@pytest.mark.parametrize(
    ("teacher", "limit", "told"),
    [
        ("auggpt", "max_tokens=50", r"may take 1,\d\d\d tokens"),
        ("zerogen", "max_annotations=0", "may take 2 annotations"),
        ("llm_da", "max_calls=0", "may take 1 calls"),
    ],
)
def test_a_budget_below_one_lesson_is_refused(
    teacher: str, limit: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, server = go(tmp_path / "run", teacher, f"budget.{limit}")
    assert code == 2
    said = capsys.readouterr().err
    assert re.search(f"{limit} does not cover the first lesson, which {told}", said), said
    assert not server.requests


@pytest.mark.parametrize(
    ("teacher", "call"),
    [
        ("eda", 11),
        ("llm_da", 4),
        pytest.param("auggpt", 5, marks=pytest.mark.slow),
        pytest.param("zerogen", 8, marks=pytest.mark.slow),
    ],
)
def test_a_run_that_was_interrupted_ends_like_one_that_was_not(
    teacher: str, call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, path = tmp_path / "whole", tmp_path / "run"
    assert go(whole, teacher)[0] == 0
    place: Any = (EDATeacher, "written") if teacher == "eda" else (ModelSpeaker, "answer")
    own, made = getattr(*place), itertools.count(1)

    async def interrupted(*given: Any) -> Any:
        if next(made) == call:
            raise Interrupted(15)
        return await own(*given)

    monkeypatch.setattr(*place, interrupted)
    with scripted(teacher) as (_, given):
        # Another store, or the first run's answers would be taken.
        elsewhere = [f"paths.run_dir={path}", f"paths.store={tmp_path / 'store.sqlite'}"]
        assert main([*given, *elsewhere]) == 143
        assert next(made) > call
        assert main([f"resume={path}"]) == 0
    assert next(made) > call + 2
    assert [x | PAID for x in lasting(path)] == [x | PAID for x in lasting(whole)]
    if teacher != "llm_da":  # a tagger that has hardly learnt has ties, which rounding decides
        predicted = [read_lines(run / "predictions.jsonl") for run in (path, whole)]
        assert predicted[0] == predicted[1]


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["teacher=eda", "teacher.alpha=0"], "teacher.alpha=0"),
        (["teacher=eda", "teacher.synonyms=nowhere.txt"], "teacher.synonyms=nowhere.txt: no such"),
        (["teacher=auggpt", "dataset=bulletin_entities"], "choose teacher=llm_da"),
        (["teacher=zerogen", "dataset=bulletin_entities"], "choose teacher=evokd or llm_da"),
        (["teacher=llm_da"], "choose teacher=auggpt, or a dataset of entities"),
        *(
            (["teacher=eda", "selector=random", f"selection.among={among}"], told)
            for among, told in (
                ("pool", "selection.among=pool: teacher=eda makes its texts of what is annotated"),
                ("new", "set selection.among=annotated, and a selector for it"),
            )
        ),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_written(
    overrides: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run"
    model = [] if "teacher=eda" in overrides else ["teacher.model=openai/scripted"]
    assert main([*SMALL, *overrides, *model, f"paths.run_dir={path}"]) == 2
    assert told in capsys.readouterr().err
    assert not path.exists()


def test_a_sungen_like_run_counts_the_same_texts_by_what_the_student_thinks_of_them(
    tmp_path: Path,
) -> None:
    losses, texts = [], []
    for name, more in (("zerogen", []), ("sungen", ["optim.doubt=0.7"])):
        path = tmp_path / name
        # Stores of their own: each asks the server, and pays.
        code, server = go(path, "zerogen", f"paths.store={tmp_path / name}.sqlite", *more)
        assert code == 0
        found = result(path)
        assert found["spent"]["calls"] == len(server.requests) == CALLS["zerogen"]
        assert found["paid"]["tokens"] == found["spent"]["tokens"] == tokens(server)
        losses.append([x["train_loss"] for x in read_lines(path / "rounds.jsonl")[1:]])
        texts.append(lasting(path))
    assert texts[0] == texts[1]
    assert len([x for x in texts[1] if x["trained_on"]]) > 12
    plain, doubted = losses
    # Every text is the model's own, from round 0 on.
    assert all(doubt < full for doubt, full in zip(doubted, plain, strict=True))
