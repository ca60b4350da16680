"""Which folder a run takes, and that none is left behind by a run that cannot begin."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from elad_exp.__main__ import run_directory
from elad_exp.errors import ConfigError


class OneSecond(datetime):
    @classmethod
    def now(cls, tz: object = None) -> OneSecond:
        return cls(2026, 1, 2, 3, 4, 5)


@pytest.fixture(autouse=True)
def _within_one_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elad_exp.__main__.datetime", OneSecond)


def config(root: Path, run_dir: Path | None = None) -> DictConfig:
    paths = {"root": str(root), "run_dir": run_dir and str(run_dir)}
    return OmegaConf.create({"name": "mine", "paths": paths})


def test_runs_of_one_second_have_folders_of_their_own(tmp_path: Path) -> None:
    with ExitStack() as stack:
        found = [stack.enter_context(run_directory(config(tmp_path))) for _ in range(3)]
        stem = tmp_path / "mine" / "2026-01-02_03-04-05"
        assert found == [stem, Path(f"{stem}-2"), Path(f"{stem}-3")]
        assert all(path.is_dir() for path in found)
        (found[1] / "result.json").touch()
    assert [path.exists() for path in found] == [False, True, False]


def test_a_run_that_cannot_begin_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="refused"), run_directory(config(tmp_path / "new")):
        raise ConfigError("refused")
    assert list(tmp_path.iterdir()) == []


def test_folders_that_were_there_stay(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with run_directory(config(tmp_path)):
        pass
    assert (tmp_path / "mine").is_dir()


def test_another_run_may_remove_the_parent_at_any_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir, parent = Path.mkdir, tmp_path / "mine"

    def removed_once(self: Path, *args: object, **kwargs: bool) -> None:
        mkdir(self, *args, **kwargs)  # type: ignore[arg-type]
        if self == parent:
            monkeypatch.setattr(Path, "mkdir", mkdir)
            parent.rmdir()

    monkeypatch.setattr(Path, "mkdir", removed_once)
    with run_directory(config(tmp_path)) as path:
        assert path.is_dir()


def test_a_root_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    broken = pytest.raises(ConfigError, match=r"paths\.root=.*file.*cannot be written")
    with broken, run_directory(config(tmp_path / "file")):
        pass


def test_a_folder_that_is_named_is_not_made(tmp_path: Path) -> None:
    with run_directory(config(tmp_path, tmp_path / "run")) as path:
        assert path == tmp_path / "run"
        assert not path.exists()
