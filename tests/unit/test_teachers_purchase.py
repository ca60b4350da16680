"""The order of a purchase: what a budget covers, what stops it, how fast it goes."""

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from elad_exp.errors import EladError, Interrupted, RunStopped
from elad_exp.teachers import calling, halt
from elad_exp.teachers.calling import Billed, CallFailed
from elad_exp.teachers.pace import WINDOW_S, Pace
from elad_exp.types import Annotation, Answer, Explanation, Request, Status, Usage
from tests.unit.teacher_toys import Scripted, metered, open_store, query

BOUND = Usage(10, 10, 0.01)


class Timed(Scripted):
    """Takes a number of calls for each sample; each has a price, a delay and failures before it."""

    def __init__(self, plans, **calling):
        super().__init__(**calling)
        self.plans, self.sent, self.at_once, self.most_at_once = plans, [], 0, 0

    async def annotate(self, item, ask):
        plan = self.plans[item.sample.id]
        for i, (tokens, delay, failures) in enumerate(plan):
            left = len(plan) - i - 1
            failing = [failures]

            async def call(i=i, tokens=tokens, delay=delay, failing=failing):
                self.sent.append((item.sample.id, i))
                self.at_once += 1
                self.most_at_once = max(self.at_once, self.most_at_once)
                await asyncio.sleep(delay / 1000)
                self.at_once -= 1
                if failing[0]:
                    failing[0] -= 1
                    raise CallFailed("busy", billed=Billed.NO, retry=True)
                return Answer("text", Status.OK, Usage(0, tokens, tokens / 1000))

            fields = {"sample": item.sample.id, "call": i}
            ahead = Usage(10 * left, 10 * left, 0.01 * left)
            await ask(Request(fields, BOUND, ahead=ahead, ahead_calls=left), call)
        return Annotation(item.sample, Explanation.of(["a"], "yes"), Status.OK, self.name)


def buy(plans, *, concurrency, **limits):
    asked = query(*range(1, len(plans) + 1))
    by_id = {item.sample.id: plan for item, plan in zip(asked.items, plans, strict=True)}
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder)) as store:
        annotator = Timed(by_id, concurrency=concurrency, longest_pause_s=0.05)
        teacher = metered(store, annotator, **limits)
        found = teacher.annotate(asked)
        ids = [item.sample.id for item in asked.items]
        bought = [ids.index(a.sample.id) for a in found]
        assert {c["state"] for c in store.calls("run")} <= {"settled", "released"}
        assert store._select("SELECT * FROM holds") == []
        assert annotator.most_at_once <= concurrency
        return bought, teacher.spent(), bool(teacher.last_refusal)


call_plans = st.tuples(st.integers(0, 10), st.integers(0, 4), st.sampled_from([0, 0, 1]))
all_plans = st.lists(st.lists(call_plans, min_size=1, max_size=3), min_size=1, max_size=6)


@settings(max_examples=25, deadline=None)
@given(
    all_plans,
    st.integers(2, 8),
    st.fixed_dictionaries(
        {},
        optional={
            "max_tokens": st.integers(0, 150),
            "max_annotations": st.integers(0, 6),
            "max_calls": st.integers(0, 14),
            "max_usd": st.integers(0, 80).map(lambda n: n / 1000),
        },
    ),
)
def test_what_a_budget_covers_depends_neither_on_concurrency_nor_on_delays(
    plans, concurrency, limits
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calling, "FIRST_PAUSE_S", 0.002)
        one = buy(plans, concurrency=1, **limits)
        assert buy(plans, concurrency=concurrency, **limits) == one
        assert one[0] == list(range(len(one[0]))), "the beginning of the query"


def test_a_hold_that_waits_for_another_attempt_does_not_end_the_purchase(monkeypatch):
    # The second call was turned down and pauses; the third does not fit beside its hold.
    monkeypatch.setattr(calling.random, "uniform", lambda least, most: most)
    plans = [[(1, 1, 0)], [(1, 0, 1)], [(1, 0, 0)]]
    assert buy(plans, concurrency=2, max_tokens=40)[0] == [0, 1, 2]


def test_an_error_in_one_annotation_stops_the_others(tmp_path):
    statuses = [EladError("broken"), *[Status.OK] * 20]
    with open_store(tmp_path) as store:
        annotator = Scripted(*statuses, concurrency=4)
        with pytest.raises(EladError, match="broken"):
            metered(store, annotator).annotate(query(*range(20)))
        assert len(annotator.asked) < 20
        calls = [c["state"] for c in store.calls("run")]
    assert calls.count("unknown") == 1
    assert set(calls) <= {"unknown", "settled", "released"}


class Hanging(Timed):
    """The second sample never gets an answer."""

    async def annotate(self, item, ask):
        async def call():
            self.asked.append(item.sample.id)
            if len(self.asked) == 2:
                await asyncio.sleep(60)
            return Answer("text", Status.OK, Usage(1, 1, 0.001))

        await ask(self.request(item), call)
        return Annotation(item.sample, Explanation.of(["a"], "yes"), Status.OK, self.name)


