"""The study of real errors: its jobs compose, its summary says nothing of scores that do not."""

from __future__ import annotations

import gzip
import importlib.util
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from elad_exp.config import compose_config
from elad_exp.groundwork import check
from elad_exp.selectors.components import COMPONENTS

FOLDER = Path(__file__).resolve().parents[2] / "experiments" / "real_errors"
SCORED = sorted(COMPONENTS)
JOB = {"majority": 0.5, "train_loss": 1.5}


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec = importlib.util.spec_from_file_location("real_errors", FOLDER / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    for name in ("summary", "figure"):  # other studies have files of these names
        sys.modules.pop(name)


def lines(n: int = 500, *, seed: int = 0, shift: float = 0.0) -> list[dict[str, Any]]:
    """Scores of a student that is wrong in about half of its attempts; `shift` if it is."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(n):
        wrong = bool(rng.random() < 0.5)
        found.append(
            {
                "id": f"q{i}",
                "scores": {name: float(rng.normal() + shift * wrong) for name in SCORED},
                "answers": ["yes"] * 4,
                "attempt_answer": "yes" if rng.random() < 0.5 else "no",
                "attempt_steps": 2,
                "attempt_wrong": wrong,
            }
        )
    return found


@pytest.mark.parametrize("name", ["strategyqa", "commonsenseqa", "esnli"])
@pytest.mark.parametrize("quick", [False, True])
def test_the_jobs_compose_and_score_everything(study: ModuleType, name: str, quick: bool) -> None:
    config = compose_config(study.job(name, quick=quick))
    check(config)
    assert config.selection.also_score == "all"
    assert config.teacher["_target_"].endswith("GoldTeacher")
    assert config.selection.candidates == (20 if quick else 500)


def test_each_explanation_is_seen_once(study: ModuleType) -> None:
    for labelled in (study.LABELLED, 3000):
        config = compose_config(study.job("esnli", labelled=labelled))
        assert config.schedule.initial_size == labelled
        assert config.schedule.steps_per_round * config.optim.batch_size == labelled


def test_the_same_training_for_all_datasets(study: ModuleType) -> None:
    configs = [compose_config(study.job(name)) for name in study.JOBS]
    assert len({json.dumps(dict(config.optim)) for config in configs}) == 1
    assert len({json.dumps(dict(config.schedule)) for config in configs}) == 1


def test_shuffled_labels_are_not_predicted(study: ModuleType) -> None:
    scored = lines(600, shift=3.0)
    wrong = [line["attempt_wrong"] for line in scored]
    np.random.default_rng(1).shuffle(wrong)
    shuffled = [line | {"attempt_wrong": w} for line, w in zip(scored, wrong, strict=True)]
    informed = study.summarise({"a": (JOB, scored)})["mean"]["all"]
    blind = study.summarise({"a": (JOB, shuffled)})["mean"]["all"]
    share = sum(wrong) / len(wrong)
    for name in [*SCORED, "elad"]:
        assert informed[f"auroc/{name}"]["value"] > 0.9
        assert blind[f"auroc/{name}"]["value"] == pytest.approx(0.5, abs=0.08)
        assert blind[f"auprc/{name}"]["value"] == pytest.approx(share, abs=0.1)


def test_intervals_of_blind_scores_hold_one_half(study: ModuleType) -> None:
    held = [
        metric["ci95"][0] <= 0.5 <= metric["ci95"][1]
        for seed in range(6)
        for key, metric in study.summarise(
            {name: (JOB, lines(120, seed=10 * seed + i)) for i, name in enumerate("abc")}
        )["mean"]["all"].items()
        if key.startswith("auroc/") and key.partition("/")[2] in SCORED
    ]
    assert len(held) == 6 * len(SCORED)
    assert sum(held) / len(held) == pytest.approx(0.95, abs=0.05)


def test_a_score_that_tells_the_answer_gains_nothing_within_answers(study: ModuleType) -> None:
    """ "no" is given too often: mostly wrong, while "yes" is mostly right."""
    rng = np.random.default_rng(0)
    scored = []
    for line in lines(600):
        no = line["attempt_answer"] == "no"
        wrong = bool(rng.random() < (0.8 if no else 0.2))
        telling = {"bald": float(no), "intra": float(wrong) - 2 * no, "inter": float(no) + wrong}
        scored.append(line | {"attempt_wrong": wrong, "scores": line["scores"] | telling})
    here = study.summarise({"a": (JOB, scored)})["datasets"]["a"]
    assert here["all"]["auroc/bald"]["value"] == pytest.approx(0.8, abs=0.05)
    assert here["within"]["auroc/bald"]["value"] == pytest.approx(0.5)
    assert here["all"]["auroc/intra"]["value"] < 0.4
    assert here["within"]["auroc/intra"]["value"] == pytest.approx(1.0)
    assert here["within"]["auroc/inter"]["value"] == pytest.approx(1.0)
    low, high = here["within"]["auroc/rare_words"]["ci95"]
    assert low < 0.5 < high


def test_attempts_of_one_answer_are_all_within_it(study: ModuleType) -> None:
    same = [line | {"attempt_answer": "C"} for line in lines(200)]
    here = study.summarise({"a": (JOB, same)})["datasets"]["a"]
    within, everywhere = here["within"]["auroc/inter"], here["all"]["auroc/inter"]
    assert within["value"] == everywhere["value"]
    assert within["ci95"] == pytest.approx(everywhere["ci95"])


def test_the_mean_adds_squared_distances(study: ModuleType) -> None:
    from summary import mean_over_datasets

    one = {"value": 0.6, "n": 100, "ci95": [0.5, 0.68]}
    other = {"value": 0.8, "n": 200, "ci95": [0.76, 0.83]}
    mean = mean_over_datasets([one, other])
    assert mean is not None
    assert (mean["value"], mean["n"]) == (pytest.approx(0.7), 300)
    low, high = 0.7 - math.hypot(0.1, 0.04) / 2, 0.7 + math.hypot(0.08, 0.03) / 2
    assert mean["ci95"] == pytest.approx([low, high])
    assert mean_over_datasets([one, None]) is None


def test_unreadable_answers_are_left_out_of_the_second_judgement(study: ModuleType) -> None:
    scored = lines(200)
    for line in scored[:80]:
        line |= {"attempt_answer": None, "attempt_wrong": True}
        line["scores"] = dict.fromkeys(SCORED, 9.0)
    found = study.summarise({"a": (JOB, scored)})
    here = found["datasets"]["a"]
    assert here["unreadable"]["value"] == 0.4
    assert here["answers"]["(unparsed)"] == 0.4
    assert here["all"]["auroc/inter"]["value"] > 0.65
    assert here["readable"]["auroc/inter"]["n"] == 120
    assert here["readable"]["auroc/inter"]["value"] == pytest.approx(0.5, abs=0.15)


def test_what_the_answer_explains(study: ModuleType) -> None:
    from summary import explained_by_answer

    rows = [{"says": 1.0, "flat": 2.0}, {"says": 1.0, "flat": 2.0}, {"says": 0.0, "flat": 2.0}]
    assert explained_by_answer(rows, ["yes", "yes", None]) == {"says": 1.0, "flat": None}
    halves = [{"half": value} for value in (0.0, 2.0, 2.0, 4.0)]
    assert explained_by_answer(halves, ["a", "a", "b", "b"]) == {"half": pytest.approx(0.5)}


def test_a_component_that_one_dataset_lacks_has_no_mean(study: ModuleType, tmp_path: Path) -> None:
    without = lines(60, seed=1)
    for line in without:
        del line["scores"]["bald"]
    found = study.summarise({"a": (JOB, lines(60)), "b": (JOB, without)})
    assert found["mean"]["all"]["auroc/bald"] is None
    assert found["mean"]["all"]["auroc/inter"] is not None
    text = study.tables(found)
    assert "| bald | 0." in text
    assert "| elad_mean | " in text.replace("**", "")
    study.draw(found, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_a_student_that_is_always_wrong_has_no_areas(study: ModuleType, tmp_path: Path) -> None:
    wrong = {"attempt_answer": None, "attempt_wrong": True}
    found = study.summarise({"a": (JOB, [line | wrong for line in lines(20)])})
    assert found["mean"]["all"]["auroc/inter"] is None
    assert "| inter | - | - | - |" in study.tables(found)
    study.draw(found, tmp_path / "figure.png")


def test_what_is_stored_is_enough_and_no_more(study: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    assert not study.scored(folder)
    unselected = {"round": 1, "select": None}
    (folder / "rounds.jsonl").write_text(json.dumps(unselected) + "\n", encoding="utf-8")
    assert not study.scored(folder)
    write_run(folder)
    assert study.scored(folder)
    study.store("esnli", folder, tmp_path)
    described, kept = study.stored(tmp_path)["esnli"]
    assert described["majority"] == 0.6
    assert described["labelled"] == 400
    assert [line["id"] for line in kept] == [f"q{i}" for i in range(30)]
    assert all(set(line) == set(study.KEPT) for line in kept)
    study.summarise(study.stored(tmp_path))


def write_run(folder: Path) -> None:
    """A run that has scored round 1, and another round that is of no interest."""
    scored = [{"round": 1, "features": "AAAA", "near": [], **line} for line in lines(30)]
    text = "".join(json.dumps(line) + "\n" for line in [*scored, scored[0] | {"round": 2}])
    (folder / "scores.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    line = {
        "round": 1,
        "n_labelled": 400,
        "optimizer_steps": 100,
        "train_loss": 1.5,
        "seconds": {"score": 1.0},
        "select": {"classes": {"gold": {"candidates": {"A": 0.4, "B": 0.6}}}},
    }
    (folder / "rounds.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    result = {"git": {"commit": "c", "dirty": False}, "student": {"name": "s"}, "machine": {}}
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
    config = {
        "seed": 0,
        "optim": {"learning_rate": 1e-4, "batch_size": 4},
        "selection": {"samples": 4, "temperature": 1.0},
    }
    (folder / "config.yaml").write_text(json.dumps(config), encoding="utf-8")
