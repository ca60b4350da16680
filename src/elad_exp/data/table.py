"""Rows in an Arrow file that is mapped into memory, written once and read one by one.

A pool may be larger than memory: what is kept of a row is its sample id, as a number. Rows that
fit in a few megabytes stay in memory and write no file.
"""

from __future__ import annotations

import json
import mmap
import tempfile
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from elad_exp.assets.cache import VARIABLE, cache_dir
from elad_exp.data.rows import Row
from elad_exp.errors import DataError
from elad_exp.types import Choice, Gold, Sample, sample_id

IN_MEMORY = 32 << 20
"""Characters; a larger table goes to a file."""
_BATCH_ROWS = 8192
_BATCH = 8 << 20  # characters: one batch of long rows must not fill the memory
# JSON where a row may hold what is no valid Unicode, or anything: `gold` is [id, answer, steps...],
# the line of `sources.content_sha256`; `origin` is [where, source_id, meta].
_SCHEMA = pa.schema([(name, pa.string()) for name in ("question", "choices", "gold", "origin")])

Ids = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.intp]


class RowTable:
    """Rows by number, from 0, in the order in which they were written. Made by `TableWriter`.

    Args:
        splits: Names of splits.
        parts: For each row, which of `splits` it belongs to.
        ids: For each row, its sample id as a number.
        texts: For each row, a number for its question without the choices.
        batches: The rows.
    """

    def __init__(
        self,
        splits: Sequence[str],
        parts: npt.NDArray[np.uint8],
        ids: Ids,
        texts: Ids,
        batches: Sequence[pa.RecordBatch],
    ) -> None:
        self.splits, self.parts, self.ids, self.texts = tuple(splits), parts, ids, texts
        self._batches = [dict(zip(_SCHEMA.names, b.columns, strict=True)) for b in batches]
        starts = np.cumsum([0, *(len(batch) for batch in batches)])
        self._starts: list[int] = starts[:-1].tolist()

    @classmethod
    def of(cls, rows: Mapping[str, Iterable[Row]]) -> RowTable:
        """A table of rows by split; each iterable is gone through once."""
        with TableWriter(list(rows)) as writer:
            for split, found in rows.items():
                for row in found:
                    writer.add(split, row)
            return writer.table()

    def __len__(self) -> int:
        return len(self.ids)

    def counts(self) -> dict[str, int]:
        """Number of rows of each split."""
        found = np.bincount(self.parts, minlength=len(self.splits)).tolist()
        return dict(zip(self.splits, found, strict=True))

    def row(self, number: int) -> Row:
        """All of a row."""
        cells = self._cells(number)
        where, source_id, meta = json.loads(cells["origin"])
        _, answer, *steps = json.loads(cells["gold"])
        choices = _choices(cells["choices"])
        return Row(where, source_id, cells["question"], answer, choices, tuple(steps), meta)

    def sample(self, number: int) -> Sample:
        """The question of a row."""
        cells = self._cells(number, "question", "choices")
        return Sample(id_text(self.ids[number]), cells["question"], _choices(cells["choices"]))

    def gold(self, number: int) -> Gold:
        """The gold of a row; its meta holds the row's own id as `source_id`."""
        cells = self._cells(number, "gold", "origin")
        _, answer, *steps = json.loads(cells["gold"])
        _, source_id, meta = json.loads(cells["origin"])
        return Gold(answer, tuple(steps), {**meta, "source_id": source_id})

    def gold_lines(self, numbers: Numbers) -> Iterator[str]:
        """JSON of id, answer and steps of each of these rows."""
        batches = np.searchsorted(self._starts, numbers, side="right") - 1
        inside = numbers - np.asarray(self._starts, np.intp)[batches]
        columns = [batch["gold"] for batch in self._batches]
        for batch, place in zip(batches.tolist(), inside.tolist(), strict=True):
            yield columns[batch][place].as_py()

    def _cells(self, number: int, *names: str) -> dict[str, str]:
        batch = bisect_right(self._starts, number) - 1
        columns, place = self._batches[batch], number - self._starts[batch]
        return {name: columns[name][place].as_py() for name in names or _SCHEMA.names}


