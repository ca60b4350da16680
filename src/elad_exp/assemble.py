"""Build the parts of a run from its configuration, and refuse what cannot work."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
from omegaconf import DictConfig, OmegaConf

from elad_exp.budget.budget import Limits
from elad_exp.budget.store import Store
from elad_exp.building import build
from elad_exp.callbacks.build import build_callbacks, build_trainer
from elad_exp.callbacks.checkpoint import StreamedCheckpoint
from elad_exp.callbacks.loggers import Progress, RoundLog, Sink
from elad_exp.callbacks.stopping import Stopping
from elad_exp.console import Console
from elad_exp.data.datamodule import PoolDataModule
from elad_exp.data.early import Encoder
from elad_exp.data.fitting import drop_too_long
from elad_exp.data.pool import Pool
from elad_exp.data.weighing import weighing_of
from elad_exp.groundwork import check_steps, prepare
from elad_exp.protocols import Selector, Splits, StoppingRule, Task
from elad_exp.rounds import Rounds
from elad_exp.rundir import RunDirectory
from elad_exp.schedule import Schedule
from elad_exp.selectors.components import check_also
from elad_exp.selectors.query import whole_pool_warning
from elad_exp.selectors.scorer import Scorer
from elad_exp.selectors.settings import (
    check_dropout,
    scorer_options,
)
from elad_exp.student.built import Asked, Built
from elad_exp.student.module import StudentModule
from elad_exp.student.precision import choose_dtype
from elad_exp.student.sentences import SentenceEncoder
from elad_exp.teachers.annotator import Annotator, shown_pool
from elad_exp.teachers.metered import MeteredTeacher

log = logging.getLogger(__name__)


@dataclass
class Parts:
    """What a run is made of, built and checked before anything is bought."""

    rounds: Rounds
    module: StudentModule
    data: PoolDataModule
    trainer: L.Trainer
    stopping: Stopping
    sinks: list[Sink]
    splits: Splits
    student: Built
    teacher: MeteredTeacher
    warnings: list[str]


class Assembly:
    """Builds the parts of one run.

    Args:
        config: Composed and checked.
        directory: Where the run writes.
        store: Calls and holds.
        run_id: Names the run in the store.
        sweep: Names the sweep that it is a job of, if it is.
        console: Shows progress.
        wall_clock: Seconds of the run so far, earlier sessions included.
        interrupted: Raises when a signal has asked the run to stop.
    """

    def __init__(
        self,
        config: DictConfig,
        *,
        directory: RunDirectory,
        store: Store,
        run_id: str,
        sweep: str | None,
        console: Console,
        wall_clock: Callable[[], float],
        interrupted: Callable[[], None],
    ) -> None:
        self.config, self.directory, self.store, self.run_id = config, directory, store, run_id
        self.sweep, self.console = sweep, console
        self.wall_clock, self.interrupted = wall_clock, interrupted
        self.plain: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]

    def _exercised(self, done: int, total: int) -> None:
        self.interrupted()
        if done == 1:
            self.console.say(f"student   learns from {total} batches of exercises, once")
        self.console.advance(done, total)

    def assemble(self) -> Parts:
        """Load data and student, then build the loop and its trainer.

        Raises:
            ConfigError: A part cannot be built, or parts do not fit together.
        """
        config = self.config
        ground = prepare(config, pays=True)
        task, splits, selector = ground.task, ground.splits, ground.selector
        # What can be wrong comes before the student, which can take minutes.
        ground.annotator.check(ground.limits)
        teacher = self._metered(ground.annotator, ground.limits)
        rules = [build(rule) for rule in config.stopping.values()]
        rules = [rule(ground.limits) if callable(rule) else rule for rule in rules]
        sinks: list[Sink] = [build(sink) for sink in config.logger.values()]
        with self.console.phase("exercises"):
            student: Built = build(config.student).build(
                task, splits, seed=config.seed, on_progress=self._exercised
            )
        check_steps(student, config.optim, selector)
        engine = student.engine(task)
        engine.interrupted = self.interrupted
        engine.on_progress = self.console.advance
        splits, warnings = drop_too_long(splits, engine.fits)
        warnings = [*ground.warnings, *student.warnings, *warnings]
        warnings += whole_pool_warning(len(splits.pool), config.selection.candidates)
        wanted = check_also(self.plain["selection"]["also_score"])
        warnings += check_dropout(engine, task, splits.pool[0], needs=selector.needs, also=wanted)
        encoder = student.encoder(task, train_on=config.optim.train_on)
        sentences = None
        if config.selection.content_encoder == "minilm":
            sentences = SentenceEncoder(beside=student.model, poll=self.interrupted)
            student.assets.append(sentences.asset)
        rounds = self._rounds(task, splits, engine, teacher, selector, rules, encoder, sentences)
        teacher.annotated = lambda: [a.sample for a in rounds.pool.labelled]
        warnings += shown_pool(teacher.annotator, splits.pool, lambda: rounds.pool.labelled)
        module = StudentModule(
            student.model,
            engine,
            loss=student.loss,
            learning_rate=config.optim.learning_rate,
            weight_decay=config.optim.weight_decay,
            warmup_steps=config.optim.warmup_steps,
            decay_steps=config.schedule.steps_per_round if config.optim.decay else None,
            seed=config.seed,
            measure=rounds.measure,
        )
        data = PoolDataModule(
            rounds.pool,
            encoder,
            batch_size=config.optim.batch_size,
            steps_per_round=config.schedule.steps_per_round,
            early_answer_fraction=config.optim.early_answer_fraction,
            review=config.optim.review,
            collate=student.collate,
            weighing=weighing_of(
                task,
                student.outputs,
                class_weights=config.optim.class_weights,
                doubt=config.optim.doubt,
            ),
            seed=config.seed,
        )
        precision = config.trainer.precision
        if precision == "auto":
            large = choose_dtype(student.model, "auto") is torch.bfloat16
            precision = "bf16-mixed" if large else "32-true"
        student.info["precision"] = precision
        trainer, stopping = self._trainer(rounds, sinks, precision)
        return Parts(
            rounds, module, data, trainer, stopping, sinks, splits, student, teacher, warnings
        )

    def _metered(self, annotator: Annotator, limits: Limits) -> MeteredTeacher:
        teacher = MeteredTeacher(
            annotator,
            store=self.store,
            limits=limits,
            run_id=self.run_id,
            wall_clock=self.wall_clock,
            interrupted=self.interrupted,
        )
        free = not annotator.shares_cache
        teacher.on_progress = lambda p: self.console.advance(
            p.done, p.total, "" if free else str(p)
        )
        return teacher

    def begin(self, parts: Parts) -> None:
        """Tell the store that this process works on the run, and close what dead ones left."""
        annotator = parts.teacher.annotator
        settings = {key: getattr(annotator, key) for key in ("name", "model", "mode")}
        self.store.begin(self.run_id, sweep=self.sweep, teacher=settings | annotator.info)
        self.store.recover(self.run_id)

    def _rounds(
        self,
        task: Task,
        splits: Splits,
        engine: Asked,
        teacher: MeteredTeacher,
        selector: Selector,
        rules: Sequence[StoppingRule],
        encoder: Encoder,
        sentences: SentenceEncoder | None,
    ) -> Rounds:
        config = self.config
        selection = config.selection
        rounds = Rounds(
            task=task,
            splits=splits,
            student=engine,
            scorer=Scorer(
                task,
                engine,
                **scorer_options(selection),
                encoder=sentences.embed if sentences else None,
                on_phase=lambda *_: self.interrupted(),
                seed=config.seed,
            ),
            selector=selector,
            teacher=teacher,
            pool=Pool(splits.pool, max_attempts=selection.max_attempts),
            journal=self.directory,
            rules=rules,
            schedule=Schedule(**self.plain["schedule"]),
            audit_fraction=selection.audit_fraction,
            candidates=selection.candidates,
            among=selection.among,
            seed=config.seed,
            trainable=lambda annotation: encoder.whole(annotation) is not None,
            limits=self.plain["budget"],
        )

        @contextmanager
        def phase(name: str) -> Iterator[None]:
            # One copy of the weights in the number format of inference serves the whole phase.
            asks = name in ("score", "evaluate")
            with self.console.phase(name), engine.phase() if asks else nullcontext():
                yield

        rounds.clock.on_phase = phase
        return rounds

    def _trainer(
        self, rounds: Rounds, sinks: Sequence[Sink], precision: str
    ) -> tuple[L.Trainer, Stopping]:
        config = self.config
        callbacks = build_callbacks(
            rounds,
            checkpoints=self.directory.checkpoints,
            check_interrupt=self.interrupted,
            extra=[
                Progress(rounds, self.console),
                RoundLog(rounds, sinks=sinks, console=self.console),
            ],
        )
        trainer = build_trainer(
            accelerator=config.trainer.accelerator,
            devices=1,
            precision=precision,
            max_epochs=config.schedule.rounds,
            gradient_clip_val=config.optim.clip or None,
            callbacks=callbacks,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            reload_dataloaders_every_n_epochs=1,
            default_root_dir=self.directory.path,
            use_distributed_sampler=False,
            plugins=[StreamedCheckpoint()],
        )
        return trainer, next(c for c in callbacks if isinstance(c, Stopping))
