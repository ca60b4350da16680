"""A dataset of the hub: from its cache, from the hub itself, or from a copy the user names.

A snapshot is fetched and its files are read with pyarrow, rather than by `datasets.load_dataset`:
the same code then reads the hub, its cache and a folder of the user's; nothing is copied a second
time; the commit is known; where the hub is out of reach the answer comes at once; and no code of a
repository can run, because none is fetched.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from elad_exp.assets import AssetRecord, hub
from elad_exp.assets.models import unreachable
from elad_exp.data.intake import tabulate
from elad_exp.data.layouts import LAYOUTS, Layout, mapped
from elad_exp.data.records import (
    ENDINGS,
    NoSplitError,
    Reading,
    names_of,
    read_layout,
    split_files,
)
from elad_exp.data.rows import Row
from elad_exp.data.usable import check_graded, gradable
from elad_exp.errors import AssetError, ConfigError, DataError
from elad_exp.protocols import Splits
from elad_exp.tasks.from_files import OWN_COPY, TaskFromFiles, file_record

logger = logging.getLogger(__name__)

_SPLITS = ("pool", "dev", "test")
_OPTIONAL = {"dev": "validation", "test": "test"}
Files = Mapping[str, Sequence[Path]]


class Explainer(Protocol):
    """Adds explanations that stand in another dataset."""

    def __call__(self, row: Row) -> Row:
        """`row` with its explanation, if there is one."""

    def warnings(self) -> list[str]:
        """What is to be said after the last row. Raises DataError where nothing fitted."""


class Unexplained:
    """Leaves rows as they are."""

    def __call__(self, row: Row) -> Row:
        return row

    def warnings(self) -> list[str]:
        return []


class TaskFromHub(TaskFromFiles):
    """A task whose files are a dataset of the hub or a copy the user names; subclasses read them.

    Official splits are kept; dev and test that a dataset lacks, or whose answers are not public,
    are cut from the pool by hash.

    Args:
        repo: OWNER/NAME on the hub; may be None where `path` is given.
        subset: Folder of the repository (the hub calls it a configuration), or of a folder `path`
            that has it; None: all of it.
        revision: Branch, tag or commit; None: the default branch.
        splits: `pool`, `dev` and `test` -> the hub's name of the split, or several names; None or
            absent: cut from the pool. Without any: `train` is the pool, and where `path` is a
            folder with files of `validation` (or `dev`) and `test`, they are those splits.
        path: A file or folder to read instead of fetching anything. A folder has files named after
            the splits; a single file is the pool, and dev and test are cut from it.
        given: See `TaskFromFiles`.
    """

    def __init__(
        self,
        *,
        repo: str | None = None,
        subset: str | None = None,
        revision: str | None = None,
        splits: Mapping[str, str | Sequence[str] | None] | None = None,
        path: str | None = None,
        **given: Any,
    ) -> None:
        super().__init__(**given)
        if repo is None and path is None:
            raise ConfigError("dataset.repo and dataset.path are both empty: name one of them")
        self.repo, self.subset, self.revision = repo, subset, revision
        self.splits = _names(splits or {"pool": "train"})
        self.optional = {} if splits else _OPTIONAL
        self.path = Path(path).expanduser() if path is not None else None

    def files(self) -> tuple[list[AssetRecord], Files]:
        """What is read, and the files of each split; fetched if need be.

        Raises:
            AssetError: Neither cache nor hub has it; the message says why for each.
            DataError: There is no such file, or a split has none.
        """
        if self.path is not None:
            return self._local(self.path)
        assert self.repo is not None
        return fetch(self.repo, subset=self.subset, revision=self.revision, splits=self.splits)

    def _local(self, path: Path) -> tuple[list[AssetRecord], Files]:
        if not path.is_dir():
            if not path.is_file():
                raise DataError(f"dataset.path={path}: no such file or folder")
            return [file_record(path)], {"pool": [path]}
        root = path / self.subset if self.subset and (path / self.subset).is_dir() else path
        files = {}
        for split, names in self.splits.items():
            try:
                files[split] = [file for name in names for file in split_files(root, name)]
            except NoSplitError as error:
                cut = f", or dataset.splits.{split}=null to cut {split} from the pool"
                raise DataError(
                    f"{error}; name another split by dataset.splits.{split}=NAME"
                    f"{cut if split != 'pool' else ''}"
                ) from error
        for split, name in self.optional.items():
            with suppress(NoSplitError):
                files[split] = split_files(root, name)
        return [file_record(file) for group in files.values() for file in group], files


class HubTask(TaskFromHub):
    """Questions of a dataset on the hub, in its own columns.

    Args:
        name: Name in results.
        repo: See `TaskFromHub`.
        subset: See there.
        revision: See there.
        splits: See there; without any, dev and test are cut from `train`.
        layout: One of `elad_exp.data.layouts.LAYOUTS`, or `columns` to go by `columns`.
        columns: Field -> column, see `elad_exp.data.layouts.mapped`; for `layout=columns` only.
        path: See `TaskFromHub`; in the hub's columns or in the schema of `elad_exp.data.rows`.
        n_dev: Number of dev questions: of an official split the first so many in hash order (None:
            all), else cut from the pool (None: a tenth).
        n_test: The same for test (None without an official split: a fifth).
        split_seed: Seed of the hash order; independent of a run's seed.
        instruction: See `ReasoningTask`.
        answers: Family of answers; None: the layout's.
    """

    def __init__(
        self,
        *,
        name: str,
        repo: str | None = None,
        subset: str | None = None,
        revision: str | None = None,
        splits: Mapping[str, str | Sequence[str] | None] | None = None,
        layout: str = "columns",
        columns: Mapping[str, str | None] | None = None,
        path: str | None = None,
        n_dev: int | None = None,
        n_test: int | None = None,
        split_seed: int = 0,
        instruction: str = "",
        answers: str | None = None,
    ) -> None:
        self.layout = _layout(layout, columns)
        super().__init__(
            name=name,
            answers=answers or self.layout.answers,
            instruction=instruction,
            n_dev=n_dev,
            n_test=n_test,
            split_seed=split_seed,
            repo=repo,
            subset=subset,
            revision=revision,
            splits=splits or {"pool": "train"},
            path=path,
        )

    def load(self) -> Splits:
        """Fetches if need be, reads, checks and splits.

        Raises:
            AssetError: Neither cache nor hub has it; the message says why for each.
            DataError: Rows cannot be used, or the splits leave nothing for the pool.
        """
        records, files = self.files()
        explain, further = self.explainer()
        ungradable: dict[str, str] = {}

        def read(reading: Reading, split: str) -> Iterator[Row]:
            for path in files[split]:
                yield from gradable(
                    map(explain, read_layout(path, self.layout, reading)), ungradable
                )

        readers = {split: partial(read, split=split) for split in files}
        table, self.answers, readings = tabulate(readers, self.answers)
        check_graded(table.counts(), ungradable)
        found = readings.values()
        return self.split(
            table,
            [*records, *further],
            warnings=[
                *(text for reading in found for text in reading.warnings),
                *explain.warnings(),
            ],
            left_out={where: why for reading in found for where, why in reading.left_out.items()},
            ungradable=ungradable,
        )

    def explainer(self) -> tuple[Explainer, Sequence[AssetRecord]]:
        """What adds explanations that stand elsewhere, and where they stand; overridden where there
        are any.
        """
        return Unexplained(), ()


def fetch(
    name: str,
    *,
    subset: str | None,
    revision: str | None,
    splits: Mapping[str, Sequence[str]],
) -> tuple[list[AssetRecord], Files]:
    """The snapshot's record and the files of each split: from the hub's cache, else the hub.

    Raises:
        AssetError: Neither has all of them; the message says why and how to go on.
    """
    wanted = [alias for names in splits.values() for split in names for alias in names_of(split)]
    folder = f"{subset}/" if subset else ""
    patterns = tuple(f"{folder}*{split}*{ending}" for split in wanted for ending in ENDINGS)
    repo = hub.Repo(name, "dataset", patterns, revision=revision)
    failures = []
    for way, look in (("hub cache", hub.cached_snapshot), ("hub", hub.download_snapshot)):
        try:
            record = look(repo)
            root = Path(record.path) / (subset or "")
            return [record], {
                split: [file for name in names for file in split_files(root, name)]
                for split, names in splits.items()
            }
        except (AssetError, DataError) as error:
            failures.append(f"{way}: {error}")
    raise unreachable(f"dataset {name}", failures, instead=OWN_COPY)


def _layout(name: str, columns: Mapping[str, str | None] | None) -> Layout:
    if name == "columns":
        return mapped(columns or {})
    if columns:
        raise ConfigError(f"dataset.columns is for dataset.layout=columns, not for {name}")
    if name not in LAYOUTS:
        raise ConfigError(f"dataset.layout={name!r} is not one of columns, {', '.join(LAYOUTS)}")
    return LAYOUTS[name]


def _names(splits: Mapping[str, str | Sequence[str] | None]) -> dict[str, tuple[str, ...]]:
    """Our split -> the hub's names. Raises ConfigError for an unknown split or without a pool."""
    if unknown := sorted(set(splits) - set(_SPLITS)):
        raise ConfigError(
            f"dataset.splits: {', '.join(unknown)} is not one of {', '.join(_SPLITS)}"
        )
    named = {
        split: (names,) if isinstance(names, str) else tuple(names)
        for split in _SPLITS
        if (names := splits.get(split)) is not None
    }
    if not named.get("pool"):
        raise ConfigError("dataset.splits.pool is empty: name the hub's split, such as train")
    return named
