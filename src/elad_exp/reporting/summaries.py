"""The runs below a folder, reduced to what comparing them takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from elad_exp.errors import DataError
from elad_exp.metrics import Curve
from elad_exp.reporting.files import read_records, read_result
from elad_exp.reporting.schema import validate
from elad_exp.rundir import Line
from elad_exp.types import Record

AXES = ("annotations", "tokens", "train_tokens")
"""What a curve can be drawn against: two costs of the teacher and one of the student."""


@dataclass(frozen=True, slots=True)
class Setting(Record):
    """What runs must share to be compared: all but selector and seed."""

    dataset: str
    student: str
    teacher: str
    limits: str

    def __str__(self) -> str:
        return (
            f"{self.dataset}; student {self.student}; teacher {self.teacher}; budget {self.limits}"
        )


@dataclass(frozen=True, slots=True)
class RunSummary(Record):
    """One run. `setting` and `selector` are None for a run that ended before it knew them.

    `status` is that of `result.json`, or `unreadable` with the cause in `reason`. `points` are
    the rounds: cost on each axis and test accuracy.
    """

    path: str
    status: str
    reason: str
    seed: int | None = None
    setting: Setting | None = None
    selector: str | None = None
    testset: dict[str, Any] = field(default_factory=dict)
    points: tuple[dict[str, float], ...] = ()
    mean_steps: float | None = None
    select_seconds: float = 0.0

    @property
    def completed(self) -> bool:
        return self.status == "completed"

    def curve(self, axis: str = "annotations") -> Curve:
        """Costs and test accuracy, round 0 first."""
        return [p[axis] for p in self.points], [p["acc"] for p in self.points]


def load_sweep(directory: str | Path) -> list[RunSummary]:
    """Every run below `directory`, finished or not, by path.

    A run whose files cannot be read is in the list too, as `unreadable`.

    Raises:
        DataError: There is no run below `directory`.
    """
    root = Path(directory)
    found = sorted(root.rglob("result.json"))
    if not found:
        raise DataError(f"there is no run (no result.json) below {root}; name a sweep's folder")
    return [_summary(path.parent, root) for path in found]


def _summary(run: Path, root: Path) -> RunSummary:
    name = str(run.relative_to(root)) if run != root else run.name
    try:
        result = read_result(run / "result.json")
        validate(result)
        lines = read_records(run / "rounds.jsonl")
        if result["status"] == "completed" and len(lines) < 2:
            raise DataError(f"completed, but rounds.jsonl has {len(lines)} rounds")
    except DataError as error:
        return RunSummary(name, "unreadable", str(error))
    dataset, selector = result["dataset"], result["selector"]
    return RunSummary(
        path=name,
        status=result["status"],
        reason=result["stop_reason"] or "",
        seed=result["seed"],
        setting=_setting(result),
        selector=selector["name"] if selector else None,
        testset={k: dataset[k] for k in ("sha256", "split_seed", "n_test")} if dataset else {},
        points=tuple(_point(line) for line in lines),
        mean_steps=_mean_steps(lines),
        select_seconds=sum(line["seconds"].get("score", 0.0) for line in lines),
    )


def _setting(result: Mapping[str, Any]) -> Setting | None:
    dataset, student, teacher = result["dataset"], result["student"], result["teacher"]
    if not (dataset and student and teacher):
        return None
    asked = [teacher["name"], teacher["model"], teacher["mode"]]
    limits = {k: v for k, v in sorted(result["budget"]["limits"].items()) if v is not None}
    return Setting(
        dataset=dataset["name"],
        student=f"{student['name']} ({student['dtype']})",
        teacher="/".join(dict.fromkeys(part for part in asked if part)),
        limits=", ".join(f"{k}={v:g}" for k, v in limits.items()) or "unlimited",
    )


def _point(line: Line) -> dict[str, float]:
    return {
        "annotations": float(line["spent"]["annotations"]),
        "tokens": float(line["spent"]["tokens"]),
        "train_tokens": float(line["train_tokens"]),
        "acc": float(line["test"]["acc"]["value"]),
    }


def _mean_steps(lines: list[Line]) -> float | None:
    """Steps of the selected attempts, averaged over the rounds that selected."""
    found = [line["select"].get("mean_steps") for line in lines if line["select"]]
    known = [steps for steps in found if steps is not None]
    return sum(known) / len(known) if known else None
