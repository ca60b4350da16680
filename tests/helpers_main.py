"""The whole job in-process through `main`, as small as it can be; and what it left behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from elad_exp.__main__ import main as main
from elad_exp.reporting.schema import validate
from elad_exp.rundir import read_lines

SIZES = [
    "dataset.n_pool=60",
    "dataset.n_dev=6",
    "dataset.n_test=10",
    "student.layers=2",
    "student.d_model=32",
    "student.heads=2",
    "student.max_new_tokens=12",
    "optim.batch_size=4",
    "schedule.rounds=3",
    "schedule.initial_size=6",
    "schedule.query_size=4",
    "schedule.steps_per_round=3",
    "selection.candidates=10",
    "selection.samples=2",
    "trainer.accelerator=cpu",
    "trainer.threads=1",
]
TINY = ["+experiment=quickstart", *SIZES]
LESSONS = [
    "dataset.n_pool=200",
    "dataset.n_dev=10",
    "dataset.n_test=20",
    "student.d_model=16",
    "student.heads=2",
    "student.vocab_size=600",
    "optim.batch_size=4",
    "schedule.rounds=3",
    "schedule.shots=2",
    "schedule.query_size=10",
    "schedule.steps_per_round=3",
    "teacher.texts=8",
    "teacher.lesson_size=4",
    "trainer.accelerator=cpu",
    "trainer.threads=1",
]


def run(path: Path, *overrides: str) -> int:
    """A tiny quickstart in `path`; the exit code."""
    return main([*TINY, f"paths.run_dir={path}", *overrides])


def result(path: Path) -> dict[str, Any]:
    """`result.json`, checked against its schema."""
    found: dict[str, Any] = json.loads((path / "result.json").read_text())
    validate(found)
    return found


def bought(path: Path) -> list[tuple[int, str]]:
    return [(x["round"], x["id"]) for x in read_lines(path / "annotations.jsonl")]


def tree(path: Path) -> dict[str, bytes]:
    """Every file below `path` with its content."""
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}
