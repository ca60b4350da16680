"""Runs of a sweep with annotations of several calls, holds and crashes, against a plain model."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elad_exp.budget.budget import Limits
from elad_exp.budget.ledger import IllegalTransition
from elad_exp.budget.store import Store
from elad_exp.errors import BudgetExceeded
from elad_exp.types import Status, Usage
from tests.unit.test_store_properties import DEAD, NEXT, share, tenths, usages

RUNS = {"a": "sweep", "b": "sweep", "c": None}
UNITS = ("annotations", "calls", "tokens", "usd")
NOTHING = dict.fromkeys(UNITS, 0)

runs, annotations = st.sampled_from(sorted(RUNS)), st.sampled_from("xyz")
reservations = st.tuples(
    st.just("reserve"), runs, annotations, usages, st.integers(0, 2), usages, st.booleans()
)
moves = st.tuples(st.sampled_from(sorted(NEXT)), st.integers(0, 12), st.integers(0, 3))
others = st.one_of(
    st.just(("crash",)),
    st.tuples(st.just("drop"), runs, annotations),
    st.tuples(st.just("prune"), st.integers(0, 12)),
)
operations = st.lists(st.one_of(reservations, reservations, moves, moves, others), max_size=40)
limit = st.none() | st.integers(0, 12)
all_limits = st.builds(
    Limits,
    limit,
    limit,
    st.none() | st.integers(0, 60),
    st.none() | st.integers(0, 20).map(lambda n: n * 0.1),
    scope=st.sampled_from(["run", "sweep"]),
)


def amounts(usage, calls=1):
    return {"calls": calls, "tokens": usage.tokens, "usd": tenths(usage.usd)}


class Model:
    """What the store should know, added up anew at every question."""

    def __init__(self, limits):
        self.limits, self.calls, self.holds = limits, {}, {}

    def used(self, run, *, besides=None):
        """What counts towards the limits of a run; `besides` leaves an annotation's hold out."""
        shared = self.limits.scope == "sweep" and RUNS[run]
        ours = [r for r in RUNS if r == run or (shared and RUNS[r] == RUNS[run])]
        live = [c for c in self.calls.values() if c["run"] in ours and c["state"] != "released"]
        total = NOTHING | {"annotations": len({(c["run"], c["annotation"]) for c in live})}
        paid = [c for c in live if not (c["cached"] and self.limits.scope == "sweep")]
        held = [h for at, h in self.holds.items() if at[0] in ours and at != besides]
        for part in [c["cost"] for c in paid] + held:
            total |= {unit: total[unit] + part[unit] for unit in ("calls", "tokens", "usd")}
        return total

    def cap(self, unit):
        value = getattr(self.limits, f"max_{unit}")
        return tenths(value) if unit == "usd" and value is not None else value

    def fits(self, run, annotation, bound, ahead, ahead_calls):
        known = any(
            (c["run"], c["annotation"]) == (run, annotation) and c["state"] != "released"
            for c in self.calls.values()
        )
        used = self.used(run, besides=(run, annotation))
        more = {"annotations": 0 if known else 1, "calls": 1 + ahead_calls}
        more |= {"tokens": bound.tokens + ahead.tokens, "usd": tenths(bound.usd + ahead.usd)}
        return all(
            self.cap(unit) is None or not more[unit] or used[unit] + more[unit] <= self.cap(unit)
            for unit in UNITS
        )


@settings(max_examples=30, deadline=None)
@given(all_limits, operations)
def test_sums_holds_and_limits_agree_with_the_model_at_every_commit(limits, steps):
    with tempfile.TemporaryDirectory() as folder:
        path, model = Path(folder) / "s.sqlite", Model(limits)
        store = opened(path)
        for run, sweep in RUNS.items():
            store.begin(run, sweep=sweep)
        for name, *rest in steps:
            if name == "crash":
                store.close()
                recover(path, model)
                store = opened(path)
            elif name == "reserve":
                reserve(store, model, *rest)
            elif name == "drop":
                store.drop_hold(*rest)
                model.holds.pop(tuple(rest), None)
            elif name == "prune":
                prune(store, model, *rest)
            else:
                move(store, model, name, *rest)
            agree(store, model)
        store.close()


