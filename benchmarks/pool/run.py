"""A run over pools of 10^4 to 10^6 rows: seconds to its first query, memory, rows read a round.

python benchmarks/pool/run.py                    # 10^4, 10^5, 10^6 rows, about 2 minutes
python benchmarks/pool/run.py --rows 10000       # other sizes
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SIZES = (10**4, 10**5, 10**6)
HEADS = ["ba", "ke", "li", "mo", "nu", "pra", "ste", "tro", "vin", "zel", "gar", "hin"]
TAILS = ["da", "ren", "lo", "mit", "su", "kan", "tor", "pel", "vi", "nes", "qua", "fi"]
WORDS = [head + tail for head in HEADS for tail in TAILS]
CANDIDATES, ROUNDS = 200, 2
RUN = (
    *("dataset=jsonl", "dataset.n_dev=20", "dataset.n_test=40", "dataset.instruction=''"),
    *("teacher=gold", "student=tiny", "trainer.threads=1"),
    *("selector=step_entropy", f"selection.candidates={CANDIDATES}"),
    *(f"schedule.rounds={ROUNDS + 1}", "schedule.steps_per_round=10", "name=pool"),
)
COLUMNS = {
    "rows": "rows",
    "load": "load and split",
    "first": "start to first query bought",
    "select": "selection outside the model",
    "rows_read": "rows read in a later round",
    "before_mb": "resident before the data, MB",
    "peak_mb": "peak resident, MB",
    "anonymous_mb": "peak anonymous, MB",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES)
    parser.add_argument("--one", type=Path, help="measure a run over this file, in this process")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one)))
        return
    print(" | ".join(["", *COLUMNS.values(), ""]).strip())
    print("|" + " --- |" * len(COLUMNS))
    for n in given.rows:
        with tempfile.TemporaryDirectory(dir=HERE) as folder:
            found = {"rows": n, **in_a_process(n, Path(folder))}
        print(" | ".join(["", *(cell(found[key]) for key in COLUMNS), ""]).strip(), flush=True)


def cell(value: int | list[float]) -> str:
    """A number, or wall seconds with CPU seconds in brackets."""
    return f"{value:,}" if isinstance(value, int) else "{:.2f} s ({:.2f})".format(*value)


def in_a_process(n: int, folder: Path) -> dict[str, Any]:
    """A run in a process of its own; its cache and results lie in `folder`."""
    path = folder / "rows.jsonl"
    write(path, n)
    done = subprocess.run(
        [sys.executable, __file__, "--one", str(path)],
        cwd=folder,
        env={**os.environ, "ELAD_EXP_CACHE": str(folder / "cache"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{n} rows failed:\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def write(path: Path, n: int) -> None:
    """`n` different yes/no questions of about 200 bytes, each with three steps."""
    rng = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        for i in range(n):
            w = rng.choices(WORDS, k=30)
            row = {
                "id": str(i),
                "question": f"{' '.join(w).capitalize()} {i}?",
                "answer": rng.choice(("yes", "no")),
                "explanation": [
                    f"The {w[0]} is a {w[1]} of {w[2]} and {w[3]}.",
                    f"A {w[1]} has {rng.randint(1, 99)} {w[4]}.",
                    f"So {w[0]} is {w[5]} to {w[6]}.",
                ],
            }
            file.write(json.dumps(row) + "\n")


def measure(path: Path) -> dict[str, Any]:
    """Run over `path` and watch. Times are pairs of wall and CPU seconds."""
    start = time.perf_counter()
    from elad_exp.__main__ import main as run
    from elad_exp.rounds import Rounds
    from elad_exp.selectors.scorer import Scorer
    from elad_exp.tasks.jsonl import JsonlTask

    spent: dict[str, Seconds] = {}
    ended: dict[str, Seconds] = {}
    before: list[float] = []
    rows: list[set[int]] = [set()]

    def watch(owner: type, name: str, then: Callable[[], None] = lambda: None) -> None:
        method = getattr(owner, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            before.append(status("VmRSS"))
            begun = Seconds.now()
            result = method(*args, **kwargs)
            spent[name] = spent.get(name, Seconds()) + (Seconds.now() - begun)
            ended.setdefault(name, Seconds.now() - Seconds(start, 0.0))
            then()
            return result

        setattr(owner, name, watched)

    count_reads(rows)
    watch(JsonlTask, "load")
    watch(Scorer, "score")
    watch(Rounds, "select")
    watch(Rounds, "finish_query", lambda: rows.append(set()))
    with Peak() as anonymous:
        code = run([*RUN, f"dataset.path={path}", f"paths.run_dir={path.parent / 'run'}"])
    if code:
        raise SystemExit(code)
    later = [len(read) for read in rows[1:] if read][:ROUNDS]
    return {
        "load": astuple(spent["load"]),
        "first": astuple(ended["finish_query"]),
        "select": astuple((spent["select"] - spent["score"]) / ROUNDS),
        "rows_read": max(later, default=0),
        "before_mb": round(before[0]),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3),
        "anonymous_mb": round(anonymous.mb),
    }


@dataclass(frozen=True, slots=True)
class Seconds:
    """Wall time, and the CPU time of all threads of this process."""

    wall: float = 0.0
    cpu: float = 0.0

    @classmethod
    def now(cls) -> Seconds:
        return cls(time.perf_counter(), time.process_time())

    def __add__(self, other: Seconds) -> Seconds:
        return Seconds(self.wall + other.wall, self.cpu + other.cpu)

    def __sub__(self, other: Seconds) -> Seconds:
        return Seconds(self.wall - other.wall, self.cpu - other.cpu)

    def __truediv__(self, n: int) -> Seconds:
        return Seconds(self.wall / n, self.cpu / n)


def count_reads(rows: list[set[int]]) -> None:
    """Adds the number of each row that is read from now on to the last set of `rows`."""
    from elad_exp.data.table import RowTable

    for name in ("row", "sample", "gold"):
        read = getattr(RowTable, name)

        def counted(self: Any, number: int, read: Any = read) -> Any:
            rows[-1].add(number)
            return read(self, number)

        setattr(RowTable, name, counted)


def status(field: str) -> float:
    """A field of /proc/self/status in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1e3


class Peak:
    """The largest anonymous memory of this process, looked at every 50 ms."""

    def __enter__(self) -> Peak:
        self.mb, self.done = 0.0, threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()
        return self

    def watch(self) -> None:
        while not self.done.wait(0.05):
            self.mb = max(self.mb, status("RssAnon"))

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()


if __name__ == "__main__":
    main()
