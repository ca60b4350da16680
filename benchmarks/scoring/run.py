"""Samples scored a minute and peak memory: our engine against plain transformers, interleaved.

python benchmarks/scoring/run.py --setup     # the environment of lm-polygraph, about 2 GB
python benchmarks/scoring/run.py             # everything: table, results.json, growth.png
python benchmarks/scoring/run.py --quick     # whether it runs: few questions, once
python benchmarks/scoring/run.py --resume    # what results.json does not have yet
python benchmarks/scoring/run.py --again     # table and plot from results.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import table
from plan import FULL, GROUPS, HERE, QUICK, Plan
from workload import Job, Work

ROOT = HERE.parents[1]
ENVIRONMENT = HERE / ".envs" / "polygraph"
PACKAGES = ("--constraint", str(ROOT / "constraints.txt"), "lm-polygraph==0.7.0")
WARM_QUESTIONS, WARM_TOKENS = 2, 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--setup", action="store_true", help="make lm-polygraph's environment")
    parser.add_argument("--quick", action="store_true", help="few questions, once; into .cache/")
    parser.add_argument("--again", action="store_true", help="table and plot from results.json")
    parser.add_argument("--resume", action="store_true", help="what results.json lacks")
    parser.add_argument("--only", default=",".join(GROUPS), help=f"of {','.join(GROUPS)}")
    parser.add_argument("--data", help="a copy of StrategyQA; without it, the asset")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--measure", type=Job.from_json, help="this job only, in this process")
    given = parser.parse_args()
    bench = Bench(QUICK if given.quick else FULL, given.data, given.threads)
    if given.measure:
        print(json.dumps(bench.measure(given.measure)))
    elif given.setup:
        setup()
    elif given.again:
        bench.show(json.loads(bench.results.read_text(encoding="utf-8")))
    else:
        groups = given.only.split(",")
        if unknown := set(groups) - set(GROUPS):
            parser.error(f"no {', '.join(sorted(unknown))}; there are: {', '.join(GROUPS)}")
        bench.run(groups, resume=given.resume)


def setup() -> None:
    """Make the environment of lm-polygraph anew, with the versions that ours runs on."""
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], check=True)
    pip = [str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, *PACKAGES], check=True)


@dataclass(frozen=True, slots=True)
class Bench:
    """A plan, its data and its threads."""

    plan: Plan
    data: str | None
    threads: int

    @property
    def results(self) -> Path:
        return self.plan.out / "results.json"

    def run(self, groups: Sequence[str], *, resume: bool) -> None:
        """Measure, repetition by repetition; results are written after each measurement."""
        if "polygraph" in groups and not ENVIRONMENT.exists():
            raise SystemExit("no environment for lm-polygraph: --setup first, or --only the others")
        self.plan.cache.mkdir(parents=True, exist_ok=True)
        self.in_a_process(Job("prepare"))
        source = Work.read(self.plan.work).source
        results: dict[str, Any] = {"machine": machine(self.threads), "source": source, "rows": []}
        if resume and self.results.exists():
            results = json.loads(self.results.read_text(encoding="utf-8"))
        rows = results["rows"]
        for repetition in range(self.plan.repetitions):
            for job in self.plan.jobs(groups, repetition, rows):
                row = {"repetition": repetition, **asdict(job), "growth": self.plan.axes(job)}
                if any(all(done[key] == value for key, value in row.items()) for done in rows):
                    continue
                row |= {"commit": commit(), "load": round(os.getloadavg()[0], 2)}
                row |= self.in_a_process(job)
                rows.append(row)
                print(json.dumps(row), flush=True)
                self._write(results)
        if {"ours", "loop"} <= set(groups) and "equal" not in results:
            equal = replace(self.plan.job, name="equal", questions=self.plan.loop)
            results["equal"] = self.in_a_process(equal)
            self._write(results)
        self.show(results)

    def _write(self, results: dict[str, Any]) -> None:
        self.results.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")

    def in_a_process(self, job: Job) -> dict[str, Any]:
        """A job in a new process of its environment; what that prints last."""
        if job.name == "polygraph":
            command = [str(ENVIRONMENT / "bin" / "python"), str(HERE / "polygraph.py")]
            command += ["--work", str(self.plan.work), "--job", job.to_json()]
        else:
            command = [sys.executable, __file__, "--measure", job.to_json()]
            command += ["--quick"] if self.plan is QUICK else []
            command += ["--data", self.data] if self.data else []
        command += ["--threads", str(self.threads)]
        environment = {
            **os.environ,
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": str(self.threads),
            "PYTHONPATH": str(ROOT / "src"),
        }
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            said = f"{done.stdout[-2000:]}{done.stderr[-3000:]}"
            raise SystemExit(f"{job} failed with {done.returncode}:\n{said}")
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    def measure(self, job: Job) -> dict[str, Any]:
        """A job, in this process."""
        import torch
        import workload

        torch.set_num_threads(self.threads)
        if job.name == "prepare":
            workload.prepare(
                self.plan.work,
                data=self.data,
                questions=self.plan.questions,
                examples=self.plan.examples,
                epochs=self.plan.epochs,
            )
            return {}
        work = Work.read(self.plan.work)
        if job.name == "equal":
            import equal

            return equal.measure(work, job)
        if job.name == "rates":
            import floor

            return floor.measure(work, job)
        return timed(work, job)

    def show(self, results: dict[str, Any]) -> None:
        """Print the tables, and draw growth if it was measured."""
        import plots

        rows = results["rows"]
        print(table.comparison(rows, self.plan.job), table.batches(rows), sep="\n")
        print(table.floor(rows))
        if "equal" in results:
            print(table.equality(results["equal"]))
        if points := [row for row in rows if row["growth"]]:
            plots.draw(points, self.plan.out / "growth.png")


def timed(work: Work, job: Job) -> dict[str, Any]:
    """Load, warm up, then score with the clock running."""
    import ours
    import plain
    from watch import watch

    ours_on = {"forced": ours.Forced, "round": ours.Round}
    peer = ours_on[job.workload](work, job) if job.name == "ours" else plain.Plain(work, job)
    questions = work.questions[: job.questions]
    peer(questions[:WARM_QUESTIONS], WARM_TOKENS)
    return watch(lambda: peer(questions, job.new_tokens))


def machine(threads: int) -> dict[str, Any]:
    cpu = Path("/proc/cpuinfo")
    lines: Sequence[str] = cpu.read_text().splitlines() if cpu.exists() else ()
    model = next((x.partition(":")[2].strip() for x in lines if x.startswith("model name")), "")
    return {
        "cpu": model or platform.processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        "torch": version("torch"),
        "transformers": version("transformers"),
    }


def commit() -> str:
    """Of the working tree, with a mark if it has changes outside this folder."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--", "src", "conf", ":!benchmarks")
    return git("rev-parse", "--short", "HEAD") + ("+" if changed else "")


if __name__ == "__main__":
    main()
