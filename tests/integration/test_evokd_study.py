"""The EvoKD study: its arms compose."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from elad_exp.config import compose_config
from elad_exp.groundwork import check

PATH = Path(__file__).resolve().parents[2] / "experiments" / "evokd" / "arms.py"


def read() -> ModuleType:
    spec = importlib.util.spec_from_file_location("evokd_arms", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ARMS = read()


@pytest.mark.parametrize("name", ARMS.BULLETIN)
def test_an_arm_on_generated_notices_composes(name: str) -> None:
    check(compose_config(ARMS.bulletin(name)))


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
