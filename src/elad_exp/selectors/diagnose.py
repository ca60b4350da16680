"""What a round's scores were worth. Uses gold: for reports, never an input to selection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from scipy.stats import rankdata

from elad_exp.metrics import auroc, average_precision
from elad_exp.protocols import Task
from elad_exp.rng import generator
from elad_exp.selectors.combine import RandomSelector
from elad_exp.selectors.components import words
from elad_exp.types import Candidate, GoldBook, Query

UNPARSED = "(unparsed)"
OTHERS = "(others)"
_CLASSES = 10


def wrong_attempts(candidates: Sequence[Candidate], task: Task, gold: GoldBook) -> dict[str, bool]:
    """By sample id, whether the attempt's answer is wrong; candidates without attempt or gold (a
    teacher wrote them) are left out.
    """
    return {
        c.sample.id: not task.grade(c.sample, c.attempt.answer, gold)
        for c in candidates
        if c.attempt is not None and c.sample.id in gold
    }


def separation(
    rows: Iterable[tuple[Mapping[str, float], bool]], *, kind: str = ""
) -> dict[str, Any]:
    """How well every component ranks the positives among `rows` above the others.

    Args:
        rows: Scores, and whether the row is a positive. A component is judged on the rows that
            have it: guided scoring does not give all of them to all candidates.
        kind: Of positives, ends the names of the keys.

    Returns:
        `auroc{kind}/NAME` and `auprc{kind}/NAME`: metrics as primitives, or None where one class
        is absent; the second with `prevalence`, the share of positives among these rows, which
        scores that say nothing reach.
    """
    columns: dict[str, tuple[list[float], list[bool]]] = {}
    for scores, positive in rows:
        for name, value in scores.items():
            values, positives = columns.setdefault(name, ([], []))
            values.append(value)
            positives.append(positive)
    areas: dict[str, Any] = {}
    precisions: dict[str, Any] = {}
    for name in sorted(columns):
        values, positives = columns[name]
        area, precision = auroc(values, positives), average_precision(values, positives)
        share = {"prevalence": sum(positives) / len(positives)}
        areas[f"auroc{kind}/{name}"] = area and area.to_dict()
        precisions[f"auprc{kind}/{name}"] = precision and precision.to_dict() | share
    return areas | precisions


def spearman(candidates: Sequence[Candidate]) -> dict[str, float | None]:
    """Rank correlation of each two components, as `one~other`, over candidates that have both.

    None where one of them has no spread.
    """
    names = sorted({name for c in candidates for name in c.scores})
    found: dict[str, float | None] = {}
    for one, other in combinations(names, 2):
        both = [c.scores for c in candidates if one in c.scores and other in c.scores]
        x, y = (rankdata([scores[name] for scores in both]) for name in (one, other))
        flat = not both or np.ptp(x) == 0 or np.ptp(y) == 0
        found[f"{one}~{other}"] = None if flat else round(float(np.corrcoef(x, y)[0, 1]), 4)
    return found


def diversity(chosen: Sequence[Candidate]) -> tuple[str, float] | None:
    """How different candidates are, 0 being equal, and by what that was measured.

    `features`: mean cosine distance of two of them, where all have features. Else `words`: the
    number of different question words over that of all (a word counts once a question), which
    falls with the number of questions: compare equal numbers only. None for fewer than two, or
    without texts.
    """
    n = len(chosen)
    if n < 2:
        return None
    if all(c.features for c in chosen):
        rows = np.array([c.features for c in chosen])
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        # The squared length of the sum holds every pair twice, and each with itself once.
        return "features", float(1 - (np.sum(rows.sum(axis=0) ** 2) - n) / (n * (n - 1)))
    texts = [set(words(c.sample)) for c in chosen]
    total = sum(map(len, texts))
    return ("words", len(set().union(*texts)) / total) if total else None


def shares(answers: Sequence[str | None], *, classes: Sequence[str]) -> dict[str, float]:
    """Share of each of `classes`, and of what is in none of them if there is any."""
    counts = Counter(_named(answer) for answer in answers)
    found = {name: counts[name] / len(answers) for name in classes}
    rest = len(answers) - sum(counts[name] for name in classes)
    return found | ({OTHERS: rest / len(answers)} if rest else {})


def class_shares(
    selected: Sequence[str | None], candidates: Sequence[str | None]
) -> dict[str, dict[str, float]]:
    """Shares of the answers among what was selected and among all candidates.

    The ten most frequent ones of the candidates, `(unparsed)` being one, and `(others)`.
    """
    counts = Counter(_named(answer) for answer in candidates)
    # By name where equally frequent, so that the order of the candidates does not matter.
    names = sorted(counts, key=lambda name: (-counts[name], name))[:_CLASSES]
    return {
        "selected": shares(selected, classes=sorted(names)),
        "candidates": shares(candidates, classes=sorted(names)),
    }


def _named(answer: str | None) -> str:
    return UNPARSED if answer is None else answer


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
    *,
    wrong: Mapping[str, bool],
    gold: GoldBook,
    seed: int | None = None,
) -> dict[str, Any]:
    """Diagnostics of a round, as primitives for its line in `rounds.jsonl`.

    Args:
        candidates: All candidates of the round.
        query: What was chosen of them.
        wrong: Of the candidates, see `wrong_attempts`.
        gold: For the shares of the right answers.
        seed: Of the run, for the overlap with a random choice.

    Returns:
        The keys of `separation` for "the attempt is wrong", over all candidates with an attempt;
        `spearman`; `diversity`, see `selection_diversity`; `classes`: `class_shares` of the
        `answer` of the student and of `gold`; `mean_steps` of the selected attempts and
        `mean_steps_candidates` of all, None without attempts; with `seed` also `random_overlap`
        and `chance_overlap`, see `random_overlap`.
    """
    items = [item for item in query.items if not item.audit]
    by_id = {c.sample.id: c for c in candidates}
    found: dict[str, Any] = {
        **separation((by_id[i].scores, is_wrong) for i, is_wrong in wrong.items()),
        "spearman": spearman(candidates),
        "diversity": selection_diversity([by_id[i.sample.id] for i in items], candidates),
        "classes": _classes(query, candidates, gold),
        "mean_steps": mean([len(i.attempt.steps) for i in items if i.attempt is not None]),
        "mean_steps_candidates": mean(
            [len(c.attempt.steps) for c in candidates if c.attempt is not None]
        ),
    }
    if seed is not None:
        observed, expected = random_overlap(query, candidates, seed=seed)
        found |= {"random_overlap": observed, "chance_overlap": expected}
    return found


def selection_diversity(
    selected: Sequence[Candidate], candidates: Sequence[Candidate]
) -> dict[str, Any] | None:
    """`diversity` of what was selected and, where it is by features, of all candidates."""
    found = diversity(selected)
    if found is None:
        return None
    of, value = found
    whole = diversity(candidates) if of == "features" else None
    return {"of": of, "selected": value, "candidates": whole[1] if whole else None}


def _classes(query: Query, candidates: Sequence[Candidate], gold: GoldBook) -> dict[str, Any]:
    items = [item for item in query.items if not item.audit]
    found: dict[str, Any] = {}
    if not items:
        return found
    tried = [c.attempt.answer for c in candidates if c.attempt is not None]
    if tried:  # then all candidates have been, and so has what was selected of them
        answers = [i.attempt.answer for i in items if i.attempt is not None]
        found["answer"] = class_shares(answers, tried)
    chosen = [gold[i.sample.id].answer for i in items if i.sample.id in gold]
    answers = [gold[c.sample.id].answer for c in candidates if c.sample.id in gold]
    if chosen:
        found["gold"] = class_shares(chosen, answers)
    return found


def mean(values: Sequence[float]) -> float | None:
    """None of nothing."""
    return sum(values) / len(values) if values else None
