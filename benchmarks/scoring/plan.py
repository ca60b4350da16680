"""Which measurements there are: everything, or a quick trial."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from workload import WORKLOADS, Job

HERE = Path(__file__).resolve().parent
CACHE = HERE / ".cache"
GROUPS = ("ours", "loop", "batched", "floor", "polygraph", "growth")
SLOW, SLOW_REPETITIONS = ("loop", "polygraph"), 1
CLOSE = 1.15
"""Numbers of rows that take up to so many times the best of the first repetition are measured
again; the others are not worth the hours."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    `loop` questions for the loop; `rows` and `polygraph_rows` of a batch, for those who leave it
    to their user; `growth` by questions, samples and forced answers; `examples` are learnt
    `epochs` times by the student of the workload `round`. `cache` holds what all processes read,
    `out` receives results.
    """

    job: Job
    loop: int
    rows: tuple[int, ...]
    polygraph_rows: tuple[int, ...]
    growth: dict[str, tuple[int, ...]]
    examples: int
    epochs: int
    repetitions: int
    cache: Path
    out: Path

    @property
    def work(self) -> Path:
        return self.cache / "work.json"

    @property
    def questions(self) -> int:
        """As many as the largest measurement needs."""
        return max(self.job.questions, *self.growth["questions"])

    def jobs(
        self, groups: Sequence[str], repetition: int, measured: Sequence[Mapping[str, Any]] = ()
    ) -> list[Job]:
        """The measurements of a repetition, in an order of its own: who comes first changes, so
        that nobody always follows the same one.

        Of the later ones, growth is none, and batches have a number of rows that did well among
        those `measured` in the first.
        """
        found = []
        for workload in WORKLOADS:
            base = replace(self.job, workload=workload)
            if "ours" in groups:
                found.append(replace(base, name="ours"))
            if "batched" in groups:
                sizes = self.rows if repetition == 0 else close(measured, workload)
                found += [replace(base, name="batched", rows=rows) for rows in sizes]
            if "loop" in groups:
                found.append(replace(base, name="loop", questions=self.loop))
        if "polygraph" in groups:
            base = replace(self.job, name="polygraph")
            found += [replace(base, rows=rows) for rows in self.polygraph_rows]
        if "floor" in groups:
            found.append(replace(self.job, name="rates"))
        if "growth" in groups and repetition == 0:
            found += [job for job, _ in self.grown()]
        found = list(dict.fromkeys(found))  # growth passes through where ours stands
        if repetition >= SLOW_REPETITIONS:
            found = [job for job in found if job.name not in SLOW]
        first = repetition * len(found) // self.repetitions
        return found[first:] + found[:first]

    def grown(self) -> Iterator[tuple[Job, str]]:
        """Ours with one number changed at a time, and which."""
        for axis, sizes in self.growth.items():
            for size in sizes:
                changed = {axis: size}
                yield replace(self.job, name="ours", **changed), axis

    def axes(self, job: Job) -> list[str]:
        """The axes of growth on which a job is a point."""
        return [axis for own, axis in self.grown() if own == job]


def close(measured: Sequence[Mapping[str, Any]], workload: str) -> list[int]:
    """Numbers of rows whose time in the first repetition came near the best of the workload."""
    times = {
        row["rows"]: row["wall_s"]
        for row in measured
        if (row["name"], row["workload"], row["repetition"]) == ("batched", workload, 0)
    }
    return [rows for rows, time in times.items() if time <= CLOSE * min(times.values())]


FULL = Plan(
    job=Job(""),
    loop=6,
    rows=(8, 16, 32, 64, 128, 256),
    polygraph_rows=(16, 32),
    growth={"questions": (16, 32, 64, 128, 256), "k": (2, 4, 8), "prefixes": (1, 2, 4, 8)},
    examples=96,
    epochs=2,
    repetitions=3,
    cache=CACHE / "full",
    out=HERE,
)
QUICK = Plan(
    job=Job("", questions=8, new_tokens=16),
    loop=1,
    rows=(8, 32),
    polygraph_rows=(4,),
    growth={"questions": (4, 8), "k": (2, 4), "prefixes": (1, 4)},
    examples=8,
    epochs=1,
    repetitions=1,
    cache=CACHE / "quick",
    out=CACHE / "quick",
)
