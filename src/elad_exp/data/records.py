"""Reads records (column -> value) out of parquet and JSON files, in our schema or in a layout.

Which of the two a file is in is seen from the columns of its first record.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from elad_exp.data.layouts import Layout, ours
from elad_exp.data.rows import Problems, Row, parse_row, read_json
from elad_exp.errors import DataError

ENDINGS = (".parquet", ".jsonl", ".jsonl.gz", ".json")
# More unusable records than this share of a file: the layout does not fit, or the file is damaged.
_MOST_LEFT_OUT = 0.1
_BATCH = 1000
# Names under which one split is found.
_ALIASES = {"validation": ("validation", "dev", "valid", "val"), "dev": ("dev", "validation")}


class NoSplitError(DataError):
    """A folder has no file of a split."""


@dataclass(slots=True)
class Reading:
    """What was found while files were read.

    Attributes:
        problems: What must be put right before anything can be done.
        left_out: Place -> reason, of records in a dataset's own layout that cannot be used. They
            are not the user's to repair, so a few of them do not stop a run.
        records: Number of records read in a dataset's own layout.
        ours: Whether the file that is being read is in our schema, of which nothing is left out.
    """

    problems: Problems = field(default_factory=Problems)
    left_out: dict[str, str] = field(default_factory=dict)
    records: int = 0
    ours: bool = True

    def settle(self) -> None:
        """Turns unusable records into problems where they are more than a few."""
        if len(self.left_out) > _MOST_LEFT_OUT * self.records:
            self.problems.items += self.left_out.items()
            self.left_out = {}

    @property
    def warnings(self) -> list[str]:
        """Says for people how many records were left out, if any."""
        if not self.left_out:
            return []
        place, reason = next(iter(self.left_out.items()))
        return [
            f"left out {len(self.left_out):,} of {self.records:,} records that cannot be used; "
            f"the first: {place}: {reason}"
        ]


def read_records(path: Path, problems: Problems) -> Iterator[tuple[str, Any]]:
    """Place and value of each record of a file; what is wrong with the file goes to `problems`."""
    before, n = len(problems.items), 0
    read = _parquet if path.suffix == ".parquet" else _json
    for n, item in enumerate(read(path, problems), 1):  # noqa: B007
        yield item
    if not n and len(problems.items) == before:
        problems.add(str(path), "is empty; it has no record")


def first_record(path: Path) -> Mapping[str, Any] | None:
    """The first record of a file, by which its columns are seen; None where there is none."""
    _, record = next(iter(read_records(path, Problems())), ("", None))
    return record if isinstance(record, Mapping) else None


def read_layout(path: Path, layout: Layout | None, reading: Reading) -> Iterator[Row]:
    """The rows of a file in our schema or in `layout`.

    Args:
        path: The file.
        layout: The dataset's own layout; None allows our schema alone.
        reading: Receives what is wrong. Where `layout` is one of ours, nothing is left out.
    """
    convert: Callable[[Any], Any] | None = None
    known = False
    for where, record in read_records(path, reading.problems):
        if not known:
            known = True
            try:
                convert = _converter(record, layout)
            except DataError as error:
                reading.problems.add(where, str(error))
                return
            reading.ours = convert is None or (layout is not None and layout.own)
        if not reading.ours:
            reading.records += 1
        try:
            yield parse_row(convert(record) if convert else record, where)
        except DataError as error:
            if reading.ours:
                reading.problems.add(where, str(error))
            else:
                reading.left_out[where] = str(error)


def _converter(record: Any, layout: Layout | None) -> Callable[[Any], Any] | None:
    """None for our own schema. Raises DataError for a record in neither."""
    if layout is None or not isinstance(record, Mapping):
        return None
    # A mapping of columns was asked for by name, or a schema was seen: nothing is guessed.
    if layout.name == "columns" or layout.own:
        layout.check(record)
        return layout.row
    if layout.fits(record) and not ours(record):
        return layout.row
    if {"question", "answer"} <= record.keys():
        return None
    missing = [column for column in layout.columns if column not in record]
    raise DataError(
        f"these are the columns neither of {layout.name} (no {', '.join(missing)}) nor of our own "
        f"schema (question, answer); found: {', '.join(map(str, record)) or 'none'}"
    )


def split_files(folder: Path, split: str) -> list[Path]:
    """The files of `split` below `folder`, all its parts.

    `SPLIT.jsonl`, `data/SPLIT-00000-of-00002.parquet` and `SPLIT/0000.parquet` are found, or else
    `NAME_SPLIT.jsonl`; `validation` and `dev` are found under either name.

    Raises:
        NoSplitError: There is no such file.
        DataError: A part of the split is missing, or it lies in several folders.
    """
    found = sorted(p for p in folder.rglob("*") if p.name.endswith(ENDINGS) and p.is_file())
    for name in names_of(split):
        for belongs in (_is_part, _ends_with):
            if files := [path for path in found if belongs(path, folder, name)]:
                _check_folders(files, folder, name)
                _check_parts(files)
                return files
    shown = ", ".join(str(path.relative_to(folder)) for path in found[:10]) or "no data file"
    raise NoSplitError(
        f"{folder} has no file of the split {split} ({', '.join(ENDINGS)}); found: {shown}"
    )


def names_of(split: str) -> tuple[str, ...]:
    """The names that a file of `split` may bear."""
    return _ALIASES.get(split, (split,))


def _is_part(path: Path, folder: Path, split: str) -> bool:
    stem = path.name.split(".")[0]
    parents = path.relative_to(folder).parts[:-1]
    return stem == split or stem.startswith(f"{split}-") or split in parents


def _ends_with(path: Path, folder: Path, split: str) -> bool:
    return re.search(rf"[-_]{re.escape(split)}(-|$)", path.name.split(".")[0]) is not None


def _check_folders(files: Iterable[Path], folder: Path, split: str) -> None:
    """Raises DataError where the split stands in several folders: these are several datasets."""
    found = set()
    for path in files:
        parents = path.relative_to(folder).parts[:-1]
        # Below a folder named after the split there may be any.
        above = parents[: parents.index(split)] if split in parents else parents
        found.add("/".join(above) or ".")
    if len(found) > 1:
        raise DataError(
            f"{folder}: files of the split {split} lie in several folders: "
            f"{', '.join(sorted(found))}; read one of them alone, as by dataset.subset="
            f"{max(found)}"
        )


def _check_parts(files: Iterable[Path]) -> None:
    """Raises DataError where a name says `00000-of-00003` and not all three are there."""
    parts: dict[tuple[str, int], set[int]] = {}
    for path in files:
        if match := re.search(r"^(.*)-(\d{5})-of-(\d{5})", str(path)):
            parts.setdefault((match[1], int(match[3])), set()).add(int(match[2]))
    for (name, total), have in parts.items():
        if missing := sorted(set(range(total)) - have):
            numbers = ", ".join(map(str, missing[:5]))
            raise DataError(f"{name}: of {total} parts (from 0), {numbers} is missing")


def _parquet(path: Path, problems: Problems) -> Iterator[tuple[str, Any]]:
    from pyarrow import ArrowException, parquet

    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_BATCH):
                for record in batch.to_pylist():
                    number += 1
                    yield f"{path} row {number}", record
    except (OSError, ValueError, ArrowException) as error:
        problems.add(f"{path} after row {number}", f"cannot be read as parquet ({error})")


def _json(path: Path, problems: Problems) -> Iterator[tuple[str, Any]]:
    """A `.json` file that begins with `[` is one list; anything else has one object a line."""
    if path.suffix != ".json" or not _begins_with_list(path):
        yield from read_json(path, problems)
        return
    try:
        records = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        problems.add(str(path), f"cannot be read as JSON ({error})")
        return
    for number, record in enumerate(records, 1):
        yield f"{path} row {number}", record


def _begins_with_list(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")
