"""The task of docs/datasets.md, written outside the package, in a whole small run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.helpers_main import SIZES, main, result

DOCS = Path(__file__).parents[2] / "docs" / "datasets.md"


def command(text: str) -> list[str]:
    """The overrides of the command below the example."""
    [found] = re.findall(r"python -m elad_exp (dataset=own [^`]+)```", text)
    return str(found).replace("\\\n", " ").split()


@pytest.fixture
def my_pkg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    [code] = re.findall(r"```python\n# my_pkg/sums.py\n(.+?)```", DOCS.read_text(), re.DOTALL)
    package = tmp_path / "my_pkg"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "sums.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    return package


def test_a_task_outside_the_package_runs(my_pkg: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    sizes = [size for size in SIZES if not size.startswith("dataset.")]
    given = [*command(DOCS.read_text()), *sizes, "schedule.rounds=2"]
    assert main([*given, f"paths.run_dir={run}"]) == 0
    found = result(run)["dataset"]
    assert (found["name"], found["source"]) == ("sums", "generated")
    assert [found[f"n_{split}"] for split in ("pool", "dev", "test")] == [340, 20, 40]


def test_a_target_that_is_not_there_is_one_clear_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dataset=own", "dataset._target_=no_such_pkg.Task", "name=x"]) == 2
    assert "no_such_pkg" in capsys.readouterr().err
    assert main(["dataset=own", "name=x"]) == 2
    assert "dataset._target_" in capsys.readouterr().err
