"""The almanac study: which selector needs how many annotations?

    python experiments/almanac/study.py                    # every job that is not finished
    python experiments/almanac/study.py --part tuning      # seeds 0-4, reported on dev
    python experiments/almanac/study.py --part tuning --only elad,random --minutes 30
    python experiments/almanac/study.py --summarise        # tables and figures from finished jobs

Jobs run in two processes with one thread each. A job that is finished, or whose curve is beside
this file, is skipped, so the study may be stopped and started again at any time, on any machine.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from configurations import REPORTED, TUNED, tuned_in_order

from elad_exp.building import build
from elad_exp.config import compose_config

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from jobs import Job, committed, run_all  # noqa: E402
from summary import summarise  # noqa: E402

CONDITIONS = {"a": "almanac", "b": "almanac_uniform", "c": "almanac_shifted"}
SEEDS = {"a": range(120, 140), "c": range(120, 130), "b": range(120, 130)}
"""Those of earlier reports (100-119) have been looked at."""
TUNING_SEEDS = range(0, 5)
TUNING_WORLD = (
    "dataset.world_seed=100",
    "dataset.split_seed=100",
    "dataset.n_dev=1000",
    "dataset.n_test=100",
)
"""Another world than the report's, so that a large dev set can be had without touching its test."""
REPORT_WORLD = ("dataset.world_seed=200", "dataset.split_seed=200")
"""No job of an earlier report, and no tuning run, has seen a question of it."""


def jobs(part: str) -> Iterator[Job]:
    """Jobs in the order in which they are wanted."""
    if part == "tuning":
        for name in tuned_in_order():
            for seed in TUNING_SEEDS:
                yield job("tuning", "a", name, seed)
        return
    for condition, seeds in SEEDS.items():
        for seed in seeds:
            for name in REPORTED:
                yield job("report", condition, name, seed)


def job(part: str, condition: str, name: str, seed: int) -> Job:
    own = (TUNED if part == "tuning" else REPORTED)[name]
    return Job(part, condition, name, seed, (*dataset(part, condition), *own))


def dataset(part: str, condition: str) -> list[str]:
    world = TUNING_WORLD if part == "tuning" else REPORT_WORLD
    return ["+experiment=almanac", f"dataset={CONDITIONS[condition]}", *world]


def prepare(first: Job) -> None:
    """Let the student learn from exercises on all cores; jobs then find it in the cache."""
    started = time.monotonic()
    config = compose_config(dataset(first.part, first.condition))
    task = build(config.dataset)
    info = build(config.student).build(task, task.load(), seed=0).info
    print(f"student: {info['source']}, {time.monotonic() - started:.0f} s", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=("tuning", "report"), default="report")
    parser.add_argument("--root", type=Path, default=Path("runs/almanac-study"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", help="configurations, by name, separated by commas")
    parser.add_argument("--minutes", type=float, help="start no new job after this time")
    parser.add_argument("--summarise", action="store_true", help="tables and figures only")
    arguments = parser.parse_args()
    if not arguments.summarise:
        names = arguments.only.split(",") if arguments.only else None
        run_all(
            (job for job in jobs(arguments.part) if names is None or job.name in names),
            arguments.root,
            done=committed(HERE / f"{arguments.part}_curves.csv"),
            workers=arguments.workers,
            minutes=arguments.minutes,
            prepare=prepare,
        )
    summarise(arguments.root / arguments.part, HERE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
