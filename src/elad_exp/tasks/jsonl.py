"""Your own questions, from JSON Lines files."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from elad_exp.data.intake import tabulate
from elad_exp.data.records import Reading
from elad_exp.data.rows import Row, stream_rows
from elad_exp.data.usable import check_graded, gradable
from elad_exp.protocols import Splits
from elad_exp.tasks.from_files import TaskFromFiles, file_record


class JsonlTask(TaskFromFiles):
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
        super().__init__(
            name=name or default,
            answers=answers,
            instruction=instruction,
            n_dev=n_dev,
            n_test=n_test,
            split_seed=split_seed,
        )

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
        records = [file_record(path) for path in self.paths.values()]
        return self.split(table, records, ungradable=ungradable)
