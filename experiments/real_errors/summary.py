"""What stored scores say of real errors: areas, their means over datasets, rank correlations."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import combinations
from typing import Any

from hydra.utils import instantiate

from elad_exp.config import compose_config
from elad_exp.lines import stored_candidate
from elad_exp.metrics import accuracy, auroc, proportion
from elad_exp.rundir import Line
from elad_exp.selectors.combine import WeightedSum
from elad_exp.selectors.diagnose import UNPARSED, separation, spearman
from elad_exp.types import Metric

Scores = dict[str, float]
COMBINED = ("elad", "elad_mean", "elad_equal", "elad_free", "elad_zsum")
"""Selectors that weigh several components: what they rank by is judged like a component."""
PARTS = ("all", "readable", "within")


def summarise(found: Mapping[str, tuple[dict[str, Any], Sequence[Line]]]) -> dict[str, Any]:
    """By dataset and over datasets; `found` has a job's description and its lines of scores."""
    datasets = {name: {"job": job} | of_dataset(lines) for name, (job, lines) in found.items()}
    over = {
        part: {
            key: mean_over_datasets([here[part].get(key) for here in datasets.values()])
            for key in sorted({key for here in datasets.values() for key in here[part]})
        }
        for part in PARTS
    }
    pairs = [here["spearman"] for here in datasets.values()]
    over["spearman"] = {
        pair: _mean([found.get(pair) for found in pairs])
        for pair in sorted({pair for found in pairs for pair in found})
    }
    explained = [here["explained_by_answer"] for here in datasets.values()]
    names = sorted({name for found in explained for name in found})
    over["explained_by_answer"] = {n: _mean([found.get(n) for found in explained]) for n in names}
    return {"datasets": datasets, "mean": over}


def of_dataset(lines: Sequence[Line]) -> dict[str, Any]:
    """Areas over `all` attempts, over those with a `readable` answer alone, and `within` answers.

    An answer that cannot be read is wrong, and components are built to see it; whether they see
    mistakes of substance is what the second asks. A student that gives one answer too often is
    mostly wrong where it gives it; whether a score knows more than that is what the third asks.
    """
    rows = [(s, line["attempt_wrong"]) for s, line in zip(combined(lines), lines, strict=True)]
    readable = [line["attempt_answer"] is not None for line in lines]
    answers = Counter(line["attempt_answer"] or UNPARSED for line in lines)
    return {
        "n": len(lines),
        "accuracy": accuracy([not wrong for _, wrong in rows]).to_dict(),
        "wrong": proportion(sum(wrong for _, wrong in rows), len(rows)).to_dict(),
        "unreadable": proportion(readable.count(False), len(readable)).to_dict(),
        "answers": {name: answers[name] / len(lines) for name in sorted(answers)},
        "all": separation(rows),
        "readable": separation([row for row, is_one in zip(rows, readable, strict=True) if is_one]),
        "within": within_answers(rows, [line["attempt_answer"] for line in lines]),
        "explained_by_answer": explained_by_answer(
            [scores for scores, _ in rows], [line["attempt_answer"] for line in lines]
        ),
        "spearman": spearman([stored_candidate(line) for line in lines]),
    }


def combined(lines: Sequence[Line]) -> list[Scores]:
    """The components of each line, and what the selectors of `COMBINED` make of them."""
    candidates = [stored_candidate(line) for line in lines]
    found = [dict(candidate.scores) for candidate in candidates]
    for selector in combining():
        for scores, value in zip(found, selector.combine(candidates), strict=True):
            scores[selector.name] = value
    return found


@cache
def combining() -> tuple[WeightedSum, ...]:
    """The selectors of `COMBINED`, as configured."""
    configs = [compose_config([f"selector={name}"]) for name in COMBINED]
    return tuple(instantiate(config.selector) for config in configs)


def within_answers(
    rows: Sequence[tuple[Scores, bool]], answers: Sequence[str | None]
) -> dict[str, Any]:
    """`auroc/NAME` over pairs of attempts that gave the same answer, None where there are none.

    The mean of the answers' areas, each weighing as many pairs as it has. The interval adds the
    squared, weighted distances from each area to the ends of its own.
    """
    groups: dict[str | None, list[tuple[Scores, bool]]] = {}
    for row, answer in zip(rows, answers, strict=True):
        groups.setdefault(answer, []).append(row)
    found: dict[str, Any] = {}
    for name in sorted(rows[0][0]):
        areas, pairs = [], []
        for group in groups.values():
            wrong = [is_wrong for _, is_wrong in group]
            if area := auroc([scores[name] for scores, _ in group], wrong):
                areas.append(area.to_dict())
                pairs.append(sum(wrong) * (len(wrong) - sum(wrong)))
        shares = [count / sum(pairs) for count in pairs]
        found[f"auroc/{name}"] = _weighted_mean(areas, shares) if areas else None
    return found


def explained_by_answer(
    scores: Sequence[Scores], answers: Sequence[str | None]
) -> dict[str, float | None]:
    """Share of each score's variance that lies between the answers of the attempts (eta squared).

    A score that the answer explains says which answer was given. None without any variance.
    """
    found = {}
    for name in sorted(scores[0]):
        groups: dict[str | None, list[float]] = {}
        for row, answer in zip(scores, answers, strict=True):
            groups.setdefault(answer, []).append(row[name])
        values = [row[name] for row in scores]
        centre = math.fsum(values) / len(values)
        total = math.fsum((value - centre) ** 2 for value in values)
        between = math.fsum(len(g) * (math.fsum(g) / len(g) - centre) ** 2 for g in groups.values())
        found[name] = between / total if total else None
    return found


