"""Turns rows of files into splits: ids, duplicates, conflicts, hash order, limits."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from elad_exp.data.rows import Row
from elad_exp.errors import DataError
from elad_exp.protocols import Splits
from elad_exp.types import Gold, GoldBook, Sample

logger = logging.getLogger(__name__)

# A question that stands in several splits stays in the first of these.
_PRECEDENCE = ("test", "dev", "pool")


@dataclass(frozen=True, slots=True)
class Collected:
    """Samples by split, without duplicates; `skipped` maps a place or an id to a reason.

    `warnings` says for people how many were left out, if any.
    """

    samples: dict[str, list[Sample]]
    gold: GoldBook
    skipped: dict[str, str]
    warnings: tuple[str, ...] = ()


def collect(rows: Mapping[str, Sequence[Row]]) -> Collected:
    """One sample a question, whatever the order of the rows.

    Copies of a question (equal sample id) with one answer: one is kept, in `test` rather than
    `dev` rather than `pool`, so that no question is trained on and tested; among copies in one
    split the one whose explanation, then wording, comes first in the alphabet. Copies with
    different answers: all are dropped, because none can be trusted. Whatever is dropped is named
    in `skipped` and counted in `warnings` and the log.

    Args:
        rows: Rows by split, `pool`, `dev`, `test`; a split may be absent.
    """
    copies: dict[str, list[tuple[int, Row]]] = {}
    for rank, split in enumerate(_PRECEDENCE):
        for row in rows.get(split, ()):
            copies.setdefault(row.key, []).append((rank, row))
    samples: dict[str, list[Sample]] = {split: [] for split in _PRECEDENCE if split in rows}
    gold: dict[str, Gold] = {}
    skipped: dict[str, str] = {}
    for key, group in copies.items():
        answers = sorted({row.answer for _, row in group})
        if len(answers) > 1:
            places = ", ".join(row.where for _, row in group)
            skipped[key] = f"different answers ({', '.join(answers)}) in {places}"
            continue
        group.sort(key=lambda item: (item[0], item[1].explanation, item[1].question))
        rank, row = group[0]
        samples[_PRECEDENCE[rank]].append(Sample(key, row.question, row.choices))
        gold[key] = Gold(row.answer, row.explanation, {**row.meta, "source_id": row.source_id})
        for _, other in group[1:]:
            skipped[other.where] = f"same question as {row.where}"
    if not skipped:
        return Collected(samples, GoldBook(gold), skipped)
    warning = (
        f"left out {len(skipped)} duplicates or contradictions of "
        f"{sum(map(len, rows.values()))} rows; the first: {_first(skipped)}"
    )
    logger.warning("%s", warning)
    return Collected(samples, GoldBook(gold), skipped, (warning,))


def _first(skipped: Mapping[str, str]) -> str:
    place, reason = next(iter(skipped.items()))
    return f"{place}: {reason}"


def hash_order(samples: Sequence[Sample], split_seed: int) -> list[Sample]:
    """`samples` by sha256 of (split_seed, id): random, and independent of their order."""

    def rank(sample: Sample) -> bytes:
        return hashlib.sha256(f"{split_seed}\x1f{sample.id}".encode()).digest()

    return sorted(samples, key=rank)


def hash_split(
    samples: Sequence[Sample], *, dev: int, test: int, split_seed: int
) -> tuple[tuple[Sample, ...], tuple[Sample, ...], tuple[Sample, ...]]:
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
    return tuple(ordered[test:end]), tuple(ordered[end:]), tuple(ordered[:test])


def make_splits(
    rows: Mapping[str, Sequence[Row]],
    *,
    n_dev: int | None,
    n_test: int | None,
    split_seed: int,
    info: Mapping[str, Any],
) -> Splits:
    """Splits of a dataset; official splits are kept, missing ones are cut from `pool` by hash.

    Args:
        rows: Rows by split; `pool` is required, `dev` and `test` are the official ones.
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
    found = collect(rows)
    pool = found.samples["pool"]
    if not pool and found.skipped:
        raise DataError(
            f"none of the {len(rows['pool'])} rows of the pool is left: they contradict each other "
            f"or stand in dev or test as well; the first: {_first(found.skipped)}. Add questions "
            "to the pool's file."
        )
    parts: dict[str, tuple[Sample, ...]] = {}
    unused: dict[str, int] = {}
    cut: dict[str, int] = {"dev": 0, "test": 0}
    for split, n, share in (("dev", n_dev, 10), ("test", n_test, 5)):
        if n is not None and n < 1:
            raise DataError(f"n_{split}={n}: at least one question is needed")
        if split not in rows:
            cut[split] = len(pool) // share if n is None else n
            continue
        official = hash_order(found.samples[split], split_seed)
        if n is not None and n > len(official):
            raise DataError(f"n_{split}={n}, but {split} has {len(official)} questions")
        parts[split] = tuple(official[:n])
        if n is not None and n < len(official):
            unused[split] = len(official) - n
    rest, dev, test = hash_split(pool, **cut, split_seed=split_seed)
    parts = {"dev": dev, "test": test, **parts}
    if not parts["dev"] or not parts["test"]:
        raise DataError(
            f"{len(pool)} questions are too few: dev has {len(parts['dev'])} and test "
            f"{len(parts['test'])}. Add rows, or name files for dev and test."
        )
    details = {
        **info,
        "sha256": content_sha256(found.gold),
        "split_seed": split_seed,
        "skipped": found.skipped,
        "unused": unused,
        "warnings": [*info.get("warnings", ()), *found.warnings],
    }
    return Splits(rest, parts["dev"], parts["test"], found.gold, details)


def source_ids(splits: Splits) -> dict[str, str]:
    """Sample ids of the pool -> ids of their rows: all that leaves `Gold.meta` for teachers."""
    return {s.id: splits.gold[s.id].meta["source_id"] for s in splits.pool}


def content_sha256(gold: GoldBook) -> str:
    """sha256 over ids, answers and explanations in the order of the ids."""
    lines = (json.dumps([key, gold[key].answer, *gold[key].explanation]) for key in sorted(gold))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
