"""What a run and its plan are built on alike, and what is refused before anything is written."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from omegaconf import DictConfig

from elad_exp.budget.budget import Limits
from elad_exp.budget.pricing import unpriced
from elad_exp.building import build, complete
from elad_exp.data.weighing import weighing_problems
from elad_exp.errors import ConfigError
from elad_exp.protocols import Selector, Splits, Task
from elad_exp.schedule import ALL, Schedule
from elad_exp.selectors.components import OF_STEPS
from elad_exp.selectors.settings import check_among, check_needs, scoring_problems
from elad_exp.student.built import Built
from elad_exp.studied import AMONG
from elad_exp.teachers.afford import check_annotation, check_first
from elad_exp.teachers.annotator import Annotator, LessonAnnotator, check_studied


@dataclass(frozen=True, slots=True)
class Groundwork:
    """Data, teacher and selector, checked against each other; no student yet."""

    task: Task
    splits: Splits
    limits: Limits
    schedule: Schedule
    annotator: Annotator
    selector: Selector
    warnings: list[str]


def prepare(config: DictConfig, *, pays: bool) -> Groundwork:
    """Load the data, build teacher and selector; nobody is asked.

    Args:
        config: Composed and checked.
        pays: Whether the budget has to cover what comes first. A plan says what it covers.

    Raises:
        ConfigError: A part cannot be built, parts do not fit together, or that budget is too small.
    """
    if config.trainer.threads:
        torch.set_num_threads(config.trainer.threads)
    task: Task = build(config.dataset)
    splits = task.load()
    limits, schedule = Limits(**config.budget), Schedule(**config.schedule)
    annotator: Annotator = complete(config.teacher, task=task, gold=splits.gold, seed=config.seed)
    annotator.check_price(limits)
    needed = limits if pays else Limits()
    check_annotation(annotator, needed, splits.pool[0])
    selector: Selector = build(config.selector)
    check_among(selector, config.selection.among)
    check_studied(annotator, config.selection.among)
    given = check_first(annotator, needed, task, splits, schedule=schedule, seed=config.seed)
    check_needs(selector.needs, config.selection.also_score, task, splits.pool[0])
    warnings = unpriced(annotator.model, annotator.info)
    if isinstance(annotator, LessonAnnotator):
        warnings += annotator.warnings(studied=schedule.query_size, given=given)
    return Groundwork(task, splits, limits, schedule, annotator, selector, warnings)


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