def mean_over_datasets(found: Sequence[Mapping[str, Any] | None]) -> dict[str, Any] | None:
    """Mean of metrics of datasets that share no question; None where one of them has none.

    The interval is about these datasets with other questions, not about other datasets or other
    students. It adds the squared distances from each value to the ends of its own interval, so that
    it may be lopsided as they are (Zou and Donner, Statistics in Medicine 27, 2008).
    """
    if not found or any(metric is None for metric in found):
        return None
    metrics = [metric for metric in found if metric is not None]
    k = len(metrics)
    mean = _weighted_mean(metrics, [1 / k] * k)
    if "prevalence" in metrics[0]:
        mean["prevalence"] = math.fsum(metric["prevalence"] for metric in metrics) / k
    return mean


def _weighted_mean(metrics: Sequence[Mapping[str, Any]], shares: Sequence[float]) -> dict[str, Any]:
    both = list(zip(metrics, shares, strict=True))
    value = math.fsum(share * m["value"] for m, share in both)
    below = math.hypot(*(share * (m["value"] - m["ci95"][0]) for m, share in both))
    above = math.hypot(*(share * (m["ci95"][1] - m["value"]) for m, share in both))
    interval = (max(0.0, value - below), min(1.0, value + above))
    method = f"mean of {len(both)}, squared distances added"
    return Metric(value, sum(m["n"] for m in metrics), interval, method).to_dict()


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


# -- tables ----------------------------------------------------------------------------------


def tables(found: Mapping[str, Any]) -> str:
    """Markdown: the datasets, AUROC, AUPRC and rank correlations."""
    parts = [
        _datasets(found["datasets"]),
        "AUROC of each score for 'the attempt is wrong' [95 %], highest mean first. `readable`: "
        "without the attempts whose answer cannot be read. `within`: over pairs of attempts that "
        "gave the same answer, so that a score gains nothing by telling which answer was given.",
        _areas(found, "auroc"),
        "AUPRC; scores that say nothing reach the share of wrong attempts: "
        f"{_shares_of_wrong(found)}.",
        _areas(found, "auprc"),
        "Share of the scores' variance that lies between the attempts' answers (eta squared).",
        _explained(found),
        "Spearman's rank correlation of the components, mean over datasets.",
        _correlations(found["mean"]["spearman"]),
    ]
    return "\n\n".join(parts) + "\n"


def _datasets(datasets: Mapping[str, Any]) -> str:
    head = ["dataset", "n", "wrong", "right", "majority class", "unreadable", "train loss"]
    rows = [
        [
            name,
            str(here["n"]),
            shown(here["wrong"]),
            shown(here["accuracy"]),
            f"{here['job']['majority']:.3f}",
            shown(here["unreadable"]),
            f"{here['job']['train_loss']:.2f}",
        ]
        for name, here in datasets.items()
    ]
    return _table(head, rows)


def _areas(found: Mapping[str, Any], measure: str) -> str:
    datasets, mean = found["datasets"], found["mean"]
    parts = PARTS if measure == "auroc" else PARTS[:2]
    if not (several := len(datasets) > 1):
        parts = parts[1:]
    rows = []
    for name in ordered(found, measure):
        key = f"{measure}/{name}"
        metrics = [here["all"].get(key) for here in datasets.values()]
        metrics += [mean[part].get(key) for part in parts]
        rows.append([f"**{name}**" if name in COMBINED else name, *map(shown, metrics)])
    head = ["mean" if part == "all" else "mean, " * several + part for part in parts]
    return _table(["score", *datasets, *head], rows)


def _explained(found: Mapping[str, Any]) -> str:
    datasets, mean = found["datasets"], found["mean"]
    rows = []
    for name, overall in mean["explained_by_answer"].items():
        shares = [here["explained_by_answer"].get(name) for here in datasets.values()]
        rows.append([name, *("-" if s is None else f"{100 * s:.0f} %" for s in [*shares, overall])])
    return _table(["score", *datasets, "mean"], rows)


def _shares_of_wrong(found: Mapping[str, Any]) -> str:
    shares = {name: here["wrong"]["value"] for name, here in found["datasets"].items()}
    mean = math.fsum(shares.values()) / len(shares)
    return ", ".join(f"{name} {share:.3f}" for name, share in [*shares.items(), ("mean", mean)])


def ordered(found: Mapping[str, Any], measure: str) -> list[str]:
    """Names of all scores, the highest mean first, those without one last."""
    means = found["mean"]["all"]
    names = [key.partition("/")[2] for key in means if key.startswith(f"{measure}/")]

    def place(name: str) -> tuple[float, str]:
        mean = means[f"{measure}/{name}"]
        return (-mean["value"] if mean else math.inf), name

    return sorted(names, key=place)


def components(correlations: Mapping[str, float | None]) -> list[str]:
    return sorted({name for pair in correlations for name in pair.split("~")})


def square(correlations: Mapping[str, float | None]) -> list[list[float | None]]:
    """The correlations as a symmetric matrix, in the order of `components`."""
    names = components(correlations)
    both: dict[tuple[str, str], float | None] = {(name, name): 1.0 for name in names}
    for one, other in combinations(names, 2):
        both[one, other] = both[other, one] = correlations.get(f"{one}~{other}")
    return [[both[one, other] for other in names] for one in names]


def _correlations(correlations: Mapping[str, float | None]) -> str:
    names = components(correlations)
    rows = [
        [f"{i} {name}", *("-" if value is None else f"{value:.2f}" for value in row)]
        for i, (name, row) in enumerate(zip(names, square(correlations), strict=True), 1)
    ]
    return _table(["", *(str(i) for i in range(1, len(names) + 1))], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def shown(metric: Mapping[str, Any] | None) -> str:
    if metric is None:
        return "-"
    low, high = metric["ci95"]
    return f"{metric['value']:.3f} [{low:.3f}, {high:.3f}]"
