"""EvoKD in miniature: the same loop, store and reports, with a student that labels."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from elad_exp.__main__ import main
from elad_exp.errors import Interrupted
from elad_exp.reporting.ranking import rank, stored_round
from elad_exp.rundir import read_lines
from elad_exp.selectors.studied import PredictionsSelector
from elad_exp.teachers.lessons.grammar import GrammarSpeaker
from elad_exp.types import Answer
from tests.helpers_main import LESSONS, bought, result

SMALL = ["+experiment=evokd_quickstart", *LESSONS]


def run(path: Path, *overrides: str) -> int:
    return main([*SMALL, f"paths.run_dir={path}", *overrides])


def test_a_run_begins_with_given_examples_and_goes_on_with_lessons(tmp_path: Path) -> None:
    path = tmp_path / "run"
    assert run(path) == 0
    found = result(path)
    assert found["teacher"]["name"] == "evokd_oracle"
    assert found["spent"]["annotations"] == 16
    assert found["spent"]["calls"] == 2 * (1 + 2 * 2)
    assert {"test/acc", "test/macro_f1", "dev/macro_f1"} <= found["metrics"].keys()
    lines = read_lines(path / "annotations.jsonl")
    given, written = ([x for x in lines if (x["round"] == 0) is kind] for kind in (True, False))
    assert len(given) == 12
    assert all(x["tokens"] == 0 and x["trained_on"] for x in given)
    assert len(written) == 16
    assert all(x["tokens"] > 0 for x in written)
    known = {x["id"] for x in lines}
    last = {1: {x["id"] for x in given}, 2: set()}
    last[2] |= {x["id"] for x in written if x["trained_on"] and x["round"] == 1}
    assert all(0 < len(x["parents"]) <= 10 for x in written)
    assert all(set(x["parents"]) <= last[x["round"]] for x in written)
    assert {i for x in written for i in x["parents"]} <= known
    assert not any("parents" in x for x in given)
    rounds = read_lines(path / "rounds.jsonl")
    assert [x["n_labelled"] for x in rounds] == [
        sum(x["trained_on"] for x in lines if x["round"] < r) for r in range(4)
    ]
    stored = stored_round(path)
    ranked = rank(stored, PredictionsSelector())
    assert stored.taken == frozenset()  # what is studied is not bought
    assert len(ranked.chosen) == min(10, len(stored.candidates)) > 0
    assert all(c.known is not None for c in stored.candidates)
    assert rounds[1]["test"].keys() == {"acc", "macro_f1"}
    assert {"notes", "drift"}.isdisjoint(rounds[0]["bought"])
    for line in rounds[1:3]:
        notes, drift = line["bought"]["notes"], line["bought"]["drift"]
        assert notes["studied"] == min(10, len(last[line["round"]]))
        assert {"confused", "missing", "text"} == notes["analysis"].keys()
        assert [x["name"] for x in notes["lessons"]] == [
            f"lesson-{line['round']}-{n}" for n in (0, 1)
        ]
        assert all(x["asked"] == x["usable"] + sum(x["dropped"].values()) for x in notes["lessons"])
        assert drift["texts"] == sum(x["usable"] for x in notes["lessons"]) == line["bought"]["ok"]
        assert sum(drift["classes"].values()) == pytest.approx(1, abs=0.001)
        assert 0 < drift["seed_distance"] < 1
    assert {x["aim"] for x in written} == {"easy", "hard"}
    report = (path / "report.html").read_text()
    assert "macro" in report
    assert "What the teacher studied and wrote" in report
    assert "drift/seed_distance" in (path / "metrics.csv").read_text()


@pytest.mark.parametrize("selector", ["random", "given"])
def test_predictions_are_studied_whatever_chose_the_texts(
    selector: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, analyse = [], GrammarSpeaker._analyse

    def spied(self: GrammarSpeaker, plan: Any) -> Any:
        shown.extend(plan["items"])
        return analyse(self, plan)

    monkeypatch.setattr(GrammarSpeaker, "_analyse", spied)
    overrides = [f"selector={selector}", "selection.among=annotated"]
    assert run(tmp_path / "run", *overrides) == 0
    assert len(shown) == 20
    assert all(item["attempt"]["answer"] for item in shown)


def test_the_first_rounds_of_lessons_can_be_paraphrases(tmp_path: Path) -> None:
    path, options = tmp_path / "run", ["teacher.init=auggpt", "teacher.init_rounds=2"]
    assert run(path, *options, "schedule.rounds=4") == 0
    lines = read_lines(path / "rounds.jsonl")
    names = [[x["name"] for x in line["bought"]["notes"]["lessons"]] for line in lines[1:4]]
    assert all(name.startswith("paraphrases-") for name in names[0] + names[1])
    assert names[2] == ["lesson-3-0", "lesson-3-1"]
    given = {x["id"] for x in read_lines(path / "annotations.jsonl") if x["round"] == 0}
    own = [x for x in read_lines(path / "annotations.jsonl") if x["round"] in (1, 2)]
    assert len(own) == 16
    assert all(set(x["parents"]) < given for x in own)


def test_labels_that_are_wrong_can_be_found_by_a_second_look(tmp_path: Path) -> None:
    path = tmp_path / "run"
    assert run(path, "teacher.error_rate=0.5", "teacher.votes=2", "optim.doubt=0.7") == 0
    assert result(path)["teacher"]["error_rate"] == 0.5
    lines = [x["bought"] for x in read_lines(path / "rounds.jsonl")[1:3]]
    dropped = [x["dropped"] for line in lines for x in line["notes"]["lessons"]]
    assert sum(d.get("a second look gave another answer", 0) for d in dropped) > 3


def test_entities_are_learnt_in_the_same_loop(tmp_path: Path) -> None:
    path = tmp_path / "run"
    assert run(path, "dataset=bulletin_entities", "teacher.votes=2", "teacher.one_call=false") == 0
    found = result(path)
    assert "test/span_f1" in found["metrics"]
    assert found["spent"]["calls"] == 2 * (1 + 2 * 3)


@pytest.mark.parametrize("dataset", ["bulletin", "bulletin_entities"])
def test_classes_are_balanced_and_synthetic_texts_doubted(dataset: str, tmp_path: Path) -> None:
    losses = []
    for n, more in enumerate(([], ["optim.class_weights=balanced"], ["optim.doubt=0.7"])):
        path = tmp_path / str(n)
        assert run(path, f"dataset={dataset}", *more) == 0
        losses.append([x["train_loss"] for x in read_lines(path / "rounds.jsonl")[1:]])
    plain, balanced, doubted = losses
    assert balanced != plain
    assert doubted[0] == pytest.approx(plain[0], abs=1e-3)  # only given examples yet
    assert all(doubt < full for doubt, full in zip(doubted[1:], plain[1:], strict=True))


def lasting(path: Path) -> tuple[Any, ...]:
    """What an interruption must not change."""
    found = result(path)
    spent = {key: value for key, value in found["spent"].items() if key != "wall_s"}
    lines = [x["bought"] or {} for x in read_lines(path / "rounds.jsonl")]
    told = [(x.get("notes"), x.get("drift")) for x in lines]
    return bought(path), spent, found["metrics"], read_lines(path / "predictions.jsonl"), told


@pytest.mark.parametrize("call", [2, 4, 8])
def test_a_run_interrupted_among_lessons_ends_like_one_that_was_not(
    call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, path = tmp_path / "whole", tmp_path / "run"
    assert run(whole, "teacher.votes=2") == 0
    answer, asked = GrammarSpeaker.answer, []

    async def interrupted(self: GrammarSpeaker, step: str, *given: Any) -> Answer:
        asked.append(step)
        if len(asked) == call:
            raise Interrupted(15)
        return await answer(self, step, *given)

    with monkeypatch.context() as patch:
        patch.setattr(GrammarSpeaker, "answer", interrupted)
        assert run(path, "teacher.votes=2") == 143
    assert json.loads((path / "result.json").read_text())["status"] == "stopped"
    assert main([f"resume={path}"]) == 0
    unknown = [x for x in read_lines(path / "ledger.jsonl") if x["state"] == "unknown"]
    assert len(unknown) <= 1  # the call that was under way is charged
    expected, found = lasting(whole), lasting(path)
    assert found[0] == expected[0]
    assert found[3:] == expected[3:]
    assert found[1]["annotations"] == expected[1]["annotations"]
    for name in ("model.safetensors", "tokenizer.json"):
        assert (path / "student" / name).read_bytes() == (whole / "student" / name).read_bytes()


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["schedule.initial_size=10"], "give one of them"),
        (["schedule.shots=0"], "schedule.shots=0: must be at least 1"),
        (["schedule.shots=100"], "fewer samples of some classes"),
        (["selection.audit_fraction=0.1"], "selection.audit_fraction=0.1: with selection.among"),
        (["selection.among=everywhere"], "choose pool, annotated, new"),
        (["selection.among=pool"], "selector=predictions chooses of what is annotated"),
        (["selector=given"], "set selection.among=annotated"),
        (["selector=random", "selection.among=pool"], "teacher=evokd_oracle makes its texts of"),
        (["optim.review=1.0"], "optim.review=1.0"),
        (["optim.review=0.5", "optim.batch_size=1"], "has no room for new and earlier"),
        (["dataset=bulletin_entities", "student.truncate=true"], "truncate=true: the entities"),
        (["optim.class_weights=equal"], "optim.class_weights=equal: choose none or balanced"),
        (["optim.doubt=0"], "optim.doubt=0.0: must be null, or above 0 and at most 1"),
        (["optim.train_on=revision"], "writes no steps"),
        (["optim.early_answer_fraction=0.3"], "writes no steps"),
        (["dataset=almanac_small"], "describes no classes|no program writes"),
        (["selector=step_entropy"], "needs step_entropy, and this student labels"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(
    overrides: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run"
    assert run(path, *overrides) == 2
    said = capsys.readouterr().err
    assert re.search(told, said), said
    assert said.count("\n") <= 3
    assert not path.exists()


def test_no_study_is_paid_for_that_no_lesson_can_follow(tmp_path: Path) -> None:
    later = []
    for limit in (3250, 5000, 6500, 7000):
        path = tmp_path / str(limit)
        assert run(path, f"budget.max_tokens={limit}") == 0
        rounds = [call["round"] for call in read_lines(path / "ledger.jsonl")]
        texts = [number for number, _ in bought(path)]
        assert set(rounds) == set(texts) - {0} != set()
        later.append(rounds.count(2))
    assert later[0] == 0
    assert later[-1] > 0


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        ("max_tokens=2500", r"max_tokens=2500 does not cover the first lesson, .* [23],\d+ tokens"),
        ("max_annotations=3", "does not cover the first lesson, which may take 4 annotations"),
        ("max_calls=2", "does not cover the first lesson, which may take 3 calls"),
        ("max_wall_s=0", "leaves no time"),
    ],
)
@pytest.mark.parametrize("init", ["null", "auggpt"])
def test_a_budget_below_one_lesson_is_refused(
    limit: str, told: str, init: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if init == "auggpt":  # a paraphrase at a time, by a single call
        limit, told = {
            "max_tokens=2500": ("max_tokens=100", r"first lesson, which may take \d\d\d tokens"),
            "max_annotations=3": ("max_annotations=0", "may take 1 annotation:"),
            "max_calls=2": ("max_calls=0", "may take 1 calls"),
        }.get(limit, (limit, told))
    path = tmp_path / "run"
    given = [f"budget.{limit}", f"teacher.init={init}"]
    assert run(path, *given) == 2
    assert re.search(told, said := capsys.readouterr().err), said
    assert not path.exists()


def test_without_lessons_no_budget_is_too_small(tmp_path: Path) -> None:
    assert run(tmp_path / "run", "schedule.rounds=1", "budget.max_tokens=1") == 0
