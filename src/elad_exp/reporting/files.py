"""Reading a run directory, whatever state the run is in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from elad_exp.errors import DataError
from elad_exp.rundir import Line, read_lines


@dataclass(frozen=True, slots=True)
class RunFiles:
    """What reports are made from. `rounds` and `annotations` are empty where none were written."""

    path: Path
    result: dict[str, Any]
    rounds: list[Line]
    annotations: list[Line]


def read_result(path: Path) -> dict[str, Any]:
    """The object in a `result.json`.

    Raises:
        DataError: There is no such file, or it holds no JSON object.
    """
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"{path.parent} is not a run directory: it has no {path.name}") from error
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON ({error})") from error
    if not isinstance(result, dict):
        raise DataError(f"{path} holds a {type(result).__name__}, not an object")
    return result


def read_config(path: Path) -> dict[str, Any]:
    """The keys of a `config.yaml` (`schedule.rounds`) and their values; empty without the file.

    Raises:
        DataError: The file is not the configuration of a run.
    """
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, ValueError) as error:
        raise DataError(f"{path} is not valid YAML ({error})") from error
    if not isinstance(config, dict):
        raise DataError(f"{path} holds no configuration")
    return dict(_leaves(config))


def _leaves(config: dict[Any, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def read_records(path: Path) -> list[Line]:
    """The lines of a JSON Lines file of a run; a line cut by a crash is left out.

    Raises:
        DataError: Another line is not valid JSON.
    """
    try:
        return read_lines(path)
    except ValueError as error:
        raise DataError(f"{path} has a line that is not valid JSON ({error})") from error


def read_run(run_dir: str | Path) -> RunFiles:
    """Result, rounds and annotations of a run.

    Raises:
        DataError: `run_dir` holds no run, or a file in it cannot be read.
    """
    path = Path(run_dir)
    return RunFiles(
        path=path,
        result=read_result(path / "result.json"),
        rounds=read_records(path / "rounds.jsonl"),
        annotations=read_records(path / "annotations.jsonl"),
    )
