"""Your own questions, from JSON Lines files."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sized
from functools import partial
from pathlib import Path

from elad_exp.assets.cache import sha256_of
from elad_exp.assets.catalogue import AssetRecord
from elad_exp.data.intake import tabulate
from elad_exp.data.records import Reading
from elad_exp.data.rows import Row, stream_rows
from elad_exp.data.sources import make_splits, source_ids
from elad_exp.data.usable import check_graded, complete, gradable
from elad_exp.protocols import Splits
from elad_exp.tasks.reasoning import ReasoningTask

logger = logging.getLogger(__name__)

OWN_COPY = "A copy of your own is read by dataset.path=FILE_OR_FOLDER.\n"


class JsonlTask(ReasoningTask):
    """Questions in the schema of `elad_exp.data.rows`, with answers of any family.

    Args:
        path: The `.jsonl` or `.jsonl.gz` file of the pool; dev and test are cut from it by hash
            where they have no file of their own.
        dev_path: File of the dev split, if there is one. A question that also stands in the pool
            is taken out of the pool.
        test_path: The same for test.
        n_dev: Number of dev questions: of `dev_path` the first so many in hash order (None: all),
            else cut from the pool (None: a tenth).
        n_test: The same for test (None without a file: a fifth).
        split_seed: Seed of the hash order; independent of a run's seed.
        name: Name in results; None takes the file's.
        instruction: See `ReasoningTask`.
        answers: `yes_no`, `choice`, `number`, `nli`, `open`, or `auto` to infer it when the files
            are read, see `elad_exp.data.rows.answer_kind`.
    """

    def __init__(
        self,
        path: str,
        *,
        dev_path: str | None = None,
        test_path: str | None = None,
        n_dev: int | None = None,
        n_test: int | None = None,
        split_seed: int = 0,
        name: str | None = None,
        instruction: str = "",
        answers: str = "auto",
    ) -> None:
        self.paths = {"pool": Path(path).expanduser()}
        for split, file in (("dev", dev_path), ("test", test_path)):
            if file is not None:
                self.paths[split] = Path(file).expanduser()
        default = self.paths["pool"].name.removesuffix(".gz").removesuffix(".jsonl")
        super().__init__(name=name or default, answers=answers, instruction=instruction)
        self.n_dev = n_dev
        self.n_test = n_test
        self.split_seed = split_seed
        self.source_ids: Mapping[str, str] = {}

    def load(self) -> Splits:
        """Reads, checks and splits. Sets `answers` and `source_ids`. Writes nothing.

        Raises:
            DataError: A file or row cannot be used, all problems at once, or a split is too small.
        """
        ungradable: dict[str, str] = {}

        def read(reading: Reading, path: Path) -> Iterator[Row]:
            return gradable(stream_rows(path, reading.problems), ungradable)

        readers = {split: partial(read, path=path) for split, path in self.paths.items()}
        table, self.answers, _ = tabulate(readers, self.answers)
        check_graded(table.counts(), ungradable)
        splits = make_splits(
            table,
            n_dev=self.n_dev,
            n_test=self.n_test,
            split_seed=self.split_seed,
            info={
                "name": self.name,
                "source": "file",
                "revision": "",
                "assets": [file_record(path).to_dict() for path in self.paths.values()],
            },
        )
        splits = complete(splits, ungradable)
        self.source_ids = source_ids(splits)
        logger.info("%s", describe(self.name, splits, {"": table}))
        return splits


def file_record(path: Path) -> AssetRecord:
    """The record of a file the user named."""
    return AssetRecord(
        path.name, "file", str(path), sha256=sha256_of(path), bytes=path.stat().st_size
    )


def describe(name: str, splits: Splits, rows: Mapping[str, Sized]) -> str:
    """One line for the log: how many rows became which splits."""
    return (
        f"{name}: {sum(map(len, rows.values()))} rows, pool {len(splits.pool)}, dev "
        f"{len(splits.dev)}, test {len(splits.test)}, left out {len(splits.info['skipped'])}"
    )
