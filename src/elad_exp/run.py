"""The life of a run: started, resumed, interrupted, finished; always recorded."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from elad_exp.assemble import Assembly, Parts
from elad_exp.assets import store_path
from elad_exp.budget.store import Store
from elad_exp.console import Console, Told, told
from elad_exp.errors import (
    ConfigError,
    EladError,
    Interrupted,
    RunStopped,
    Unreachable,
    UserError,
)
from elad_exp.lines import replayed
from elad_exp.logfile import log_to
from elad_exp.record import (
    Stopwatch,
    budget_record,
    config_sha256,
    machine,
    now,
    start_record,
    summarise,
)
from elad_exp.reporting.html import write_report
from elad_exp.reporting.plots import curve_png
from elad_exp.rundir import RunDirectory, dumps, read_lines
from elad_exp.signals import Interrupt
from elad_exp.teachers.endpoint import redact
from elad_exp.telling import conclusion, introduction, spending
from elad_exp.types import StopReason

log = logging.getLogger(__name__)


class Run:
    """Builds the parts, trains, and keeps `result.json` true.

    Args:
        config: Composed and validated.
        directory: Where the run writes; created, or restored when resuming.
        console: Prints for people.
        resumed: Whether this continues an earlier session.
        sweep: Names the sweep that this is a job of; a resumed job is known to the store.
    """

    def __init__(
        self,
        config: DictConfig,
        directory: RunDirectory,
        *,
        console: Console,
        resumed: bool,
        sweep: str | None = None,
    ) -> None:
        self.config, self.directory, self.console = config, directory, console
        self.resumed, self.sweep = resumed, sweep
        self.interrupt = Interrupt()
        # Spending is counted there: neither the working folder nor the environment of a later
        # session may point elsewhere.
        chosen = config.paths.store or store_path()
        config.paths.store = str(Path(chosen).absolute())
        directory.write_text("config.yaml", OmegaConf.to_yaml(config, resolve=True))
        self.plain: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
        self.store: Store | None = None
        self.parts: Parts | None = None
        self.saved: dict[str, Any] | None = None
        self.over: StopReason | None = None
        self.was_completed = False
        self.unknown = ""
        if resumed:
            self.record = directory.read_json("result.json")
            self.was_completed = self.record["status"] == "completed"
            self.record |= {
                "status": "running",
                "exit_code": None,
                "stop_reason": None,
                "finished_at": None,
                "resumed": self.record["resumed"] + 1,
                "budget": budget_record(self.plain["budget"]),
                "config_sha256": config_sha256(self.plain),
            }
        else:
            self.record = start_record(self.plain)
        # A session that was killed has left its seconds in the lines of its rounds only.
        lines = (line["spent"]["wall_s"] for line in directory.rounds)
        self.clock = Stopwatch(max([self.record["wall_s"], *lines]))

    # -- life cycle --------------------------------------------------------------------------

    def execute(self) -> int:
        """Run to the end; returns the exit code. Every outcome is recorded.

        Raises:
            UserError: A part cannot be built. The directory is as it was before.
            RunStopped: The same, of a run that goes on later: its teacher's server is gone.
        """
        try:
            return self._execute()
        except UserError as error:
            if self.parts is None:
                self.directory.undo()
                if self.resumed and isinstance(error, Unreachable):
                    raise RunStopped("teacher", str(error)) from error
            raise

    def _execute(self) -> int:
        self._save()
        handlers = [
            log_to(self.directory.path / "run.log"),
            Told(self.console, "elad_exp.assets"),
            Told(self.console, "elad_exp.scored", logging.WARNING),
            Told(self.console, "elad_exp.teachers.halt", logging.WARNING),
        ]
        with told(*handlers):
            return self._live()

    def _live(self) -> int:
        code = 1
        try:
            # Handled until the outcome is written, so that a second signal ends that as well.
            with self.interrupt.installed():
                try:
                    parts = self.parts = self._assemble()
                    reason = self._fit(parts)
                    code = self._finish(parts, reason)
                except BaseException as error:  # entry point: record, then re-raise or report
                    signal = self.interrupt.signum  # which also ends, for example, a download
                    if isinstance(error, UserError) and self.parts is None and signal is None:
                        raise
                    code = self._fail(error)
                    if not isinstance(error, EladError) and self.interrupt.signum is None:
                        raise
        finally:
            for sink in self.parts.sinks if self.parts else ():
                sink.close(code)
            if self.parts is not None:
                self.parts.teacher.close()
            if self.store is not None:
                self.store.close()
        return code

    def _assemble(self) -> Parts:
        run_id = self.record["run_id"]
        self.store = self._open_store()
        assembly = Assembly(
            self.config,
            directory=self.directory,
            store=self.store,
            run_id=run_id,
            sweep=self.sweep,
            console=self.console,
            wall_clock=self.clock,
            interrupted=self.interrupt.check,
        )
        parts = assembly.assemble()
        if self.resumed:
            self._refuse_other_server(parts)
            self._restore(parts)
        assembly.begin(parts)
        splits, annotator = parts.splits, parts.teacher.annotator
        keys = ("name", "source", "revision", "sha256", "split_seed")
        self.record |= {
            "dataset": {key: splits.info.get(key) for key in keys}
            | {f"n_{name}": len(getattr(splits, name)) for name in ("pool", "dev", "test")},
            "student": parts.student.info,
            "selector": {"name": parts.rounds.selector.name},
            "teacher": {
                "name": annotator.name,
                "model": annotator.model,
                "mode": annotator.mode,
                "estimated": annotator.estimated,
                **annotator.info,
            },
            "assets": [*splits.info.get("assets", []), *parts.student.assets],
            "machine": machine(),  # again: the number of threads is set by now
        }
        for text in [*splits.info.get("warnings", []), *parts.warnings]:
            self._warn(text)
        self._save()
        self._introduce()
        for sink in parts.sinks:
            sink.start(self.directory.path, self.plain, run_id)
        return parts

    def _open_store(self) -> Store:
        """Raises `ConfigError` when another store has counted what this run has spent."""
        path = Path(self.config.paths.store)
        closed = [x["spent"]["annotations"] for x in self.directory.rounds]
        counted = max([(self.record["spent"] or {}).get("annotations", 0), *closed])
        store = Store(path) if path.exists() or not counted else None
        known = store.spent(self.record["run_id"]).annotations if store else 0
        if store is None or known < counted:
            raise ConfigError(
                f"the store {path} knows of {known} annotations of this run, which has bought at "
                f"least {counted}; spending is counted there. Name the store that the run began "
                "with: paths.store=FILE"
            )
        return store

    def _refuse_other_server(self, parts: Parts) -> None:
        """The address may come from the environment, which is not in the run's configuration."""
        before = (self.record["teacher"] or {}).get("endpoint")
        server = parts.teacher.annotator.info.get("endpoint")
        if self.record["teacher"] and before != server:
            raise ConfigError(
                f"the run's teacher was at {before or 'its provider'}, now it would be at "
                f"{server or 'its provider'}: set ELAD_EXP_API_BASE as it was"
            )

    def _restore(self, parts: Parts) -> None:
        """Look into the checkpoint before anything is touched.

        Raises:
            ConfigError: The run was completed, and what ended it still holds.
        """
        last = self.directory.checkpoints / "last.ckpt"
        if not last.exists():
            return
        self.saved = torch.load(last, map_location="cpu", weights_only=True, mmap=True)
        parts.rounds.load_state_dict(self.saved["callbacks"]["Annotation"])
        parts.rounds.pool.load_state_dict(self.saved["PoolDataModule"]["pool"])
        if parts.rounds.waits_to_buy:
            self.over = parts.rounds.stop_reason()
        if self.over is not None and self.was_completed:
            raise ConfigError(
                f"{self.directory.path} is completed ({self.over.name}: {self.over.detail}); "
                "nothing is left to do"
                + (". It goes on with a larger budget" if self.over.name == "budget" else "")
            )

    def _introduce(self) -> None:
        """Say what is about to happen, and where it will be found."""
        self.console.say(introduction(self.record, self.directory.path))

    def _conclude(self, reason: StopReason) -> None:
        """Say what was spent, what was reached, and where the report lies."""
        self.console.say(conclusion(self.record, reason, self.directory.path, self.unknown))
        if reason.resumable:
            self._say_resume()

    def _say_resume(self) -> None:
        self.console.say(f"go on with: python -m elad_exp resume={self.directory.path}")

    def _fit(self, parts: Parts) -> StopReason:
        if self.resumed:
            self._cut_back(parts)
        if self.over is not None:  # stopped after its last round, before its end was written
            assert self.saved is not None
            parts.module.load_state_dict(self.saved["state_dict"])
            return self.over
        last = str(self.directory.checkpoints / "last.ckpt") if self.saved else None
        self.saved = None  # as large as the student
        with warnings.catch_warnings():
            # Batches are built in memory; worker processes would only cost time.
            warnings.filterwarnings("ignore", ".*does not have many workers.*")
            warnings.filterwarnings("ignore", ".*Checkpoint directory .* exists.*")
            parts.trainer.fit(
                parts.module,
                datamodule=parts.data,
                ckpt_path=last,
                weights_only=True if last else None,
            )
        assert parts.stopping.reason is not None  # at the latest, the end of the schedule
        return parts.stopping.reason

    def _cut_back(self, parts: Parts) -> None:
        rounds = parts.rounds
        known = self.saved is not None
        measured = max(rounds.pool.round, rounds.reported + 1) if known else 0
        self.directory.cut_back(measured=measured, bought=rounds.pool.round if known else 0)

    def _finish(self, parts: Parts, reason: StopReason) -> int:
        student_dir = self.directory.path / "student"
        parts.module.model.save_pretrained(student_dir)
        parts.module.engine.tokenizer.save_pretrained(student_dir)
        status, code = ("stopped", 75) if reason.resumable else ("completed", 0)
        self._close(status, code, reason.name)
        self._conclude(reason)
        return code

    def _fail(self, error: BaseException) -> int:
        if self.interrupt.signum is not None:
            if not isinstance(error, Interrupted):
                log.exception("while the run was stopping")
            error = Interrupted(self.interrupt.signum)
        if isinstance(error, RunStopped):
            code, status, reason = error.exit_code, "stopped", error.reason
        elif isinstance(error, EladError):
            code, status, reason = error.exit_code, "failed", str(error)
        else:
            code, status, reason = 1, "failed", f"{type(error).__name__}: {error}"
            log.exception("the run failed")
        self._close(status, code, redact(reason))
        self.console.say(redact(f"{status}: {error}"))
        if self.record["spent"] is not None:
            self.console.say(spending(self.record, self.unknown))
        if status == "stopped":
            self._say_resume()
        return code

    def _close(self, status: str, code: int, reason: str) -> None:
        self.record |= {
            "status": status,
            "exit_code": code,
            "stop_reason": reason,
            "finished_at": now(),
            "wall_s": round(self.clock(), 3),
            "rounds": len(self.directory.rounds),
        }
        if self.store is not None and self.parts is not None:
            run_id = self.record["run_id"]
            self.record["spent"] = self.parts.teacher.spent().to_dict()
            self.record["paid"] = self.parts.teacher.paid().to_dict()
            self._count_replayed()
            calls = list(self.store.calls(run_id))
            self.directory.write_text("ledger.jsonl", "".join(dumps(x) + "\n" for x in calls))
            self._count_unknown([call for call in calls if call["state"] == "unknown"])
        if self.parts is not None:
            self.record["metrics"] = summarise(self.directory.rounds, self.parts.splits)
        self._save()
        if self.directory.rounds:
            curve_png(self.directory.path, self.directory.path / "curve.png")
        write_report(self.directory.path)

    def _count_replayed(self) -> None:
        """How the annotations were found, if the teacher is a recording."""
        found = replayed(read_lines(self.directory.path / "annotations.jsonl"))
        if not found:
            return
        self.record["teacher"]["replayed"] = found
        counts = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in found.items())
        self.console.say(f"replayed  {counts}")
        if found["by_sample"] or found["missing"]:
            self._warn(
                "not every request is in the recording: other explanations of the sample stand in, "
                "which checked no attempt, or there is none (counts: teacher.replayed)"
            )

    def _count_unknown(self, calls: Sequence[Mapping[str, Any]]) -> None:
        tokens = sum(call["spent"]["tokens"] for call in calls)
        usd = sum(call["spent"]["usd"] for call in calls)
        before, self.unknown = self.unknown, ""
        if calls:
            self.unknown = (
                f"{len(calls)} calls without an answer are charged at their worst case, "
                f"{tokens} tokens and ${usd:.4f}"
            )
        kept = [x for x in self.record["warnings"] if x != before]
        self.record["warnings"] = kept + ([self.unknown] if self.unknown else [])

    def _save(self) -> None:
        self.directory.write_json("result.json", self.record)

    def _warn(self, text: str) -> None:
        log.warning(text)
        self.console.say(f"warning   {text}")
        if text not in self.record["warnings"]:
            self.record["warnings"].append(text)
