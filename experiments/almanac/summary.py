"""Tables and figures of the almanac study from finished jobs, or from the committed curves.

`curves.csv` holds a line for each round of each job (numbers only); `tables.md` and the figures
are made from it alone, so anybody can check them without running a job.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, median
from typing import Any

from elad_exp import metrics

sys.path.insert(0, str(Path(__file__).parents[1]))
from jobs import completed, keep, read_csv

FIELDS = (
    "condition", "selector", "seed", "round", "annotations", "tokens", "train_tokens",
    "dev_acc", "test_acc", "mean_steps", "score_s", "acceptance", "commit",
)  # fmt: skip
COSTS = {
    "annotations": "annotations",
    "tokens": "teacher tokens",
    "train_tokens": "student training tokens",
}
STYLES = {  # colours that colour-blind readers can tell apart
    "elad": ("#0072B2", "-"),
    "random": ("#000000", "--"),
    "rare_words": ("#D55E00", "-"),
    "answer_entropy": ("#E69F00", "-"),
    "step_entropy": ("#009E73", "-"),
}


def collect(root: Path) -> list[dict[str, object]]:
    """Rows of `curves.csv` from the completed runs below `root`."""
    rows = []
    for (condition, selector, seed), _, result, lines in completed(root):
        for line in lines:
            select, bought = line["select"] or {}, line["bought"] or {}
            audit = bought.get("acceptance_audit")
            rows.append(
                {
                    "condition": condition,
                    "selector": selector,
                    "seed": seed,
                    "round": line["round"],
                    "annotations": line["n_labelled"],
                    "tokens": line["spent"]["tokens"],
                    "train_tokens": line["train_tokens"],
                    "dev_acc": line["dev"]["acc"]["value"],
                    "test_acc": line["test"]["acc"]["value"],
                    "mean_steps": select.get("mean_steps"),
                    "score_s": line["seconds"].get("score"),
                    "acceptance": audit["value"] if audit else None,
                    "commit": (result["git"]["commit"] or "")[:12],
                }
            )
    return rows


def curves(
    rows: list[dict[str, str]], cost: str, value: str
) -> dict[str, dict[str, dict[int, tuple[list[float], list[float]]]]]:
    """Condition -> selector -> seed -> (costs, values)."""
    found: dict = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        key = found[row["condition"]][row["selector"]]
        x, y = key.setdefault(int(row["seed"]), ([], []))
        x.append(float(row[cost]))
        y.append(float(row[value]))
    return found


def table(rows: list[dict[str, str]], condition: str, value: str) -> list[str]:
    """One condition as Markdown: areas, paired differences, annotations and tokens needed."""
    by_cost = {cost: curves(rows, cost, value)[condition] for cost in COSTS}
    found = by_cost["annotations"]
    if "random" not in found:
        return ["No finished job with `random` yet.", ""]
    out = [
        "| selector | seeds | final accuracy | minus random's [95 %] | area (annotations) |"
        " minus random [95 %], Holm p | minus rare_words [95 %], Holm p |"
        " minus elad [95 %], Holm p | area minus random (teacher tokens) |"
        " annotations needed [95 %] | tokens needed [95 %] | mean steps | score s |",
        "|" + " --- |" * 13,
    ]
    selectors = sorted(found, key=lambda s: (s != "random", s))
    random, *others = (_against(found, selectors, s) for s in ("random", "rare_words", "elad"))
    finals = {s: {seed: y[-1] for seed, (_, y) in found[s].items()} for s in selectors}
    for selector in selectors:
        runs = found[selector]
        final = metrics.mean_over_seeds([y[-1] for _, y in runs.values()])
        area = metrics.mean_over_seeds([metrics.area_under_curve(*c) for c in runs.values()])
        steps, seconds = _means(rows, condition, selector)
        cells = [selector, str(len(runs)), _metric(final)]
        seeds = sorted(set(runs) & set(found["random"]))
        pairs = [[finals[s][seed] for seed in seeds] for s in (selector, "random")]
        cells += ["-" if selector == "random" else _shown(metrics.paired_difference(*pairs))]
        cells += [_metric(area)]
        if selector == "random":
            cells += ["-"] * 4
        else:
            cells += [random[selector], *(other.get(selector, "-") for other in others)]
            cells.append(_shown(_difference(by_cost["tokens"], selector, "random", common=True)))
        for cost in ("annotations", "tokens"):
            group = by_cost[cost]
            needed = metrics.annotations_needed(group[selector], group["random"])
            cells.append(_needed(needed))
        out.append("| " + " | ".join([*cells, steps, seconds]) + " |")
    return [*out, ""]


def _against(found: dict, selectors: list[str], other: str) -> dict[str, str]:
    """Of each of the others the difference in area to `other`, and p adjusted for their number."""
    if other not in found:
        return {}
    of = {s: _difference(found, s, other) for s in selectors if s not in ("random", other)}
    adjusted = dict(zip(of, metrics.holm([d.p for d in of.values()]), strict=True))
    return {s: f"{_shown(d)}, {_p(adjusted[s])}" for s, d in of.items()}


def _difference(found: dict, a: str, b: str, *, common: bool = False) -> metrics.Difference:
    """Paired by seed; `common` cuts both curves at the largest cost that all reach."""
    seeds = sorted(set(found[a]) & set(found[b]))
    until = min(x[-1] for s in seeds for x, _ in (found[a][s], found[b][s])) if common else None
    areas = [
        [metrics.area_under_curve(*found[name][seed], until=until) for seed in seeds]
        for name in (a, b)
    ]
    return metrics.paired_difference(*areas)


def _means(rows: list[dict[str, str]], condition: str, selector: str) -> tuple[str, str]:
    mine = [r for r in rows if r["condition"] == condition and r["selector"] == selector]

    def shown(field: str, of: Callable[[list[float]], float]) -> str:
        values = [float(r[field]) for r in mine if r[field]]
        return f"{of(values):.2f}" if values else "-"

    # The median, because a job may have been halted in between.
    return shown("mean_steps", fmean), shown("score_s", median)


def _metric(m: metrics.Metric) -> str:
    return f"{m.value:.3f}" + (f" [{m.ci95[0]:.3f}, {m.ci95[1]:.3f}]" if m.ci95 else "")


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _shown(d: metrics.Difference) -> str:
    interval = f" [{d.ci95[0]:+.3f}, {d.ci95[1]:+.3f}]" if d.ci95 else ""
    return f"{d.value:+.3f}{interval}"


def _needed(n: metrics.Needed) -> str:
    def share(x: float) -> str:
        return f"> {100 * n.observed:.0f} %" if x == float("inf") else f"{100 * x:.0f} %"

    interval = f" [{share(n.ci95[0])}, {share(n.ci95[1])}]" if n.ci95 else ""
    return share(n.value) + interval


def figure(rows: list[dict[str, str]], value: str, path: Path) -> None:
    """Mean curve of each selector, a row a condition, a column a cost."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import EngFormatter

    conditions = sorted({row["condition"] for row in rows})
    names = {"a": "(a) long-tailed", "b": "(b) uniform", "c": "(c) shifted"}
    size = (4.2 * len(COSTS), 3.1 * len(conditions))
    fig, axes = plt.subplots(len(conditions), len(COSTS), figsize=size, squeeze=False, sharey="row")
    for row_axes, condition in zip(axes, conditions, strict=True):
        for axis, cost in zip(row_axes, COSTS, strict=True):
            seeds = _draw(axis, curves(rows, cost, value)[condition])
            axis.set_xlabel(COSTS[cost])
            axis.xaxis.set_major_formatter(EngFormatter(sep=""))
        row_axes[0].set_ylabel(f"{names[condition]}\n{_words(value)}, {seeds} seeds")
    axes[0][0].legend(fontsize=8, loc="lower right")
    fig.tight_layout()
    fig.savefig(path, dpi=110)
    plt.close(fig)


