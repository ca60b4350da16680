"""Mirrors of the round table: a CSV file and Weights & Biases.

The local files are the truth. A resumed run replays its history into the mirrors.
"""

from __future__ import annotations

import csv
import importlib.util
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import lightning as L

from elad_exp.console import Console
from elad_exp.errors import ConfigError, EladError
from elad_exp.protocols import EVAL_SPLITS
from elad_exp.rounds import Rounds
from elad_exp.rundir import write_atomic


class Sink(Protocol):
    """Receives every round once, in order."""

    def start(self, run_dir: Path, config: Mapping[str, Any], run_id: str) -> None: ...
    def log(self, row: Mapping[str, float]) -> None: ...
    def close(self, exit_code: int) -> None: ...


def metric_row(line: Mapping[str, Any]) -> dict[str, float]:
    """A line of `rounds.jsonl` under the metric keys that files and W&B share."""
    row: dict[str, float] = {
        "round/index": line["round"],
        "cost/annotations": line["spent"]["annotations"],
        "cost/tokens": line["spent"]["tokens"],
        "cost/usd": line["spent"]["usd"],
        "cost/train_tokens": line["train_tokens"],
    }
    for split in EVAL_SPLITS:
        row |= {f"{split}/{name}": metric["value"] for name, metric in line[split].items()}
    for name, metric in (line["select"] or {}).items():
        if name.startswith(("auroc", "auprc")) and metric is not None:
            row[f"select/{name}"] = metric["value"]
    bought = line["bought"] or {}
    if rate := bought.get("acceptance_audit"):
        row["teacher/acceptance_rate"] = rate["value"]
    row |= {f"teacher/{name}": m["value"] for name, m in bought.get("teacher", {}).items()}
    for name, value in bought.get("drift", {}).items():
        if isinstance(value, (int, float)):
            row[f"drift/{name}"] = value
    row |= {f"time/{phase}": seconds for phase, seconds in line["seconds"].items()}
    return row


class CsvSink:
    """`metrics.csv` in the run directory, rewritten with every round."""

    def __init__(self) -> None:
        self._rows: list[dict[str, float]] = []
        self._path: Path | None = None

    def start(self, run_dir: Path, config: Mapping[str, Any], run_id: str) -> None:
        self._path, self._rows = run_dir / "metrics.csv", []

    def log(self, row: Mapping[str, float]) -> None:
        assert self._path is not None
        self._rows.append(dict(row))
        columns = list(dict.fromkeys(key for r in self._rows for key in r))
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        write_atomic(self._path, text.getvalue())

    def close(self, exit_code: int) -> None:
        pass


class WandbSink:
    """A Weights & Biases run; offline runs are written below the run directory.

    Args:
        project: W&B project.
        offline: Write locally, for `wandb sync`.
        entity: W&B entity, null for the user's default.

    Raises:
        ConfigError: The package `wandb` is not installed.
    """

    def __init__(self, project: str, *, offline: bool, entity: str | None = None) -> None:
        if importlib.util.find_spec("wandb") is None:
            raise ConfigError(
                "logger: Weights & Biases is not installed; pip install 'elad-exp[wandb]', or "
                "choose logger=csv"
            )
        self.project, self.offline, self.entity = project, offline, entity
        self._run: Any = None

    def start(self, run_dir: Path, config: Mapping[str, Any], run_id: str) -> None:
        """Begin the W&B run.

        Raises:
            ConfigError: W&B refuses the login or the project.
            EladError: W&B cannot be reached.
        """
        import wandb

        advice = "log in with `wandb login`, or choose logger=wandb_offline"
        try:
            self._run = wandb.init(
                project=self.project,
                entity=self.entity,
                mode="offline" if self.offline else "online",
                dir=str(run_dir),
                name=run_id,
                config=dict(config),
                reinit="create_new",
                settings=wandb.Settings(console="off", silent=True),
            )
        except (wandb.errors.UsageError, wandb.errors.AuthenticationError) as error:
            raise ConfigError(f"logger: W&B refused: {_first_line(error)}; {advice}") from error
        except wandb.errors.Error as error:
            raise EladError(f"logger: W&B failed: {_first_line(error)}; {advice}") from error
        self._run.define_metric("cost/annotations")
        self._run.define_metric("*", step_metric="cost/annotations")

    def log(self, row: Mapping[str, float]) -> None:
        self._run.log(dict(row))

    def close(self, exit_code: int) -> None:
        if self._run is not None:
            self._run.finish(exit_code=exit_code)
            self._run = None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")


class RoundLog(L.Callback):
    """Prints each finished round and gives it to the sinks.

    A round's line is complete only when its purchase is known, so this comes after `Annotation`;
    lines already written by an earlier session are replayed into the sinks first.

    Args:
        rounds: The loop.
        sinks: Mirrors.
        console: Prints the table.
    """

    def __init__(self, rounds: Rounds, *, sinks: Sequence[Sink], console: Console) -> None:
        self.rounds, self.sinks, self.console = rounds, sinks, console
        self._next = 0

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.console.header()
        self._emit()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._emit()

    def _emit(self) -> None:
        for line in self.rounds.journal.rounds[self._next :]:
            self._next += 1
            self.console.round_line(line)
            for sink in self.sinks:
                sink.log(metric_row(line))


class Progress(L.Callback):
    """Moves the console's bar while training.

    Args:
        rounds: The loop, for the length of an epoch.
        console: Shows the bar.
    """

    def __init__(self, rounds: Rounds, console: Console) -> None:
        self.rounds, self.console = rounds, console
        self._phase: Any = None

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._phase = self.console.phase("train")
        self._phase.__enter__()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any
    ) -> None:
        self.console.advance(int(args[-1]) + 1, self.rounds.schedule.steps_per_round)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._close()

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._phase is not None:
            self._phase.__exit__(None, None, None)
            self._phase = None
