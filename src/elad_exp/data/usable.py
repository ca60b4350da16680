"""What is looked at beyond the schema of single rows: questions that cannot be graded, and copies.

Two options with one text: where the right answer is one of them, the other label is as right, and
no grade can be trusted. Such rows stand in published datasets (48 of CommonsenseQA's 10,962), so
they are left out and named rather than refused; where only wrong options are alike, labels decide.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping

from elad_exp.data.near import near_warnings
from elad_exp.data.rows import Row
from elad_exp.errors import DataError
from elad_exp.protocols import Splits

logger = logging.getLogger(__name__)


def twins(row: Row) -> str:
    """Why `row` cannot be graded: the right answer's text stands under another label too; or ""."""
    if not row.choices:
        return ""
    texts = {choice.label: " ".join(choice.text.split()) for choice in row.choices}
    alike = [label for label, text in texts.items() if text == texts[row.answer]]
    if len(alike) < 2:
        return ""
    return f"options {' and '.join(alike)} have the text of the right answer"


def gradable(rows: Iterable[Row], left_out: dict[str, str]) -> Iterator[Row]:
    """`rows` without those that cannot be graded; these go to `left_out`, place -> reason."""
    for row in rows:
        if reason := twins(row):
            left_out[row.where] = reason
        else:
            yield row


def check_graded(counts: Mapping[str, int], ungradable: Mapping[str, str]) -> None:
    """Raises DataError where `gradable` left out rows and a split has none.

    Args:
        counts: Rows of each split that are left.
        ungradable: See `gradable`.
    """
    empty = [split for split, n in counts.items() if not n]
    if empty and ungradable:
        where, reason = next(iter(ungradable.items()))
        raise DataError(
            f"no row of {' and '.join(empty)} is left: {len(ungradable):,} have their right answer "
            f"under two labels; the first: {where}: {reason}. Give each choice its own text."
        )


def complete(splits: Splits, ungradable: Mapping[str, str]) -> Splits:
    """`splits` whose `info` also names what `gradable` left out, and near-duplicates."""
    warnings = near_warnings(splits)
    if ungradable:
        where, reason = next(iter(ungradable.items()))
        warnings.append(
            f"left out {len(ungradable):,} questions whose right answer stands under two labels; "
            f"the first: {where}: {reason}"
        )
    for warning in warnings:
        logger.warning("%s", warning)
    info = {
        **splits.info,
        "skipped": {**ungradable, **splits.info["skipped"]},
        "warnings": [*splits.info["warnings"], *warnings],
    }
    return Splits(splits.pool, splits.dev, splits.test, splits.gold, info)
