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
from elad_exp.budget.pricing import unpriced
from elad_exp.budget.store import Store
from elad_exp.building import build, complete
from elad_exp.callbacks.build import build_callbacks, build_trainer
from elad_exp.callbacks.checkpoint import StreamedCheckpoint
from elad_exp.callbacks.loggers import Progress, RoundLog, Sink
from elad_exp.callbacks.stopping import Stopping
from elad_exp.console import Console
from elad_exp.data.datamodule import PoolDataModule
from elad_exp.data.early import Encoder
from elad_exp.data.fitting import drop_too_long
from elad_exp.data.pool import Pool
from elad_exp.data.weighing import weighing_of, weighing_problems
from elad_exp.errors import ConfigError
from elad_exp.protocols import Selector, Splits, StoppingRule, Task
from elad_exp.rounds import Rounds
from elad_exp.rundir import RunDirectory
from elad_exp.schedule import ALL, Schedule
from elad_exp.selectors.components import OF_STEPS, check_also
from elad_exp.selectors.query import whole_pool_warning
from elad_exp.selectors.scorer import Scorer
from elad_exp.selectors.settings import (
    check_among,
    check_dropout,
    check_needs,
    scorer_options,
    scoring_problems,
)
from elad_exp.student.built import Asked, Built
from elad_exp.student.module import StudentModule
from elad_exp.student.precision import choose_dtype
from elad_exp.student.sentences import SentenceEncoder
from elad_exp.studied import AMONG
from elad_exp.teachers.afford import check_annotation, check_first
from elad_exp.teachers.annotator import Annotator, LessonAnnotator, check_studied, shown_pool
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