def opened(path):
    store = Store(path, owner=DEAD)
    store._db.execute("PRAGMA synchronous = OFF")  # processes die here, not the machine
    return store


def recover(path, model):
    with Store(path) as store:
        for run in ("a", "c"):  # with a, the other job of its sweep
            store.recover(run)
    ends = {"reserved": "released", "sent": "unknown"}
    for call in model.calls.values():
        call["state"] = ends.get(call["state"], call["state"])
    model.holds.clear()


def reserve(store, model, run, annotation, bound, ahead_calls, ahead, send):
    ahead = ahead if ahead_calls else Usage()
    asked = {"run_id": run, "key": "k", "sample_id": "s", "round": 0, "annotation": annotation}
    asked |= {"bound": bound, "ahead": ahead, "ahead_calls": ahead_calls, "send": send}
    if not model.fits(run, annotation, bound, ahead, ahead_calls):
        with pytest.raises(BudgetExceeded, match=r"budget\.max_"):
            store.reserve(**asked, limits=model.limits, wall_s=0.0)
        return
    call_id = store.reserve(**asked, limits=model.limits, wall_s=0.0)
    assert call_id not in model.calls
    state = "sent" if send else "reserved"
    model.calls[call_id] = {"run": run, "annotation": annotation, "state": state, "cached": False}
    model.calls[call_id] |= {"cost": amounts(bound), "bound": bound}
    model.holds.pop((run, annotation), None)
    if ahead_calls:
        model.holds[run, annotation] = amounts(ahead, ahead_calls)


def move(store, model, action, index, numerator):
    if not model.calls:
        return
    call_id, call = list(model.calls.items())[index % len(model.calls)]
    usage = share(call["bound"], numerator)
    cached = action == "cached"

    def act():
        if action in ("settle", "cached"):
            answer = {"usage": usage, "status": Status.OK, "payload": {}, "latency_s": 0.0}
            store.settle(call_id, **answer, cached=cached)
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
        call |= {"cost": amounts(usage), "cached": cached}


def prune(store, model, index):
    """Nothing deletes calls today; if something does, the sums are to follow."""
    if model.calls:
        call_id = list(model.calls)[index % len(model.calls)]
        store._db.execute("DELETE FROM calls WHERE call_id = ?", (call_id,))
        del model.calls[call_id]


SUMS = """
SELECT run_id, used_annotations, used_calls, used_tokens, used_pico_usd,
    cached_calls, cached_tokens, cached_pico_usd FROM runs ORDER BY run_id
"""
RECOMPUTED = """
SELECT r.run_id, count(DISTINCT annotation), count(call_id),
    coalesce(sum(prompt_tokens + completion_tokens), 0), coalesce(sum(pico_usd), 0),
    coalesce(sum(cached), 0), coalesce(sum(cached * (prompt_tokens + completion_tokens)), 0),
    coalesce(sum(cached * pico_usd), 0)
FROM runs r LEFT JOIN calls c ON c.run_id = r.run_id AND c.state != 'released'
GROUP BY r.run_id ORDER BY r.run_id
"""


def agree(store, model):
    kept, added_up = store._select(SUMS), store._select(RECOMPUTED)
    assert [tuple(row) for row in kept] == [tuple(row) for row in added_up]
    for run in RUNS:
        states = [c["state"] for c in model.calls.values() if c["run"] == run]
        assert [c["state"] for c in store.calls(run)] == states
        used = model.used(run)
        for unit in UNITS:
            assert model.cap(unit) is None or used[unit] <= model.cap(unit)
    held = {(r["run_id"], r["annotation"]): r for r in store._select("SELECT * FROM holds")}
    assert held.keys() == model.holds.keys()
    for at, row in held.items():
        assert (row["calls"], row["tokens"]) == (
            model.holds[at]["calls"],
            model.holds[at]["tokens"],
        )
        assert row["pico_usd"] == model.holds[at]["usd"] * 10**11
