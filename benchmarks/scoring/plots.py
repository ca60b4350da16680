"""What scoring costs against the size of a pool, the samples and the steps, drawn from results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt

AXES = {
    "questions": "questions",
    "k": "sampled explanations k",
    "prefixes": "steps after which an answer is forced",
}


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Three panels: medians, with the range of the repetitions.

    Args:
        rows: Those of growth, each with the axis that it belongs to as `growth`.
        path: The PNG.
    """
    figure, panels = plt.subplots(1, 3, figsize=(10.5, 3.2), constrained_layout=True)
    for panel, (axis, label) in zip(panels, AXES.items(), strict=True):
        found: dict[int, list[float]] = {}
        for row in rows:
            if axis in row["growth"]:
                found.setdefault(row[axis], []).append(row["wall_s"])
        at = sorted(found)
        middle = [median(found[x]) for x in at]
        below = [m - min(found[x]) for x, m in zip(at, middle, strict=True)]
        above = [max(found[x]) - m for x, m in zip(at, middle, strict=True)]
        panel.errorbar(at, middle, yerr=[below, above], marker="o", capsize=3)
        top = max(m + a for m, a in zip(middle, above, strict=True))
        panel.set(xlabel=label, xticks=at, xlim=(0, 1.08 * at[-1]), ylim=(0, 1.08 * top))
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("wall seconds")
    figure.savefig(path, dpi=150, metadata={"Software": None})
    plt.close(figure)
