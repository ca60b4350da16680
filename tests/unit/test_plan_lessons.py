"""What a plan says of a round of lessons, beside the round itself."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from elad_exp.budget.budget import Limits
from elad_exp.plan.costs import RoundPlan
from elad_exp.plan.lessons import another, bought, chosen, made_up
from elad_exp.protocols import Splits, Task
from elad_exp.selectors.combine import ComponentSelector
from elad_exp.selectors.studied import PredictionsSelector
from elad_exp.tasks.bulletin.entities import BulletinEntitiesTask
from elad_exp.tasks.bulletin.task import BulletinTask
from elad_exp.teachers.lessons.base import LessonTeacher
from elad_exp.teachers.lessons.evokd import EvoKDTeacher
from elad_exp.teachers.lessons.grammar import GrammarSpeaker
from elad_exp.teachers.lessons.made import evokd_oracle
from elad_exp.teachers.metered import MeteredTeacher
from elad_exp.types import (
    Annotation,
    Answer,
    Explanation,
    Query,
    QueryItem,
    Request,
    Sample,
    Spent,
    Status,
    Usage,
)
from tests.unit.teacher_toys import open_store

SHORT = {"texts": 12, "lesson_size": 5}
TASKS = [BulletinTask, BulletinEntitiesTask]


@cache
def bulletin(kind: type) -> tuple[Task, Splits]:
    task = kind(n_pool=200, n_dev=5, n_test=5)
    return task, task.load()


def likely(kind: type, n: int = 24, *, number: int = 1) -> Query:
    """What a plan makes up."""
    task, splits = bulletin(kind)
    answers = SimpleNamespace(
        task=task, some=splits.pool[:n], likely=lambda s: Explanation((), splits.gold[s.id].answer)
    )
    return chosen(PredictionsSelector(), made_up(answers, (), n), number, n, seed=0)


def studied(kind: type, n: int = 24, *, number: int = 1) -> Query:
    """What a run may study: other texts, two of three taken for one and the same."""
    _, splits = bulletin(kind)
    pool = splits.pool[100 : 100 + n]
    said = "[]" if kind is BulletinEntitiesTask else splits.gold[pool[0].id].answer
    gold = [splits.gold[s.id].answer for s in pool]
    items = (
        QueryItem(s, Explanation((), said if i % 3 else known), known=known)
        for i, (s, known) in enumerate(zip(pool, gold, strict=True))
    )
    return Query(number, tuple(items))


def planned(teacher: LessonTeacher, query: Query) -> RoundPlan:
    return bought(query.round, teacher.lesson_requests(query))


def spent(folder: Path, teacher: LessonTeacher, *queries: Query) -> tuple[Spent, list[Annotation]]:
    with open_store(folder) as store:
        store.begin("run")
        buying = MeteredTeacher(
            teacher, store=store, limits=Limits(), run_id="run", wall_clock=lambda: 0.0
        )
        found = [one for query in queries for one in buying.annotate(query)]
        return buying.spent(), found


@pytest.mark.parametrize("kind", TASKS)
@pytest.mark.parametrize(
    "options",
    [{}, {"votes": 3}, {"one_call": True}, {"analyse": False}, {"show_right": False}],
    ids=str,
)
def test_calls_are_exact_and_tokens_near(
    kind: type, options: dict[str, Any], tmp_path: Path
) -> None:
    task, splits = bulletin(kind)
    teacher = evokd_oracle(task, splits.gold, **SHORT, **options)
    part = planned(teacher, likely(kind))
    found, _ = spent(tmp_path, teacher, studied(kind))
    assert (part.annotations, part.expected.calls) == (found.annotations, found.calls)
    assert part.most.calls == found.calls
    assert 0.75 < part.expected.tokens / found.tokens < 1.3
    assert part.expected.tokens < part.most.tokens
    assert [lot.annotations for lot in part.lots if lot.annotations] == [5, 5, 2]


def test_the_first_examples_cost_nothing() -> None:
    task, splits = bulletin(BulletinTask)
    first = Query(0, tuple(QueryItem(s) for s in splits.pool[:6]))
    part = planned(evokd_oracle(task, splits.gold), first)
    assert (part.annotations, part.expected.calls, part.most.tokens) == (0, 0, 0)


def test_a_plan_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def asked(*given: Any) -> Answer:
        raise AssertionError("asked")

    monkeypatch.setattr(GrammarSpeaker, "answer", asked)
    task, splits = bulletin(BulletinTask)
    assert planned(evokd_oracle(task, splits.gold), likely(BulletinTask)).expected.calls == 9


class Wordy(GrammarSpeaker):
    """Says as much as it may, in every step."""

    async def answer(self, step: str, request: Request, plan: Any) -> Answer:
        most = request.bound.completion_tokens
        if step == "analyse":
            told = " ".join(["vast"] * (most - 16))
            reply: dict[str, Any] = {"confused": [], "missing": [], "text": told}
        elif step == "label":
            reply = json.loads((await super().answer(step, request, plan)).text)
        else:
            n = plan["easy"] + plan["hard"]
            body = " ".join(["vast"] * (most // n - 8))
            texts = [f"{body} {plan['round']} {plan['number']} {i}" for i in range(n)]
            easy, hard = texts[: plan["easy"]], texts[plan["easy"] :]
            reply = {"easy": easy, "hard": hard, "answers": ["announce"] * n}
        return Answer(json.dumps(reply), Status.OK, Usage(request.bound.prompt_tokens, most))


@pytest.mark.parametrize("kind", TASKS)
@pytest.mark.parametrize("options", [{"votes": 2}, {"one_call": True}], ids=str)
def test_nothing_that_keeps_to_its_limits_costs_more_than_the_bound(
    kind: type, options: dict[str, Any], tmp_path: Path
) -> None:
    task, splits = bulletin(kind)
    wordy = Wordy(task, seed=0)
    teacher = EvoKDTeacher(task, splits.gold, wordy, **SHORT, near_duplicates=False, **options)
    most = planned(teacher, likely(kind, 12)).most
    answer = splits.gold[splits.pool[0].id].answer
    first, written = spent(tmp_path / "1", teacher, studied(kind, 12))
    texts = [Sample(a.sample.id, a.sample.question) for a in written]
    assert len(texts) == 12
    long = Query(2, tuple(QueryItem(s, None, known=_known(kind, s, answer)) for s in texts))
    second, _ = spent(tmp_path / "2", teacher, long)
    assert first.tokens < second.tokens <= most.tokens
    assert second.tokens > 0.7 * most.tokens  # the bound is not far from what can be reached


def _known(kind: type, sample: Sample, answer: str) -> str:
    return "[]" if kind is BulletinEntitiesTask else answer


@pytest.mark.parametrize("kind", TASKS)
def test_half_of_what_is_made_up_is_right_and_can_be_written(kind: type) -> None:
    task, splits = bulletin(kind)
    answers = SimpleNamespace(
        task=task, some=splits.pool[4:8], likely=lambda s: Explanation((), splits.gold[s.id].answer)
    )
    given = splits.pool[:4]
    made = made_up(answers, given, 20)
    assert [c.sample for c in made[:4]] == list(given)
    assert {c.sample.origin for c in made[4:]} == {"synthetic"}
    assert len({c.sample.id for c in made}) == 20
    right = [c.attempt.answer == c.known for c in made if c.attempt]
    assert right == [False, True] * 10
    assert all(task.target(c.sample, Explanation((), c.known)) for c in made)
    other = another(task, given[0], splits.gold[given[0].id].answer)
    assert other is None or task.target(given[0], Explanation((), other))


def test_selectors_draw_from_what_is_made_up_or_it_is_drawn_for_them() -> None:
    _, splits = bulletin(BulletinTask)
    answers = SimpleNamespace(
        task=bulletin(BulletinTask)[0],
        some=splits.pool[:9],
        likely=lambda s: Explanation((), splits.gold[s.id].answer),
    )
    made = made_up(answers, (), 40)
    wrong = chosen(PredictionsSelector(right_fraction=0.0), made, 3, 12, seed=0)
    assert wrong.round == 3
    assert all(item.attempt.answer != item.known for item in wrong.items if item.attempt)
    scored = chosen(ComponentSelector("margin"), made, 3, 12, seed=0)
    assert len({item.sample.id for item in scored.items}) == 12
