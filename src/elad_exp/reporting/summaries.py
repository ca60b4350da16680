"""The runs below a folder, reduced to what comparing them takes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from elad_exp.errors import DataError
from elad_exp.metrics import Curve
from elad_exp.reporting.files import read_config, read_records, read_result
from elad_exp.reporting.schema import validate
from elad_exp.rundir import Line
from elad_exp.types import Record

AXES = ("annotations", "tokens", "train_tokens")
"""What a curve can be drawn against: two costs of the teacher and one of the student."""

LEFT_OUT = "left out"
"""The status of a completed run that a comparison does not count."""
SWEEP_BUDGET = "sweep_budget"
"""Why a run stops when the budget of its whole sweep is spent."""

_FREE = ("selector", "seed")
"""What a comparison is about."""
_ASIDE = ("name", "about", "paths", "trainer", "logger", "budget")
"""Where and how a run was made; limits are taken from its result."""
_ABSENT = "absent"
_MAX_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Setting(Record):
    """What runs must share to be compared: all but selector and seed.

    `other` are the further keys in which the configurations of completed runs with this dataset,
    student, teacher and limits differ, with the values that these runs have.
    """

    dataset: str
    student: str
    teacher: str
    limits: str
    other: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        known = (
            f"{self.dataset}; student {self.student}; teacher {self.teacher}; budget {self.limits}"
        )
        further = ", ".join(f"{key}={value}" for key, value in self.other.items())
        return f"{known}; {further}" if further else known


@dataclass(frozen=True, slots=True)
class RunSummary(Record):
    """One run. `setting` and `selector` are None for a run that ended before it knew them.

    `status` is that of `result.json`, or `unreadable` or `left out` with the cause in `reason`.
    `config` are
    the values of `config.yaml` that bear on the result, by key; empty where there is no such file.
    `points` are the rounds: cost on each axis and test accuracy.
    """

    path: str
    status: str
    reason: str
    seed: int | None = None
    setting: Setting | None = None
    selector: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
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

    Completed runs of a seed of which the sweep's budget ended a job are in it as `left out`.
    A run whose files cannot be read is in the list too, as `unreadable`.

    Raises:
        DataError: There is no run below `directory`.
    """
    root = Path(directory)
    found = sorted(root.rglob("result.json"))
    if not found:
        raise DataError(f"there is no run (no result.json) below {root}; name a sweep's folder")
    return _told_apart(_without_cut_seeds([_summary(path.parent, root) for path in found]))


def _without_cut_seeds(runs: Sequence[RunSummary]) -> list[RunSummary]:
    """The runs; those of a seed of which the sweep's budget ended a job are `left out`, because
    which job that was depends on their order.
    """
    cut = {run.seed: run.path for run in runs if run.reason == SWEEP_BUDGET}
    return [
        replace(
            run,
            status=LEFT_OUT,
            reason=f"the sweep's budget ended a job of seed {run.seed} ({cut[run.seed]}); which "
            "one it ends depends on their order",
        )
        if run.completed and run.seed in cut
        else run
        for run in runs
    ]


def _told_apart(runs: list[RunSummary]) -> list[RunSummary]:
    """Fill in `Setting.other`."""
    alike: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        if run.completed:
            alike.setdefault(str(run.setting), []).append(run.config)
    return [
        replace(
            run, setting=replace(run.setting, other=_other(run.config, alike[str(run.setting)]))
        )
        if run.completed and run.setting
        else run
        for run in runs
    ]


def _other(config: Mapping[str, Any], all_configs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    known = [c for c in all_configs if c]
    if known and not config:
        return {"config.yaml": _ABSENT}
    keys = [key for key in differing_keys(known) if _group(key) not in _FREE]
    return {key: _shown(config, key) for key in keys}


def differing_keys(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys whose values are not the same in all of `configs`."""
    keys = sorted({key for config in configs for key in config})
    return [key for key in keys if len({_shown(config, key) for config in configs}) > 1]


def _shown(config: Mapping[str, Any], key: str) -> str:
    """A value as text; equal for equal values only. A long one is told by its hash."""
    if key not in config:
        return _ABSENT
    value = config[key]
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 0.0, a default, is the 0 of a command line
    text = json.dumps(value, ensure_ascii=False, default=str)
    short = hashlib.sha256(text.encode()).hexdigest()[:12]
    return text if len(text) <= _MAX_SHOWN else f"sha256:{short}"


def _group(key: str) -> str:
    return key.partition(".")[0]


def _summary(run: Path, root: Path) -> RunSummary:
    name = str(run.relative_to(root)) if run != root else run.name
    try:
        result = read_result(run / "result.json")
        validate(result)
        lines = read_records(run / "rounds.jsonl")
        if result["status"] == "completed" and len(lines) < 2:
            raise DataError(f"completed, but rounds.jsonl has {len(lines)} rounds")
        config = read_config(run / "config.yaml")
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
        config={key: value for key, value in config.items() if _group(key) not in _ASIDE},
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
