"""A whole run with an encoder-decoder student, as small as it can be."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from elad_exp.building import build
from elad_exp.config import compose_config
from elad_exp.protocols import Task
from elad_exp.rundir import read_lines
from elad_exp.student.pretrained import load_pretrained
from elad_exp.student.tiny import build_tiny
from tests.helpers_main import SIZES, bought, main, result
from tests.unit.pair_toys import saved, t5

SHAPES = ("student.layers", "student.d_model", "student.heads")
EXPERIMENT = [
    "+experiment=quickstart",
    "student=flan_t5_small",
    *(size for size in SIZES if not size.startswith(SHAPES)),
    "student.max_length=200",
    "optim.train_on=revision",
    "optim.early_answer_fraction=0.5",
]


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    task: Task = build(compose_config(EXPERIMENT).dataset)
    _, tokenizer = build_tiny(task, task.load().pool, seed=0, d_model=8, layers=1, heads=1)
    folder = saved(tmp_path_factory.mktemp("t5"), tokenizer=tokenizer, model=t5(tokenizer))
    return [*EXPERIMENT, f"student.name={folder}"]


def test_a_run_ends_with_a_student_that_loads_again_and_can_go_on(
    options: list[str], tmp_path: Path
) -> None:
    whole, path = tmp_path / "whole", tmp_path / "run"
    assert main([*options, f"paths.run_dir={whole}", "budget.max_annotations=14"]) == 0
    found = result(whole)
    assert found["student"]["parameters"] > 0
    assert found["rounds"] == 4
    lines = read_lines(whole / "rounds.jsonl")
    assert [line["optimizer_steps"] for line in lines] == [0, 3, 6, 9]
    assert all(line["train_loss"] > 0 for line in lines[1:])
    assert lines[-1]["train_tokens"] > 1000
    scores = read_lines(whole / "scores.jsonl.gz")
    assert all(line["scores"] for line in scores)

    assert main([*options, f"paths.run_dir={path}", "budget.max_annotations=10"]) == 0
    assert main([f"resume={path}", "budget.max_annotations=14"]) == 0
    assert bought(path) == bought(whole)
    students = [load_pretrained(p / "student")[0].state_dict() for p in (whole, path)]
    assert all(torch.equal(students[0][name], students[1][name]) for name in students[0])
    saved_state = torch.load(whole / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    for name, tensor in students[0].items():
        assert torch.equal(saved_state[f"model.{name}"], tensor)


def test_such_a_run_can_be_planned(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*options, "mode=plan"]) == 0
    assert "annotations" in capsys.readouterr().out


def test_a_chat_template_that_is_not_there_is_named(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [*options, "student.chat_template=true", f"paths.run_dir={tmp_path / 'run'}"]
    assert main(given) == 2
    assert "set student.chat_template=false" in capsys.readouterr().err
