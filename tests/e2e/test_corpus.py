"""The experiments on real texts, in miniature and on made-up files: a small corpus is served."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from elad_exp.__main__ import main
from elad_exp.errors import Interrupted
from elad_exp.rundir import read_lines
from elad_exp.teachers.lessons.corpus import CorpusSpeaker
from elad_exp.types import Answer
from tests.helpers_main import LESSONS, bought, result
from tests.unit.corpus_toys import labelled, tagged, write

SIZES = [
    *(own for own in LESSONS if not own.startswith("dataset.")),
    "dataset.n_dev=6",
    "dataset.n_test=6",
    "student=tiny_encoder",
]
RANDOM = [
    "teacher=gold",
    "selector=random",
    "selection.among=pool",
    "schedule.query_size=8",
    "selection.candidates=null",
]


def of(kind: str, folder: Path) -> list[str]:
    rows = labelled() if kind == "text" else tagged()
    return [f"dataset={kind}", f"dataset.path={write(folder / f'{kind}.jsonl', rows)}"]


def run(path: Path, experiment: str, *overrides: str) -> int:
    return main([f"+experiment={experiment}", *SIZES, f"paths.run_dir={path}", *overrides])


@pytest.mark.parametrize(
    ("experiment", "kind", "metric"),
    [
        ("evokd_news", "text", "test/macro_f1"),
        ("evokd_sentiment", "text", "test/macro_f1"),
        ("evokd_ner", "entities", "test/span_f1"),
    ],
)
def test_an_experiment_runs_on_files_of_one_s_own(
    experiment: str, kind: str, metric: str, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    assert run(path, experiment, *of(kind, tmp_path)) == 0
    found = result(path)
    assert (found["experiment"], found["teacher"]["name"]) == (experiment, "corpus")
    assert metric in found["metrics"]
    assert (found["spent"]["annotations"], found["spent"]["usd"]) == (16, 0)
    lines = read_lines(path / "annotations.jsonl")
    served = [line for line in lines if line["round"] > 0]
    assert len(served) == 16
    assert all(line["status"] == "ok" and line["trained_on"] for line in served)
    assert not any(line.get("parents") for line in served)
    assert len({line["id"] for line in lines}) == len(lines)
    rounds = [line["bought"] for line in read_lines(path / "rounds.jsonl")]
    assert "drift" not in rounds[0]
    for bought_ in rounds[1:3]:
        assert bought_["asked"] == bought_["ok"] == bought_["drift"]["texts"] == 8
        assert 0 < bought_["drift"]["seed_distance"] < 1
    assert "What the teacher studied and wrote" in (path / "report.html").read_text()


@pytest.mark.parametrize("kind", ["text", "entities"])
def test_random_acquisition_from_the_same_texts_buys_as_many(kind: str, tmp_path: Path) -> None:
    texts = of(kind, tmp_path)
    sizes = [own for own in SIZES if not own.startswith(("teacher.", "schedule.query_size"))]
    path = tmp_path / "run"
    given = [f"paths.run_dir={path}", *texts, *RANDOM]
    assert main(["+experiment=evokd_news", *sizes, *given]) == 0
    assert run(tmp_path / "served", "evokd_news", *texts) == 0
    found, served = result(path), result(tmp_path / "served")
    assert found["teacher"]["name"] == "gold"
    ids = [[i for r, i in bought(tmp_path / name) if r == 0] for name in ("run", "served")]
    assert set(ids[0]) == set(ids[1])
    # The first examples are bought here and given there.
    assert found["spent"]["annotations"] == len(ids[0]) + served["spent"]["annotations"]


def test_texts_that_no_label_is_known_of_can_be_studied(tmp_path: Path) -> None:
    path = tmp_path / "run"
    assert run(path, "evokd_news", *of("text", tmp_path), *RANDOM[1:3]) == 0
    for line in read_lines(path / "rounds.jsonl")[1:3]:
        assert line["bought"]["notes"]["studied"] == 10
        assert line["bought"]["asked"] == line["bought"]["drift"]["texts"] == 8


def test_a_corpus_that_is_used_up_ends_the_run(tmp_path: Path) -> None:
    path = tmp_path / "run"
    overrides = ["teacher.texts=30", "teacher.corpus_size=40", "schedule.rounds=9"]
    assert run(path, "evokd_news", *of("text", tmp_path), *overrides) == 0
    found = result(path)
    assert found["status"] == "completed"
    assert found["rounds"] < 9
    assert found["spent"]["annotations"] <= 40
    assert "has served all of its 40 texts" in (path / "run.log").read_text()
    assert (path / "student").is_dir()


def test_a_budget_below_one_lesson_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [*of("text", tmp_path), "budget.max_annotations=3"]
    assert run(tmp_path / "run", "evokd_news", *given) == 2
    assert "does not cover the first lesson, which may take 4" in capsys.readouterr().err


def lasting(path: Path) -> tuple[Any, ...]:
    """What an interruption must not change."""
    return bought(path), read_lines(path / "predictions.jsonl")


@pytest.mark.parametrize("call", [2, 3, 7])
def test_a_run_interrupted_among_lessons_serves_the_same(
    call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, path, texts = tmp_path / "whole", tmp_path / "run", of("text", tmp_path)
    assert run(whole, "evokd_news", *texts) == 0
    answer, asked = CorpusSpeaker.answer, []

    async def interrupted(self: CorpusSpeaker, step: str, *given: Any) -> Answer:
        asked.append(step)
        if len(asked) == call:
            raise Interrupted(15)
        return await answer(self, step, *given)

    with monkeypatch.context() as patch:
        patch.setattr(CorpusSpeaker, "answer", interrupted)
        assert run(path, "evokd_news", *texts) == 143
    assert json.loads((path / "result.json").read_text())["status"] == "stopped"
    assert main([f"resume={path}"]) == 0
    assert lasting(path) == lasting(whole)
