"""What the tasks whose questions are rows of files have in common."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from elad_exp.assets.cache import sha256_of
from elad_exp.assets.catalogue import AssetRecord
from elad_exp.data.rows import Row
from elad_exp.data.sources import make_splits, source_ids
from elad_exp.data.table import RowTable
from elad_exp.data.usable import complete
from elad_exp.protocols import Splits
from elad_exp.tasks.reasoning import ReasoningTask

logger = logging.getLogger(__name__)

OWN_COPY = "A copy of your own is read by dataset.path=FILE_OR_FOLDER.\n"


class TaskFromFiles(ReasoningTask):
    """A task that knows from which row each question of its pool is; subclasses load it.

    Args:
        n_dev: See `data.sources.make_splits`.
        n_test: See there.
        split_seed: Seed of the hash order; independent of a run's seed.
        given: See `ReasoningTask`.

    Attributes:
        source_ids: See `protocols.SourcedTask`.
    """

    def __init__(
        self, *, n_dev: int | None, n_test: int | None, split_seed: int, **given: Any
    ) -> None:
        super().__init__(**given)
        self.n_dev, self.n_test, self.split_seed = n_dev, n_test, split_seed
        self.source_ids: Mapping[str, str] = {}

    def split(
        self,
        rows: Mapping[str, Sequence[Row]] | RowTable,
        records: Sequence[AssetRecord],
        *,
        warnings: Iterable[str] = (),
        left_out: Mapping[str, str] | None = None,
        ungradable: Mapping[str, str] | None = None,
    ) -> Splits:
        """The splits of what was read. Sets `source_ids`.

        Args:
            rows: By split.
            records: Where they stood, the questions first.
            warnings: Of reading.
            left_out: Rows that could not be used: where they stand -> why.
            ungradable: See `data.usable.gradable`.

        Raises:
            DataError: A split is too small, or nothing of the pool is left.
        """
        splits = make_splits(
            rows,
            n_dev=self.n_dev,
            n_test=self.n_test,
            split_seed=self.split_seed,
            info={
                "name": self.name,
                "source": records[0].source,
                "revision": records[0].revision,
                "assets": [record.to_dict() for record in records],
                "warnings": list(warnings),
            },
        )
        splits.info["skipped"].update(left_out or {})
        splits = complete(splits, ungradable or {})
        self.source_ids = source_ids(splits)
        logger.info(
            "%s: %d rows, pool %d, dev %d, test %d, left out %d (%s)",
            self.name,
            len(rows) if isinstance(rows, RowTable) else sum(map(len, rows.values())),
            *(len(part) for part in (splits.pool, splits.dev, splits.test)),
            len(splits.info["skipped"]),
            records[0].source,
        )
        return splits


def file_record(path: Path) -> AssetRecord:
    """The record of a file the user named."""
    return AssetRecord(
        path.name, "file", str(path), sha256=sha256_of(path), bytes=path.stat().st_size
    )
