from dataclasses import replace

import pytest

from elad_exp.budget.owner import Owner, this_process
from elad_exp.budget.store import Store
from elad_exp.errors import EladError, Interrupted, RunStopped
from elad_exp.protocols import Teacher
from elad_exp.teachers.gold import GoldTeacher
from elad_exp.teachers.keys import request_key
from elad_exp.teachers.oracle import OracleTeacher
from elad_exp.types import Annotation, Answer, Explanation, Query, Request, Spent, Status, Usage
from tests.unit.teacher_toys import (
    SAMPLE,
    STEPS,
    TASK,
    Scripted,
    gold_of,
    item,
    metered,
    open_store,
    query,
)


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path) as opened:
        yield opened


def states(store, run_id="run"):
    return [line["state"] for line in store.calls(run_id)]


def test_a_query_is_bought_in_order_and_accounted(store):
    progress = []
    asked = query(1, 2, 3)
    teacher = metered(store, Scripted(), on_progress=progress.append, max_calls=10)
    assert teacher.name == "scripted"
    annotations = teacher.annotate(asked)
    assert [a.sample for a in annotations] == [i.sample for i in asked.items]
    assert [a.call_ids for a in annotations] == [("run:1",), ("run:2",), ("run:3",)]
    assert [(p.done, p.total, p.calls) for p in progress] == [(1, 3, 1), (2, 3, 2), (3, 3, 3)]
    assert str(progress[-1]) == "3 calls, 0 cached, 0 failed, $0.00 spent"
    assert teacher.last_refusal is None
    assert teacher.spent() == teacher.paid() == Spent(3, 3, 24, 0.003, 1.0)
    assert teacher.costs(annotations[0]) == {"tokens": 8, "usd": 0.001, "cached": False}
    assert states(store) == ["settled"] * 3


def test_a_part_of_a_query_is_bought_when_the_budget_covers_a_part(store):
    annotator = Scripted()
    teacher = metered(store, annotator, max_annotations=2)
    assert len(teacher.annotate(query(1, 2, 3))) == 2
    assert "budget.max_annotations=2" in teacher.last_refusal
    assert len(annotator.asked) == 2
    assert len(teacher.annotate(query(1, 2))) == 2  # settled already
    assert teacher.last_refusal is None
    assert teacher.annotate(query(3, round=1)) == []
    assert teacher.last_refusal
    assert len(annotator.asked) == 2


def test_the_worst_case_must_fit_not_the_likely_one(store):
    teacher = metered(store, Scripted(), max_tokens=8 + 14)
    assert len(teacher.annotate(query(1, 2))) == 1
    assert teacher.spent().tokens == 8


def test_wall_time_limits_purchases(store):
    times = iter([0.0, 5.0, 10.0])
    teacher = metered(store, Scripted(), max_wall_s=10, wall_clock=lambda: next(times))
    assert len(teacher.annotate(query(1, 2, 3))) == 2
    assert "max_wall_s" in teacher.last_refusal


def test_a_restarted_run_pays_nothing_twice_and_gets_the_same_answers(tmp_path):
    asked = Query(2, (item(*STEPS), item("nonsense", sample=TASK.sample(5, 6))))
    with open_store(tmp_path) as store:
        first = metered(store, OracleTeacher(TASK)).annotate(asked)
        bill = store.spent("run")
    with open_store(tmp_path) as store:
        again = metered(store, OracleTeacher(TASK), max_calls=0)
        assert again.annotate(asked) == first
        assert again.last_refusal is None
        assert store.spent("run") == bill


def test_asking_again_after_an_unusable_answer_is_a_new_request(tmp_path):
    with open_store(tmp_path) as store:
        annotator = Scripted(Status.UNPARSED)
        teacher = metered(store, annotator)
        assert teacher.annotate(query(1))[0].status is Status.UNPARSED
        # The open query, asked again after a restart: the same request.
        assert teacher.annotate(query(1))[0].status is Status.UNPARSED
        assert len(annotator.asked) == 1
        # A later round: another.
        assert teacher.annotate(query(1, round=1))[0].status is Status.OK
        assert len(annotator.asked) == 2
    with open_store(tmp_path) as store:
        annotator = Scripted()
        teacher = metered(store, annotator)
        found = [teacher.annotate(query(1, round=r))[0] for r in (0, 1)]
        assert [a.status for a in found] == [Status.UNPARSED, Status.OK]
        assert annotator.asked == []
        teacher.annotate(query(1, round=2))
        assert len({line["key"] for line in store.calls("run")}) == 3
        assert teacher.spent().annotations == 3


