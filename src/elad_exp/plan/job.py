"""What a run would cost, from its real prompts and pool; nothing is called and nothing is written.

The initial query is known exactly, so are its prompts. What later rounds will ask about is not, and
neither are the student's attempts: their prompts are those of a uniform part of the pool, with
attempts as long as the explanations that the dataset has. `expected` builds on estimated tokens.
`most` is a bound: every call at what would be reserved for it, with attempts as long as the student
can write them. What lessons ask is made up, see `LessonAnnotator.lesson_requests`. Neither counts
calls that fail and are made again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from elad_exp.assets import store_path
from elad_exp.budget.budget import Limits
from elad_exp.building import build
from elad_exp.data.fitting import drop_too_long
from elad_exp.groundwork import check_steps, prepare
from elad_exp.plan.answers import first_round
from elad_exp.plan.attempts import Attempts, Written
from elad_exp.plan.costs import Cost, RoundPlan
from elad_exp.plan.ending import Ending, Most, Used, at_most, covered
from elad_exp.plan.labels import Labels
from elad_exp.plan.lessons import lesson_rounds
from elad_exp.plan.student import add_waiting, student_side
from elad_exp.protocols import Selector, Splits
from elad_exp.schedule import Schedule
from elad_exp.selectors.shots import first_query
from elad_exp.student.build import BuiltStudent
from elad_exp.student.build_encoder import BuiltEncoder
from elad_exp.student.speed import Speeds, measure
from elad_exp.teachers.annotator import (
    Annotator,
    LessonAnnotator,
    PoolAnnotator,
    shown_attempts,
)
from elad_exp.types import QueryItem

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run would cost.

    `rounds` are those that the budget is expected to cover, the last one without a query; `end`
    says which limit ends them, if one does before the schedule; `stops` whether the run then ends;
    `reads` whether the student labels, and writes nothing.
    """

    name: str
    teacher: Annotator
    limits: Limits
    rounds: list[RoundPlan]
    most: Most
    end: Ending | None
    stops: bool
    speeds: Speeds
    reads: bool = False


class Planner:
    """Plans runs, one after the other as the jobs of a sweep: they share a store, and with
    `budget.scope=sweep` a budget.
    """

    def __init__(self) -> None:
        self._asked: set[str] = set()
        self._used = Used()
        self._speeds: dict[str, Speeds] = {}

    def plan(self, config: DictConfig) -> Plan:
        """Build everything but the calls, and add up.

        Raises:
            ConfigError: What a run would refuse as well, but for a missing key or server, and a
                budget that does not cover what comes first.
        """
        ground = prepare(config, pays=False)
        task, splits, limits = ground.task, ground.splits, ground.limits
        teacher, selector = ground.annotator, ground.selector
        for text in ground.warnings:
            log.warning(text)
        if isinstance(teacher, PoolAnnotator):
            teacher.serve(splits.pool)
        maker = build(config.student)
        if getattr(maker, "exercises", 0):
            maker.exercises = 0  # speed and length of texts do not depend on what it has learnt
        student: BuiltStudent | BuiltEncoder = maker.build(task, splits, seed=config.seed)
        check_steps(student, config.optim, selector)
        engine = student.engine(task)
        splits, _ = drop_too_long(splits, engine.fits)
        shown = shown_attempts(teacher)
        attempts: Attempts
        if isinstance(student, BuiltEncoder):
            attempts = Labels(task, splits, student, shown=shown)
        else:
            attempts = Written(task, splits, student, shown=shown)
        rounds = teacher_side(config, splits, teacher, attempts, selector, asked=self._asked)
        kind = OmegaConf.to_yaml(
            OmegaConf.create([config.student, config.dataset, config.optim.batch_size])
        )
        if kind not in self._speeds:
            self._speeds[kind] = measure(
                student, engine, attempts.examples(), batch_size=config.optim.batch_size
            )
        speeds = self._speeds[kind]
        student_side(config, rounds, splits, selector.needs, attempts, speeds)
        add_waiting(rounds, teacher)
        used = self._used if limits.scope == "sweep" else Used()
        used.wall_s = 0.0
        stops = "budget" in config.stopping
        kept, end = covered(rounds, limits, used, stops=stops)
        most = at_most(rounds, limits)
        reads = not student.writes_steps
        return Plan(config.name, teacher, limits, kept, most, end, stops, speeds, reads)


def teacher_side(
    config: DictConfig,
    splits: Splits,
    annotator: Annotator,
    attempts: Attempts,
    selector: Selector,
    *,
    asked: set[str],
) -> list[RoundPlan]:
    """Rounds with what their queries cost; the last only trains and measures.

    Raises:
        ConfigError: The initial query exceeds the pool or the budget.
    """
    schedule, pool = config.schedule, splits.pool
    first = first_query(
        attempts.task,
        splits,
        pool,
        initial_size=Schedule(**schedule).first_size(len(pool), most=config.budget.max_annotations),
        shots=schedule.shots,
        seed=config.seed,
    )
    last = RoundPlan(schedule.rounds)
    if isinstance(annotator, LessonAnnotator):
        return [*lesson_rounds(config, splits, annotator, attempts, first, selector), last]
    store = Path(config.paths.store or store_path())
    rounds = [first_round(annotator, first.items, store, asked)]
    left = len(pool) - len(first.items)
    some = attempts.some
    expected = _expected(annotator, [QueryItem(s, attempts.likely(s)) for s in some])
    most = _most(annotator, [QueryItem(s, attempts.longest(s)) for s in some])
    studied = config.selection.among != "pool"
    for number in range(1, schedule.rounds):
        there = len(first.items) if studied else left
        candidates = min(config.selection.candidates or there, there)
        n = min(schedule.query_size, candidates)
        left -= n
        share = n / len(some)
        rounds.append(
            RoundPlan(
                number,
                n,
                candidates=candidates,
                expected=expected.times(share),
                most=most.times(share),
            )
        )
    return [*rounds, last]


def _expected(annotator: Annotator, items: Iterable[QueryItem]) -> Cost:
    cost = Cost()
    for item in items:
        for request, chance in annotator.requests(item):
            cost.add(request.expected, chance)
    return cost


def _most(annotator: Annotator, items: Iterable[QueryItem]) -> Cost:
    cost = Cost()
    for item in items:
        for request, _ in annotator.requests(item):
            cost.add(request.bound)
    return cost