def check(config: DictConfig) -> None:
    """Refuse, all at once, what can be refused before anything is written.

    Raises:
        ConfigError: Names every value that cannot be used.
    """
    problems = []
    if config.mode not in ("run", "plan"):
        problems.append(f"mode={config.mode}: choose run or plan")
    schedule, selection = config.schedule, config.selection
    least = {
        "schedule": {
            "rounds": 1,
            "initial_size": 1,
            "shots": 1,
            "query_size": 1,
            "steps_per_round": 1,
        },
        "selection": {"max_attempts": 1},
        "optim": {"batch_size": 1, "warmup_steps": 0, "weight_decay": 0, "clip": 0},
        "trainer": {"threads": 1},
    }
    for group, keys in least.items():
        for key, smallest in keys.items():
            value = config[group][key]
            if isinstance(value, (int, float)) and value < smallest:
                problems.append(f"{group}.{key}={value}: must be at least {smallest}")
    if config.optim.learning_rate <= 0:
        problems.append(f"optim.learning_rate={config.optim.learning_rate}: must be above 0")
    size, most = schedule.initial_size, config.budget.max_annotations
    if (size is None) == (schedule.shots is None):
        problems.append(
            f"schedule.initial_size={size}, schedule.shots={schedule.shots}: give one of them, "
            "and set the other to null"
        )
    if isinstance(size, str) and size != ALL:
        problems.append(
            f"schedule.initial_size={size}: choose a whole number, {ALL} (the whole pool) or null"
        )
    if most is not None and isinstance(size, int) and size > most:
        problems.append(
            f"schedule.initial_size={size} exceeds budget.max_annotations={most}; lower the first "
            "or raise the second"
        )
    if schedule.reset not in ("warm", "scratch"):
        problems.append(f"schedule.reset={schedule.reset}: choose warm or scratch")
    if selection.among not in AMONG:
        problems.append(f"selection.among={selection.among}: choose {', '.join(AMONG)}")
    elif selection.among != "pool" and selection.audit_fraction:
        problems.append(
            f"selection.audit_fraction={selection.audit_fraction}: with selection.among="
            f"{selection.among} nothing is audited; set it to 0"
        )
    review = config.optim.review
    if review is not None and not 0 <= review < 1:
        problems.append(f"optim.review={review}: must be null, or in [0, 1)")
    elif review and config.optim.batch_size == 1:
        problems.append(
            f"optim.review={review}: a batch of optim.batch_size=1 has no room for new and earlier "
            "texts; set optim.batch_size to 2 or more, or optim.review to 0 or null"
        )
    if not 0 <= selection.audit_fraction < 1:
        problems.append(f"selection.audit_fraction={selection.audit_fraction}: must be in [0, 1)")
    if selection.candidates is not None and selection.candidates < schedule.query_size:
        problems.append(
            f"selection.candidates={selection.candidates}: must be null or at least "
            f"schedule.query_size={schedule.query_size}"
        )
    problems += scoring_problems(selection, query_size=schedule.query_size)
    early = config.optim.early_answer_fraction
    if not 0 <= early <= 1:
        problems.append(f"optim.early_answer_fraction={early}: must be from 0 to 1")
    if config.optim.train_on not in ("full", "revision"):
        problems.append(f"optim.train_on={config.optim.train_on}: choose full or revision")
    problems += weighing_problems(config.optim.class_weights, config.optim.doubt)
    if problems:
        raise ConfigError("; ".join(problems))


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
        if config.trainer.threads:
            torch.set_num_threads(config.trainer.threads)
        task: Task = build(config.dataset)
        splits = task.load()
        limits = Limits(**self.plain["budget"])
        # What can be wrong comes before the student, which can take minutes.
        teacher = self._teacher(task, splits, limits)
        selector = build(config.selector)
        check_among(selector, config.selection.among)
        check_studied(teacher.annotator, config.selection.among)
        schedule = Schedule(**self.plain["schedule"])
        given = check_first(
            teacher.annotator, limits, task, splits, schedule=schedule, seed=config.seed
        )
        also = self.plain["selection"]["also_score"]
        check_needs(selector.needs, also, task, splits.pool[0])
        rules = [build(rule) for rule in config.stopping.values()]
        rules = [rule(limits) if callable(rule) else rule for rule in rules]
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
        warnings = [*student.warnings, *warnings]
        warnings += whole_pool_warning(len(splits.pool), config.selection.candidates)
        wanted = check_also(also)
        warnings += check_dropout(engine, task, splits.pool[0], needs=selector.needs, also=wanted)
        encoder = student.encoder(task, train_on=config.optim.train_on)
        sentences = None
        if config.selection.content_encoder == "minilm":
            sentences = SentenceEncoder(beside=student.model, poll=self.interrupted)
            student.assets.append(sentences.asset)
        rounds = self._rounds(task, splits, engine, teacher, selector, rules, encoder, sentences)
        teacher.annotated = lambda: [a.sample for a in rounds.pool.labelled]
        warnings += unpriced(teacher.annotator.model, teacher.annotator.info)
        warnings += shown_pool(teacher.annotator, splits.pool, lambda: rounds.pool.labelled)
        if isinstance(teacher.annotator, LessonAnnotator):
            warnings += teacher.annotator.warnings(studied=schedule.query_size, given=given)
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

    def _teacher(self, task: Task, splits: Splits, limits: Limits) -> MeteredTeacher:
        config = self.config
        annotator: Annotator = complete(
            config.teacher, task=task, gold=splits.gold, seed=config.seed
        )
        annotator.check_price(limits)
        check_annotation(annotator, limits, splits.pool[0])
        annotator.check(limits)
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


def check_steps(student: Built, optim: DictConfig, selector: Selector) -> None:
    """Raises ConfigError where training or selection needs steps, and the student writes none."""
    if student.writes_steps:
        return
    if needed := sorted(selector.needs & OF_STEPS):
        raise ConfigError(
            f"selector={selector.name} needs {', '.join(needed)}, and this student labels texts "
            "and writes no steps; choose e.g. answer_entropy, margin, bald, k_center or random"
        )
    for key, without in (("train_on", "full"), ("early_answer_fraction", 0)):
        if optim[key] != without:
            raise ConfigError(
                f"optim.{key}={optim[key]}: this student labels texts and writes no steps; set "
                f"optim.{key}={without}"
            )
