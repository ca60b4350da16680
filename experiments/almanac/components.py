"""What each component measures, from finished tuning runs: is it the student's doubt?

    python experiments/almanac/components.py [RUN ...]    # default: tuning runs of elad_equal

For every component: how well it tells wrong attempts from right ones (all candidates, gold
answer), how well it tells attempts that the teacher would correct from those it accepts (audit
items), and how much of its variance the question's family and the attempt's final answer explain
(eta squared). A score that either explains cannot say what this student does not know.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from omegaconf import OmegaConf

from elad_exp.building import build
from elad_exp.metrics import auroc

HERE = Path(__file__).parent
FIRST_ROUND = 3
"""Before that the student answers at chance, and nothing separates."""


def read(path: Path) -> list[dict]:
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in text.decode().splitlines()]


def eta_squared(groups: dict[str, list[float]]) -> float:
    """Share of the variance that lies between the groups."""
    values = [v for group in groups.values() for v in group]
    mean = sum(values) / len(values)
    total = sum((v - mean) ** 2 for v in values)
    between = sum(len(g) * (sum(g) / len(g) - mean) ** 2 for g in groups.values())
    return between / total if total else 0.0


def shown(scores: Sequence[float], wrong: Sequence[bool]) -> str:
    found = auroc(scores, wrong)
    return f"{found.value:.3f} [{found.ci95[0]:.3f}, {found.ci95[1]:.3f}], n={found.n}"


def table(runs: Iterable[Path]) -> list[str]:
    wrong: list[bool] = []
    corrected: list[bool] = []
    scores = defaultdict(list)
    audited = defaultdict(list)
    families = defaultdict(lambda: defaultdict(list))
    answers = defaultdict(lambda: defaultdict(list))
    for run in runs:
        gold = build(OmegaConf.load(run / "config.yaml").dataset).load().gold
        for line in read(run / "scores.jsonl.gz"):
            if line["round"] < FIRST_ROUND:
                continue
            true = gold[line["id"]]
            wrong.append(line["attempt_answer"] != true.answer)
            for name, value in line["scores"].items():
                scores[name].append(value)
                families[name][true.meta["family"]].append(value)
                answers[name][str(line["attempt_answer"])].append(value)
        for line in read(run / "annotations.jsonl"):
            if line["round"] < FIRST_ROUND or not line["audit"]:
                continue
            corrected.append(line["first_error"] is not None)
            for name, value in line["scores"].items():
                audited[name].append(value)
    out = [
        "| component | AUROC, attempt wrong | AUROC, teacher corrects (audit) "
        "| explained by family | by the attempt's answer | mean by answer |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in sorted(scores):
        cells = (
            name,
            shown(scores[name], wrong),
            shown(audited[name], corrected),
            f"{100 * eta_squared(families[name]):.0f} %",
            f"{100 * eta_squared(answers[name]):.0f} %",
            ", ".join(f"{a} {sum(v) / len(v):.2f}" for a, v in sorted(answers[name].items())),
        )
        out.append(f"| {' | '.join(cells)} |")
    return out


if __name__ == "__main__":
    default = Path("runs/almanac-study/tuning/a").glob("elad_equal-*")
    lines = table(map(Path, sys.argv[1:]) if sys.argv[1:] else sorted(default))
    (HERE / "components.md").write_text("\n".join([*lines, ""]))
    print("\n".join(lines))
