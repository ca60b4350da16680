from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from elad_exp.errors import DataError
from elad_exp.reporting.schema import result_schema, validate
from tests.helpers_runs import write_run


@pytest.fixture
def result(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((write_run(tmp_path / "run") / "result.json").read_text())
    return found


def test_schema_is_itself_valid() -> None:
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(result_schema())


@pytest.mark.parametrize("status", ["running", "completed", "stopped", "failed"])
def test_every_status_has_a_valid_form(tmp_path: Path, status: str) -> None:
    run = write_run(tmp_path / "run", status=status, rounds=2)
    validate(json.loads((run / "result.json").read_text()))


def test_a_run_that_failed_at_once_is_valid(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", status="failed", rounds=0)
    result = json.loads((run / "result.json").read_text())
    assert result["dataset"] is None
    validate(result)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"surprise": 1}, "surprise"),
        ({"status": "done"}, "status"),
        ({"exit_code": 1}, "exit_code"),
        ({"finished_at": "2026-01-05T10:00:00+01:00"}, "finished_at"),
        ({"schema_version": 2}, "schema_version"),
        ({"spent": None}, "spent"),
        ({"dataset": None}, "dataset"),
        ({"seed": "0"}, "seed"),
        ({"budget": {"limits": {"max_annotation": 3}}}, "budget.limits"),
        ({"status": "stopped"}, "exit_code"),
        ({"metrics": {"test/acc": 0.5}}, "metrics"),
    ],
)
def test_what_is_wrong_is_named(result: dict[str, Any], change: dict[str, Any], named: str) -> None:
    with pytest.raises(DataError, match=named):
        validate(result | change)


@pytest.mark.parametrize("name", ["test/acc", "test/majority", "test/acc_round0", "test/aubc"])
def test_a_completed_run_reports_its_metrics(result: dict[str, Any], name: str) -> None:
    del result["metrics"][name]
    with pytest.raises(DataError, match=name):
        validate(result)
    validate(result | {"status": "stopped", "exit_code": 75})


def test_every_field_is_required(result: dict[str, Any]) -> None:
    for key in result:
        with pytest.raises(DataError, match=key):
            validate({k: v for k, v in result.items() if k != key})


def test_a_metric_has_its_interval(result: dict[str, Any]) -> None:
    result["metrics"]["test/acc"] = {"value": 0.5, "n": 10, "ci95": [0.4], "method": "Wilson"}
    with pytest.raises(DataError, match=r"metrics.test/acc.ci95"):
        validate(result)
