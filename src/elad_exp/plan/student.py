"""What the student does in the rounds of a plan, and how long everything takes."""

from __future__ import annotations

from collections.abc import Sequence

from omegaconf import DictConfig

from elad_exp.plan.attempts import Attempts, Scoring
from elad_exp.plan.costs import RoundPlan
from elad_exp.protocols import EVAL_SPLITS, Splits
from elad_exp.selectors import components
from elad_exp.selectors.settings import guided_size
from elad_exp.student.speed import Speeds
from elad_exp.teachers.annotator import Annotator

SECONDS_A_CALL = 3.0
"""Assumed of a language model; providers and models differ."""


def student_side(
    config: DictConfig,
    rounds: Sequence[RoundPlan],
    splits: Splits,
    needs: frozenset[str],
    attempts: Attempts,
    speeds: Speeds,
) -> None:
    """Add the tokens that the student reads in training and writes (or, where it labels, reads)
    elsewhere, and its seconds.
    """
    selection = config.selection
    measured = sum(len(getattr(splits, name)) for name in EVAL_SPLITS)
    closed = all(attempts.task.labels(s) is not None for s in attempts.some)
    also = components.check_also(selection.also_score)
    wanted = components.with_also(needs, also, closed=closed)
    guided = selection.guided_fraction < 1 and components.from_samples(needs, closed=closed)
    labelled = 0
    for part in rounds:
        part.measured = measured * (
            attempts.attempt_tokens if part.round else attempts.first_tokens
        )
        if part.round:
            examples = config.schedule.steps_per_round * config.optim.batch_size
            part.trained = examples * attempts.example_tokens
        if 0 < part.round < len(rounds) - 1:
            scored = part.candidates
            some = guided_size(scored, selection.guided_fraction) if guided else scored
            scoring = Scoring(
                candidates=scored,
                sampled=max(some, min(config.schedule.query_size, scored)),
                shown=part.annotations if attempts.shown else 0,
                labelled=labelled,
                wanted=wanted,
                guided=bool(guided),
                closed=closed,
            )
            part.scored = attempts.scored_tokens(scoring, selection)
        labelled += part.annotations + part.given
        part.train_s = part.trained / speeds.train
        part.measure_s = part.measured / speeds.answer
        part.score_s = part.scored / speeds.answer


def add_waiting(rounds: Sequence[RoundPlan], annotator: Annotator) -> None:
    """Add the seconds that a language model is waited for."""
    if not annotator.shares_cache:  # a program or a file answers at once
        return
    calling = annotator.calling
    for part in rounds:
        calls = part.paid.calls
        waits = [_answered(part, calls, calling.concurrency)]
        if calling.requests_per_minute:
            waits.append(60 * calls / calling.requests_per_minute)
        if calling.tokens_per_minute:
            waits.append(60 * part.paid.tokens / calling.tokens_per_minute)
        part.wait_s = max(waits)


def _answered(part: RoundPlan, calls: float, concurrency: int) -> float:
    """Seconds until so many calls are answered, of a lesson one after the other."""
    lessons = [lot.expected.calls for lot in part.lots if lot.annotations]
    if not lessons:
        return SECONDS_A_CALL * calls / concurrency
    alone = calls - sum(lessons)
    return SECONDS_A_CALL * (alone + max(max(lessons), sum(lessons) / concurrency))
