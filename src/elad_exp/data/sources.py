"""Turns rows of files into splits: ids, duplicates, conflicts, hash order, limits."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from elad_exp.data.rows import Row
from elad_exp.data.samples import SampleBook, StoredGold, StoredSamples, book_of
from elad_exp.data.table import Ids, Numbers, RowTable, id_text
from elad_exp.errors import DataError
from elad_exp.protocols import Splits
from elad_exp.types import GoldBook, Sample

logger = logging.getLogger(__name__)

# A question that stands in several splits stays in the first of these.
_PRECEDENCE = ("test", "dev", "pool")


@dataclass(frozen=True, slots=True)
class Collected:
    """Samples by split, without duplicates; `skipped` maps a place or an id to a reason.

    `warnings` says for people how many were left out, if any.
    """

    samples: dict[str, StoredSamples]
    gold: GoldBook
    skipped: dict[str, str]
    warnings: tuple[str, ...] = ()


def collect(rows: Mapping[str, Iterable[Row]] | RowTable) -> Collected:
    """One sample a question, whatever the order of the rows.

    Copies of a question (equal sample id) with one answer: one is kept, in `test` rather than
    `dev` rather than `pool`, so that no question is trained on and tested; among copies in one
    split the one whose explanation, then wording, comes first in the alphabet. Copies with
    different answers: all are dropped, because none can be trusted. Whatever is dropped is named
    in `skipped` and counted in `warnings` and the log. Only rows with copies are looked at.

    Args:
        rows: Rows by split, `pool`, `dev`, `test`; a split may be absent.
    """
    table = rows if isinstance(rows, RowTable) else RowTable.of(rows)
    skipped: dict[str, str] = {}
    ranks, kept = _without_copies(table, skipped)
    gold = StoredGold(table, kept)
    samples = {
        split: StoredSamples(table, kept[ranks == rank])
        for rank, split in enumerate(_PRECEDENCE)
        if split in table.splits
    }
    if not skipped:
        return Collected(samples, gold, skipped)
    warning = (
        f"left out {len(skipped)} duplicates or contradictions of {len(table)} rows; the first: "
        f"{_first(skipped)}"
    )
    logger.warning("%s", warning)
    return Collected(samples, gold, skipped, (warning,))


def _without_copies(
    table: RowTable, skipped: dict[str, str]
) -> tuple[npt.NDArray[np.uint8], Numbers]:
    """Places in `_PRECEDENCE` and numbers of the rows that are kept, in the order of the first.

    What is left out goes to `skipped`.
    """
    rank_of = [_PRECEDENCE.index(split) for split in table.splits]
    ranks = np.array(rank_of, np.uint8)[table.parts]
    order = np.argsort(ranks, kind="stable")
    kept = np.ones(len(order), bool)
    winners = order.copy()
    for places in _groups(table.ids[order]):
        group = [(int(ranks[i]), table.row(i), i) for i in order[places].tolist()]
        kept[places[1:]] = False
        answers = sorted({row.answer for _, row, _ in group})
        if len(answers) > 1:
            where = ", ".join(row.where for _, row, _ in group)
            key = id_text(int(table.ids[group[0][2]]))
            skipped[key] = f"different answers ({', '.join(answers)}) in {where}"
            kept[places[0]] = False
            continue
        group.sort(key=lambda item: (item[0], item[1].explanation, item[1].question))
        _, best, winners[places[0]] = group[0]
        for _, other, _ in group[1:]:
            skipped[other.where] = f"same question as {best.where}"
    return ranks[order][kept], winners[kept]


def _groups(ids: Ids) -> Iterator[Numbers]:
    """Places of each id that occurs several times, in rising order; by their first place."""
    by_id = np.argsort(ids, kind="stable")
    ordered = ids[by_id]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    sizes = np.diff(np.r_[starts, len(ids)])
    several = sizes > 1
    starts, sizes = starts[several], sizes[several]
    for i in np.argsort(by_id[starts]).tolist():
        yield by_id[starts[i] : starts[i] + sizes[i]]


def _first(skipped: Mapping[str, str]) -> str:
    place, reason = next(iter(skipped.items()))
    return f"{place}: {reason}"


def hash_order(samples: Sequence[Sample], split_seed: int) -> SampleBook:
    """`samples` by sha256 of (split_seed, id): random, and independent of their order."""
    book = book_of(samples)
    digests = (hashlib.sha256(f"{split_seed}\x1f{i}".encode()).digest() for i in book.ids())
    return book.take(np.argsort(np.fromiter(digests, "S32", len(book))))


def hash_split(
    samples: Sequence[Sample], *, dev: int, test: int, split_seed: int
) -> tuple[SampleBook, SampleBook, SampleBook]:
    """Pool, dev and test: the last `dev` and the first `test` in hash order, the rest the pool.

    A larger `test` therefore contains a smaller one and leaves `dev` as it is, and the reverse.

    Raises:
        DataError: Nothing would be left for the pool.
    """
    if dev + test >= len(samples):
        raise DataError(
            f"n_dev={dev} and n_test={test} leave nothing for the pool: there are "
            f"{len(samples)} questions. Ask for fewer."
        )
    ordered = hash_order(samples, split_seed)
    end = len(ordered) - dev
    return ordered[test:end], ordered[end:], ordered[:test]


def make_splits(
    rows: Mapping[str, Iterable[Row]] | RowTable,
    *,
    n_dev: int | None,
    n_test: int | None,
    split_seed: int,
    info: Mapping[str, Any],
) -> Splits:
    """Splits of a dataset; official splits are kept, missing ones are cut from `pool` by hash.

    Args:
        rows: Rows by split, each gone through once, or a table of them; `pool` is required, `dev`
            and `test` are the official ones.
        n_dev: Number of dev questions. Of an official split the first so many in hash order are
            taken and the rest is left unused; None takes it whole. Without an official split None
            means a tenth of `pool`.
        n_test: The same for test; None without an official split means a fifth.
        split_seed: Seed of the hash order; independent of a run's seed.
        info: `name, source, revision` and whatever else belongs into `Splits.info`; `sha256` (of
            ids, answers and explanations, so equal for one dataset from two sources),
            `split_seed`, `skipped` and `unused` are added, and what was left out is appended to
            `warnings`.

    Raises:
        DataError: A split is too small, or nothing of the pool is left.
    """
    table = rows if isinstance(rows, RowTable) else RowTable.of(rows)
    found = collect(table)
    pool = found.samples["pool"]
    if not pool and found.skipped:
        n_pool = table.counts()["pool"]
        raise DataError(
            f"none of the {n_pool} rows of the pool is left: they contradict each other or stand "
            f"in dev or test as well; the first: {_first(found.skipped)}. Add questions to the "
            "pool's file."
        )
    parts: dict[str, SampleBook] = {}
    unused: dict[str, int] = {}
    cut: dict[str, int] = {"dev": 0, "test": 0}
    for split, n, share in (("dev", n_dev, 10), ("test", n_test, 5)):
        if n is not None and n < 1:
            raise DataError(f"n_{split}={n}: at least one question is needed")
        if split not in table.splits:
            cut[split] = len(pool) // share if n is None else n
            continue
        official = hash_order(found.samples[split], split_seed)
        if n is not None and n > len(official):
            raise DataError(f"n_{split}={n}, but {split} has {len(official)} questions")
        parts[split] = official[:n]
        if n is not None and n < len(official):
            unused[split] = len(official) - n
    rest, dev, test = hash_split(pool, **cut, split_seed=split_seed)
    parts, asked = apart({"pool": rest, "dev": dev, "test": test, **parts})
    if not parts["dev"] or not parts["test"]:
        raise DataError(
            f"{len(pool)} questions are too few: dev has {len(parts['dev'])} and test "
            f"{len(parts['test'])}. Add rows, or name files for dev and test."
        )
    if not parts["pool"]:
        raise DataError(
            f"nothing is left for the pool: dev or test has its questions ({_first(asked)}). Add "
            "questions, or ask for fewer of dev and test."
        )
    details = {
        **info,
        "sha256": content_sha256(found.gold),
        "split_seed": split_seed,
        "skipped": found.skipped | asked,
        "unused": unused,
        "warnings": [*info.get("warnings", ()), *found.warnings, *_told(asked)],
    }
    return Splits(parts["pool"], parts["dev"], parts["test"], found.gold, details)


def apart(parts: Mapping[str, SampleBook]) -> tuple[dict[str, SampleBook], dict[str, str]]:
    """`parts` by split, of one table, so that none has a question of another whatever the choices.

    It stays in `test` rather than `dev` rather than `pool`. The second is id -> reason, of the
    samples that are taken out.
    """
    kept, asked = dict(parts), dict[str, str]()
    for split, other in (("dev", "test"), ("pool", "test"), ("pool", "dev")):
        if split in kept and other in kept:
            kept[split] = _apart(kept[split], kept[other], other, asked)
    return kept, asked


def _apart(samples: SampleBook, others: SampleBook, name: str, asked: dict[str, str]) -> SampleBook:
    """`samples` without the questions that `others` asks with other choices; these go to `asked`,
    id -> reason.
    """
    assert isinstance(samples, StoredSamples)
    assert isinstance(others, StoredSamples)
    same = samples.asked_in(others)
    if not same.any():
        return samples
    found = samples.take(np.flatnonzero(same))
    asked.update((i, f"{name} has the same question with other choices") for i in found.ids())
    return samples.take(np.flatnonzero(~same))


def _told(asked: Mapping[str, str]) -> list[str]:
    if not asked:
        return []
    return [
        f"left out {len(asked)} questions that another split asks with other choices; the first: "
        f"{_first(asked)}"
    ]


class SourceIds(Mapping[str, str]):
    """Ids of a pool's samples -> ids of their rows: all that leaves `Gold.meta` for teachers.

    Args:
        pool: The samples.
        gold: Of the dataset.
    """

    def __init__(self, pool: Sequence[Sample], gold: GoldBook) -> None:
        self._book, self._gold = book_of(pool), gold

    def __getitem__(self, sample_id: str) -> str:
        if not self._book.has(sample_id):
            raise KeyError(sample_id)
        found: str = self._gold[sample_id].meta["source_id"]
        return found

    def __iter__(self) -> Iterator[str]:
        return self._book.ids()

    def __len__(self) -> int:
        return len(self._book)


def source_ids(splits: Splits) -> SourceIds:
    """Those of the pool of `splits`."""
    return SourceIds(splits.pool, splits.gold)


def content_sha256(gold: GoldBook) -> str:
    """sha256 over ids, answers and explanations in the order of the ids."""
    found = hashlib.sha256()
    for number, line in enumerate(_lines(gold)):
        found.update(f"\n{line}".encode() if number else line.encode())
    return found.hexdigest()


def _lines(gold: GoldBook) -> Iterator[str]:
    if isinstance(gold, StoredGold):
        return gold.lines()
    return (json.dumps([key, gold[key].answer, *gold[key].explanation]) for key in sorted(gold))
