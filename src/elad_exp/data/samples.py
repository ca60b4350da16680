"""Samples that are read when they are asked for, and their gold."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from itertools import islice
from typing import Self, overload

import numpy as np
import numpy.typing as npt

from elad_exp.data.table import Numbers, RowTable, id_number, id_text
from elad_exp.types import Gold, GoldBook, Sample


class SampleBook(Sequence[Sample]):
    """A sequence of samples with distinct ids, which are known without reading the samples.

    Equal to any sequence of equal samples.
    """

    _admit: Callable[[Sample], bool] | None = None

    @abstractmethod
    def ids(self) -> Iterator[str]:
        """The ids, in the order of the samples."""

    @abstractmethod
    def has(self, sample_id: str) -> bool:
        """Whether there is a sample of that id. Reads none."""

    @abstractmethod
    def get(self, sample_id: str) -> Sample:
        """Raises KeyError where there is no such sample."""

    @abstractmethod
    def at(self, place: int) -> Sample:
        """The sample at a place that is not negative."""

    @abstractmethod
    def take(self, places: Numbers) -> SampleBook:
        """The samples at these places, in that order."""

    def admits(self, sample: Sample) -> bool:
        """Whether a sample of this book may be drawn."""
        return self._admit is None or self._admit(sample)

    def admitting(self, admit: Callable[[Sample], bool]) -> Self:
        """The same samples; draws pass over those that `admit` does not take.

        `admit` is asked about what is drawn only, so that a pool too large to be looked through
        before a run can be looked at where it is used. Slices of the book admit all.
        """
        book = copy.copy(self)
        book._admit = admit
        return book

    @overload
    def __getitem__(self, place: int) -> Sample: ...
    @overload
    def __getitem__(self, place: slice) -> SampleBook: ...
    def __getitem__(self, place: int | slice) -> Sample | SampleBook:
        if isinstance(place, slice):
            return self.take(np.arange(len(self))[place])
        return self.at(range(len(self))[place])

    def __contains__(self, sample: object) -> bool:
        if not isinstance(sample, Sample) or not self.has(sample.id):
            return False
        return self.get(sample.id) == sample

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __add__(self, other: Iterable[Sample]) -> tuple[Sample, ...]:
        return (*self, *other)


def book_of(samples: Iterable[Sample]) -> SampleBook:
    """`samples` itself, if it is one, or a book of them."""
    return samples if isinstance(samples, SampleBook) else ListedSamples(samples)


class ListedSamples(SampleBook):
    """Samples in memory.

    Args:
        samples: With distinct ids.
    """

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples = {sample.id: sample for sample in samples}
        self._order = tuple(self._samples.values())

    def __len__(self) -> int:
        return len(self._order)

    def ids(self) -> Iterator[str]:
        return iter(self._samples)

    def has(self, sample_id: str) -> bool:
        return sample_id in self._samples

    def get(self, sample_id: str) -> Sample:
        return self._samples[sample_id]

    def at(self, place: int) -> Sample:
        return self._order[place]

    def take(self, places: Numbers) -> ListedSamples:
        return ListedSamples(self._order[i] for i in places.tolist())


class RowNumbers:
    """Finds the number of a row by its sample id.

    Args:
        table: Of the rows.
        numbers: Rows with distinct ids; no others are found.
    """

    def __init__(self, table: RowTable, numbers: Numbers) -> None:
        self.by_id = numbers[np.argsort(table.ids[numbers])]
        self._ids = table.ids[self.by_id]

    def find(self, sample_id: str) -> int | None:
        """The number of its row, or None."""
        wanted = id_number(sample_id)
        if wanted is None:
            return None
        place = int(np.searchsorted(self._ids, np.uint64(wanted)))
        found = place < len(self._ids) and int(self._ids[place]) == wanted
        return int(self.by_id[place]) if found else None


class StoredSamples(SampleBook):
    """Samples of a table, each read anew whenever it is asked for.

    Args:
        table: Of the rows.
        numbers: Rows of the samples, with distinct ids.
    """

    def __init__(self, table: RowTable, numbers: Numbers) -> None:
        self._table, self._numbers = table, numbers
        self._index: RowNumbers | None = None

    def __len__(self) -> int:
        return len(self._numbers)

    def ids(self) -> Iterator[str]:
        # In parts, because a number takes four times as many bytes outside its array.
        for start in range(0, len(self), 8192):
            numbers = self._numbers[start : start + 8192]
            yield from map(id_text, self._table.ids[numbers].tolist())

    def has(self, sample_id: str) -> bool:
        return self._find(sample_id) is not None

    def get(self, sample_id: str) -> Sample:
        number = self._find(sample_id)
        if number is None:
            raise KeyError(sample_id)
        return self._table.sample(number)

    def at(self, place: int) -> Sample:
        return self._table.sample(int(self._numbers[place]))

    def take(self, places: Numbers) -> StoredSamples:
        return StoredSamples(self._table, self._numbers[places])

    def asked_in(self, others: StoredSamples) -> npt.NDArray[np.bool_]:
        """For each sample, whether `others`, of the same table, has its question, whatever the
        choices.
        """
        texts = self._table.texts
        return np.isin(texts[self._numbers], texts[others._numbers])

    def _find(self, sample_id: str) -> int | None:
        if self._index is None:
            self._index = RowNumbers(self._table, self._numbers)
        return self._index.find(sample_id)


class RemainingSamples(SampleBook):
    """A book without some of its samples.

    Args:
        book: All of them.
        without: Ids of samples of `book`; few, because they are in memory.
    """

    def __init__(self, book: SampleBook, without: Set[str]) -> None:
        self._book, self._without, self._admit = book, without, book.admits

    def __len__(self) -> int:
        return len(self._book) - len(self._without)

    def __iter__(self) -> Iterator[Sample]:
        return map(self._book.get, self.ids())

    def ids(self) -> Iterator[str]:
        return (i for i in self._book.ids() if i not in self._without)

    def has(self, sample_id: str) -> bool:
        return sample_id not in self._without and self._book.has(sample_id)

    def get(self, sample_id: str) -> Sample:
        if sample_id in self._without:
            raise KeyError(sample_id)
        return self._book.get(sample_id)

    def at(self, place: int) -> Sample:
        return self._book.get(next(islice(self.ids(), place, None)))

    def take(self, places: Numbers) -> ListedSamples:
        ids = list(self.ids())
        return ListedSamples(self._book.get(ids[i]) for i in places.tolist())


class StoredGold(GoldBook):
    """Gold of a table's rows by sample id, each read anew whenever it is asked for.

    Args:
        table: Of the rows.
        numbers: Rows with distinct ids, in the order in which ids are iterated over.
    """

    def __init__(self, table: RowTable, numbers: Numbers) -> None:
        self._table, self._numbers = table, numbers
        self._index = RowNumbers(table, numbers)

    def __getitem__(self, sample_id: str) -> Gold:
        number = self._index.find(sample_id)
        if number is None:
            raise KeyError(sample_id)
        return self._table.gold(number)

    def __contains__(self, sample_id: object) -> bool:
        return isinstance(sample_id, str) and self._index.find(sample_id) is not None

    def __iter__(self) -> Iterator[str]:
        return StoredSamples(self._table, self._numbers).ids()

    def __len__(self) -> int:
        return len(self._numbers)

    def lines(self) -> Iterator[str]:
        """JSON of id, answer and steps, in the order of the ids."""
        return self._table.gold_lines(self._index.by_id)
