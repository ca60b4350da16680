"""What a run would cost, from its real prompts and pool; nothing is called and nothing is written.

The initial query is known exactly, so are its prompts. What later rounds will ask about is not, and
neither are the student's attempts: their prompts are those of a uniform part of the pool, with
attempts as long as the explanations that the dataset has. `expected` builds on estimated tokens.
`most` is a bound: every call at what would be reserved for it, with attempts as long as the student
can write them. Neither counts calls that fail and are made again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from elad_exp.assets import store_path
from elad_exp.budget.budget import Limits
from elad_exp.building import build, complete
from elad_exp.data.fitting import drop_too_long
from elad_exp.errors import ConfigError
from elad_exp.plan.answers import first_round
from elad_exp.plan.attempts import Attempts
from elad_exp.plan.costs import Cost, RoundPlan
from elad_exp.plan.ending import Ending, Most, Used, at_most, covered
from elad_exp.protocols import EVAL_SPLITS, Splits, Task
from elad_exp.selectors import components
from elad_exp.selectors.settings import check_needs, guided_size
from elad_exp.selectors.shots import first_query
from elad_exp.student.build import BuiltStudent
from elad_exp.student.speed import Speeds, measure
from elad_exp.teachers.annotator import Annotator, LessonAnnotator
from elad_exp.types import QueryItem

SECONDS_A_CALL = 3.0
"""Assumed of a language model; providers and models differ."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run would cost.

    `rounds` are those that the budget is expected to cover, the last one without a query; `end`
    says which limit ends them, if one does before the schedule; `stops` whether the run then ends.
    """

    name: str
    teacher: Annotator
    limits: Limits
    rounds: list[RoundPlan]
    most: Most
    end: Ending | None
    stops: bool
    speeds: Speeds


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
            ConfigError: What a run would refuse as well, but for a missing key or server.
        """
        limits = Limits(**config.budget)
        if config.trainer.threads:
            torch.set_num_threads(config.trainer.threads)
        task: Task = build(config.dataset)
        splits = task.load()
        teacher: Annotator = complete(config.teacher, task=task, gold=splits.gold, seed=config.seed)
        if isinstance(teacher, LessonAnnotator):
            raise ConfigError(
                f"mode=plan: what the lessons of teacher={teacher.name} will cost is not known yet "
                "before a run; set budget.max_tokens or budget.max_usd, which are never exceeded"
            )
        teacher.check_price(limits)
        needs = build(config.selector).needs
        check_needs(needs, config.selection.also_score, task, splits.pool[0])
        maker = build(config.student)
        if getattr(maker, "exercises", 0):
            maker.exercises = 0  # speed and length of texts do not depend on what it has learnt
        student: BuiltStudent = maker.build(task, splits, seed=config.seed)
        if not student.writes_steps:
            raise ConfigError(
                "mode=plan: not yet for students that label texts; set budget.max_annotations, "
                "budget.max_tokens or budget.max_usd, which are never exceeded"
            )
        engine = student.engine(task)
        splits, _ = drop_too_long(splits, engine.fits)
        attempts = Attempts(task, splits, student, shown=teacher.mode != "explain")
        rounds = teacher_side(config, splits, teacher, attempts, asked=self._asked)
        kind = OmegaConf.to_yaml(
            OmegaConf.create([config.student, config.dataset, config.optim.batch_size])
        )
        if kind not in self._speeds:
            size = config.optim.batch_size
            self._speeds[kind] = measure(
                engine,
                student.model,
                attempts.examples(),
                batch_size=size,
                collate=student.collate,
            )
        speeds = self._speeds[kind]
        student_side(config, rounds, splits, needs, attempts, speeds)
        add_waiting(rounds, teacher)
        used = self._used if limits.scope == "sweep" else Used()
        used.wall_s = 0.0
        stops = "budget" in config.stopping
        kept, end = covered(rounds, limits, used, stops=stops)
        most = at_most(rounds, limits)
        return Plan(config.name, teacher, limits, kept, most, end, stops, speeds)


