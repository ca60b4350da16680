"""`elad-exp select`: what selectors would have chosen in a round that was scored once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from elad_exp import cli
from elad_exp.config import config_dir
from elad_exp.data.pool import Pool
from elad_exp.errors import ConfigError, DataError
from elad_exp.metrics import auroc
from elad_exp.reporting.ranking import stored_round
from elad_exp.rerank import rerank
from elad_exp.rounds import Rounds
from elad_exp.rundir import RunDirectory, read_lines
from elad_exp.schedule import Schedule
from elad_exp.selectors.scorer import Scorer
from tests.fakes import EvenTask, FakeStudent, FakeTeacher, make_splits
from tests.helpers_config import selector as configured
from tests.helpers_runs import write_lines

OF_ANNOTATED = ("given", "predictions")
SELECTORS = sorted(
    {path.stem for path in (config_dir() / "selector").glob("*.yaml")} - {*OF_ANNOTATED}
)
_FOLDER = TemporaryDirectory()


def play(
    path: Path, selector: str, *, also: Any = "all", guided: float = 1.0, among: str = "pool"
) -> Path:
    """Three rounds with a fake student, and the files that a run has beside them."""
    task, splits, student = EvenTask(), make_splits(), FakeStudent()
    journal = RunDirectory(path)
    journal.create()
    rounds = Rounds(
        task=task,
        splits=splits,
        student=student,
        scorer=Scorer(task, student, k=3, seed=4, also=also, guided_fraction=guided),
        selector=configured(selector),
        teacher=FakeTeacher(),
        pool=Pool(splits.pool),
        journal=journal,
        rules=[],
        schedule=Schedule(rounds=3, initial_size=20, query_size=12, steps_per_round=1),
        audit_fraction=0.25,
        candidates=60,
        among=among,
        seed=4,
    )
    rounds.cold_start()
    rounds.finish_query()
    for _ in range(2):
        for split in ("dev", "test"):
            rounds.measure(split)
        rounds.report()
        rounds.select()
        rounds.finish_query()
    config = {
        "seed": 4,
        "selection": {"audit_fraction": 0.25, "among": among},
        "schedule": {"query_size": 12},
    }
    journal.write_text("config.yaml", yaml.safe_dump(config))
    journal.write_json("result.json", {"selector": {"name": rounds.selector.name}})
    return path


def played(selector: str, guided: float = 1.0) -> Path:
    """A run that scores everything besides; each is played once."""
    path = Path(_FOLDER.name) / f"{selector}-{guided}"
    return path if path.exists() else play(path, selector, guided=guided)


def selected(run: Path, round_: int) -> list[str]:
    """What the selector of the run chose, in its order."""
    lines = read_lines(run / "annotations.jsonl")
    return [x["id"] for x in lines if x["round"] == round_ and not x["audit"]]


@pytest.mark.parametrize("round_", [1, 2])
@pytest.mark.parametrize(
    ("name", "guided"),
    [
        ("elad", 1.0),
        ("elad", 0.5),
        ("elad_zsum", 1.0),
        ("k_center", 1.0),
        ("vote_k", 1.0),
        ("subsample", 0.5),
        ("diversify", 0.5),
        ("class_balanced", 1.0),
        ("random", 0.5),
    ],
)
def test_the_choice_of_the_run_is_found_again(name: str, guided: float, round_: int) -> None:
    run = played(name, guided)
    _, (ranking,) = rerank(run, name, round=round_)
    assert [item.sample.id for item in ranking.chosen] == selected(run, round_)
    assert ranking.overlap == 1.0


def test_every_selector_ranks_what_one_run_has_scored() -> None:
    stored, rankings = rerank(played("random"), ",".join(SELECTORS))
    assert len(rankings) == len(SELECTORS)
    assert {len(ranking.chosen) for ranking in rankings} == {9}
    assert stored.round == 2
    random = next(r for r in rankings if r.selector == "random")
    assert random.overlap == 1.0
    assert stored.chance == 9 / 57
    assert all(r.overlap is not None and 0 <= r.overlap <= 1 for r in rankings)


@pytest.mark.parametrize("name", OF_ANNOTATED)
def test_what_is_for_annotated_texts_ranks_no_others(name: str, tmp_path: Path) -> None:
    run = played("random")
    for wanted in ([name], ["subsample", f"selector@selector.inner={name}"]):
        with pytest.raises(ConfigError, match=r"chooses of what is annotated.*among=pool") as told:
            rerank(run, wanted[0], wanted[1:])
        assert "selection.among=annotated" in str(told.value)
    studied = play(tmp_path / "run", name, also=(), among="annotated")
    _, (ranking,) = rerank(studied, name)
    assert len(ranking.chosen) == 9


def test_scores_name_the_student_and_the_settings_that_made_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = play(tmp_path / "run", "elad", also=("margin",), guided=0.5)
    stored = stored_round(run)
    assert stored.scored_by is not None
    assert stored.scored_by["student"] == "fake"
    settings = stored.scored_by["settings"]
    assert (settings["samples"], settings["guided_fraction"]) == (3, 0.5)
    assert settings["also_score"] == ["margin"]
    assert "scored by student fake: samples=3, " in shown(capsys, str(run), "--selector", "elad")
    lines = read_lines(run / "scores.jsonl.gz")
    lines[-1]["scored_by"] = {"student": "another", "settings": settings}
    write_lines(run / "scores.jsonl.gz", lines)
    with pytest.raises(DataError, match="scores of round 2 by several versions of the student"):
        stored_round(run)
    assert stored_round(run, 1).scored_by == stored.scored_by


def test_what_a_choice_is_worth_is_counted_from_the_stored_scores() -> None:
    run = played("elad")
    _, (ranking,) = rerank(run, "step_entropy", round=1)
    lines = {x["id"]: x for x in read_lines(run / "scores.jsonl.gz") if x["round"] == 1}
    chosen = [lines[item.sample.id] for item in ranking.chosen]
    bought = read_lines(run / "annotations.jsonl")
    audit = {x["id"] for x in bought if x["audit"] and x["round"] == 1}
    rest = [line for i, line in lines.items() if i not in audit]
    assert ranking.wrong is not None
    assert ranking.wrong.value == sum(line["attempt_wrong"] for line in chosen) / 9
    assert ranking.mean_steps == sum(line["attempt_steps"] for line in chosen) / 9
    area = auroc(
        [line["scores"]["step_entropy"] for line in rest], [line["attempt_wrong"] for line in rest]
    )
    assert ranking.auroc is not None
    assert area is not None
    # The order says what the score does, but for ties.
    assert ranking.auroc.value == pytest.approx(area.value, abs=0.01)
    assert ranking.diversity is not None
    assert ranking.diversity["of"] == "features"
    assert ranking.classes is not None
    assert set(ranking.classes["selected"]) <= {"yes", "no"}


def test_overrides_are_those_of_the_selectors() -> None:
    run = played("elad")

    def needs(name: str, *overrides: str) -> set[str]:
        return set(rerank(run, name, overrides)[1][0].needs)

    assert needs("elad", "+weights.margin=3", "~weights.inter") == {
        "step_entropy_sum",
        "step_content_sum",
        "margin",
    }
    assert needs("diversify", "selector@selector.inner=margin") == {"features", "margin"}
    names = [r.selector for r in rerank(run, "elad,elad_zsum", ["name=mine"])[1]]
    assert names == ["mine", "mine"]
    for weight in (1, 50):
        _, (ranking,) = rerank(run, "elad", [f"weights.inter={weight}"])
        top = [item.scores["inter"] for item in ranking.chosen]
        if weight == 50:
            assert sum(top) >= 9 * 0.6


def test_a_smaller_query_is_the_beginning_of_a_larger_one() -> None:
    run = played("elad")
    _, (small,) = rerank(run, "step_entropy", n=1)
    _, (large,) = rerank(run, "step_entropy", n=60)
    assert len(small.chosen) == 1
    assert len(large.chosen) == 45


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.main(["select", "--from", *arguments]) == 0
    return capsys.readouterr().out


def test_the_command_lists_what_one_selector_chooses(capsys: pytest.CaptureFixture[str]) -> None:
    run = played("elad")
    text = shown(capsys, str(run), "--selector", "step_entropy", "--round", "1")
    _, (ranking,) = rerank(run, "step_entropy", round=1)
    assert all(item.sample.id in text for item in ranking.chosen)
    assert f"round 1 of {run}: 60 candidates, wrong attempts 0." in text
    assert "elad chose 9 (overlap by chance 0.16)" in text
    for part in ("selector", "step_entropy", "AUPRC", "by chance", "perplexity"):
        assert part in text


def test_the_command_compares_several(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, str(played("elad")), "--selector", "elad,random,diversify", "-n", "20")
    assert "diversify(elad)" in text
    lines = [line.split() for line in text.splitlines()]
    assert [line[1] for line in lines if line and line[0] in ("elad", "random")] == ["15", "15"]
    assert "chosen" not in [line[0] for line in lines if line]


def test_the_command_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    run = played("elad")
    arguments = ["--selector", "elad,random", "weights.inter=2", "--json"]
    with pytest.raises(ConfigError, match="weights"):
        rerank(run, "elad,random", ["weights.inter=2"])
    arguments.remove("weights.inter=2")
    found = json.loads(shown(capsys, str(run), *arguments))
    assert found["run_chose"] == sorted(selected(run, 2))
    assert {"features", "attempt", "bald", "inter"} <= set(found["stored"])
    elad, random = found["selectors"]
    assert [x["id"] for x in elad["chosen"]] == selected(run, 2)
    assert set(elad["chosen"][0]["scores"]) == set(found["stored"]) - {"features", "attempt"}
    assert random["chosen"][0]["score"] is None
    assert found["worth"]["auroc/inter"]["n"] == 60
    assert found["candidates"]["n"] == 60


@pytest.mark.parametrize(
    ("name", "guided"), [("elad", 1.0), ("elad", 0.5), ("random", 0.5), ("diversify", 0.5)]
)
def test_what_is_scored_besides_changes_no_choice(name: str, guided: float, tmp_path: Path) -> None:
    alone = play(tmp_path / "run", name, also=(), guided=guided)
    for round_ in (1, 2):
        assert selected(alone, round_) == selected(played(name, guided), round_)


def test_what_is_not_stored_is_named(tmp_path: Path) -> None:
    run = play(tmp_path / "run", "step_entropy", also=())
    stored = stored_round(run)
    assert stored.stored() == {"step_entropy", "attempt"}
    for name, needed in (("elad", "inter, step_content_sum, step_entropy_sum"), ("vote_k", "fea")):
        with pytest.raises(ConfigError, match=needed) as caught:
            rerank(run, name)
        assert "it has attempt, step_entropy." in str(caught.value)
        assert "selection.also_score=all" in str(caught.value)
    _, (balanced,) = rerank(
        run, "class_balanced", ["selector@selector.inner=step_entropy", "+name=even"]
    )
    assert (balanced.selector, balanced.diversity) == ("even", None)


def test_scores_of_an_earlier_version_are_ranked_as_far_as_they_go(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = play(tmp_path / "run", "step_entropy", also=())
    keys = ("round", "id", "scores", "answers", "attempt_answer")
    lines = [{k: x[k] for k in keys} for x in read_lines(run / "scores.jsonl.gz")]
    write_lines(run / "scores.jsonl.gz", lines)
    _, (ranking,) = rerank(run, "step_entropy")
    assert [item.sample.id for item in ranking.chosen] == selected(run, 2)
    assert (ranking.wrong, ranking.auroc, ranking.mean_steps, ranking.classes) == (None,) * 4
    assert "wrong attempts not stored" in shown(capsys, str(run), "--selector", "random")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--selector", "entropy"], "selector=entropy: there is no such option"),
        (["--selector", "elad", "weight.inter=2"], "selector.weight"),
        (["--selector", "elad", "weights.inter=0"], "write '~selector.weights.inter' ('~w"),
        (["--selector", "subsample", "fraction=2"], "fraction=2; allowed"),
        (["--selector", "vote_k", "share=no"], "VoteK: "),
        (["--selector", "elad", "--round", "7"], "has scores of rounds 1, 2"),
        (["--selector", "elad", "-n", "61"], "-n 61: round 2 has 60 candidates"),
        (["--selector", "elad", "-n", "0"], "-n 0: round 2 has 60 candidates"),
    ],
)
def test_mistakes_are_told(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["select", "--from", str(played("elad")), *arguments]) == 2
    assert told in capsys.readouterr().err


def test_a_folder_without_scores_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a run directory"):
        stored_round(tmp_path)
    (tmp_path / "result.json").write_text('{"selector": null}')
    with pytest.raises(DataError, match=r"config.yaml does not have seed"):
        stored_round(tmp_path)
    config = "{seed: 0, selection: {audit_fraction: 0.1}, schedule: {query_size: 5}}"
    (tmp_path / "config.yaml").write_text(config)
    with pytest.raises(DataError, match="has no scores"):
        stored_round(tmp_path)
    line = {"round": 1, "id": "a", "scores": {}, "answers": [], "attempt_answer": None}
    write_lines(tmp_path / "scores.jsonl.gz", [line, line])
    with pytest.raises(DataError, match="twice"):
        stored_round(tmp_path)


def test_ranking_again_does_without_torch() -> None:
    code = (
        "import sys; from elad_exp import cli; status = cli.main(sys.argv[1:]);"
        "assert not {'torch', 'lightning', 'transformers'} & set(sys.modules); sys.exit(status)"
    )
    command = [sys.executable, "-c", code, "select", "--from", str(played("elad"))]
    done = subprocess.run(
        [*command, "--selector", "elad"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "elad chose 9" in done.stdout