def headline(rows: list[dict[str, str]], value: str, path: Path) -> None:
    """Condition (a) against annotations from the first purchase on: the README's figure."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    fig, axis = plt.subplots(figsize=(7.2, 3.9))
    bought = [row for row in rows if row["round"] != "0"]
    seeds = _draw(axis, curves(bought, "annotations", value)["a"])
    axis.set_xlabel("annotations bought")
    axis.set_ylabel(f"{_words(value)}, mean of {seeds} seeds")
    axis.legend(fontsize=9, loc="lower right")
    axis.spines[["top", "right"]].set_visible(False)
    fig.tight_layout()
    fig.savefig(path, dpi=130)
    plt.close(fig)


def _draw(axis: Any, found: dict) -> int:
    """Mean and standard error of each selector; returns the number of seeds.

    More than four selectors without a style of their own would not be told apart: those that are
    others with an option changed (`NAME-OPTION`) are left to the table then.
    """
    import numpy as np

    others = iter(("#CC79A7", "#56B4E9", "#F0E442", "#999999"))
    for selector in sorted(found, key=_order):
        colour, style = STYLES.get(selector) or (next(others, None), "-")
        if colour is None:
            continue
        grid, values = metrics.mean_curve(list(found[selector].values()))
        mean = values.mean(axis=0)
        axis.plot(grid, mean, style, color=colour, label=selector, lw=1.6)
        if len(values) > 1:
            error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
            axis.fill_between(grid, mean - error, mean + error, color=colour, alpha=0.12)
    axis.grid(alpha=0.25)
    return len(found["random"])


def _words(value: str) -> str:
    return value.replace("_acc", " accuracy")


def _order(selector: str) -> tuple[bool, bool, bool, str]:
    return (selector != "random", selector != "elad", "-" in selector, selector)


def summarise(root: Path, out: Path) -> None:
    """Write `curves.csv`, `tables.md` and a figure for one part of the study."""
    part = root.name
    csv_path = out / f"{part}_curves.csv"
    collected = collect(root)
    if collected:
        keep(csv_path, collected, FIELDS)
    rows = read_csv(csv_path)
    value = "dev_acc" if part.startswith("tuning") else "test_acc"
    text = [f"Measured on {value.split('_')[0]}; commits: {_commits(rows)}.", ""]
    for condition in sorted({row["condition"] for row in rows}):
        text += [f"### Condition ({condition})", "", *table(rows, condition, value)]
    (out / f"{part}_tables.md").write_text("\n".join(text))
    figure(rows, value, out / f"{part}.png")
    headline(rows, value, out / f"{part}_a.png")
    print("\n".join(text))


def _commits(rows: list[dict[str, str]]) -> str:
    return ", ".join(sorted({row["commit"] for row in rows if row["commit"]}))
