"""The lines of `rounds.jsonl`, `annotations.jsonl` and `scores.jsonl.gz`."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from elad_exp import metrics
from elad_exp.selectors.diagnose import separation
from elad_exp.types import (
    SYNTHETIC,
    Annotation,
    Candidate,
    Explanation,
    Query,
    QueryItem,
    Sample,
    Status,
)


def statuses(annotations: Sequence[Annotation]) -> dict[str, int]:
    return dict(Counter(str(a.status) for a in annotations))


def bought(
    query: Query, annotations: Sequence[Annotation], told: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What a purchase amounts to; of what else is `told` of it, what is not empty."""
    audit_ids = {item.sample.id for item in query.items if item.audit}
    checked = [a for a in annotations if a.checked]

    def rate(audit: bool) -> dict[str, Any] | None:
        group = [a for a in checked if (a.sample.id in audit_ids) == audit]
        if not group:
            return None
        return metrics.proportion(sum(a.accepted for a in group), len(group)).to_dict()

    told = told or {}
    lessons = told.get("notes", {}).get("lessons")
    # What is studied is not asked about: there the teacher says how much it was asked to write.
    asked = sum(item.known is None for item in query.items) or len(annotations)
    return {
        "asked": asked if lessons is None else sum(lesson["asked"] for lesson in lessons),
        "ok": sum(a.status is Status.OK for a in annotations),
        "audit": sum(a.sample.id in audit_ids for a in annotations),
        "status": statuses(annotations),
        "acceptance_audit": rate(True),
        "acceptance_selected": rate(False),
        **{name: own for name, own in told.items() if own},
    }


def teacher_separation(query: Query, annotations: Sequence[Annotation]) -> dict[str, Any]:
    """How well every component ranks what the teacher found an error in above what it accepted.

    On audit items only: among the selected ones it would measure the selector. Keys as of
    `diagnose.separation`, of the kind `_teacher`.
    """
    accepted = {a.sample.id: a.accepted for a in annotations if a.checked}
    audit = [i for i in query.items if i.audit and i.scores and i.sample.id in accepted]
    return separation(((i.scores, not accepted[i.sample.id]) for i in audit), kind="_teacher")


def replayed(lines: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How lines of `annotations.jsonl` were found in a recording; empty where none was replayed."""
    found = [line.get("replayed_by") for line in lines]
    missing = sum(line["status"] == Status.MISSING for line in lines)
    if not any(found) and not missing:
        return {}
    return {"by_key": found.count("key"), "by_sample": found.count("sample"), "missing": missing}


def score_lines(
    round_: int, candidates: Sequence[Candidate], *, wrong: Mapping[str, bool], by: Any
) -> list[dict[str, Any]]:
    """The lines of a round, see `score_line`, and what does not take part in ranking:
    `attempt_wrong`, by gold and for reports only (whether the attempt's answer is, null without an
    attempt), and `scored_by` (`scored.scored_by`).
    """
    return [
        score_line(round_, c) | {"attempt_wrong": wrong.get(c.sample.id), "scored_by": by}
        for c in candidates
    ]


def score_line(round_: int, candidate: Candidate) -> dict[str, Any]:
    """A line of `scores.jsonl.gz`: what ranking the candidate again takes, but for its question.

    Keys: `round`; `id`; `scores` (component -> number, unrounded: the same ones tie again);
    `answers` of the sampled explanations; `attempt_answer` and `attempt_steps` (their number) of
    the greedy one, null without it; `screened`. Only where the selector or `selection.also_score`
    asked for features: `features` (base64 of little-endian float16, see `unpacked`) and `near`
    (distances to the nearest labelled questions, nearest first).
    """
    attempt = candidate.attempt
    line = {
        "round": round_,
        "id": candidate.sample.id,
        "scores": dict(candidate.scores),
        "answers": list(candidate.sampled),
        "attempt_answer": attempt.answer if attempt else None,
        "attempt_steps": len(attempt.steps) if attempt else None,
        "screened": candidate.screened,
    }
    if candidate.known is not None:
        line["known"] = candidate.known
    if candidate.features:
        line |= {"features": packed(candidate.features), "near": list(candidate.near)}
    return line


def packed(features: Sequence[float]) -> str:
    """Base64 of the numbers as little-endian float16."""
    return base64.b64encode(np.asarray(features, "<f2").tobytes()).decode("ascii")


def unpacked(text: str) -> tuple[float, ...]:
    """Inverse of `packed`."""
    return tuple(np.frombuffer(base64.b64decode(text), "<f2").tolist())


def stored_candidate(line: Mapping[str, Any]) -> Candidate:
    """The candidate of a `score_line`; the texts of its question and its steps are empty.

    A line of an earlier version does not have `attempt_steps`, and its candidate no attempt.
    """
    steps = line.get("attempt_steps")
    return Candidate(
        Sample(line["id"], ""),
        dict(line["scores"]),
        None if steps is None else Explanation.of([""] * steps, line["attempt_answer"]),
        tuple(line["answers"]),
        unpacked(line["features"]) if "features" in line else (),
        tuple(line.get("near", ())),
        screened=line.get("screened", False),
        known=line.get("known"),
    )


TOO_LONG = "does not fit the student's context: not trained on"


def annotation_line(
    round_: int, item: QueryItem | None, annotation: Annotation, *, fits: bool
) -> dict[str, Any]:
    """A line of `annotations.jsonl`. `fits`: it is short enough to be trained on."""
    explanation, ok = annotation.explanation, annotation.status is Status.OK
    sample = annotation.sample
    # Of a text that a teacher wrote, what it had studied and what was asked for.
    written = (
        {"parents": list(sample.parents), "aim": annotation.aim or None}
        if sample.origin == SYNTHETIC
        else {}
    )
    return {
        **written,
        "round": round_,
        "id": sample.id,
        "question": sample.question,
        "choices": [c.to_dict() for c in sample.choices],
        "audit": bool(item and item.audit),
        "attempt": item.attempt.to_dict() if item and item.attempt else None,
        "score": item.score if item else None,
        "scores": dict(item.scores) if item else {},
        "verdicts": [v.to_dict() for v in annotation.verdicts],
        "first_error": annotation.first_error,
        "steps": list(explanation.texts) if explanation else [],
        "answer": explanation.answer if explanation else None,
        "status": str(annotation.status),
        "reason": annotation.reason or ("" if fits or not ok else TOO_LONG),
        "raw": None if ok else annotation.raw,
        "teacher": annotation.teacher,
        "replayed_by": annotation.replayed_by or None,
        "call_ids": list(annotation.call_ids),
        "trained_on": ok and fits,
    }
