"""Random sequences of operations and crashes, against a model in plain Python."""

import tempfile
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elad_exp.budget.budget import Limits
from elad_exp.budget.ledger import IllegalTransition
from elad_exp.budget.owner import Owner, this_process
from elad_exp.budget.store import Store
from elad_exp.errors import BudgetExceeded
from elad_exp.types import Status, Usage

DEAD = Owner(this_process().host, 2**22 + 1, "never")
NEXT = {
    "mark_sent": {"reserved": "sent"},
    "settle": {"sent": "settled"},
    "cached": {"reserved": "settled"},
    "release": {"reserved": "released", "sent": "released"},
    "mark_unknown": {"sent": "unknown"},
}

usages = st.builds(
    Usage, st.integers(0, 6), st.integers(0, 6), st.integers(0, 5).map(lambda n: n * 0.1)
)
reservations = st.tuples(st.just("reserve"), st.sampled_from("abcde"), usages)
# The share of the bound that is used: numerator over 3.
moves = st.tuples(st.sampled_from(sorted(NEXT)), st.integers(0, 12), st.integers(0, 3))
crashes = st.just(("crash",))
limit = st.none() | st.integers(0, 12)
all_limits = st.builds(
    Limits,
    limit,
    limit,
    st.none() | st.integers(0, 60),
    st.none() | st.integers(0, 20).map(lambda n: n * 0.1),
)


def tenths(usd):
    return round(usd * 10)


def sums(calls):
    """Annotations, calls, tokens and tenths of dollars of all that are not released."""
    live = [c for c in calls.values() if c["state"] != "released"]
    return (
        len({c["key"] for c in live}),
        len(live),
        sum(c["cost"][0] for c in live),
        sum(c["cost"][1] for c in live),
    )


def fits(calls, limits):
    caps = (limits.max_annotations, limits.max_calls, limits.max_tokens)
    used = sums(calls)
    return all(cap is None or n <= cap for cap, n in zip(caps, used, strict=False)) and (
        limits.max_usd is None or used[3] <= tenths(limits.max_usd)
    )


def share(bound, numerator):
    part = Fraction(numerator, 3)
    return Usage(
        int(bound.prompt_tokens * part),
        int(bound.completion_tokens * part),
        int(tenths(bound.usd) * part) * 0.1,
    )


@settings(max_examples=40, deadline=None)
@given(all_limits, st.lists(st.one_of(reservations, reservations, moves, moves, crashes)))
def test_the_store_agrees_with_its_model_and_never_exceeds_a_limit(limits, operations):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.sqlite"
        store, calls = Store(path, owner=DEAD), {}
        for operation in operations:
            if operation[0] == "crash":
                store.close()
                store = Store(path)
                store.recover("r")
                store.close()
                store = Store(path, owner=DEAD)
                for call in calls.values():
                    ends = {"reserved": "released", "sent": "unknown"}
                    call["state"] = ends.get(call["state"], call["state"])
            elif operation[0] == "reserve":
                buy(store, calls, limits, *operation[1:])
            else:
                move(store, calls, *operation)
            agree(store, calls, limits)
        store.close()


def buy(store, calls, limits, key, bound):
    call = {"key": key, "state": "reserved", "bound": bound}
    call["cost"] = (bound.tokens, tenths(bound.usd))
    asked = {"run_id": "r", "key": key, "sample_id": key, "round": 0, "bound": bound}
    if fits(calls | {"new": call}, limits):
        calls[store.reserve(**asked, limits=limits, wall_s=0.0)] = call
    else:
        with pytest.raises(BudgetExceeded, match=r"budget\.max_"):
            store.reserve(**asked, limits=limits, wall_s=0.0)


def move(store, calls, action, index, numerator):
    if not calls:
        return
    call_id, call = list(calls.items())[index % len(calls)]
    usage = share(call["bound"], numerator)

    def act():
        if action in ("settle", "cached"):
            answer = {"usage": usage, "status": Status.OK, "payload": {}, "latency_s": 0.0}
            store.settle(call_id, **answer, cached=action == "cached")
        else:
            getattr(store, action)(call_id)

    state = NEXT[action].get(call["state"])
    if state is None:
        with pytest.raises(IllegalTransition):
            act()
        return
    act()
    call["state"] = state
    if state == "settled":
        call["cost"] = (usage.tokens, tenths(usage.usd))


def agree(store, calls, limits):
    assert [c["state"] for c in store.calls("r")] == [c["state"] for c in calls.values()]
    spent, held = store.spent("r"), store.held("r")
    _, n, tokens, usd = sums(calls)
    assert (spent.calls + held.calls, spent.tokens + held.tokens) == (n, tokens)
    assert spent.usd + held.usd == pytest.approx(usd / 10)
    closed = {k: c for k, c in calls.items() if c["state"] in ("settled", "unknown")}
    assert (spent.annotations, spent.calls, spent.tokens) == sums(closed)[:3]
    assert fits(calls, limits)
    # The limits as a user compares them with what a run reports.
    for unit in ("annotations", "calls", "tokens", "usd"):
        cap = getattr(limits, f"max_{unit}")
        assert cap is None or getattr(spent, unit) <= cap


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(usages, usages), max_size=12), st.integers(0, 60))
def test_only_a_teacher_that_bills_too_much_can_exceed_a_limit(pairs, cap):
    """Whatever was billed, nothing more is reserved once the limit is reached."""
    limits = Limits(max_tokens=cap)
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "s.sqlite") as store:
        for i, (bound, usage) in enumerate(pairs):
            before = store.spent("r").tokens
            asked = {"run_id": "r", "key": str(i), "sample_id": "s", "round": 0}
            try:
                call = store.reserve(**asked, bound=bound, limits=limits, wall_s=0.0)
            except BudgetExceeded:
                assert before + bound.tokens > cap
                continue
            assert not bound.tokens or before + bound.tokens <= cap
            store.mark_sent(call)
            excess = store.settle(call, usage=usage, status=Status.OK, payload={}, latency_s=0.0)
            assert excess == (usage.tokens > bound.tokens or usage.usd > bound.usd)
            assert store.spent("r").tokens == before + usage.tokens