@pytest.mark.parametrize("why", ["interrupted", "too late"])
def test_open_calls_get_a_while_and_are_then_charged(tmp_path, monkeypatch, why):
    monkeypatch.setattr(halt, "POLL_S", 0.02)
    options = {"timeout_s": 0.2} | ({"phase_timeout_s": 0.1} if why == "too late" else {})
    with open_store(tmp_path) as store:
        annotator = Hanging({}, concurrency=2, **options)

        def interrupted():
            if why == "interrupted" and len(annotator.asked) >= 2:
                raise Interrupted(15)

        teacher = metered(store, annotator, interrupted=interrupted)
        asked = query(*range(40 if why == "interrupted" else 2))
        with pytest.raises(RunStopped) as caught:
            teacher.annotate(asked)
        states = [c["state"] for c in store.calls("run")]
        assert states.count("unknown") == 1
        assert store.held("run").calls == 0
        if why == "too late":
            assert caught.value.reason == "teacher_timeout"
            assert "phase_timeout_s=0.1 passed with 1 of 2 annotated" in str(caught.value)
        else:
            assert isinstance(caught.value, Interrupted)
        # Going on pays nothing twice: one more call for each item that has no answer.
        settled = states.count("settled")
        again = metered(store, Scripted(concurrency=2))
        assert len(again.annotate(asked)) == len(asked.items)
        assert len(again.annotator.asked) == len(asked.items) - settled


def test_what_the_grace_brings_in_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(halt, "POLL_S", 0.01)
    plans = {i.sample.id: [(1, 80, 0)] for i in query(1, 2, 3).items}
    with open_store(tmp_path) as store:
        annotator = Timed(plans, concurrency=2)

        def interrupted():
            if len(annotator.sent) == 2:
                raise Interrupted(2)

        with pytest.raises(Interrupted):
            metered(store, annotator, interrupted=interrupted).annotate(query(1, 2, 3))
        assert [c["state"] for c in store.calls("run")] == ["settled", "settled"]


def test_the_breaker_counts_answers_that_could_not_be_had_in_a_row(tmp_path, monkeypatch):
    monkeypatch.setattr(calling, "FIRST_PAUSE_S", 0.001)

    def busy():
        return CallFailed("overloaded, says the provider", billed=Billed.NO, retry=True)

    with open_store(tmp_path) as store:
        # Two failures, one answer, two failures: never three in a row.
        outcomes = [busy(), busy(), Status.OK, busy(), busy(), Status.OK]
        annotator = Scripted(*outcomes, attempts=1, give_up_after=3)
        found = metered(store, annotator).annotate(query(*range(6)))
        assert [str(a.status) for a in found] == ["failed", "failed", "ok"] * 2
        annotator = Scripted(*[busy() for _ in range(9)], attempts=2, give_up_after=3)
        with pytest.raises(RunStopped, match=r"failed 3 times in a row.*says the provider") as e:
            metered(store, annotator).annotate(query(*range(6), round=1))
        assert e.value.reason == "teacher"
        assert len(annotator.asked) == 6
        again = Scripted()
        found = metered(store, again).annotate(query(*range(6), round=1))
        assert len(found) == 6


# -- pace ----------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    st.none() | st.integers(1, 5),
    st.none() | st.integers(1, 50),
    st.lists(st.tuples(st.floats(0, 40), st.integers(0, 60)), max_size=25),
    st.booleans(),
)
@example(requests=1, tokens=None, calls=[(1.2293482807823395, 0), (0, 0), (0, 0)], together=False)
def test_no_minute_holds_more_than_the_limits(requests, tokens, calls, together):
    now = [1000.0]
    sent = []

    async def sleep(seconds):
        assert 0 < seconds <= WINDOW_S + 1e-6
        now[0] += seconds
        await asyncio.sleep(0)

    async def send(pace, n):
        await pace.wait(n, sleep)
        sent.append((now[0], n))

    async def all_calls():
        pace = Pace(requests, tokens, clock=lambda: now[0])
        if together:
            await asyncio.gather(*(send(pace, n) for _, n in calls))
        else:
            for gap, n in calls:
                now[0] += gap
                await send(pace, n)

    asyncio.run(all_calls())
    assert [n for _, n in sent] == [n for _, n in calls]  # in the order of their coming
    for at, _ in sent:
        window = [n for when, n in sent if at <= when < at + WINDOW_S - 1e-6]
        assert requests is None or len(window) <= requests
        assert tokens is None or len(window) == 1 or sum(window) <= tokens
        # A call of more than the limit goes alone.


def test_the_jobs_of_a_process_share_the_pace_of_a_model(tmp_path):
    with open_store(tmp_path) as store:
        one, two = (metered(store, Scripted(requests_per_minute=3), run_id=r) for r in "ab")
        assert one.pace is two.pace
        assert metered(store, Scripted(requests_per_minute=4)).pace is not one.pace


def test_a_pace_does_not_make_calls_wait_that_fit():
    class Waited(Exception): ...

    through = []

    async def sleep(seconds):
        raise Waited

    async def all_calls():
        pace = Pace(3, 100, clock=lambda: 0.0)
        for n in range(4):
            await pace.wait(30, sleep)
            through.append(n)

    with pytest.raises(Waited):
        asyncio.run(all_calls())
    assert through == [0, 1, 2]


def test_waiting_for_its_turn_ends_when_the_purchase_stops(tmp_path, monkeypatch):
    monkeypatch.setattr(halt, "POLL_S", 0.01)
    with open_store(tmp_path) as store:
        annotator = Scripted(requests_per_minute=2, concurrency=4, phase_timeout_s=0.1)
        with pytest.raises(RunStopped, match="2 of 5 annotated"):
            metered(store, annotator).annotate(query(*range(5)))
        states = [c["state"] for c in store.calls("run")]
    assert states.count("settled") == 2
    assert set(states) <= {"settled", "released"}