class TableWriter:
    """Takes rows one by one; `table` gives what they make. A context manager.

    The file lies below the cache folder, because a system's folder for temporary files may be
    memory, and has no name: nothing is left of it when the process ends, in whatever way.

    Args:
        splits: Names of splits; at most 256.
    """

    def __init__(self, splits: Sequence[str]) -> None:
        self._splits = {split: i for i, split in enumerate(splits)}
        self._parts, self._ids, self._texts = array("B"), array("Q"), array("Q")
        self._columns: tuple[list[str], ...] = tuple([] for _ in _SCHEMA)
        self._pending = self._held = 0
        self._batches: list[pa.RecordBatch] = []
        self._file: IO[bytes] | None = None
        self._writer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:  # a table's map of it stays open
            self._file.close()

    def add(self, split: str, row: Row) -> None:
        """Append a row.

        Raises:
            DataError: The file cannot be written.
        """
        key = row.key
        self._parts.append(self._splits[split])
        self._ids.append(int(key, 16))
        self._texts.append(int(sample_id(row.question) if row.choices else key, 16))
        choices = json.dumps([[c.label, c.text] for c in row.choices]) if row.choices else ""
        gold = json.dumps([key, row.answer, *row.explanation])
        origin = json.dumps([row.where, row.source_id, row.meta])
        cells = (row.question, choices, gold, origin)
        for column, cell in zip(self._columns, cells, strict=True):
            column.append(cell)
        self._pending += sum(map(len, cells))
        if self._pending >= _BATCH or len(self._columns[0]) >= _BATCH_ROWS:
            self._end_batch()

    def table(self) -> RowTable:
        """The table of all rows added; raises DataError as `add` does."""
        self._end_batch()
        if self._writer is not None:
            try:
                self._writer.close()
                self._batches = _mapped(self._file)
            except OSError as error:
                raise _unwritable(error) from error
        parts = np.frombuffer(self._parts, np.uint8)
        ids, texts = (np.frombuffer(x, np.uint64) for x in (self._ids, self._texts))
        return RowTable(list(self._splits), parts, ids, texts, self._batches)

    def _end_batch(self) -> None:
        if not self._columns[0]:
            return
        columns = [pa.array(column, pa.string()) for column in self._columns]
        self._batches.append(pa.record_batch(columns, schema=_SCHEMA))
        self._held += self._pending
        self._pending = 0
        for column in self._columns:
            column.clear()
        if self._held > IN_MEMORY:
            self._write_out()

    def _write_out(self) -> None:
        try:
            if self._writer is None:
                folder = cache_dir() / "tables"
                folder.mkdir(parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
                self._writer = pa.ipc.new_file(self._file, _SCHEMA)
            for batch in self._batches:
                self._writer.write_batch(batch)
        except OSError as error:
            raise _unwritable(error) from error
        self._batches.clear()


def _mapped(file: IO[bytes] | None) -> list[pa.RecordBatch]:
    assert file is not None
    file.flush()
    view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    reader = pa.ipc.open_file(pa.py_buffer(view))
    return [reader.get_batch(i) for i in range(reader.num_record_batches)]


def _unwritable(error: OSError) -> DataError:
    folder = cache_dir() / "tables"
    return DataError(
        f"the dataset's rows cannot be kept in {folder}: {error.strerror or error}. "
        f"Set {VARIABLE} to a folder on a disk with room for as much as its files take."
    )


def _choices(text: str) -> tuple[Choice, ...]:
    return tuple(Choice(label, option) for label, option in json.loads(text)) if text else ()


def id_text(number: int) -> str:
    """A sample id out of its number."""
    return f"{number:016x}"


def id_number(text: str) -> int | None:
    """The number of a sample id; None if `text` is no such id."""
    try:
        number = int(text, 16)
    except ValueError:
        return None
    return number if 0 <= number < 2**64 and id_text(number) == text else None
