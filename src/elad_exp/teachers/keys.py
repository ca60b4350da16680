"""What a request is known by, and what the store keeps of its answer."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Protocol

from elad_exp.budget.ledger import StoredCall
from elad_exp.types import Answer, Request


class Asked(Protocol):
    """Who answers, as far as that shapes the answer; an `annotator.Annotator` is one."""

    @property
    def name(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def fresh_by(self) -> int | None: ...


def request_key(annotator: Asked, request: Request, *, repetition: int = 0) -> str:
    """sha256 of the canonical request: all that shapes the answer, nothing about the run.

    Args:
        annotator: Who is asked.
        request: What is asked; names prompt version and sampling fields.
        repetition: How many times the sample was asked about before. Without it, asking again
            after an unusable answer would be served that answer.
    """
    identity = {
        "teacher": annotator.name,
        "model": annotator.model,
        "request": request.fields,
        "repetition": repetition,
    }
    if annotator.fresh_by is not None:
        identity["seed"] = annotator.fresh_by
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def payload(answer: Answer, request: Request) -> dict[str, Any]:
    """What the store keeps of an answer beside its status and usage, and what a recording needs."""
    written = answer.explanation
    return {
        "prompt_version": request.fields.get("prompt_version"),
        "text": answer.text,
        "reason": answer.reason,
        "explanation": None if written is None else written.to_dict(),
    }


def restored(stored: StoredCall) -> Answer:
    kept = {key: stored.payload.get(key) for key in ("text", "reason", "explanation")}
    kept = {key: value for key, value in kept.items() if value is not None}
    return Answer.from_dict(kept | {"usage": stored.usage.to_dict(), "status": str(stored.status)})
