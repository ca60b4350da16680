"""The almanac study: which selector needs how many annotations (DESIGN: comparing methods).

    python experiments/almanac/study.py                    # every job that is not finished
    python experiments/almanac/study.py --part tuning      # seeds 0-4, reported on dev
    python experiments/almanac/study.py --part tuning --only elad,random --minutes 30
    python experiments/almanac/study.py --summarise        # tables and figures from finished jobs

Jobs run in two processes with one thread each. A job that is finished, or whose curve is beside
this file, is skipped, so the study may be stopped and started again at any time, on any machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from configurations import REPORTED, TUNED, tuned_in_order
from summary import job_of, read_csv, summarise

from elad_exp.building import build
from elad_exp.config import compose_config

HERE = Path(__file__).parent
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


@dataclass(frozen=True)
class Job:
    """One run: condition, configuration (see `configurations`), seed."""

    part: str
    condition: str
    name: str
    seed: int

    def directory(self, root: Path) -> Path:
        return root / self.part / self.condition / f"{self.name}-{self.seed}"

    def finished(self, root: Path) -> bool:
        result = self.directory(root) / "result.json"
        return result.exists() and json.loads(result.read_text())["status"] == "completed"

    def command(self, root: Path) -> list[str]:
        directory = self.directory(root)
        if (directory / "config.yaml").exists():
            return [sys.executable, "-m", "elad_exp", f"resume={directory}"]
        return [
            sys.executable,
            "-m",
            "elad_exp",
            "+experiment=almanac",
            *dataset(self.part, self.condition),
            *(TUNED if self.part == "tuning" else REPORTED)[self.name],
            f"seed={self.seed}",
            "logger=none",
            "trainer.threads=1",
            f"paths.run_dir={directory}",
        ]


def jobs(part: str) -> Iterator[Job]:
    """Jobs in the order in which they are wanted."""
    if part == "tuning":
        for name in tuned_in_order():
            for seed in TUNING_SEEDS:
                yield Job("tuning", "a", name, seed)
        return
    for condition, seeds in SEEDS.items():
        for seed in seeds:
            for name in REPORTED:
                yield Job("report", condition, name, seed)


def committed(part: str) -> set[tuple[str, str, int]]:
    """Jobs whose curves are beside this file: their runs may lie on another machine."""
    path = HERE / f"{part}_curves.csv"
    return {job_of(row) for row in read_csv(path)} if path.exists() else set()


def dataset(part: str, condition: str) -> list[str]:
    world = TUNING_WORLD if part == "tuning" else REPORT_WORLD
    return [f"dataset={CONDITIONS[condition]}", *world]


def prepare(part: str, condition: str) -> None:
    """Let the student learn from exercises on all cores; jobs then find it in the cache."""
    started = time.monotonic()
    config = compose_config(["+experiment=almanac", *dataset(part, condition)])
    task = build(config.dataset)
    info = build(config.student).build(task, task.load(), seed=0).info
    print(f"student: {info['source']}, {time.monotonic() - started:.0f} s", flush=True)


def run(job: Job, root: Path) -> None:
    started = time.monotonic()
    directory = job.directory(root)
    directory.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        job.command(root), env=environment, capture_output=True, text=True, check=False
    )
    # The weights are not needed afterwards: about 15 MB a job.
    for heavy in (*directory.glob("checkpoints/*"), *directory.glob("student/*")):
        if done.returncode == 0:
            heavy.unlink()
    seconds = time.monotonic() - started
    print(f"{directory.relative_to(root)}: exit {done.returncode}, {seconds:.0f} s", flush=True)
    if done.returncode:
        print(done.stdout[-500:], done.stderr[-1500:], flush=True)


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
        deadline = time.monotonic() + 60 * (arguments.minutes or 1e6)
        done = committed(arguments.part)
        waiting = [
            job
            for job in jobs(arguments.part)
            if (job.condition, job.name, job.seed) not in done and not job.finished(arguments.root)
        ]
        if arguments.only:
            waiting = [job for job in waiting if job.name in arguments.only.split(",")]
        print(f"{len(waiting)} jobs to run", flush=True)

        def in_time(job: Job) -> None:
            if time.monotonic() < deadline:
                run(job, arguments.root)

        for condition, group in groupby(waiting, key=lambda job: job.condition):
            prepare(arguments.part, condition)
            with ThreadPoolExecutor(arguments.workers) as workers:
                list(workers.map(in_time, group))
    summarise(arguments.root / arguments.part, HERE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
