"""What a round's scores were worth. Uses gold: for reports, never an input to selection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elad_exp.metrics import auroc
from elad_exp.protocols import Task
from elad_exp.rng import generator
from elad_exp.selectors.combine import RandomSelector
from elad_exp.types import Candidate, GoldBook, Metric, Query


def wrong_attempt_auroc(
    candidates: Sequence[Candidate], task: Task, gold: GoldBook
) -> dict[str, Metric | None]:
    """For every component, how well it ranks the wrong attempts above the right ones.

    None where that is undefined: all attempts right, or all wrong. Candidates without an attempt
    are left out; the others must have equal components.
    """
    tried = [(candidate, a) for candidate in candidates if (a := candidate.attempt) is not None]
    if not tried:
        return {}
    wrong = [not task.grade(c.sample, attempt.answer, gold) for c, attempt in tried]
    names = sorted(tried[0][0].scores)
    return {name: auroc([c.scores[name] for c, _ in tried], wrong) for name in names}


def random_overlap(
    query: Query, candidates: Sequence[Candidate], *, seed: int
) -> tuple[float | None, float | None]:
    """Share of selected items that a random selector would have chosen too, and its expectation.

    Both selectors draw from the same generator, and scores that are all equal leave the choice
    to it: an overlap of 1 says that the scores said nothing, one near its expectation that they
    decided. (None, None) where nothing was selected.

    Args:
        query: from `build_query` with these candidates and `seed`.
        candidates: all candidates of the round.
        seed: of the run.
    """
    audit = {item.sample.id for item in query.items if item.audit}
    selected = {item.sample.id for item in query.items} - audit
    if not selected:
        return None, None
    rest = [candidate for candidate in candidates if candidate.sample.id not in audit]
    rng = generator(seed, "select", query.round)
    drawn = RandomSelector().select(rest, len(selected), rng)
    both = selected & {item.sample.id for item in drawn}
    return len(both) / len(selected), len(selected) / len(rest)


def diagnose(
    candidates: Sequence[Candidate],
    query: Query,
    task: Task,
    gold: GoldBook,
    *,
    seed: int | None = None,
) -> dict[str, Any]:
    """Diagnostics of a round, as primitives for its line in `rounds.jsonl`.

    Keys: `auroc` (component -> metric or None, see `wrong_attempt_auroc`); `mean_steps` of the
    selected attempts and `mean_steps_candidates` of all, None without attempts; with `seed` also
    `random_overlap` and `chance_overlap`, see `random_overlap`.
    """
    aurocs = wrong_attempt_auroc(candidates, task, gold)
    chosen = [item.attempt for item in query.items if not item.audit]
    found: dict[str, Any] = {
        "auroc": {name: metric and metric.to_dict() for name, metric in aurocs.items()},
        "mean_steps": _mean([len(a.steps) for a in chosen if a is not None]),
        "mean_steps_candidates": _mean(
            [len(c.attempt.steps) for c in candidates if c.attempt is not None]
        ),
    }
    if seed is not None:
        observed, expected = random_overlap(query, candidates, seed=seed)
        found |= {"random_overlap": observed, "chance_overlap": expected}
    return found


def _mean(values: Sequence[int]) -> float | None:
    return sum(values) / len(values) if values else None
