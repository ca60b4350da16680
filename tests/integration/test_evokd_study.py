"""The EvoKD study: its arms compose."""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from elad_exp.config import compose_config
from elad_exp.groundwork import check

FOLDER = Path(__file__).resolve().parents[2] / "experiments" / "evokd"


def read(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"evokd_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ARMS = read("arms")


@pytest.mark.parametrize("name", ARMS.BULLETIN)
def test_an_arm_on_generated_notices_composes(name: str) -> None:
    check(compose_config(ARMS.bulletin(name)))


@pytest.mark.parametrize("name", ARMS.UNEVEN)
def test_an_arm_by_an_uneven_writer_composes(name: str) -> None:
    config = compose_config([*ARMS.bulletin(name), *ARMS.HABIT])
    check(config)
    assert config.teacher.uneven == 1


@pytest.mark.parametrize("name", ARMS.REAL)
@pytest.mark.parametrize("dataset", ARMS.DATASETS)
def test_an_arm_on_real_texts_composes(dataset: str, name: str) -> None:
    config = compose_config(ARMS.real(dataset, name, Path("data")))
    check(config)
    # No number: duplicates and texts that are too long are not in the pool.
    assert (config.schedule.initial_size == "all") == (name == "full")


def test_without_right_predictions_as_many_are_studied() -> None:
    config = compose_config(ARMS.bulletin("no_right"))
    assert (config.teacher.show_right, config.selector.right_fraction) == (False, 0)
    assert config.schedule.query_size == compose_config(ARMS.bulletin("evokd")).schedule.query_size


@pytest.fixture
def summary(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    yield read("summary")
    for name in ("arms", "jobs"):  # other studies have files of these names
        sys.modules.pop(name)


def rows(arm: str, seed: int, *points: tuple[int, float]) -> list[dict[str, str]]:
    """A run: tokens spent and F1, round by round."""
    return [
        {
            "condition": "bulletin",
            "selector": arm,
            "seed": str(seed),
            "round": str(number),
            "tokens": str(tokens),
            "test_f1": str(f1),
            "annotations": str(10 * number),
            "optimizer_steps": str(30 * number),
            "weak": "",
        }
        for number, (tokens, f1) in enumerate(points)
    ]


def test_a_round_counts_once_the_budget_covers_it(summary: ModuleType) -> None:
    run = rows("evokd", 0, (0, 0.2), (2900, 0.3), (5800, 0.4), (8700, 0.5))
    assert [summary.in_hand(run, tokens)["test_f1"] for tokens in (0, 5799, 8000, math.inf)] == [
        "0.2",
        "0.3",
        "0.4",
        "0.5",
    ]


def test_between_rounds_a_curve_is_a_line(summary: ModuleType) -> None:
    run = rows("evokd", 0, (0, 0.1), (0, 0.2), (4000, 0.4), (6000, 0.3), (6000, 0.5))
    found = [summary.at(run, "test_f1", t) for t in (0, 2000, 4000, 5000, 6000, math.inf)]
    assert found == pytest.approx([0.2, 0.3, 0.4, 0.45, 0.5, 0.5])


def test_arms_are_compared_at_equal_tokens_and_free_ones_at_their_end(summary: ModuleType) -> None:
    found = [
        row
        for seed in range(6)
        for arm_rows in (
            rows("evokd", seed, (0, 0.2), (6000, 0.40 + 0.01 * seed), (10_000, 0.9)),
            rows("static", seed, (0, 0.2), (8000, 0.35 + 0.01 * seed), (8001, 0.1)),
            rows("eda", seed, (0, 0.2), (0, 0.25)),
        )
        for row in arm_rows
    ]
    lines = summary.table(found, summary.Reading("test_f1", "tokens", "evokd", (4000,), 8000))
    head, _, evokd, eda, static, _ = lines
    assert "at 8,000 [95 %]" in head
    assert evokd.startswith("| evokd | 6 | 0.350 | 0.66")
    assert evokd.endswith("| - | 0.425 | 10 | 6,000 | 30 |")
    assert eda.startswith("| eda | 6 |  | 0.250 [0.250, 0.250] | -0.41")
    assert static.startswith("| static | 6 | 0.288 | 0.375 [0.3")
    assert static.endswith("p = 0.062 | 0.375 | 10 | 8,000 | 30 |")


def test_at_equal_texts_an_arm_that_lacks_some_is_left_out(summary: ModuleType) -> None:
    found = [
        row
        for seed in range(6)
        for arm_rows in (
            rows("evokd", seed, *((1000 * n, 0.1 * n) for n in range(5))),
            rows("static", seed, *((500 * n, 0.1 * n + 0.02) for n in range(5))),
            rows("no_easy", seed, *((1000 * n, 0.1 * n) for n in range(4 if seed else 3))),
        )
        for row in arm_rows
    ]
    lines = summary.equal_texts(found, "test_f1", against="evokd")
    assert lines[2:-1] == ["- evokd: 0.360", "- static: 0.380, +0.020 [+0.020, +0.020]"]
