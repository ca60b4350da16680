"""Tables and figures of the EvoKD study from finished jobs, or from the committed curves.

`PART_curves.csv` holds a line for each round of each job; tables and figures are made from it
alone.
"""

from __future__ import annotations

import math
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from arms import LINES

from elad_exp import metrics
from elad_exp.rundir import read_lines

sys.path.insert(0, str(Path(__file__).parents[1]))
from jobs import completed, keep, read_csv

FIELDS = (
    "condition", "selector", "seed", "round", "annotations", "tokens", "optimizer_steps",
    "dev_f1", "test_f1", "dev_acc", "test_acc", "asked", "usable", "weak", "wall_s", "commit",
)  # fmt: skip


class Reading(NamedTuple):
    """How the curves of a part are read."""

    value: str
    unit: str
    """What they are drawn against: `tokens`, or `annotations`, those given included."""
    against: str
    """The arm that all others are compared with."""
    levels: tuple[int, ...]
    """Where arms are shown."""
    compared: float
    """Where they are compared."""


_TOKENS = Reading("test_f1", "tokens", "evokd", (2000, 4000, 6000, 10_000, 12_000), 8000)
READINGS = {
    "bulletin": _TOKENS,
    "uneven": _TOKENS,
    "tuning": _TOKENS._replace(value="dev_f1"),
    # As many texts a round for all, whatever they cost.
    "real": Reading("test_f1", "annotations", "random", (70, 100, 130, 160), math.inf),
}
UNITS = {"tokens": "teacher tokens", "annotations": "labelled texts"}
TEXTS = 36
"""Texts, given ones included, at which it is read as well: what one is worth, whatever it cost."""
Rows = list[dict[str, str]]


def collect(root: Path) -> list[dict[str, object]]:
    """Rows of the curves, from completed runs."""
    rows = []
    for (condition, arm, seed), folder, result, rounds in completed(root):
        weak = weak_classes(folder, rounds)
        for line in rounds:
            bought = line["bought"] or {}
            f1 = "span_f1" if "span_f1" in line["test"] else "macro_f1"
            rows.append(
                {
                    "condition": condition,
                    "selector": arm,
                    "seed": seed,
                    "round": line["round"],
                    "annotations": line["n_labelled"],
                    "tokens": line["spent"]["tokens"],
                    "optimizer_steps": line["optimizer_steps"],
                    **{f"{s}_f1": line[s][f1]["value"] for s in ("dev", "test")},
                    **{f"{s}_acc": line[s]["acc"]["value"] for s in ("dev", "test")},
                    "asked": bought.get("asked"),
                    "usable": bought.get("ok"),
                    "weak": weak.get(line["round"]),
                    "wall_s": round(result["wall_s"]),
                    "commit": (result["git"]["commit"] or "")[:12],
                }
            )
    return rows


