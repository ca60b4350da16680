"""Leaves out questions that are too long for a student."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from elad_exp.data.samples import SampleBook, book_of
from elad_exp.errors import ConfigError
from elad_exp.protocols import EVAL_SPLITS, Splits
from elad_exp.rng import generator
from elad_exp.types import Sample

LOOKED_THROUGH = 50_000
"""A larger pool is not looked through: to tokenise a question takes about 0.1 ms."""
_LOOKED_AT = 1000
_NAMED = 20

Fits = Callable[[Sample], bool]


def drop_too_long(splits: Splits, fits: Fits) -> tuple[Splits, list[str]]:
    """The splits without questions that do not fit the student's context, and warnings.

    The questions of a pool of more than `LOOKED_THROUGH` are looked at when they are drawn
    instead, and passed over: draws are then the same, but the pool's size counts them. The warning
    says how many of some that were looked at do not fit.

    Args:
        splits: Of a dataset.
        fits: Whether a question fits. Asked once about each that is looked at.

    Raises:
        ConfigError: A split would be empty.
    """
    large = len(splits.pool) > LOOKED_THROUGH
    kept: dict[str, Any] = {}
    dropped: list[str] = []
    for name in EVAL_SPLITS if large else ("pool", *EVAL_SPLITS):
        kept[name], too_long = _fitting(name, getattr(splits, name), fits)
        dropped += too_long
    warnings = []
    if dropped:
        more = f" and {len(dropped) - _NAMED:,} more" if len(dropped) > _NAMED else ""
        warnings.append(
            f"{len(dropped)} questions do not fit the student's context and are skipped: "
            f"{', '.join(dropped[:_NAMED])}{more}"
        )
    if large:
        book = book_of(splits.pool)
        warnings += _looked_at(book, fits)
        kept["pool"] = book.admitting(fits)
    return replace(splits, **kept), warnings


def _fitting(
    name: str, samples: Sequence[Sample], fits: Fits
) -> tuple[Sequence[Sample], list[str]]:
    """The samples that fit, and the ids of the others."""
    fitting = np.array([fits(sample) for sample in samples], bool)
    if not fitting.any():
        raise _none_fits(f"the {len(samples)} questions of {name}")
    if fitting.all():
        return samples, []
    book = book_of(samples)
    return book.take(np.flatnonzero(fitting)), [s.id for s in book.take(np.flatnonzero(~fitting))]


def _looked_at(pool: SampleBook, fits: Fits) -> list[str]:
    """What to warn of, from questions drawn uniformly from the pool."""
    places = generator(0, "fitting").choice(len(pool), _LOOKED_AT, replace=False)
    too_long = sum(not fits(sample) for sample in pool.take(places))
    if too_long == _LOOKED_AT:
        raise _none_fits(f"{_LOOKED_AT:,} questions out of the {len(pool):,} of pool")
    if not too_long:
        return []
    return [
        f"{too_long:,} of {_LOOKED_AT:,} questions out of the {len(pool):,} of pool do not fit the "
        "student's context; such questions are passed over when they are drawn"
    ]


def _none_fits(questions: str) -> ConfigError:
    return ConfigError(
        f"none of {questions} fits the student's context; raise student.max_length, or have a "
        "student that classifies texts cut them (student.truncate=true)"
    )
