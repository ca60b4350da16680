"""CommonsenseQA: five options a question; human explanations from ECQA.

Talmor et al. 2019. The answers of the official test split are not public: the official validation
split is the test here, and dev is cut from train.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from elad_exp.assets import AssetRecord
from elad_exp.data import ecqa
from elad_exp.data.records import read_records
from elad_exp.data.rows import Problems, Row
from elad_exp.errors import AssetError
from elad_exp.tasks.hub import HubTask, fetch
from elad_exp.tasks.jsonl import file_record

logger = logging.getLogger(__name__)

# ECQA cuts the labelled questions of CommonsenseQA in another way, so all of it is read.
_SPLITS = {"pool": ("train",), "dev": ("validation",), "test": ("test",)}


class CommonsenseQATask(HubTask):
    """CommonsenseQA with ECQA's explanations.

    Args:
        explanations: `repo` and `revision` of ECQA on the hub, or `path` of a file with its
            columns. None goes without. Rows that have explanations of their own (a file in our
            schema) keep them, and with `path` nothing is fetched that is not named.
        given: See `HubTask`, without `layout`.
    """

    def __init__(self, *, explanations: Mapping[str, str | None] | None, **given: Any) -> None:
        super().__init__(layout="commonsenseqa", **given)
        self.explanations = explanations

    def explainer(self) -> tuple[Callable[[Row], Row], Sequence[AssetRecord]]:
        """Joins ECQA. Raises AssetError when it is wanted and can be had nowhere."""
        file = self.explanations and self.explanations.get("path")
        if not self.explanations or (self.path is not None and not file):
            return super().explainer()
        if file:
            paths = [Path(file).expanduser()]
            records = [file_record(paths[0])]
        else:
            records, paths = self._ecqa(self.explanations)
        problems = Problems()
        known = ecqa.explanations(r for p in paths for _, r in read_records(p, problems))
        problems.check()
        logger.info("%s: %d explanations in ECQA", self.name, len(known))
        return lambda row: row if row.explanation else ecqa.explained(row, known), records

    def _ecqa(self, source: Mapping[str, str | None]) -> tuple[list[AssetRecord], list[Path]]:
        repo = source.get("repo") or ""
        try:
            records, files = fetch(
                repo, subset=None, revision=source.get("revision"), splits=_SPLITS
            )
        except AssetError as error:
            raise AssetError(
                f"{error}\nWithout ECQA, CommonsenseQA has no explanations: "
                "dataset.explanations=null goes without, dataset.explanations.path=FILE reads one"
            ) from error
        return records, [path for group in files.values() for path in group]