def weak_classes(folder: Path, rounds: Sequence[dict[str, Any]]) -> dict[int, float]:
    """Round -> share of its new texts that are of the half of the classes that dev showed weakest
    (lowest recall) before it was bought; above one half where weak classes get more than others.

    Of runs whose answers are class names, and texts that are not of the first query.
    """
    lines = [x for x in read_lines(folder / "annotations.jsonl") if x["trained_on"]]
    classes = sorted({x["answer"] for x in lines})
    if len(classes) < 2 or classes[0].startswith("["):
        return {}
    right: dict[int, Counter[str]] = defaultdict(Counter)
    of_class: dict[int, Counter[str]] = defaultdict(Counter)
    gold = gold_of(folder)
    for x in read_lines(folder / "predictions.jsonl"):
        if x["split"] == "dev" and x["id"] in gold:
            of_class[x["round"]][gold[x["id"]]] += 1
            right[x["round"]][gold[x["id"]]] += x["correct"]
    found = {}
    for line in rounds[1:]:
        number = line["round"]
        new = [x["answer"] for x in lines if x["round"] == number]
        if not new:
            continue
        recall = {c: right[number][c] / max(of_class[number][c], 1) for c in classes}
        weakest = sorted(classes, key=lambda c: recall[c])[: len(classes) // 2]
        found[number] = sum(answer in weakest for answer in new) / len(new)
    return found


def gold_of(folder: Path) -> dict[str, str]:
    """Of dev's texts the answer, from the dataset that the run names."""
    from omegaconf import OmegaConf

    return _gold(OmegaConf.to_yaml(OmegaConf.load(folder / "config.yaml").dataset))


@cache
def _gold(dataset: str) -> dict[str, str]:
    from omegaconf import OmegaConf

    from elad_exp.building import build

    splits = build(OmegaConf.create(dataset)).load()
    return {s.id: splits.gold[s.id].answer for s in splits.dev}


def runs(rows: Rows) -> dict[str, dict[int, Rows]]:
    """Arm -> seed -> the rows of that run, in the order of rounds."""
    found: dict[str, dict[int, Rows]] = defaultdict(lambda: defaultdict(list))
    for row in sorted(rows, key=lambda row: int(row["round"])):
        found[row["selector"]][int(row["seed"])].append(row)
    return found


def in_hand(run: Rows, spent: float, unit: str = "tokens") -> dict[str, str]:
    """The last row that was had for at most so much: nobody has half a round."""
    return [row for row in run if float(row[unit]) <= spent][-1]


def at(run: Rows, value: str, spent: float, unit: str = "tokens") -> float:
    """The value along the line through the rounds, as curves are read everywhere here; after the
    last round that one's. Of rounds that cost nothing the last counts.
    """
    points = {float(row[unit]): float(row[value]) for row in run}
    return float(np.interp(spent, list(points), list(points.values())))


def table(rows: Rows, reading: Reading) -> list[str]:
    """A row an arm: F1 at levels, where arms are compared the paired difference, and what the last
    round had that so much covered.
    """
    found = runs(rows)
    value, unit, against, compared = reading.value, reading.unit, reading.against, reading.compared
    arms = sorted(found, key=lambda arm: (arm != against, arm))
    where = "at the end" if math.isinf(compared) else f"at {compared:,}"
    heads = ["arm", "seeds", *(f"at {n:,}" for n in reading.levels), f"{where} [95 %]"]
    heads += [f"minus {against} [95 %], Holm p", "in hand", "texts", "tokens", "steps"]
    out = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    ends = {arm: math.inf if arm in LINES else compared for arm in arms}
    scores = {
        arm: {seed: at(run, value, ends[arm], unit) for seed, run in found[arm].items()}
        for arm in arms
    }
    others = [arm for arm in arms if arm != against]
    differences = {arm: _paired(scores[arm], scores[against]) for arm in others}
    adjusted = dict(zip(others, metrics.holm([d.p for d in differences.values()]), strict=True))
    for arm in arms:
        mean = metrics.mean_over_seeds(list(scores[arm].values()))
        cells = [arm, str(mean.n)]
        for level in reading.levels:
            here = [at(run, value, level, unit) for run in found[arm].values()]
            cells.append("" if arm in LINES else f"{sum(here) / len(here):.3f}")
        interval = f" [{mean.ci95[0]:.3f}, {mean.ci95[1]:.3f}]" if mean.ci95 else ""
        cells.append(f"{mean.value:.3f}{interval}")
        if arm == against:
            cells.append("-")
        else:
            d = differences[arm]
            ci = f" [{d.ci95[0]:+.3f}, {d.ci95[1]:+.3f}]" if d.ci95 else ""
            cells.append(f"{d.value:+.3f}{ci}, p = {adjusted[arm]:.3f}")
        had = [in_hand(run, ends[arm], unit) for run in found[arm].values()]
        cells.append(f"{sum(float(row[value]) for row in had) / len(had):.3f}")
        for field in ("annotations", "tokens", "optimizer_steps"):
            cells.append(f"{sum(float(row[field]) for row in had) / len(had):,.0f}")
        out.append("| " + " | ".join(cells) + " |")
    return [*out, ""]


def equal_texts(rows: Rows, value: str, *, against: str) -> list[str]:
    """Of each arm that has `TEXTS` in all seeds: its value there, and the paired difference."""
    found = {
        arm: {seed: at(run, value, TEXTS, "annotations") for seed, run in seeds.items()}
        for arm, seeds in runs(rows).items()
        if arm not in LINES
        and all(float(run[-1]["annotations"]) >= TEXTS for run in seeds.values())
    }
    if against not in found:
        return []
    out = [f"At {TEXTS} texts, those given included, and minus {against} [95 %]:", ""]
    for arm, scores in found.items():
        d = _paired(scores, found[against])
        ci = f" [{d.ci95[0]:+.3f}, {d.ci95[1]:+.3f}]" if d.ci95 else ""
        mean = sum(scores.values()) / len(scores)
        out.append(f"- {arm}: {mean:.3f}" + ("" if arm == against else f", {d.value:+.3f}{ci}"))
    return [*out, ""]


def _paired(one: dict[int, float], other: dict[int, float]) -> metrics.Difference:
    seeds = sorted(set(one) & set(other))
    return metrics.paired_difference([one[s] for s in seeds], [other[s] for s in seeds])


def weak_table(rows: Rows) -> list[str]:
    """Of each arm: share of new texts that are of the weaker half of the classes, mean over rounds
    and seeds.
    """
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["weak"]:
            found[row["selector"]][row["seed"]].append(float(row["weak"]))
    if not found:
        return []
    out = ["Share of new texts of the weaker half of the classes [95 % over seeds]:", ""]
    for arm, seeds in found.items():
        m = metrics.mean_over_seeds([sum(v) / len(v) for v in seeds.values()])
        interval = f" [{m.ci95[0]:.2f}, {m.ci95[1]:.2f}]" if m.ci95 else ""
        out.append(f"- {arm}: {m.value:.2f}{interval}")
    return [*out, ""]


def figure(rows: Rows, reading: Reading, path: Path) -> None:
    """Mean curve and 95 % interval over seeds of each arm that asks a teacher; others as lines."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    value, unit = reading.value, reading.unit
    conditions = sorted({row["condition"] for row in rows})
    size = (5.6 * len(conditions), 3.8)
    fig, axes = plt.subplots(1, len(conditions), figsize=size, squeeze=False)
    for axis, condition in zip(axes[0], conditions, strict=True):
        for arm, seeds in runs([row for row in rows if row["condition"] == condition]).items():
            if arm in LINES:
                mean = sum(float(run[-1][value]) for run in seeds.values()) / len(seeds)
                axis.axhline(mean, ls=":", lw=1.2, color="#777777")
                place = 0.99 - 0.12 * LINES.index(arm)
                axis.annotate(arm, (place, mean), xycoords=("axes fraction", "data"), ha="right")
                continue
            start = max(float(run[1][unit]) for run in seeds.values())  # before, none was trained
            grid = np.linspace(start, min(float(run[-1][unit]) for run in seeds.values()), 60)
            found = [
                metrics.mean_over_seeds([at(run, value, x, unit) for run in seeds.values()])
                for x in grid
            ]
            width = 1.8 if arm.startswith("evokd") else 1.1
            (line,) = axis.plot(grid, [m.value for m in found], lw=width, label=arm)
            ends = [m.ci95 or (m.value, m.value) for m in found]
            axis.fill_between(grid, *zip(*ends, strict=True), alpha=0.08, color=line.get_color())
        axis.set_title(condition)
        axis.set_xlabel(UNITS[unit])
        axis.grid(alpha=0.25)
        axis.legend(fontsize=8)
    axes[0][0].set_ylabel(f"{value.replace('_', ' ')}, mean over seeds [95 %]")
    fig.tight_layout()
    fig.savefig(path, dpi=120)
    plt.close(fig)


def summarise(root: Path, out: Path) -> None:
    """Write `PART_curves.csv`, `PART_tables.md` and `PART.png`."""
    part = root.name
    path = out / f"{part}_curves.csv"
    if found := collect(root):
        keep(path, found, FIELDS)
    rows = read_csv(path)
    reading = READINGS[part]
    value = reading.value
    commits = ", ".join(sorted({row["commit"] for row in rows}))
    text = [f"Measured on {value.split('_')[0]}; commits: {commits}.", ""]
    for condition in dict.fromkeys(row["condition"] for row in rows):
        own = [row for row in rows if row["condition"] == condition]
        text += [f"### {condition}", "", *table(own, reading)]
        text += equal_texts(own, value, against=reading.against) if part != "real" else []
        text += weak_table(own)
    (out / f"{part}_tables.md").write_text("\n".join(text))
    figure(rows, reading, out / f"{part}.png")
    print("\n".join(text))
