"""Every reasoning dataset once, small, with a real 135 M student: what it reaches, and how long.

python experiments/datasets/run.py --data FOLDER [--runs FOLDER] [--only gsm8k,aqua]

FOLDER has a folder of JSON Lines files for each dataset (docs/datasets.md). Jobs that are finished
are skipped; writes `results.json` and prints the table of the README.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
# Where the authors' split is not at hand, another one stands in: see the README.
JOBS: dict[str, list[str]] = {
    "gsm8k": ["+experiment=gsm8k", "dataset.path=gsm8k"],
    "aqua": [
        "+experiment=aqua",
        "dataset.path=aqua",
        "dataset.splits.dev=null",
        "dataset.splits.test=dev",
    ],
    "arc": ["+experiment=arc", "dataset.path=arc_challenge"],
    "commonsenseqa": ["+experiment=commonsenseqa", "dataset.path=commonsenseqa"],
    "commonsenseqa_palm": [
        "+experiment=commonsenseqa",
        "dataset.path=commonsenseqa",
        "name=commonsenseqa_palm",
        "teacher=recorded",
        "teacher.path=commonsenseqa/palm_rationales_train.jsonl",
        "teacher.model=palm-540b",
    ],
    "esnli": [
        "+experiment=esnli",
        "dataset.path=esnli",
        "dataset.splits.pool=dev",
        "dataset.splits.dev=null",
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=HERE / "runs")
    parser.add_argument("--only", default=",".join(JOBS))
    given = parser.parse_args()
    rows = []
    for name in given.only.split(","):
        folder = given.runs.absolute() / name
        if not finished(folder):
            command = [sys.executable, "-m", "elad_exp", *JOBS[name], f"paths.run_dir={folder}"]
            if folder.exists():
                command = [sys.executable, "-m", "elad_exp", f"resume={folder}"]
            subprocess.run(command, cwd=given.data, check=True)
        rows.append(row(name, read(folder)))
        results = {"rows": rows}
        (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(table(rows), end="")


def finished(folder: Path) -> bool:
    return (folder / "result.json").exists() and read(folder)["status"] == "completed"


def read(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return found


def row(name: str, result: dict[str, Any]) -> dict[str, Any]:
    """What the table needs, without the dataset's texts."""
    metrics = result["metrics"]
    wanted = ("test/acc", "test/acc_round0", "test/majority", "teacher/answer_accuracy")
    sizes = {key: result["dataset"][key] for key in ("n_pool", "n_dev", "n_test")}
    return {
        "job": name,
        "commit": result["git"]["commit"],
        "dirty": result["git"]["dirty"],
        "student": result["student"]["name"],
        "teacher": result["teacher"]["name"],
        "selector": result["selector"]["name"],
        "seed": result["seed"],
        "annotations": result["spent"]["annotations"],
        "wall_s": result["wall_s"],
        "machine": result["machine"],
        "metrics": {key: metrics[key] for key in wanted if key in metrics},
        **sizes,
    }


def table(rows: list[dict[str, Any]]) -> str:
    head = ["job", "pool / test", "annotations", "round 0", "test", "majority", "minutes"]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for found in rows:
        metrics = found["metrics"]
        acc = metrics["test/acc"]
        low, high = acc["ci95"]
        cells = [
            found["job"],
            f"{found['n_pool']:,} / {acc['n']:,}",
            str(found["annotations"]),
            f"{metrics['test/acc_round0']['value']:.3f}",
            f"{acc['value']:.3f} [{low:.3f}, {high:.3f}]",
            f"{metrics['test/majority']['value']:.3f}",
            f"{found['wall_s'] / 60:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
