"""A real run in miniature that scores everything, and its candidates ranked again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from elad_exp import cli
from elad_exp.rundir import read_lines
from tests.helpers_main import result, run


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scored") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ELAD_EXP_CACHE", str(path.parent / "cache"))
        assert run(path, "selector=diversify", "selection.also_score=all") == 0
    return path


def test_the_choice_of_a_real_run_is_found_again(
    scored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert result(scored)["selector"] == {"name": "diversify(elad)"}
    bought = read_lines(scored / "annotations.jsonl")
    for round_ in (1, 2):
        arguments = ["--selector", "diversify", "--round", str(round_), "--json"]
        assert cli.main(["select", "--from", str(scored), *arguments]) == 0
        (found,) = json.loads(capsys.readouterr().out)["selectors"]
        ids = [x["id"] for x in bought if x["round"] == round_ and not x["audit"]]
        assert [x["id"] for x in found["chosen"]] == ids
        assert found["overlap"] == 1.0


def test_a_round_says_what_its_scores_were_worth(scored: Path) -> None:
    select = read_lines(scored / "rounds.jsonl")[1]["select"]
    assert {"auroc/bald", "auprc/bald", "auroc/perplexity", "auprc_teacher/inter"} <= set(select)
    assert "inter~step_entropy" in select["spearman"]
    assert select["diversity"]["of"] == "features"
    assert set(select["classes"]) == {"answer", "gold"}
    assert "What the scores were worth" in (scored / "report.html").read_text()
