"""What the report says about the worth of components."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from elad_exp.reporting.html import write_report
from elad_exp.reporting.scores import of_measure, score_tables
from tests.helpers_runs import write_lines, write_run


def area(value: float, **more: float) -> dict[str, Any]:
    return {"value": value, "n": 10, "ci95": [value - 0.1, value + 0.1], "method": "m", **more}


LINES: list[dict[str, Any]] = [
    {"select": None},
    {
        "select": {
            "auroc/inter": area(0.6),
            "auprc/inter": area(0.5, prevalence=0.4),
            "auroc/intra": None,
            "auprc/intra": None,
            "mean_steps": 3.0,
        }
    },
    {"select": {"auroc/inter": area(0.8), "auprc/inter": area(0.3, prevalence=0.2)}},
]


def test_means_are_over_rounds_and_the_last_has_its_interval() -> None:
    (table,) = score_tables(LINES)
    inter, intra = table["rows"]
    assert (inter["name"], inter["rounds"]) == ("inter", 2)
    assert inter["auroc"] == 0.7
    assert inter["last"] == area(0.8)
    assert (round(inter["auprc"], 6), round(inter["prevalence"], 6)) == (0.4, 0.3)
    assert intra == {
        "name": "intra",
        "rounds": 0,
        "auroc": None,
        "last": None,
        "auprc": None,
        "prevalence": None,
    }


def test_measures_are_read_nested_or_flat() -> None:
    select = {"auroc/inter": 1, "auroc/intra": 2, "auprc/intra": 3, "mean_steps": 3}
    assert of_measure(select, "auroc") == {"inter": 1, "intra": 2}
    assert of_measure(select, "auroc_teacher") == {}


def test_the_report_shows_them(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", rounds=2)
    lines = [json.loads(x) for x in (run / "rounds.jsonl").read_text().splitlines()]
    lines[0]["select"] = LINES[1]["select"]
    lines[1]["select"] = LINES[2]["select"]
    write_lines(run / "rounds.jsonl", lines)
    page = write_report(run).read_text()
    assert "the attempt is wrong" in page
    assert "the teacher finds an error" not in page
    assert "<td>inter</td><td>0.700</td><td>0.800<small>[0.700, 0.900], n = 10</small>" in page
    assert "<td>0.400</td><td>0.300</td>" in page
