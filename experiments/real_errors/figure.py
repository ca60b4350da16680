"""The study's figure: AUROC of every score, and how the components correlate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from summary import COMBINED, components, ordered, square

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette, which colour-blind readers can tell apart.
_MARKS = (("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"))


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Write a PNG file."""
    from matplotlib.figure import Figure

    names = ordered(found, "auroc")
    figure = Figure(figsize=(13, 0.3 * len(names) + 1.4), layout="constrained", facecolor="white")
    left, right = figure.subplots(1, 2, width_ratios=(1.1, 1))
    _areas(left, found, names)
    _correlations(right, found["mean"]["spearman"])
    figure.savefig(path, dpi=130)


def _areas(axes: Axes, found: Mapping[str, Any], names: list[str]) -> None:
    places = range(len(names), 0, -1)
    marks = zip(found["datasets"].items(), _MARKS, strict=False)
    for (dataset, here), (colour, marker) in marks:
        known = [(here["all"].get(f"auroc/{n}"), y) for n, y in zip(names, places, strict=True)]
        values = [metric["value"] for metric, _ in known if metric]
        heights = [y for metric, y in known if metric]
        axes.scatter(values, heights, s=22, color=colour, marker=marker, alpha=0.8, label=dataset)
    for name, y in zip(names, places, strict=True):
        if mean := found["mean"]["all"][f"auroc/{name}"]:
            label = "mean, 95 % interval" if y == len(names) else None
            axes.plot(mean["ci95"], (y, y), color="black", lw=1.4)
            axes.plot(mean["value"], y, "D", color="black", ms=5, label=label)
    axes.axvline(0.5, color="#888888", ls=":", lw=1)
    axes.set_yticks(places, names)
    for label in axes.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() in COMBINED else "normal")
    axes.set_xlabel("AUROC: the attempt is wrong")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#dddddd", lw=0.8)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, fontsize=8, loc="lower right")


def _correlations(axes: Axes, correlations: Mapping[str, float | None]) -> None:
    names = components(correlations)
    rows = [[float("nan") if v is None else v for v in row] for row in square(correlations)]
    image = axes.imshow(rows, cmap="RdBu_r", vmin=-1, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_title("Spearman, mean over datasets", fontsize=10)
    axes.figure.colorbar(image, ax=axes, shrink=0.8)
