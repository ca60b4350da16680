"""F1 of labels and of entity spans, with intervals over samples.

The values are those of torchmetrics and of nervaluate; intervals resample the samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elad_exp.entities import Span, from_answer
from elad_exp.rng import generator
from elad_exp.types import Metric

_RESAMPLES = 1000
_NOTHING = "no samples to measure"


def macro_f1(gold: Sequence[str], predicted: Sequence[str | None], labels: Sequence[str]) -> Metric:
    """Mean over labels of their F1; a prediction that is no label counts for none of them.

    A label that is neither in `gold` nor in `predicted` is left out of the mean.

    Raises:
        ValueError: There are no samples.
    """
    import torch
    from torchmetrics.functional.classification import multiclass_f1_score

    if not gold:
        raise ValueError(_NOTHING)
    numbers = {label: n for n, label in enumerate(labels)}
    right = np.array([numbers[label] for label in gold])
    found = np.array([numbers.get(label or "", len(labels)) for label in predicted])
    scores = multiclass_f1_score(
        torch.from_numpy(found),
        torch.from_numpy(right),
        num_classes=len(labels) + 1,
        average="none",
    )
    classes = np.arange(len(labels))
    is_right, is_found = right[:, None] == classes, found[:, None] == classes
    seen = is_right.any(axis=0) | is_found.any(axis=0)
    value = float(scores[: len(labels)].numpy()[seen].mean())

    def mean(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        both, sizes = weights @ (is_right & is_found), weights @ is_right + weights @ is_found
        drawn = sizes > 0
        f1 = np.divide(2.0 * both, sizes, where=drawn, out=np.zeros(sizes.shape))
        means: NDArray[np.float64] = f1.sum(axis=1) / drawn.sum(axis=1)
        return means

    return Metric(value, len(gold), _interval(mean, len(gold)), "bootstrap over samples")


def span_f1(
    gold: Sequence[Sequence[Span]], predicted: Sequence[Sequence[Span]], types: Sequence[str]
) -> Metric:
    """F1 over all spans; right is one of the same type, begin and end. 0 where there are none.

    Raises:
        ValueError: There are no samples.
    """
    from nervaluate import Evaluator

    if not gold:
        raise ValueError(_NOTHING)
    found = Evaluator(_records(gold), _records(predicted), tags=list(types), loader="dict")
    value = float(found.evaluate()["overall"]["strict"].f1)
    hits = [len(set(a) & set(b)) for a, b in zip(gold, predicted, strict=True)]
    sizes = [len(set(a)) + len(set(b)) for a, b in zip(gold, predicted, strict=True)]
    columns = np.array([hits, sizes]).T

    def over_all(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        sums = weights @ columns
        where = sums[:, 1] > 0
        f1: NDArray[np.float64] = np.divide(
            2.0 * sums[:, 0], sums[:, 1], where=where, out=np.zeros(len(sums))
        )
        return f1

    return Metric(value, len(gold), _interval(over_all, len(gold)), "bootstrap over samples")


def label_measures(
    gold: Sequence[str], predicted: Sequence[str | None], labels: Sequence[str]
) -> dict[str, Metric]:
    """What a classification task is measured by beside accuracy."""
    return {"macro_f1": macro_f1(gold, predicted, labels)}


def span_measures(
    gold: Sequence[str], predicted: Sequence[str | None], types: Sequence[str]
) -> dict[str, Metric]:
    """What a task with entities is measured by: of canonical answers, None being without any."""
    right = [from_answer(answer) for answer in gold]
    found = [from_answer(answer) if answer else () for answer in predicted]
    return {"span_f1": span_f1(right, found, types)}


def _records(spans: Sequence[Sequence[Span]]) -> list[list[dict[str, Any]]]:
    return [[{"label": s.type, "start": s.start, "end": s.end} for s in own] for own in spans]


def _interval(statistic: Any, n: int) -> tuple[float, float]:
    """Of `statistic`, a function of how often each sample was drawn, (resamples, n)."""
    weights = generator(0, "bootstrap").multinomial(n, np.full(n, 1 / n), size=_RESAMPLES)
    low, high = np.quantile(statistic(weights), [0.025, 0.975])
    return float(low), float(high)
