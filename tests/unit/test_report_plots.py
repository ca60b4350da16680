from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from elad_exp.errors import DataError
from elad_exp.reporting.files import read_run
from elad_exp.reporting.plots import compare_plot, curve_png
from elad_exp.reporting.svg import curve_svg, nice_ticks
from tests.helpers_runs import write_run, write_sweep

PNG = b"\x89PNG\r\n\x1a\n"


def size(path: Path) -> tuple[int, int]:
    head = path.read_bytes()[:24]
    assert head[:8] == PNG
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


@pytest.mark.parametrize("rounds", [0, 1, 6])
def test_curve_of_a_run(tmp_path: Path, rounds: int) -> None:
    run = write_run(tmp_path / "run", rounds=rounds, status="stopped")
    curve_png(run, tmp_path / "curve.png")
    width, height = size(tmp_path / "curve.png")
    assert width > height > 400
    assert sorted(p.name for p in tmp_path.iterdir()) == ["curve.png", "run"]


def test_curve_shows_the_majority_answer(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", rounds=2)
    curve_png(run, tmp_path / "with.png")
    result = json.loads((run / "result.json").read_text())
    del result["metrics"]["test/majority"]
    (run / "result.json").write_text(json.dumps(result))
    curve_png(run, tmp_path / "without.png")
    assert (tmp_path / "with.png").read_bytes() != (tmp_path / "without.png").read_bytes()


def test_nothing_measured_cannot_be_drawn(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", status="failed", rounds=0)
    with pytest.raises(DataError, match="no measured round"):
        curve_png(run, tmp_path / "curve.png")
    with pytest.raises(DataError, match="nothing to draw"):
        compare_plot(tmp_path, tmp_path / "compare.png")


def test_comparison_grows_with_settings_and_axes(tmp_path: Path) -> None:
    write_sweep(tmp_path / "a", seeds=(0, 1), rounds=3, n_test=200)
    write_run(tmp_path / "broken", status="failed", rounds=0)
    compare_plot(tmp_path, tmp_path / "one.png")
    write_sweep(tmp_path / "b", seeds=(0,), rounds=3, n_test=200, dataset="cost_$5_and_$6")
    compare_plot(tmp_path, tmp_path / "two.png")
    compare_plot(tmp_path, tmp_path / "three.png", axes=("annotations", "tokens", "train_tokens"))
    one, two, three = (size(tmp_path / f"{name}.png") for name in ("one", "two", "three"))
    assert two[0] == one[0]
    assert two[1] > 1.7 * one[1]
    assert three[0] > 1.4 * two[0]


def test_drawing_needs_no_display_and_leaves_no_state(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", rounds=2)
    code = (
        "import sys, elad_exp.reporting.plots as p, elad_exp.reporting.html\n"
        "assert 'matplotlib' not in sys.modules and 'jinja2' not in sys.modules\n"
        f"p.curve_png({str(run)!r}, {str(tmp_path / 'c.png')!r})\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_svg_places_points_by_cost_and_accuracy(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", rounds=4))
    root = ElementTree.fromstring(curve_svg(run.rounds, majority=0.5))
    circles = root.findall("circle")
    across = [float(c.attrib["cx"]) for c in circles]
    up = [-float(c.attrib["cy"]) for c in circles]
    values = [line["test"]["acc"]["value"] for line in run.rounds]
    costs = [line["spent"]["annotations"] for line in run.rounds]
    share = [(x - across[0]) / (across[-1] - across[0]) for x in across]
    assert share == pytest.approx([c / costs[-1] for c in costs], abs=1e-3)
    assert [sorted(up).index(y) for y in up] == [sorted(values).index(v) for v in values]
    assert circles[0].attrib["class"] == "start"
    assert root.find("line[@class='majority']") is not None
    assert curve_svg([]) == ""


def test_svg_of_an_untrained_student_alone(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", rounds=0, status="stopped"))
    root = ElementTree.fromstring(curve_svg(run.rounds))
    assert len(root.findall("circle")) == 1
    assert root.find("line[@class='majority']") is None


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 440, [0, 100, 200, 300, 400]),
        (0.47, 0.82, [0.5, 0.6, 0.7, 0.8]),
        (0, 12345, [0, 5000, 10000]),
        (0.5, 0.53, [0.5, 0.51, 0.52, 0.53]),
        (3, 3, [3]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert nice_ticks(low, high) == pytest.approx(expected)