def teacher_side(
    config: DictConfig,
    splits: Splits,
    annotator: Annotator,
    attempts: Attempts,
    *,
    asked: set[str],
) -> list[RoundPlan]:
    """Rounds with what their queries cost; the last only trains and measures.

    Raises:
        ConfigError: The initial query exceeds the pool.
    """
    schedule, pool = config.schedule, splits.pool
    if (schedule.initial_size or 0) > len(pool):
        raise ConfigError(
            f"schedule.initial_size={schedule.initial_size} exceeds the pool of {len(pool)} "
            "samples; choose a smaller initial query"
        )
    first = first_query(
        attempts.task,
        splits,
        pool,
        initial_size=schedule.initial_size,
        shots=schedule.shots,
        seed=config.seed,
    )
    store = Path(config.paths.store or store_path())
    rounds = [first_round(annotator, first.items, store, asked)]
    left = len(pool) - len(first.items)
    some = attempts.some
    expected = _expected(annotator, [QueryItem(s, attempts.likely(s)) for s in some])
    most = _most(annotator, [QueryItem(s, attempts.longest) for s in some])
    for number in range(1, schedule.rounds):
        n = min(schedule.query_size, left)
        left -= n
        share = n / len(some)
        rounds.append(RoundPlan(number, n, expected.times(share), most.times(share)))
    return [*rounds, RoundPlan(schedule.rounds)]


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


def student_side(
    config: DictConfig,
    rounds: Sequence[RoundPlan],
    splits: Splits,
    needs: frozenset[str],
    attempts: Attempts,
    speeds: Speeds,
) -> None:
    """Add the tokens that the student reads in training and writes elsewhere, and its seconds."""
    student, selection = attempts.student, config.selection
    measured = sum(len(getattr(splits, name)) for name in EVAL_SPLITS)
    target, whole = attempts.target_tokens, attempts.whole_tokens
    left = len(splits.pool)
    closed = all(attempts.task.labels(s) is not None for s in attempts.some)
    also = components.check_also(selection.also_score)
    wanted = components.with_also(needs, also, closed=closed)
    guided = selection.guided_fraction < 1 and components.from_samples(needs, closed=closed)
    for part in rounds:
        # Before it has learnt to end, a student writes until it must.
        part.measured = measured * (target if part.round else student.max_new_tokens)
        if part.round:
            part.trained = config.schedule.steps_per_round * config.optim.batch_size * whole
        if 0 < part.round < len(rounds) - 1:
            scored = min(selection.candidates or left, left)
            shown = part.annotations if attempts.shown else 0
            greedy = scored if wanted - components.TEXT - components.FEATURES else shown
            some = guided_size(scored, selection.guided_fraction) if guided else scored
            some = max(some, min(config.schedule.query_size, scored))
            drawn = some * _explanations(wanted, attempts, selection, closed=closed)
            part.scored = target * (greedy + drawn)
        left -= part.annotations
        part.train_s = part.trained / speeds.train
        part.measure_s = part.measured / speeds.generate
        part.score_s = part.scored / speeds.generate


def _explanations(
    wanted: frozenset[str], attempts: Attempts, selection: DictConfig, *, closed: bool
) -> float:
    """How many explanations are sampled about a candidate; part of one counts as that part."""
    if not components.from_samples(wanted, closed=closed):
        return 0.0
    steps = [len(attempts.likely(sample).steps) for sample in attempts.some]
    goes_on = "inter" in wanted and selection.inter_from == "prefixes"
    # After i of n steps, the rest of them: 1/n + ... + (n-1)/n.
    more = sum(max(n - 1, 0) for n in steps) / (2 * len(steps)) if goes_on else 0.0
    return float(selection.samples * (1 + more))


def add_waiting(rounds: Sequence[RoundPlan], annotator: Annotator) -> None:
    """Add the seconds that a language model is waited for."""
    if not annotator.shares_cache:  # a program or a file answers at once
        return
    calling = annotator.calling
    for part in rounds:
        calls = part.paid.calls
        waits = [calls * SECONDS_A_CALL / calling.concurrency]
        if calling.requests_per_minute:
            waits.append(60 * calls / calling.requests_per_minute)
        if calling.tokens_per_minute:
            waits.append(60 * part.paid.tokens / calling.tokens_per_minute)
        part.wait_s = max(waits)