def test_a_sample_twice_in_a_query_is_two_requests(store):
    annotator = Scripted()
    first = metered(store, annotator).annotate(query(1, 1))
    assert first[0].call_ids != first[1].call_ids
    assert metered(store, annotator).annotate(query(1, 1)) == first
    assert len(annotator.asked) == 2


def test_an_answer_that_never_came_is_charged_at_its_bound_and_asked_again(store):
    annotator = Scripted(Status.OK, EladError("reset"))
    teacher = metered(store, annotator)
    with pytest.raises(EladError, match="reset"):
        teacher.annotate(query(1, 2))
    assert states(store) == ["settled", "unknown"]
    assert teacher.spent() == Spent(2, 2, 8 + 15, 0.011, 1.0)
    assert len(teacher.annotate(query(1, 2))) == 2
    assert states(store) == ["settled", "unknown", "settled"]
    assert teacher.spent() == Spent(2, 3, 8 + 15 + 8, 0.012, 1.0)


def test_a_key_press_during_an_answer_is_charged_too(store):
    with pytest.raises(KeyboardInterrupt):
        metered(store, Scripted(KeyboardInterrupt())).annotate(query(1))
    assert states(store) == ["unknown"]


def test_nothing_is_sent_after_an_interruption(store):
    annotator = Scripted()

    def interrupted():
        if len(annotator.asked) == 2:
            raise Interrupted(15)

    with pytest.raises(Interrupted):
        metered(store, annotator, interrupted=interrupted).annotate(query(1, 2, 3))
    assert len(annotator.asked) == 2
    assert states(store) == ["settled", "settled"]
    assert len(metered(store, annotator).annotate(query(1, 2, 3))) == 3
    assert len(annotator.asked) == 3


def test_what_a_killed_process_had_sent_is_charged_and_asked_again(tmp_path):
    path = tmp_path / "s.sqlite"
    killed = Owner(this_process().host, 2**22 + 1, "never")
    bound = Scripted().most
    key = request_key(Scripted(), Scripted().request(query(1).items[0]))
    with Store(path, owner=killed) as dead:
        teacher = metered(dead, Scripted())
        call = dead.reserve(
            run_id="run",
            key=key,
            annotation=f"{query(1).items[0].sample.id}:0",
            sample_id=query(1).items[0].sample.id,
            round=0,
            bound=bound,
            limits=teacher.limits,
            wall_s=0.0,
        )
        dead.mark_sent(call)
    with Store(path) as store:
        store.recover("run")
        teacher = metered(store, Scripted(), max_tokens=2 * bound.tokens, max_annotations=1)
        assert len(teacher.annotate(query(1))) == 1
        assert states(store) == ["unknown", "settled"]
        assert teacher.spent().annotations == 1


def test_a_teacher_that_bills_above_its_bound_is_asked_nothing_more(store):
    annotator = Scripted(usage=Usage(5, 11))
    teacher = metered(store, annotator)
    with pytest.raises(RunStopped, match="16 tokens for call run:1, which was reserved at 15"):
        teacher.annotate(query(1, 2))
    assert len(annotator.asked) == 1
    assert teacher.spent().tokens == 16
    # What was answered is kept when the run goes on.
    again = metered(store, Scripted())
    assert len(again.annotate(query(1, 2))) == 2
    assert len(again.annotator.asked) == 1


def test_a_cached_answer_costs_what_it_would_cost_this_run(store):
    metered(store, Scripted(usage=Usage(5, 3, 0.0)), run_id="free").annotate(query(1, 2))
    annotator = Scripted()
    annotator.priced = lambda usage: replace(usage, usd=usage.tokens * 0.001)
    teacher = metered(store, annotator, share_cache=True, max_usd=0.015)
    assert len(teacher.annotate(query(1, 2))) == 1
    assert (teacher.spent().usd, teacher.paid().usd) == (pytest.approx(0.008), 0.0)


