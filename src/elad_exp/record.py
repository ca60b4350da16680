"""`result.json`: exists from the start, and says what a run was, cost and reached."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import secrets
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from elad_exp import metrics
from elad_exp.protocols import Splits
from elad_exp.rundir import Line, RunDirectory
from elad_exp.teachers.audit import audit_of_rounds
from elad_exp.teachers.endpoint import redact
from elad_exp.types import Metric

SCHEMA_VERSION = 1
_PACKAGES = (
    "litellm",
    "torch",
    "lightning",
    "transformers",
    "hydra-core",
    "omegaconf",
    "numpy",
    "scipy",
)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def config_sha256(config: Mapping[str, Any]) -> str:
    """Hash of the configuration without what may differ between machines and sessions."""
    left_out = {"paths", "trainer", "logger", "about", "mode"}
    kept = {k: v for k, v in config.items() if k not in left_out}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def git_state() -> dict[str, Any]:
    """Commit and cleanliness of the checkout that this code runs from; nulls outside one."""

    def git(*args: str) -> str | None:
        done = subprocess.run(
            ["git", *args], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else None

    try:
        tracked = git("ls-files", "--error-unmatch", Path(__file__).name)
        commit = git("rev-parse", "HEAD") if tracked else None
        dirty = bool(git("status", "--porcelain", "--untracked-files=no")) if commit else None
    except FileNotFoundError:
        return {"commit": None, "dirty": None}
    return {"commit": commit, "dirty": dirty}


def machine() -> dict[str, Any]:
    import torch

    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": gpu,
    }


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    names = [x.split(":", 1)[1].strip() for x in text.splitlines() if x.startswith("model name")]
    return names[0] if names else platform.processor()


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("elad-exp", *_PACKAGES):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def budget_record(budget: Mapping[str, Any]) -> dict[str, Any]:
    """The limits, and whether they hold for the run or for all jobs of its sweep together."""
    limits = dict(budget)
    return {"scope": limits.pop("scope"), "limits": limits}


def start_record(config: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a run that has just begun, with a new id."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": f"{config['name']}-{secrets.token_hex(4)}",
        "status": "running",
        "exit_code": None,
        "stop_reason": None,
        "command": shlex.join(["python", "-m", "elad_exp", *sys.argv[1:]]),
        "experiment": config["name"],
        "seed": config["seed"],
        "config_sha256": config_sha256(config),
        "git": git_state(),
        "started_at": now(),
        "finished_at": None,
        "wall_s": 0.0,
        "resumed": 0,
        "dataset": None,
        "student": None,
        "selector": None,
        "teacher": None,
        "budget": budget_record(config["budget"]),
        "rounds": 0,
        "spent": None,
        "paid": None,
        "metrics": {},
        "machine": machine(),
        "versions": versions(),
        "assets": [],
        "warnings": [],
    }


def record_refusal(config: Mapping[str, Any], path: Path, *, exit_code: int, reason: str) -> None:
    """Leave a `result.json` of a job of a sweep that could not begin, unless a run is there.

    A single run that cannot begin leaves nothing; in a sweep its absence would go unnoticed.
    """
    if (path / "result.json").exists():
        return
    record = start_record(config)
    record |= {"status": "failed", "exit_code": exit_code, "stop_reason": redact(reason)}
    path.mkdir(parents=True, exist_ok=True)
    RunDirectory(path).write_json("result.json", record | {"finished_at": now()})


def summarise(lines: list[Line], splits: Splits) -> dict[str, Any]:
    """Metrics of `result.json` from the lines of `rounds.jsonl`."""
    if not lines:
        return {}
    last = lines[-1]
    answers = [splits.gold[s.id].answer for s in splits.test]
    found = {
        **{f"test/{name}": metric for name, metric in last["test"].items()},
        **{f"dev/{name}": metric for name, metric in last["dev"].items()},
        "test/acc_round0": lines[0]["test"]["acc"],
        "test/majority": metrics.majority(answers).to_dict(),
    }
    costs = [line["spent"]["annotations"] for line in lines]
    values = [line["test"]["acc"]["value"] for line in lines]
    if len(set(costs)) > 1:
        n = last["test"]["acc"]["n"]
        found["test/aubc"] = area_metric(costs, values, n).to_dict()
    rates = [(line["bought"] or {}).get("acceptance_audit") for line in lines if line.get("bought")]
    if checked := [Metric.from_dict(r) for r in rates if r]:
        found["teacher/acceptance_rate"] = metrics.pooled(checked).to_dict()
    found |= {f"teacher/{name}": rate for name, rate in audit_of_rounds(lines).items()}
    return found


def area_metric(costs: list[int], values: list[float], n: int) -> Metric:
    """Area under the budget curve of one run.

    The interval carries the test set's sampling error only, as for one accuracy: all points share
    the same `n` questions. Differences between selectors come from seeds (`elad-exp compare`).
    """
    area = metrics.area_under_curve(costs, values)
    whole = metrics.proportion(round(area * n), n)
    return Metric(area, n, whole.ci95, "trapezoid; Wilson for n questions")


class Stopwatch:
    """Wall seconds of a run over all its sessions."""

    def __init__(self, earlier: float = 0.0) -> None:
        self._earlier = earlier
        self._start = time.monotonic()

    def __call__(self) -> float:
        return self._earlier + time.monotonic() - self._start
