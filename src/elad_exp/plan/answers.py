"""Which answers are paid for already: those to the initial query, whose prompts are known."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from elad_exp.budget.database import open_readonly
from elad_exp.budget.ledger import shared_answer
from elad_exp.errors import ConfigError
from elad_exp.plan.costs import RoundPlan
from elad_exp.teachers.annotator import Annotator
from elad_exp.teachers.keys import request_key
from elad_exp.types import QueryItem, Usage

log = logging.getLogger(__name__)


def stored_answers(path: Path, keys: Iterable[str]) -> dict[str, Usage]:
    """What the answers that a store has for `keys` had cost. It is neither made nor changed.

    Raises:
        ConfigError: There is a file that cannot be read as a store.
    """
    if not path.exists():
        return {}
    with closing(open_readonly(path, briefly=True)) as db:
        found = {key: shared_answer(db, key) for key in keys}
    return {key: call.usage for key, call in found.items() if call is not None}


def first_round(
    annotator: Annotator, items: Iterable[QueryItem], store: Path, asked: set[str]
) -> RoundPlan:
    """The initial query: its calls, and which of them nobody has to pay for.

    Args:
        annotator: Who is asked.
        items: Of the query.
        store: Of the run; need not exist.
        asked: Keys that earlier jobs of a sweep ask for; those of this query are added.
    """
    items = list(items)
    part = RoundPlan(0, len(items))
    requests = [
        (request_key(annotator, request), request, chance)
        for item in items
        for request, chance in annotator.requests(item)
    ]
    shares = annotator.shares_cache
    stored = _looked_up(store, [key for key, _, _ in requests]) if shares else {}
    for key, request, chance in requests:
        if key in stored:
            usage = annotator.priced(stored[key])
            for cost in (part.expected, part.most, part.stored):
                cost.add(usage)
            continue
        part.expected.add(request.expected, chance)
        part.most.add(request.bound)
        if shares and key in asked:
            part.repeated.add(request.expected, chance)
    asked.update(key for key, _, _ in requests)
    return part


def _looked_up(path: Path, keys: Iterable[str]) -> dict[str, Usage]:
    """What is stored; a store that only a run may touch is told of, and counts as empty."""
    try:
        return stored_answers(path, keys)
    except ConfigError as error:
        log.warning("no answer is counted as paid for: %s", error)
        return {}