def test_what_was_begun_in_time_is_finished(store):
    class Twice(Scripted):
        async def annotate(self, item, ask):
            await super().annotate(item, ask)
            request = self.request(item)
            fields = request.fields | {"part": 2}

            async def call():
                return Answer("text", Status.OK, self.usage)

            await ask(replace(request, fields=fields), call)
            return Annotation(item.sample, None, Status.OK, self.name)

    times = iter([1.0, 20.0, 20.0])
    teacher = metered(store, Twice(), max_wall_s=10, wall_clock=lambda: next(times))
    assert len(teacher.annotate(query(1, 2))) == 1
    assert states(store) == ["settled", "settled"]


# -- the shared cache ----------------------------------------------------------------------------


def test_another_runs_answer_is_spent_but_not_paid(store):
    metered(store, Scripted(), run_id="first").annotate(query(1))
    annotator = Scripted()
    teacher = metered(store, annotator, share_cache=True)
    shared, bought = teacher.annotate(query(1, 2))
    assert annotator.asked == [bought.sample.id]
    assert shared.call_ids == ("run:1",)
    assert teacher.costs(shared) == {"tokens": 8, "usd": 0.001, "cached": True}
    assert teacher.spent() == Spent(2, 2, 16, 0.002, 1.0)
    assert teacher.paid() == Spent(1, 1, 8, 0.001, 1.0)


def test_a_full_cache_changes_no_refusal(store):
    bought = []
    for run_id in ("cold", "warm"):
        teacher = metered(store, Scripted(), run_id=run_id, share_cache=True, max_tokens=30)
        bought.append(len(teacher.annotate(query(1, 2, 3, 4))))
        assert "max_tokens=30" in teacher.last_refusal
    assert bought == [2, 2]
    assert store.paid("warm").tokens == 0


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.OK}))
def test_unusable_answers_are_never_shared(store, status):
    metered(store, Scripted(status), run_id="first").annotate(query(1))
    annotator = Scripted()
    metered(store, annotator, share_cache=True).annotate(query(1))
    assert len(annotator.asked) == 1


def test_the_cache_is_not_shared_unless_asked_for(store):
    metered(store, Scripted(), run_id="first").annotate(query(1))
    annotator = Scripted()
    metered(store, annotator).annotate(query(1))
    assert len(annotator.asked) == 1


# -- request keys --------------------------------------------------------------------------------


def key_of(teacher, asked, **options):
    return request_key(teacher, Request(teacher.request(asked), Usage()), **options)


def test_a_key_depends_on_all_that_shapes_the_answer_and_nothing_else():
    base, teacher = item(*STEPS), OracleTeacher(TASK)
    key = key_of(teacher, base)
    assert len(key) == 64
    same = [
        (OracleTeacher(TASK), replace(base, score=0.5, scores={"a": 1.0}, audit=True)),
    ]
    other = [
        (teacher, item(STEPS[0])),
        (teacher, item(*STEPS, answer="yes")),
        (teacher, item(*STEPS, sample=TASK.sample(1, 1))),
        (OracleTeacher(TASK, mode="explain"), base),
        (OracleTeacher(TASK, seed=1), base),
        (OracleTeacher(TASK, error_rate=0.1), base),
        (OracleTeacher(TASK, max_completion_tokens=99), base),
        (GoldTeacher(TASK, gold_of(TASK, SAMPLE)), base),
    ]
    assert {key_of(*pair) for pair in same} == {key}
    keys = {key_of(*pair) for pair in other} | {key_of(teacher, base, repetition=1)}
    assert len(keys) == len(other) + 1
    assert key not in keys


def test_metered_teachers_are_teachers(store):
    teacher: Teacher = metered(store, OracleTeacher(TASK))
    found = teacher.annotate(Query(0, (item("nonsense"),)))
    assert found[0].explanation == Explanation.of(STEPS, "no")
