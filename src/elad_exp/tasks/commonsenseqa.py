"""CommonsenseQA: five options a question; human explanations from ECQA.

Talmor et al. 2019. The answers of the official test split are not public: the official validation
split is the test here, and dev is cut from train.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from elad_exp.assets import AssetRecord
from elad_exp.data import ecqa
from elad_exp.data.records import read_records
from elad_exp.data.rows import Problems
from elad_exp.errors import AssetError, ConfigError, DataError
from elad_exp.tasks.from_files import file_record
from elad_exp.tasks.hub import Explainer, HubTask, fetch

logger = logging.getLogger(__name__)

# ECQA cuts the labelled questions of CommonsenseQA in another way, so all of it is read.
_SPLITS = {"pool": ("train",), "dev": ("validation",), "test": ("test",)}


class CommonsenseQATask(HubTask):
    """CommonsenseQA with ECQA's explanations.

    Args:
        explanations: `repo` and `revision` of ECQA on the hub, or `path` of a file with its
            columns. None goes without. Rows that have explanations of their own (a file in our
            schema) keep them, and with `path` nothing is fetched that is not named. A join that
            explains fewer than half of the rows is a warning, and one that explains none an error.
        given: See `HubTask`, without `layout`.

    Raises:
        ConfigError: `explanations` names neither a repository nor a file.
    """

    def __init__(self, *, explanations: Mapping[str, str | None] | None, **given: Any) -> None:
        super().__init__(layout="commonsenseqa", **given)
        if explanations and not (explanations.get("repo") or explanations.get("path")):
            raise ConfigError(
                "dataset.explanations.repo and dataset.explanations.path are both empty: name one "
                "of them, or go without by dataset.explanations=null"
            )
        self.explanations = explanations

    def explainer(self) -> tuple[Explainer, Sequence[AssetRecord]]:
        """Joins ECQA.

        Raises:
            AssetError: It is wanted and can be had nowhere.
            DataError: The file that is named is not there, or its records cannot be used.
        """
        file = self.explanations and self.explanations.get("path")
        if not self.explanations or (self.path is not None and not file):
            return super().explainer()
        if file:
            paths = [Path(file).expanduser()]
            if not paths[0].is_file():
                raise DataError(f"dataset.explanations.path={file}: no such file")
            records = [file_record(paths[0])]
        else:
            records, paths = self._ecqa(self.explanations)
        problems = Problems()
        known = ecqa.explanations((r for p in paths for r in read_records(p, problems)), problems)
        problems.check()
        logger.info("%s: %d explanations in ECQA", self.name, len(known))
        return ecqa.Joined(known), records

    def _ecqa(self, source: Mapping[str, str | None]) -> tuple[list[AssetRecord], list[Path]]:
        try:
            records, files = fetch(
                source["repo"] or "", subset=None, revision=source.get("revision"), splits=_SPLITS
            )
        except AssetError as error:
            raise AssetError(
                f"{error}\nWithout ECQA, CommonsenseQA has no explanations: "
                "dataset.explanations=null goes without, dataset.explanations.path=FILE reads one"
            ) from error
        return records, [path for group in files.values() for path in group]
