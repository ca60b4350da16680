"""Runs of a study as jobs: in several processes of one thread, resumed, never run twice."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

Key = tuple[str, str, int]
"""Condition, name of the configuration, seed: what tells jobs of a part apart."""


@dataclass(frozen=True)
class Job:
    """One run. Its folder is PART/CONDITION/NAME-SEED below the study's."""

    part: str
    condition: str
    name: str
    seed: int
    overrides: tuple[str, ...]

    @property
    def key(self) -> Key:
        return self.condition, self.name, self.seed

    def directory(self, root: Path) -> Path:
        return root / self.part / self.condition / f"{self.name}-{self.seed}"

    def finished(self, root: Path) -> bool:
        result = self.directory(root) / "result.json"
        return result.exists() and json.loads(result.read_text())["status"] == "completed"

    def command(self, root: Path) -> list[str]:
        directory = self.directory(root)
        base = [sys.executable, "-m", "elad_exp"]
        if (directory / "config.yaml").exists():
            return [*base, f"resume={directory}"]
        own = (f"seed={self.seed}", "logger=none", "trainer.threads=1")
        return [*base, *self.overrides, *own, f"paths.run_dir={directory}"]


def run_all(
    jobs: Iterable[Job],
    root: Path,
    *,
    done: set[Key],
    workers: int = 2,
    minutes: float | None = None,
    prepare: Callable[[Job], None] = lambda job: None,
) -> None:
    """Run what is not finished.

    Args:
        jobs: In the order in which they are wanted.
        root: Of the study's runs.
        done: Jobs whose curves are known from elsewhere.
        workers: Processes at a time.
        minutes: Start no new job after this time.
        prepare: Called with the first job of each condition, before it.
    """
    deadline = time.monotonic() + 60 * (minutes or 1e6)
    waiting = [job for job in jobs if job.key not in done and not job.finished(root)]
    print(f"{len(waiting)} jobs to run", flush=True)

    def in_time(job: Job) -> None:
        if time.monotonic() < deadline:
            run(job, root)

    for _, group in groupby(waiting, key=lambda job: job.condition):
        own = list(group)
        if time.monotonic() >= deadline:
            return
        prepare(own[0])
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(in_time, own))


def run(job: Job, root: Path) -> None:
    started = time.monotonic()
    directory = job.directory(root)
    directory.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        job.command(root), env=environment, capture_output=True, text=True, check=False
    )
    # The weights are not needed afterwards.
    for heavy in (*directory.glob("checkpoints/*"), *directory.glob("student/*")):
        if done.returncode == 0:
            heavy.unlink()
    seconds = time.monotonic() - started
    print(f"{directory.relative_to(root)}: exit {done.returncode}, {seconds:.0f} s", flush=True)
    if done.returncode:
        print(done.stdout[-500:], done.stderr[-1500:], flush=True)


def completed(root: Path) -> Iterable[tuple[Key, Path, dict[str, Any], list[dict[str, Any]]]]:
    """Key, folder, result and rounds of each completed run of a part of a study."""
    for path in sorted(root.glob("*/*/result.json")):
        result = json.loads(path.read_text())
        if result["status"] == "completed":
            name, _, seed = path.parent.name.rpartition("-")
            lines = (path.parent / "rounds.jsonl").read_text().splitlines()
            rounds = [json.loads(line) for line in lines]
            yield (path.parent.parent.name, name, int(seed)), path.parent, result, rounds


def key_of(row: Mapping[str, Any]) -> Key:
    return row["condition"], row["selector"], int(row["seed"])


def committed(path: Path) -> set[Key]:
    """Jobs whose curves are in a file: their runs may lie on another machine."""
    return {key_of(row) for row in read_csv(path)} if path.exists() else set()


def keep(path: Path, new: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> None:
    """Put rows of jobs into a file of curves, in place of older ones of the same jobs."""
    old: list[Mapping[str, Any]] = list(read_csv(path)) if path.exists() else []
    again = {key_of(row) for row in new}
    rows = [row for row in old if key_of(row) not in again] + list(new)
    rows.sort(key=lambda row: (*key_of(row), int(row["round"])))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
