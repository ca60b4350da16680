"""Finds and reads the files that are checked, as the tasks would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from elad_exp.data.layouts import Layout, recognised
from elad_exp.data.records import (
    NoSplitError,
    Reading,
    first_record,
    read_layout,
    split_files,
)
from elad_exp.data.rows import Problems, Row
from elad_exp.errors import DataError
from elad_exp.tasks.anli import round_splits

_SPLITS = {"pool": "train", "dev": "validation", "test": "test"}


@dataclass(frozen=True, slots=True)
class Found:
    """What files hold.

    Attributes:
        layout: That of the first record; None for our schema.
        problems: With the folder, and then with all of it.
        rows: By split.
        readings: By split, as a run has them: each by itself may leave a few records out.
        foreign: Places of the rows in a dataset's own columns -> the reading of their split.
    """

    layout: Layout | None
    problems: Problems
    rows: dict[str, list[Row]] = field(default_factory=dict)
    readings: dict[str, Reading] = field(default_factory=dict)
    foreign: dict[str, Reading] = field(default_factory=dict)


def read_files(path: Path) -> Found:
    """The rows of a file or folder; raises nothing about them."""
    problems = Problems()
    files = _splits(path, problems) if path.is_dir() else {"pool": [path]}
    if not files and not problems.items:
        problems.add(str(path), "is a folder without a file of the split train, validation or test")
    found = Found(_layout(files), problems)
    for split, group in files.items():
        reading = found.readings[split] = Reading()
        found.rows[split] = []
        for file in group:
            rows = list(read_layout(file, found.layout, reading))
            found.rows[split] += rows
            if not reading.ours:
                found.foreign.update((row.where, reading) for row in rows)
    return found


def _layout(files: Mapping[str, list[Path]]) -> Layout | None:
    for group in files.values():
        if (first := first_record(group[0])) is not None:
            return recognised(first)
    return None


def _splits(folder: Path, problems: Problems) -> dict[str, list[Path]]:
    """The files of each split that is there, under its name or those of ANLI's rounds."""
    rounds, found = round_splits(), {}
    for split, name in _SPLITS.items():
        for names in ([name], rounds[split]):
            if files := _files(folder, names, problems):
                found[split] = files
                break
    return found


def _files(folder: Path, names: list[str], problems: Problems) -> list[Path]:
    found = []
    for name in names:
        try:
            found += split_files(folder, name)
        except NoSplitError:  # a split that is not there is no mistake here
            continue
        except DataError as error:
            problems.add(str(folder), str(error))
    return found
