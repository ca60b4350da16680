"""One round, without Lightning: measure, snapshot, ask the rules, select, buy.

`Rounds` holds the loop's logic; the callbacks call it from Lightning's hooks and tests call it
directly. The order of calls in a run is

    cold_start, finish_query, (training, measure, report, stop_reason, select, finish_query)*

Round numbers: `pool.round` counts closed queries. Round 0 measures the untrained student, its
query is the initial one; round r measures the student trained on the first r purchases.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from elad_exp import metrics
from elad_exp.budget.budget import UNITS
from elad_exp.clock import PhaseClock
from elad_exp.data.pool import Pool
from elad_exp.drift import drift_of
from elad_exp.errors import EladError, RunStopped
from elad_exp.lines import annotation_line, bought, score_lines, statuses, teacher_separation
from elad_exp.protocols import (
    EVAL_SPLITS,
    Journal,
    MeasuringTask,
    MeteredTeacher,
    Selector,
    Splits,
    StoppingRule,
    Student,
    Task,
)
from elad_exp.schedule import Schedule
from elad_exp.scored import scored_by, standing_query
from elad_exp.selectors.diagnose import diagnose, wrong_attempts
from elad_exp.selectors.query import build_query, draw_candidates
from elad_exp.selectors.scorer import Scorer
from elad_exp.selectors.shots import first_query
from elad_exp.stopping import first_reason
from elad_exp.studied import Studied
from elad_exp.teachers.audit import audit_teacher
from elad_exp.types import (
    Annotation,
    Prediction,
    Query,
    RoundState,
    Sample,
    Spent,
    Status,
    StopReason,
)

log = logging.getLogger(__name__)

MAX_EMPTY_QUERIES = 2
"""A run ends after this many queries in a row without one usable annotation."""


class Rounds:
    """The active-distillation loop over one pool.

    Args:
        task: Grades answers.
        splits: Pool, dev and test with their gold, which reaches grading and reporting only.
        student: The student at inference.
        scorer: Computes the scores that `selector` needs.
        selector: Ranks candidates.
        teacher: Metered; what the budget does not cover is not asked.
        pool: What is labelled and what is not.
        journal: Where lines are written.
        rules: Stopping rules, asked in order.
        schedule: Sizes.
        audit_fraction: Share of every later query that is drawn uniformly.
        candidates: Samples scored in a round; null scores all.
        among: What candidates are drawn from: `pool` (not yet annotated), or what a teacher
            studies, see `studied.Studied`.
        seed: Seed of all draws.
        trainable: Whether an annotation fits the student's context as a training example.
        limits: Of the budget, by name: a refusal counts until they are raised.
    """

    def __init__(
        self,
        *,
        task: Task,
        splits: Splits,
        student: Student,
        scorer: Scorer,
        selector: Selector,
        teacher: MeteredTeacher,
        pool: Pool,
        journal: Journal,
        rules: Sequence[StoppingRule],
        schedule: Schedule,
        audit_fraction: float,
        candidates: int | None,
        seed: int,
        among: str = "pool",
        trainable: Callable[[Annotation], bool] = lambda annotation: True,
        limits: Mapping[str, Any] | None = None,
    ) -> None:
        self.task, self.splits, self.student = task, splits, student
        self.scorer, self.selector, self.teacher = scorer, selector, teacher
        self.pool, self.journal, self.rules = pool, journal, tuple(rules)
        self.schedule, self.audit_fraction = schedule, audit_fraction
        self.candidates, self.seed, self.trainable = candidates, seed, trainable
        self.among = among
        self.studied = None if among == "pool" else Studied(among, pool, trainable)
        self.limits = dict(limits or {})
        self.clock = PhaseClock()
        self.refused, self.exhausted = "", False
        self.empty_queries = 0
        self.reported = -1
        self._measured: dict[str, Any] = {}
        size = len(pool.unlabelled) + len(pool.labelled)
        schedule.first_size(size, most=self.limits.get("max_annotations"))

    def state_dict(self) -> dict[str, Any]:
        """Primitives for the checkpoint, beside the pool's."""
        return {
            "refused": self.refused,
            "exhausted": self.exhausted,
            "empty_queries": self.empty_queries,
            "reported": self.reported,
            "limits": self.limits,
            "studied": self.studied.state_dict() if self.studied else {},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` gave. What had ended the run is tried once more: a refusal, if
        limits have changed since or are shared in a sweep, and a teacher that gave nothing usable.
        """
        # In a sweep, other jobs may have given back what they had reserved.
        same = state["limits"] == self.limits and self.limits.get("scope") != "sweep"
        self.exhausted = bool(state.get("exhausted"))
        self.refused = state["refused"] if same or self.exhausted else ""
        given_up = state["empty_queries"] >= MAX_EMPTY_QUERIES
        self.empty_queries = 0 if given_up else int(state["empty_queries"])
        self.reported = int(state["reported"])
        if self.studied:
            self.studied.load_state_dict(state.get("studied", {}))

    # -- measuring ---------------------------------------------------------------------------

    def measure(self, split: str) -> None:
        """Grade the student on `dev` or `test`; the accuracy waits for `report`."""
        with self.clock.phase("evaluate"):
            samples = list(getattr(self.splits, split))
            predictions = self._predict(split, samples)
        self.journal.append("predictions.jsonl", [p.to_dict() for p in predictions])
        accuracy = metrics.accuracy([p.correct for p in predictions])
        log.info("round %d: %s accuracy %.3f", self.pool.round, split, accuracy.value)
        found = {"acc": accuracy}
        if isinstance(self.task, MeasuringTask):
            answers = [p.answer for p in predictions]
            found |= self.task.measures(samples, answers, self.splits.gold)
        self._measured[split] = {name: metric.to_dict() for name, metric in found.items()}

    def _predict(self, split: str, samples: list[Sample]) -> list[Prediction]:
        answers = [found[0].answer for found in self.student.explain(samples)]
        gold, round_ = self.splits.gold, self.pool.round
        return [
            Prediction(s.id, round_, split, a, self.task.grade(s, a, gold))
            for s, a in zip(samples, answers, strict=True)
        ]

    def report(self, **trained: Any) -> None:
        """Write the snapshot of this round, before anything more is bought."""
        self.reported = self.pool.round
        self.journal.put_round(
            {
                "round": self.pool.round,
                "n_labelled": len(self.pool.labelled),
                "spent": self._spent().to_dict(),
                "train_tokens": trained.get("train_tokens", 0),
                "optimizer_steps": trained.get("optimizer_steps", 0),
                "train_loss": trained.get("train_loss"),
                **self._measured,
                "select": None,
                "bought": None,
                "seconds": self.clock.take("train", "evaluate"),
                "tokens_per_s": trained.get("tokens_per_s", {}),
            }
        )

    def _spent(self) -> Spent:
        """What the closed queries cost: a run that is resumed may have answers of later ones."""
        return self.teacher.spent(before_round=self.pool.round)

    def state(self) -> RoundState:
        """What the stopping rules see."""
        line = self.journal.rounds[-1]
        audit = (self.journal.rounds[-2]["bought"] or {}) if len(self.journal.rounds) > 1 else {}
        rate = audit.get("acceptance_audit")
        return RoundState(
            round=self.pool.round,
            metrics={f"{split}/acc": line[split]["acc"]["value"] for split in EVAL_SPLITS},
            spent=self._spent(),
            n_labelled=len(self.pool.labelled),
            n_unlabelled=len(self.pool.unlabelled),
            acceptance=(round(rate["value"] * rate["n"]), rate["n"]) if rate else (0, 0),
            refused=self.refused,
            exhausted=self.exhausted,
            history=tuple(self.journal.rounds),
            among=self.among,
        )

    def stop_reason(self) -> StopReason | None:
        """Ask the rules; two queries in a row without one usable annotation stop as well, and so
        does the end of the schedule. A rule that knows why nothing came, a budget's, goes before.
        """
        done = self.pool.round >= self.schedule.rounds
        reason = first_reason(self.rules, self.state())
        if self.empty_queries >= MAX_EMPTY_QUERIES and not (reason and self.refused):
            return StopReason("no_annotations", "two queries in a row gave nothing usable", True)
        if reason:
            if done and self.refused:
                why = f"{self.refused.partition(';')[0]}; no round is left to buy the rest"
                return replace(reason, detail=why, resumable=False)
            return reason
        return StopReason("rounds", f"{self.pool.round} rounds are done") if done else None

    # -- selecting ---------------------------------------------------------------------------

    def cold_start(self) -> None:
        """Measure round 0 and open the initial query, unless that is already done."""
        if self.pool.round > 0 or self.pool.open_query is not None:
            return
        for split in EVAL_SPLITS:
            self.measure(split)
        self.report()
        schedule = self.schedule
        query = first_query(
            self.task,
            self.splits,
            self.pool.unlabelled,
            initial_size=schedule.first_size(len(self.pool.unlabelled)),
            shots=schedule.shots,
            seed=self.seed,
        )
        self.pool.open(query)

    @property
    def waits_to_buy(self) -> bool:
        """Whether this round was measured but nothing was bought yet: a restored run that a rule
        had stopped.
        """
        return self.reported == self.pool.round > 0 and self.pool.open_query is None

    def select(self) -> None:
        """Score candidates, pick, and open the query of this round."""
        round_ = self.pool.round
        by = scored_by(self.student, self.scorer)
        if kept := standing_query(self.journal, self.teacher, round=round_, by=by):
            query, snapshot = kept
            self._add_to_snapshot(**snapshot)
            self.pool.open(query)
            return
        with self.clock.phase("score"):
            subset = draw_candidates(
                self.studied.samples if self.studied else self.pool.unlabelled,
                size=self.candidates,
                seed=self.seed,
                round=round_,
            )
            n = min(self.schedule.query_size, len(subset))
            scored = self.scorer.score(
                subset,
                self.selector.needs,
                labelled=[a.sample for a in self.pool.labelled],
                round=round_,
                at_least=n,
            )
            if self.studied:
                scored = self.studied.told(scored)
            query = build_query(
                round=round_,
                candidates=scored,
                selector=self.selector,
                n=n,
                audit_fraction=self.audit_fraction,
                seed=self.seed,
            )
            query = self._with_attempts(query)
        # From here on gold is used, for reports only.
        gold = self.splits.gold
        wrong = wrong_attempts(scored, self.task, gold)
        lines = score_lines(round_, scored, wrong=wrong, by=by)
        self.journal.append("scores.jsonl.gz", lines)
        told = diagnose(scored, query, wrong=wrong, gold=gold, seed=self.seed)
        snapshot = {
            "select": told | {"scored_by": by},
            "seconds": self.clock.take("score"),
        }
        self._add_to_snapshot(**snapshot)
        self.journal.keep_query(query, snapshot)
        self.pool.open(query)

    def _with_attempts(self, query: Query) -> Query:
        """Attempts for chosen items that scoring has not given one."""
        missing = [item.sample for item in query.items if item.attempt is None]
        if not missing or not self.teacher.shown_attempts:
            return query
        made = {
            s.id: found[0] for s, found in zip(missing, self.student.explain(missing), strict=True)
        }
        items = (i if i.attempt else replace(i, attempt=made[i.sample.id]) for i in query.items)
        return replace(query, items=tuple(items))

    # -- buying ------------------------------------------------------------------------------

    def finish_query(self) -> None:
        """Buy the open query, if there is one, and add the purchase to the snapshot.

        Raises:
            EladError: The first query of the run gave no usable annotation.
        """
        query = self.pool.open_query
        if query is None:
            return
        before = self._spent()
        with self.clock.phase("annotate"):
            annotations = self.teacher.annotate(query)
        self.refused, self.exhausted = self.teacher.last_refusal or "", self.teacher.exhausted
        self.take_in(query, annotations)
        if self.studied:
            with self.clock.phase("evaluate"):
                self.studied.meet(self.student, annotations)
        after = self._spent()
        delta = {
            unit: round(getattr(after, unit) - getattr(before, unit), 6)
            for unit in UNITS
            if unit != "wall_s"
        }
        audit = audit_teacher(query, annotations, self.task, self.splits.gold)
        notes = self.teacher.last_notes
        drift = drift_of(self.task, self.pool, annotations, lessons="lessons" in notes)
        told = {"notes": notes, "drift": drift}
        self._add_to_snapshot(
            bought=bought(query, annotations, told) | {"teacher": audit, "spent": delta},
            select=teacher_separation(query, annotations) or None,
            seconds=self.clock.take("annotate"),
        )

    def take_in(self, query: Query, annotations: Sequence[Annotation]) -> None:
        """Close the query with what was bought and write one line for each annotation."""
        items = {item.sample.id: item for item in query.items}
        lines = []
        for annotation in annotations:
            item = items.get(annotation.sample.id)
            fits = annotation.status is not Status.OK or self.trainable(annotation)
            line = annotation_line(query.round, item, annotation, fits=fits)
            lines.append(line | self.teacher.costs(annotation))
        self.journal.append("annotations.jsonl", lines)
        self.pool.close(annotations)
        usable = sum(line["trained_on"] for line in lines)
        self.empty_queries = 0 if usable else self.empty_queries + 1
        if not usable and query.round == 0 and self.refused and self.limits.get("scope") == "sweep":
            raise RunStopped("sweep_budget", self.refused)
        if not usable and query.round == 0:
            lessons = self.teacher.last_notes.get("lessons", ())
            reasons = [*(a.reason for a in annotations), *(lesson["why"] for lesson in lessons)]
            first = next((f"; the first: {reason}" for reason in reasons if reason), "")
            why = self.refused or f"statuses: {statuses(annotations) or 'no answer at all'}{first}"
            raise EladError(
                f"the initial query of {len(query.items)} samples gave no usable annotation "
                f"({why}); nothing to train on"
            )

    def _add_to_snapshot(self, **parts: Any) -> None:
        line = dict(self.journal.rounds[-1])
        for key, value in parts.items():
            old = line.get(key)
            line[key] = old | (value or {}) if isinstance(old, dict) else value
        self.journal.put_round(line)
