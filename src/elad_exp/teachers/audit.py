"""How far the teacher itself can be trusted: rates on items that were drawn uniformly.

Uses gold: for reports, never an input to selection, prompts or training.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from elad_exp import metrics
from elad_exp.protocols import CheckableTask, Task
from elad_exp.teachers.revise import revise
from elad_exp.types import GIVEN, Annotation, Explanation, GoldBook, Metric, Query, Sample, Status

RATES = (
    "answer_accuracy_round0",
    "answer_accuracy",
    "right_to_wrong",
    "first_error_accuracy",
)


def audit_teacher(
    query: Query, annotations: Sequence[Annotation], task: Task, gold: GoldBook
) -> dict[str, Any]:
    """Rates of one purchase, as primitives for its line in `rounds.jsonl`.

    Over the audit items with gold whose annotation is `ok`:

    - `answer_accuracy`: the annotated answer is right.
    - `right_to_wrong`: of the checked attempts whose answer was right, those whose annotated
      answer is wrong.
    - `first_error_accuracy`: of the checked attempts, those whose first error is the one that
      `revise` finds, no error included. Only where a program can check the task's steps.

    The initial query is uniform as a whole, but asks for explanations from scratch, of a pool from
    which nothing was taken yet. It therefore counts apart, as `answer_accuracy_round0`.

    First examples that were given with their labels are no work of the teacher's. What cannot be
    said is absent: a teacher that checks no attempts has the first rate alone.
    """
    initial = query.round == 0
    drawn = {
        item.sample.id: item.attempt
        for item in query.items
        if (initial or item.audit) and item.sample.id in gold
    }
    usable = [
        a
        for a in annotations
        if a.status is Status.OK and a.teacher != GIVEN and a.sample.id in drawn
    ]
    checked = [(a, t) for a in usable if a.checked and (t := drawn[a.sample.id]) is not None]

    def right(sample: Sample, explanation: Explanation | None) -> bool:
        return task.grade(sample, explanation.answer if explanation else None, gold)

    found = {
        f"answer_accuracy{'_round0' if initial else ''}": [
            right(a.sample, a.explanation) for a in usable
        ],
        "right_to_wrong": [
            not right(a.sample, a.explanation) for a, t in checked if right(a.sample, t)
        ],
    }
    if isinstance(task, CheckableTask):
        found["first_error_accuracy"] = [
            a.first_error == revise(task, a.sample, t).first_error for a, t in checked
        ]
    return {name: metrics.accuracy(hits).to_dict() for name, hits in found.items() if hits}


def audit_of_rounds(lines: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The rates of all purchases together, from the lines of `rounds.jsonl`."""
    rates = [(line["bought"] or {}).get("teacher") or {} for line in lines]
    groups = {name: [Metric.from_dict(r[name]) for r in rates if name in r] for name in RATES}
    return {name: metrics.pooled(found).to_dict() for name, found in groups.items() if found}
