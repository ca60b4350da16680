"""Draws candidates and puts a query together: selected items plus a uniform audit.

Uniform draws order samples by a hash of (seed, purpose, round, id) and take the first ones. Pools
that differ in a few samples then draw almost the same ones, which keeps selectors comparable
after their labelled sets have parted; and the order of a pool never matters.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from itertools import islice

from elad_exp.data.samples import book_of
from elad_exp.errors import ConfigError
from elad_exp.protocols import Selector
from elad_exp.rng import generator, seeds_for
from elad_exp.selectors.base import query_item
from elad_exp.types import Candidate, Query, QueryItem, Sample

SCORED_WHOLE = 20_000
"""A larger pool should be scored whole only by somebody who means it."""


def draw_uniform(
    samples: Sequence[Sample], n: int, *, seed: int, purpose: tuple[str | int, ...]
) -> list[Sample]:
    """`n` different samples, uniformly at random, in drawn order. A larger `n` extends the draw.

    One pass over the ids; only what is drawn is read. Of a book that does not admit all its
    samples there are fewer than `n` where it does not admit as many, see `in_drawn_order`.

    Raises:
        ValueError: `n` is negative or exceeds the samples.
    """
    if not 0 <= n <= len(samples):
        raise ValueError(f"cannot draw {n} of {len(samples)} samples; ask for 0 to {len(samples)}")
    return list(islice(in_drawn_order(samples, seed=seed, purpose=purpose, expected=n), n))


def in_drawn_order(
    samples: Sequence[Sample], *, seed: int, purpose: tuple[str | int, ...], expected: int
) -> Iterator[Sample]:
    """The samples in the order in which `draw_uniform` draws them, each read when it is asked for.

    Those that the book does not admit (see `SampleBook.admitting`) are passed over, as if it did
    not hold them.

    Args:
        samples: Any.
        seed: Of the run.
        purpose: What the draw is for.
        expected: How many will be asked for, about: so many cost one pass over the ids.
    """
    book = book_of(samples)
    seed_of = seeds_for(seed, *purpose)
    done, looked_at = 0, max(1, expected)
    while done < len(book):
        first = heapq.nsmallest(looked_at, ((seed_of(i), i) for i in book.ids()))
        yield from (s for _, i in first[done:] if book.admits(s := book.get(i)))
        done, looked_at = looked_at, 4 * looked_at


def draw_candidates(
    unlabelled: Sequence[Sample], *, size: int | None, seed: int, round: int
) -> list[Sample]:
    """The samples to score in a round: a uniform subset, the same for every selector.

    All of them, sorted by id, where `size` is None or not below their number.

    Raises:
        ConfigError: `size` is below 1.
    """
    if size is not None and size < 1:
        raise ConfigError(f"candidate size {size}; allowed: 1 or more, or null for the whole pool")
    n = len(unlabelled) if size is None else min(size, len(unlabelled))
    drawn = draw_uniform(unlabelled, n, seed=seed, purpose=("candidates", round))
    return sorted(drawn, key=lambda s: s.id)


def whole_pool_warning(n: int, size: int | None) -> list[str]:
    """What to say where every round scores all of a pool of `n`, and that is very many."""
    if size is not None or n <= SCORED_WHOLE:
        return []
    return [
        f"selection.candidates=null: every round reads and scores all {n:,} questions of the pool; "
        "selection.candidates=2000 would score so many, drawn uniformly"
    ]


def initial_query(samples: Sequence[Sample], n: int, seed: int) -> Query:
    """The query of round 0: `n` samples uniformly at random, without attempts.

    Depends on the set of samples, `n` and `seed` alone, never on the selector.

    Raises:
        ValueError: `n` is below 1 or exceeds the samples.
    """
    if n < 1:
        raise ValueError(f"initial query of {n} samples; ask for at least 1")
    drawn = draw_uniform(samples, n, seed=seed, purpose=("initial",))
    return Query(0, tuple(QueryItem(sample) for sample in drawn), note="initial")


def audit_size(n: int, audit_fraction: float) -> int:
    """How many of `n` items are audit: `n * audit_fraction`, halves rounded up.

    Strictly between 0 and 1, the fraction leaves at least one item to the audit and one to the
    selector; a query of a single item goes to the selector.

    Raises:
        ConfigError: the fraction is outside 0..1.
    """
    if not 0 <= audit_fraction <= 1:
        raise ConfigError(f"audit_fraction {audit_fraction}; allowed: 0 to 1, e.g. 0.1")
    if audit_fraction in (0, 1):
        return n * int(audit_fraction)
    # 50 * 0.29 is 14.499999999999998 in binary; what was meant is a half.
    rounded = math.floor(round(n * audit_fraction, 9) + 0.5)
    return max(1, min(rounded, n - 1)) if n >= 2 else 0


def build_query(
    *,
    round: int,
    candidates: Sequence[Candidate],
    selector: Selector,
    n: int,
    audit_fraction: float,
    seed: int,
    note: str = "",
) -> Query:
    """`n` items: an audit drawn uniformly from the candidates, the rest chosen by the selector.

    The audit is the same for every selector at equal seed, round and candidates; the selector
    sees the other candidates only. Selected items keep the selector's order. Audit items stand
    evenly spaced among them, so that a query bought in part, from the front, still holds its
    share of audit items. They carry their components' scores but no combined `score`.

    Raises:
        ConfigError: `audit_fraction` is outside 0..1.
        ValueError: `n` is negative or exceeds the candidates, or a needed score is absent.
    """
    if not 0 <= n <= len(candidates):
        raise ValueError(f"query of {n} from {len(candidates)} candidates; ask for at most these")
    by_id = {candidate.sample.id: candidate for candidate in candidates}
    if len(by_id) != len(candidates):
        raise ValueError("a sample is a candidate twice")
    drawn = draw_uniform(
        [candidate.sample for candidate in candidates],
        audit_size(n, audit_fraction),
        seed=seed,
        purpose=("audit", round),
    )
    audit = [query_item(by_id.pop(sample.id), audit=True) for sample in drawn]
    rest = list(by_id.values())
    selected = selector.select(rest, n - len(audit), generator(seed, "select", round))
    return Query(round, tuple(_spread(selected, audit)), note)


def _spread(selected: Sequence[QueryItem], audit: Sequence[QueryItem]) -> list[QueryItem]:
    items = list(selected)
    n = len(selected) + len(audit)
    for j, item in enumerate(audit):
        items.insert((2 * j + 1) * n // (2 * len(audit)), item)
    return items
