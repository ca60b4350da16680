"""How well does each component predict a real student's errors? No active learning: see README.md.

    python experiments/real_errors/run.py --data FOLDER              # jobs, tables and figure
    python experiments/real_errors/run.py --data FOLDER --quick      # minutes, says nothing
    python experiments/real_errors/run.py --data FOLDER --only esnli --labelled 3000
    python experiments/real_errors/run.py --summarise                # from the stored scores

FOLDER has a folder of JSON Lines files for each dataset (docs/datasets.md). Jobs whose scores are
stored are skipped, interrupted ones go on.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from elad_exp.reporting.files import read_config, read_records, read_result
from elad_exp.rundir import Line, write_atomic

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from figure import draw  # noqa: E402
from summary import summarise, tables  # noqa: E402

# What is measured on the way is not used: dev and test are small where they come from files of
# their own. StrategyQA's are cut from the pool, so there they are those of the experiment file, of
# whose test split nothing is scored.
JOBS: dict[str, list[str]] = {
    "strategyqa": ["+experiment=strategyqa", "dataset.path=strategyqa"],
    "commonsenseqa": [
        "+experiment=commonsenseqa",
        "dataset.path=commonsenseqa",
        "dataset.n_test=20",
    ],
    "esnli": [
        "+experiment=esnli",
        "dataset.path=esnli",
        "dataset.splits.pool=dev",
        "dataset.splits.dev=null",
        "dataset.n_test=20",
    ],
}
COMMON = [
    "teacher=gold",
    "selector=random",
    "logger=none",
    # The second purchase is never made: a job ends once its scores are written.
    "schedule.rounds=2",
    "schedule.query_size=1",
    "selection.samples=4",
    "selection.also_score=all",
]
LABELLED, BATCH = 400, 4
QUICK = [
    "schedule.initial_size=16",
    "schedule.steps_per_round=2",
    "selection.candidates=20",
    "dataset.n_dev=5",
    "dataset.n_test=5",
]
SCORED_ROUND = 1
KEPT = ("id", "attempt_answer", "attempt_steps", "attempt_wrong", "answers", "scores")
STOPPED = 143
POLL_S = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="needed unless --summarise is given")
    parser.add_argument("--runs", type=Path, default=HERE / "runs")
    parser.add_argument("--only", default=",".join(JOBS))
    parser.add_argument("--labelled", type=int, default=LABELLED, help="explanations learnt from")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, results below --runs")
    parser.add_argument("--summarise", action="store_true")
    given = parser.parse_args()
    runs, out = given.runs.absolute(), HERE
    if given.quick:
        runs = runs / "quick"
        out = runs / "results"
    elif given.labelled != LABELLED:
        runs, out = runs / f"labelled_{given.labelled}", HERE / f"labelled_{given.labelled}"
    if not given.summarise:
        if given.data is None:
            parser.error("--data FOLDER is needed: docs/datasets.md says what is in it")
        for name in given.only.split(","):
            folder = runs / name
            overrides = job(name, labelled=given.labelled, quick=given.quick)
            run(overrides, folder, data=given.data)
            store(name, folder, out)
    found = summarise(stored(out))
    (out / "results.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    text = tables(found)
    (out / "tables.md").write_text(text, encoding="utf-8")
    draw(found, out / "components.png")
    print(text, end="")


def job(name: str, *, labelled: int = LABELLED, quick: bool = False) -> list[str]:
    """Overrides of a dataset's job; each explanation is seen once."""
    full = [
        f"schedule.initial_size={labelled}",
        f"schedule.steps_per_round={labelled // BATCH}",
        "selection.candidates=500",
    ]
    return [*JOBS[name], *COMMON, *(QUICK if quick else full), f"name=real_errors_{name}"]


def run(overrides: Sequence[str], folder: Path, *, data: Path) -> None:
    """Train and score, or go on with it, and end the job there: the rest says nothing.

    Raises:
        SystemExit: The job ended before it had scored.
    """
    if scored(folder):
        return
    command = [sys.executable, "-m", "elad_exp"]
    if (folder / "result.json").exists():
        command += [f"resume={folder}"]
    else:
        command += [*overrides, f"paths.run_dir={folder}"]
    with subprocess.Popen(command, cwd=data) as process:
        while process.poll() is None and not scored(folder):
            time.sleep(POLL_S)
        if process.poll() is None:
            process.terminate()
        code = process.wait()
    if not scored(folder) or code not in (0, STOPPED):
        raise SystemExit(f"the job in {folder} ended with {code}; mend that and call this again")


def scored(folder: Path) -> bool:
    """Whether all that is wanted of the job is written: the round's line follows its scores."""
    return bool(round_line(folder).get("select"))


def round_line(folder: Path) -> Line:
    lines = read_records(folder / "rounds.jsonl")
    return next((line for line in lines if line["round"] == SCORED_ROUND), {})


def store(name: str, folder: Path, out: Path) -> None:
    """Keep the scores, without features, and what the job was, without the dataset's texts."""
    lines = [x for x in read_records(folder / "scores.jsonl.gz") if x["round"] == SCORED_ROUND]
    kept = [{key: line[key] for key in KEPT} for line in lines]
    (out / "scores").mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(line) + "\n" for line in kept)
    write_atomic(out / "scores" / f"{name}.jsonl.gz", gzip.compress(text.encode(), mtime=0))
    described = json.dumps(description(folder), indent=1) + "\n"
    (out / "scores" / f"{name}.json").write_text(described, encoding="utf-8")


def description(folder: Path) -> dict[str, Any]:
    result, settings = read_result(folder / "result.json"), read_config(folder / "config.yaml")
    line = round_line(folder)
    gold: Mapping[str, float] = line["select"]["classes"]["gold"]["candidates"]
    return {
        "commit": result["git"]["commit"],
        "dirty": result["git"]["dirty"],
        "student": result["student"]["name"],
        "machine": result["machine"],
        "seed": settings["seed"],
        "labelled": line["n_labelled"],
        "steps": line["optimizer_steps"],
        "learning_rate": settings["optim.learning_rate"],
        "batch_size": settings["optim.batch_size"],
        "samples": settings["selection.samples"],
        "temperature": settings["selection.temperature"],
        "train_loss": line["train_loss"],
        "seconds": line["seconds"],
        "majority": max(gold.values()),
    }


def stored(out: Path) -> dict[str, tuple[dict[str, Any], list[Line]]]:
    """By dataset, what its job was and the lines of its scores.

    Raises:
        SystemExit: There are none.
    """
    found = {}
    for name in JOBS:
        path = out / "scores" / f"{name}.jsonl.gz"
        if path.exists():
            described = json.loads(path.with_name(f"{name}.json").read_text(encoding="utf-8"))
            found[name] = described, read_records(path)
    if not found:
        raise SystemExit(f"{out / 'scores'} has no scores; run the jobs first (--data FOLDER)")
    return found


if __name__ == "__main__":
    main()
