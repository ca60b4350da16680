"""The wheel, installed elsewhere, runs from any folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from elad_exp.config import config_dir
from tests.helpers_main import TINY

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="hatchling is needed to build without a network")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    done = subprocess.run([*build, str(ROOT)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(folder), str(wheel)], check=True, timeout=300)
    return folder


def elad_exp(
    installed: Path, cwd: Path, *arguments: str, module: str = "elad_exp"
) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300)


def test_the_wheel_holds_all_that_a_run_needs_and_no_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    conf = {f"elad_exp/conf/{p.relative_to(config_dir())}" for p in config_dir().rglob("*.yaml")}
    assert conf <= names
    shipped = ("reporting/result.schema.json", "reporting/report.html.j2", "reporting/report.css")
    assert {f"elad_exp/{name}" for name in shipped} <= names
    assert "elad_exp/teachers/prompts/revise.txt" in names
    assert not [name for name in names if name.startswith(("tests", "experiments", "conf"))]


def test_it_is_the_installed_package_that_runs(installed: Path, tmp_path: Path) -> None:
    where = "import elad_exp, elad_exp.config as c; print(elad_exp.__file__, c.config_dir())"
    env = os.environ | {"PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", where], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert done.stdout.split() == [
        str(installed / "elad_exp" / "__init__.py"),
        str(installed / "elad_exp" / "conf"),
    ]


def test_without_arguments_it_lists_the_experiments(installed: Path, tmp_path: Path) -> None:
    done = elad_exp(installed, tmp_path)
    assert done.returncode == 2
    assert "+experiment=quickstart" in done.stdout
    assert not list(tmp_path.iterdir())


def test_help_comes_at_once(installed: Path, tmp_path: Path) -> None:
    elad_exp(installed, tmp_path, "--help")  # compiles
    start = time.monotonic()
    done = elad_exp(installed, tmp_path, "--help")
    assert time.monotonic() - start < 3
    assert done.returncode == 0
    assert "selector:" in done.stdout


def test_a_quickstart_runs_and_is_reported(installed: Path, tmp_path: Path) -> None:
    assert elad_exp(installed, tmp_path, *TINY).returncode == 0
    (path,) = (tmp_path / "runs" / "quickstart").iterdir()
    found = json.loads((path / "result.json").read_text())
    assert found["status"] == "completed"
    assert found["git"] == {"commit": None, "dirty": None}
    report = elad_exp(installed, tmp_path, "report", str(path), module="elad_exp.cli")
    assert (report.returncode, report.stdout.strip()) == (0, str(path / "report.html"))


def test_a_sweep_runs_from_any_folder(installed: Path, tmp_path: Path) -> None:
    done = elad_exp(installed, tmp_path, "-m", *TINY, "schedule.rounds=1", "seed=0,1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((tmp_path / "multirun" / "quickstart").rglob("result.json"))) == 2
