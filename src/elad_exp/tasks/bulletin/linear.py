"""How far a linear model of words and pairs of words comes: is there something left to learn?

Measured on dev: test is not looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from elad_exp.protocols import Splits
from elad_exp.rng import generator
from elad_exp.types import Sample

COLUMNS = ("dev", "easy", "hard")


def accuracies(splits: Splits, *, shots: int | None, draws: int = 10) -> dict[str, float]:
    """Accuracy on dev, on its easy and its hard texts, and under the name of each phenomenon.

    Args:
        splits: The notices of one world.
        shots: Labelled texts of the pool for each class; None for all of it.
        draws: Means over so many draws of these texts.
    """
    right = np.array([splits.gold[s.id].answer for s in splits.dev])
    groups: dict[str, list[int]] = {"dev": list(range(len(splits.dev)))}
    for i, sample in enumerate(splits.dev):
        meta = splits.gold[sample.id].meta
        for name in (meta["difficulty"], *meta["phenomena"]):
            groups.setdefault(name, []).append(i)
    hits: list[np.ndarray] = []
    for draw in range(1 if shots is None else draws):
        train = splits.pool if shots is None else _few(splits, shots, draw)
        model = make_pipeline(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
            LogisticRegression(C=30.0, max_iter=1000),
        )
        model.fit([s.question for s in train], [splits.gold[s.id].answer for s in train])
        hits.append(model.predict([s.question for s in splits.dev]) == right)
    mean = np.mean(hits, axis=0)
    return {name: float(mean[places].mean()) for name, places in groups.items()}


def _few(splits: Splits, shots: int, draw: int) -> list[Sample]:
    order = generator(draw, "bulletin", "shots").permutation(len(splits.pool))
    chosen: dict[str, list[Sample]] = {}
    for i in order:
        sample = splits.pool[i]
        found = chosen.setdefault(splits.gold[sample.id].answer, [])
        if len(found) < shots:
            found.append(sample)
    return [sample for found in chosen.values() for sample in found]


def table(splits: Splits, *, shots: Sequence[int | None] = (1, 5, 50, None)) -> str:
    """A line for each number of shots."""
    lines = []
    for n in shots:
        found = accuracies(splits, shots=n)
        rest = sorted(set(found) - set(COLUMNS))
        shown = "  ".join(f"{name} {found[name]:.3f}" for name in (*COLUMNS, *rest))
        lines.append(f"{'pool' if n is None else f'{n}-shot'}: {shown}")
    return "\n".join(lines)
