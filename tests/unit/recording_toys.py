"""A paid run in miniature: a language model's answers without a model, kept in a store."""

import asyncio
import json
from contextlib import closing

from elad_exp.budget.database import open_readonly
from elad_exp.budget.export import export
from elad_exp.budget.store import Store
from elad_exp.protocols import Splits
from elad_exp.teachers import litellm
from elad_exp.teachers.litellm import Reply
from elad_exp.teachers.llm import LanguageModelTeacher
from elad_exp.types import Explanation, GoldBook, Query, QueryItem, Status
from tests.scripted_teacher import ScriptedTeacher
from tests.unit.teacher_toys import TASK, metered

MODEL = "openai/scripted"
PRICE = {"prompt_usd": 1e-6, "completion_usd": 3e-6}
SAMPLES = [TASK.sample(n, n + 1, 3) for n in range(1, 9)]


def attempted(sample, *, wrong=True):
    """An item whose attempt is right, or wrong in its second step."""
    steps, answer = TASK.complete(sample, ())
    return QueryItem(sample, Explanation.of([steps[0], "so it is odd"] if wrong else steps, answer))


QUERIES = [
    Query(0, tuple(QueryItem(s) for s in SAMPLES[:3])),
    Query(1, tuple(attempted(s, wrong=i % 2 == 0) for i, s in enumerate(SAMPLES[3:6]))),
]


class FakeModel:
    """In place of `litellm.call`; `scripted` replies come first."""

    def __init__(self, monkeypatch, *scripted):
        self.scripted, self.n = list(scripted), 0
        self.teacher = ScriptedTeacher(TASK, Splits(tuple(SAMPLES), (), (), GoldBook({})))
        monkeypatch.setattr(litellm, "require_provider", lambda model: None)
        monkeypatch.setattr(litellm, "require_key", lambda model: None)
        monkeypatch.setattr(litellm, "call", self.call)

    async def call(self, messages, **options):
        await asyncio.sleep(0)
        self.n += 1
        text = self.scripted.pop(0) if self.scripted else self.teacher({"messages": messages})
        return Reply(text, Status.OK, sum(len(m["content"]) for m in messages) // 4, len(text))


def pay(path, *, run_id="paid", mode="single", queries=QUERIES, concurrency=2, **options):
    """Buy the queries into the store at `path`: annotations, spent."""
    model = LanguageModelTeacher(TASK, model=MODEL, mode=mode, concurrency=concurrency, **PRICE)
    return bought(path, model, run_id=run_id, queries=queries, **options)


def bought(path, annotator, *, run_id, queries=QUERIES, **options):
    with Store(path) as store:
        teacher = metered(store, annotator, run_id=run_id, **options)
        annotator.check(teacher.limits)
        settings = {key: getattr(annotator, key) for key in ("name", "model", "mode")}
        store.begin(run_id, teacher=settings | annotator.info)
        found = [annotation for query in queries for annotation in teacher.annotate(query)]
        teacher.close()
        return found, teacher.spent(), teacher.paid(), teacher.last_refusal


def record(store, path, *run_ids):
    with closing(open_readonly(store)) as db:
        return export(db, path, run_ids)


def meanings(annotations):
    """What was annotated, whoever did it and in whichever run."""
    return [
        (a.sample.id, a.status, a.explanation, a.verdicts, a.first_error, a.raw, a.reason)
        for a in annotations
    ]


def edit(path, change):
    """Rewrite the lines of a JSON Lines file."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(line) + "\n" for line in change(lines)))
