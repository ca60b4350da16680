"""Annotations as a reader wants them: the student's steps beside what the teacher made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from elad_exp.reporting.text import answer_text, clipped
from elad_exp.rundir import Line

BEYOND = "the steps stand, but a step is missing or the answer does not follow"


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step: the student's text, what the teacher says of it, and the text trained on.

    `mark` is `right`, `error` (the first), `after` (follows the first error, not judged) or
    `unjudged` (there was no verdict). `changed` says whether the teacher's text differs.
    """

    index: int
    attempt: str | None
    entropy: float | None
    mark: str
    reason: str
    revised: str | None
    changed: bool


@dataclass(frozen=True, slots=True)
class ShownAnnotation:
    """One annotation, ready to be shown.

    `outcome` says in words what the teacher decided, `tone` whether that is `good`, `bad` or
    `soft` for the student; `reason` is the teacher's remark on the explanation as a whole, or why
    it cannot be used. `answer` is in words.
    """

    line: Line
    steps: tuple[StepRow, ...]
    outcome: str
    tone: str
    reason: str
    answer: str
    attempt_answer: str | None
    has_attempt: bool


def choose(annotations: Sequence[Line], limit: int) -> list[Line]:
    """At most `limit` lines, spread evenly; those with an attempt if there are any."""
    tried = [line for line in annotations if line["attempt"]] or list(annotations)
    if len(tried) <= limit:
        return tried
    return [tried[i * len(tried) // limit] for i in range(limit)]


def revision(line: Line) -> ShownAnnotation:
    """Align the attempt's steps with the teacher's, step by step."""
    attempt = line["attempt"]
    own: list[dict[str, Any]] = attempt["steps"] if attempt else []
    verdicts = {v["index"]: v for v in line["verdicts"]}
    revised: list[str] = line["steps"]
    rows = []
    for i in range(1, max(len(own), len(revised)) + 1):
        step = own[i - 1] if i <= len(own) else None
        text = revised[i - 1] if i <= len(revised) else None
        rows.append(
            StepRow(
                index=i,
                attempt=clipped(step["text"]) if step else None,
                entropy=step["entropy"] if step else None,
                mark=_mark(i, line, verdicts) if step else "unjudged",
                reason=clipped(verdicts.get(i, {}).get("reason") or "") if step else "",
                revised=None if text is None else clipped(text),
                changed=bool(attempt) and text != (step["text"] if step else None),
            )
        )
    last = verdicts.get(len(own) + 1, {})
    wrong = line["first_error"] is not None or line["status"] != "ok"
    return ShownAnnotation(
        line=line,
        steps=tuple(rows),
        outcome=_outcome(line, len(own)),
        tone="bad" if wrong else "good" if line["verdicts"] else "soft",
        reason=clipped(last.get("reason") or line.get("reason") or ""),
        answer=clipped(answer_text(line["question"], line["answer"])),
        attempt_answer=answer_text(line["question"], attempt["answer"]) if attempt else None,
        has_attempt=bool(attempt),
    )


def _mark(i: int, line: Line, verdicts: dict[int, dict[str, Any]]) -> str:
    first = line["first_error"]
    if first is not None and i >= first:
        return "error" if i == first else "after"
    return "right" if i in verdicts and verdicts[i]["ok"] else "unjudged"


def _outcome(line: Line, n: int) -> str:
    first = line["first_error"]
    if line["status"] != "ok":
        return f"{line['status']}, not trained on"
    if first is not None:
        return BEYOND if first > n else f"first error in step {first}"
    if line["verdicts"]:
        return "accepted unchanged"
    if "parents" in line:
        return f"written by the teacher{', asked for as ' + line['aim'] if line.get('aim') else ''}"
    if line["attempt"]:
        return "replaced without a check"
    return "explained from scratch" if line["steps"] else "answered"
