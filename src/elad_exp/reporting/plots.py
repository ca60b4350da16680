"""Budget curves as PNG files. matplotlib is imported when a figure is drawn."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from elad_exp.errors import DataError
from elad_exp.metrics import mean_curve, mean_over_seeds
from elad_exp.reporting.files import read_run
from elad_exp.reporting.summaries import RunSummary, load_sweep
from elad_exp.rundir import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABELS = {
    "annotations": "annotations bought",
    "tokens": "teacher tokens",
    "train_tokens": "student training tokens",
}
# Okabe and Ito's palette, which colour-blind readers can tell apart; line styles repeat the
# distinction for print in grey.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_STYLES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)))
_BASELINE = "#444444"
_DPI = 150


def curve_png(run_dir: str | Path, path: str | Path) -> None:
    """Draw a run's test accuracy against the annotations bought.

    The band is the 95 % Wilson interval of each measurement; the hollow point is the untrained
    student; the dotted line is the accuracy of always giving the majority answer.

    Raises:
        DataError: The run has not measured a round yet.
    """
    run = read_run(run_dir)
    if not run.rounds:
        raise DataError(f"{run.path} has no measured round to draw")
    costs = [line["spent"]["annotations"] for line in run.rounds]
    accs = [line["test"]["acc"] for line in run.rounds]
    values = [acc["value"] for acc in accs]
    figure = _figure(6.4, 4.2)
    axes = figure.add_subplot()
    low, high = [acc["ci95"][0] for acc in accs], [acc["ci95"][1] for acc in accs]
    axes.fill_between(costs, low, high, color=_COLOURS[0], alpha=0.18, linewidth=0)
    axes.plot(costs, values, color=_COLOURS[0], marker="o", markersize=4, label="test accuracy")
    axes.plot(
        costs[:1],
        values[:1],
        marker="o",
        markersize=7,
        markerfacecolor="white",
        color=_COLOURS[0],
        linestyle="none",
        clip_on=False,
        zorder=3,
        label="untrained student",
    )
    if (base := run.result["metrics"].get("test/majority")) is not None:
        axes.axhline(base["value"], color=_BASELINE, linestyle=":", label="majority answer")
    axes.set_xlabel(LABELS["annotations"])
    axes.set_ylabel(f"test accuracy (n = {accs[-1]['n']})")
    _tidy(axes)
    axes.legend(frameon=False, fontsize=9)
    _save(figure, path)


def compare_plot(
    sweep: str | Path,
    path: str | Path,
    *,
    axes: Sequence[str] = ("annotations", "tokens"),
    baseline: str = "random",
) -> None:
    """Draw mean curves over seeds, one line a selector, one row of panels a setting.

    Bands are 95 % t intervals of the mean over seeds, clipped to [0, 1] and absent for a single
    seed. Runs that a comparison does not count are left out. `axes` may name `train_tokens` too;
    one on which some run spent nothing leaves its panel empty.

    Raises:
        DataError: No run below `sweep` counts.
    """
    runs = [run for run in load_sweep(sweep) if run.completed]
    if not runs:
        raise DataError(f"no run below {sweep} can be compared; there is nothing to draw")
    settings = sorted({str(run.setting) for run in runs})
    names = sorted({str(run.selector) for run in runs}, key=lambda n: (n != baseline, n))
    figure = _figure(4.6 * len(axes), 3.4 * len(settings) + 0.6)
    panels = figure.subplots(len(settings), len(axes), squeeze=False, sharey="row")
    for row, setting in zip(panels, settings, strict=True):
        here = [run for run in runs if str(run.setting) == setting]
        for panel, axis in zip(row, axes, strict=True):
            for i, name in enumerate(names):
                chosen = [run for run in here if run.selector == name]
                _draw_mean(panel, chosen, axis, name=name, place=i, baseline=baseline)
            panel.set_xlabel(LABELS[axis])
            _tidy(panel)
        row[0].set_ylabel("test accuracy")
        if len(settings) > 1:
            row[0].set_title(_wrapped(setting, 55 * len(axes)), loc="left", fontsize=8)
    lines = {line.get_label(): line for panel in panels.flat for line in panel.get_lines()}
    shown = [str(name) for name in names if name in lines]
    figure.legend(
        [lines[name] for name in shown],
        shown,
        loc="outside lower center",
        ncols=min(4, len(shown)),
        frameon=False,
    )
    _save(figure, path)


def _draw_mean(
    panel: Axes, runs: Sequence[RunSummary], axis: str, *, name: str, place: int, baseline: str
) -> None:
    curves = [run.curve(axis) for run in runs]
    if not curves or min(costs[-1] for costs, _ in curves) <= 0:
        return
    grid, rows = mean_curve(curves)
    means = [mean_over_seeds(column.tolist()) for column in rows.T]
    colour = _BASELINE if name == baseline else _COLOURS[place % len(_COLOURS)]
    style = _STYLES[place % len(_STYLES)]
    if len(runs) > 1:
        low, high = [m.ci95[0] for m in means], [m.ci95[1] for m in means]
        panel.fill_between(grid, low, high, color=colour, alpha=0.15, linewidth=0)
    panel.plot(grid, [m.value for m in means], color=colour, linestyle=style, label=name)


def _figure(width: float, height: float) -> Figure:
    """A figure that belongs to no window system and to no global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def _tidy(axes: Axes) -> None:
    from matplotlib.ticker import EngFormatter, FormatStrFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.yaxis.set_major_formatter(FormatStrFormatter("%.2f"))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlim(left=0)


def _wrapped(text: str, width: int) -> str:
    """Text for a title: broken before it is cut off, with nothing that reads as a formula."""
    return "\n".join(textwrap.wrap(text, width)).replace("$", r"\$")


def _save(figure: Figure, path: str | Path) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    write_atomic(Path(path), buffer.getvalue())
