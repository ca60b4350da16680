"""The real teacher, through litellm, over a small task: what its purchases and ledgers must be."""

from __future__ import annotations

from typing import Any

import pytest

from elad_exp.budget.store import Store
from elad_exp.data.pool import Pool
from elad_exp.teachers.llm import LanguageModelTeacher
from elad_exp.teachers.metered import MeteredTeacher
from elad_exp.types import Annotation, Explanation, Query, QueryItem
from tests.helpers_openai import Server
from tests.unit.teacher_toys import TASK, metered

SAMPLES = [TASK.sample(n, n + 1, 3) for n in (2, 4, 6)]
# The first step is right, the second wrong, and so is the answer.
ITEMS = [
    QueryItem(s, Explanation.of([TASK.complete(s, ())[0][0], "the rest is even"], "yes"))
    for s in SAMPLES
]
MADE: list[MeteredTeacher] = []


def teacher_for(server: Server, store: Store, **options: Any) -> MeteredTeacher:
    given = {
        "api_base": server.url,
        "model": "openai/scripted",
        "max_completion_tokens": 300,
        "prompt_usd": 1e-6,
        "completion_usd": 4e-6,
        "attempts": 2,
        "longest_pause_s": 0.02,
        "timeout_s": 5.0,
    }
    outer = ("max_", "run_id", "interrupted", "on_progress")
    chosen = {k: options.pop(k) for k in list(options) if k.startswith(outer)}
    annotator = LanguageModelTeacher(TASK, **(given | options))
    made = metered(store, annotator, **({"max_usd": 1.0} | chosen))
    annotator.check_price(made.limits)
    MADE.append(made)
    return made


def states(store: Store, item: QueryItem) -> str:
    found = [c["state"] for c in store.calls("run") if c["sample"] == item.sample.id]
    return " ".join(found)


def agree(store: Store, teacher: MeteredTeacher) -> None:
    """What the run says it has spent is the sum of its ledger, within its limit."""
    lines = list(store.calls("run"))
    assert {line["state"] for line in lines} <= {"settled", "released", "unknown"}
    assert teacher.spent().usd == pytest.approx(sum(line["spent"]["usd"] for line in lines))
    assert teacher.spent().tokens == sum(line["spent"]["tokens"] for line in lines)
    assert teacher.limits.max_usd is not None
    assert teacher.spent().usd <= teacher.limits.max_usd
    assert store._select("SELECT * FROM holds") == []


def take_in(query: Query, annotations: list[Annotation]) -> Pool:
    pool = Pool([item.sample for item in query.items])
    pool.open(query)
    pool.close(annotations)
    for labelled in pool.labelled:
        assert labelled.explanation is not None
        assert labelled.explanation.texts
        assert all(labelled.explanation.texts)
        assert labelled.explanation.answer in ("yes", "no")
    return pool
