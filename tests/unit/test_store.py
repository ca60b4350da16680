import os

import pytest

from elad_exp.budget.budget import Limits
from elad_exp.budget.ledger import IllegalTransition
from elad_exp.budget.owner import LEASE_S, Owner, is_dead, process_start, this_process
from elad_exp.budget.store import Store
from elad_exp.errors import BudgetExceeded
from elad_exp.types import Spent, Status, Usage

BOUND, USAGE = Usage(10, 20, 0.03), Usage(10, 5, 0.02)
NOBODY = Owner(this_process().host, 2**22 + 1, "never")


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "store.sqlite") as opened:
        yield opened


def reserve(store, key="k", *, sample_id=None, **options):
    given = {"run_id": "r", "bound": BOUND, "limits": Limits(), "wall_s": 0.0, "round": 0}
    return store.reserve(key=key, sample_id=sample_id or f"s-{key}", **given | options)


def settle(store, call, *, usage=USAGE, status=Status.OK, **options):
    if not options.get("cached"):
        store.mark_sent(call)
    return store.settle(
        call, usage=usage, status=status, payload={"call": call}, latency_s=0.5, **options
    )


# -- states --------------------------------------------------------------------------------------


def test_the_life_of_a_call(store):
    call = reserve(store, round=3)
    assert store.held("r") == Spent(1, 1, 30, 0.03)
    assert store.spent("r") == Spent()
    assert store.settled("r", "k") is None
    assert settle(store, call) is False
    assert store.held("r") == Spent()
    assert store.spent("r") == store.paid("r") == Spent(1, 1, 15, 0.02)
    found = store.settled("r", "k")
    assert found.call_id == call
    assert found.payload == {"call": call}
    assert (found.status, found.usage, found.round) == (Status.OK, Usage(10, 5, 0.02), 3)
    assert store.settled("other", "k") is None


def to_reserved(store, call): ...
def to_sent(store, call):
    store.mark_sent(call)


def to_settled(store, call):
    settle(store, call)


def to_released(store, call):
    store.release(call)


def to_unknown(store, call):
    store.mark_sent(call)
    store.mark_unknown(call)


def finish(store, call, **options):
    store.settle(call, usage=Usage(), status=Status.OK, payload={}, latency_s=0.0, **options)


LEGAL = {
    ("reserved", "mark_sent"): "sent",
    ("reserved", "release"): "released",
    ("reserved", "settle_cached"): "settled",
    ("sent", "settle"): "settled",
    ("sent", "release"): "released",
    ("sent", "mark_unknown"): "unknown",
}


@pytest.mark.parametrize("into", [to_reserved, to_sent, to_settled, to_released, to_unknown])
@pytest.mark.parametrize("act", ["mark_sent", "release", "mark_unknown", "settle", "settle_cached"])
def test_only_legal_transitions(store, into, act):
    call = reserve(store)
    into(store, call)
    state = into.__name__.removeprefix("to_")
    before = store.call(call)
    actions = {
        "settle": lambda: finish(store, call),
        "settle_cached": lambda: finish(store, call, cached=True),
    }
    action = actions.get(act) or (lambda: getattr(store, act)(call))
    if (state, act) in LEGAL:
        action()
        assert store.call(call)["state"] == LEGAL[state, act]
    else:
        with pytest.raises(IllegalTransition, match=f"is {state}"):
            action()
        assert store.call(call) == before


def test_a_call_that_does_not_exist_is_an_error(store):
    for act in (store.mark_sent, store.release, store.abandon, store.call):
        with pytest.raises(IllegalTransition, match="no call 'x'"):
            act("x")


def test_abandon_releases_or_charges_the_bound(store):
    unsent, sent, done = (reserve(store, key) for key in "abc")
    store.mark_sent(sent)
    settle(store, done)
    for call in (unsent, sent, done):
        store.abandon(call)
    assert [line["state"] for line in store.calls("r")] == ["released", "unknown", "settled"]
    costs = [store.call(call)["spent"] for call in (unsent, sent, done)]
    assert costs == [
        {"tokens": 0, "usd": 0.0},
        {"tokens": BOUND.tokens, "usd": BOUND.usd},
        {"tokens": 15, "usd": 0.02},
    ]
    assert store.spent("r") == Spent(2, 2, 45, 0.05)


def test_usage_above_the_bound_is_recorded_as_it_is(store, caplog):
    call = reserve(store)
    assert settle(store, call, usage=Usage(10, 21, 0.01)) is True
    assert "more than its bound" in caplog.text
    assert store.call(call)["excess"] is True
    assert store.spent("r").tokens == 31
    over = reserve(store, "dear")
    assert settle(store, over, usage=Usage(1, 1, 0.04)) is True
    assert store.spent("r").usd == 0.05


def test_a_cached_call_is_spent_and_not_paid(store):
    settle(store, reserve(store, run_id="first"))
    settle(store, reserve(store), cached=True)
    assert store.spent("r") == Spent(1, 1, 15, 0.02)
    assert store.paid("r") == Spent()
    assert store.settled("r", "k").cached


def test_only_ok_answers_are_shared(store):
    for status in Status:
        settle(store, reserve(store, str(status)), status=status)
    assert {s for s in Status if store.shared(str(s))} == {Status.OK}
    assert store.shared("ok").call_id == store.settled("r", "ok").call_id
    assert all(store.settled("r", str(s)).status is s for s in Status)


def test_an_annotation_counts_once_per_key(store):
    limits = Limits(max_annotations=1)
    store.mark_sent(lost := reserve(store, limits=limits))
    store.mark_unknown(lost)
    settle(store, reserve(store, limits=limits))
    assert store.spent("r") == Spent(1, 2, 45, 0.05)
    with pytest.raises(BudgetExceeded, match=r"max_annotations=1: 1 used.*take 1"):
        reserve(store, "other", limits=limits)


def test_ledger_lines_and_runs(tmp_path):
    times = iter([0.0, 1.5, 2.0, 60.0])
    with Store(tmp_path / "s.sqlite", clock=lambda: next(times)) as store:
        settle(store, reserve(store, round=2))
        reserve(store, "b")
        first, second = store.calls("r")
    assert first == {
        "id": "r:1",
        "key": "k",
        "annotation": "k",
        "round": 2,
        "sample": "s-k",
        "state": "settled",
        "status": "ok",
        "cached": False,
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "spent": {"tokens": 15, "usd": 0.02},
        "paid": {"tokens": 15, "usd": 0.02},
        "bound": {"tokens": 30, "usd": 0.03},
        "excess": False,
        "latency_s": 0.5,
        "reserved_at": "1970-01-01T00:00:00.000+00:00",
        "sent_at": "1970-01-01T00:00:01.500+00:00",
        "closed_at": "1970-01-01T00:00:02.000+00:00",
    }
    assert (second["id"], second["state"], second["status"]) == ("r:2", "reserved", None)
    assert (second["reserved_at"], second["sent_at"]) == ("1970-01-01T00:01:00.000+00:00", None)


def test_times_asked_counts_settled_requests_of_earlier_rounds(store):
    def ask(key, *, round, sample="s"):
        return store.reserve(
            run_id="r",
            key=key,
            sample_id=sample,
            round=round,
            bound=BOUND,
            limits=Limits(),
            wall_s=0.0,
        )

    settle(store, ask("a", round=0))
    settle(store, ask("a", round=0))
    settle(store, ask("b", round=1), status=Status.UNPARSED)
    settle(store, ask("c", round=1, sample="t"))
    store.release(ask("d", round=1))
    assert store.times_asked("r", before_round=0) == {}
    assert store.times_asked("r", before_round=1) == {"s": 1}
    assert store.times_asked("r", before_round=2) == {"s": 2, "t": 1}
    assert store.unusable("r", before_round=1) == set()
    assert store.unusable("r", before_round=2) == {"b"}


def test_an_annotation_that_was_given_up_has_not_come_to_an_end(store):
    of = {"sample_id": "s", "annotation": "s:0"}
    settle(store, reserve(store, "a", **of))
    call = reserve(store, "b", **of)
    store.mark_sent(call)
    store.mark_unknown(call)
    assert store.times_asked("r", before_round=9) == {}
    settle(store, reserve(store, "b", **of))
    assert store.times_asked("r", before_round=9) == {"s": 1}


# -- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "fits"),
    [
        (Limits(max_annotations=3), 3),
        (Limits(max_calls=2), 2),
        (Limits(max_tokens=89), 2),
        (Limits(max_tokens=90), 3),
        (Limits(max_usd=0.09), 3),
        (Limits(max_usd=0.089999999999), 2),
        (Limits(max_calls=0), 0),
    ],
)
def test_holds_never_exceed_a_limit_by_one_unit(store, limits, fits):
    for i in range(fits):
        reserve(store, str(i), limits=limits)
    name = next(k for k, v in limits.to_dict().items() if v is not None)
    with pytest.raises(BudgetExceeded, match=rf"budget\.{name}="):
        reserve(store, "more", limits=limits)
    assert store.held("r").calls == fits


def test_wall_time_is_over_when_it_is_reached(store):
    limits = Limits(max_wall_s=60)
    reserve(store, limits=limits, wall_s=59.9)
    with pytest.raises(BudgetExceeded, match="max_wall_s=60"):
        reserve(store, "b", limits=limits, wall_s=60.0)


def test_released_holds_come_back_and_limits_are_per_run(store):
    limits = Limits(max_calls=1)
    call = reserve(store, limits=limits)
    reserve(store, run_id="other", limits=limits)
    with pytest.raises(BudgetExceeded):
        reserve(store, "b", limits=limits)
    store.release(call)
    reserve(store, "b", limits=limits)


def test_unused_bound_comes_back_when_settled(store):
    limits = Limits(max_tokens=45)
    call = reserve(store, limits=limits)
    with pytest.raises(BudgetExceeded):
        reserve(store, "b", limits=limits)
    settle(store, call)
    reserve(store, "b", limits=limits)


def test_a_free_call_fits_under_a_dollar_limit_of_zero(store):
    reserve(store, bound=Usage(1, 1), limits=Limits(max_usd=0))
    with pytest.raises(BudgetExceeded):
        reserve(store, "dear", bound=Usage(1, 1, 1e-9), limits=Limits(max_usd=0))


# -- owners --------------------------------------------------------------------------------------


def test_holds_of_a_dead_process_are_closed(tmp_path):
    path = tmp_path / "s.sqlite"
    with Store(path, owner=NOBODY) as dead:
        reserve(dead, "never sent")
        dead.mark_sent(reserve(dead, "sent"))
        reserve(dead, run_id="other run")
    with Store(path) as store:
        mine = reserve(store, "mine")
        assert store.recover("r").to_dict() == {"released": 1, "unknown": 1, "left_open": 1}
        assert [c["state"] for c in store.calls("r")] == ["released", "unknown", "reserved"]
        assert store.spent("r") == Spent(1, 1, 30, 0.03)
        assert store.held("other run").calls == 1
        store.release(mine)


def test_a_hold_of_another_host_waits_for_its_lease(tmp_path):
    path = tmp_path / "s.sqlite"
    elsewhere = Owner("elsewhere", os.getpid(), this_process().start)
    with Store(path, owner=elsewhere, clock=lambda: 100.0) as other:
        reserve(other)
    with Store(path, clock=lambda: 100.0 + LEASE_S) as store:
        assert store.recover("r").left_open == 1
    with Store(path, clock=lambda: 100.1 + LEASE_S) as store:
        assert store.recover("r").released == 1


def test_a_process_is_known_by_pid_and_start():
    me = this_process()
    assert not is_dead(me, me=me, lease_over=True)
    assert is_dead(Owner(me.host, me.pid, "earlier"), me=me, lease_over=False)
    assert is_dead(NOBODY, me=me, lease_over=False)
    unreadable = Owner(me.host, me.pid, "")
    assert not is_dead(unreadable, me=me, lease_over=False)
    assert is_dead(unreadable, me=me, lease_over=True)


def test_the_start_of_a_process_can_be_read_and_stays():
    assert process_start(os.getpid())
    assert process_start(os.getpid()) == process_start(os.getpid())
    assert process_start(2**22 + 1) is None


def test_an_annotation_counts_for_its_texts_once(store):
    limits = Limits(max_annotations=10)
    reserve(store, "analysis", texts=0, limits=limits)
    batch = {"annotation": "batch", "texts": 8, "limits": limits}
    first = reserve(store, "write", **batch)
    with pytest.raises(BudgetExceeded, match=r"max_annotations=10: 8 used.*take 3"):
        reserve(store, "more", annotation="next", texts=3, limits=limits)
    settle(store, first)
    settle(store, reserve(store, "label", **batch))
    assert store.spent("r") == Spent(8, 2, 30, 0.04)
    third = reserve(store, "more", annotation="next", texts=2, limits=limits)
    with pytest.raises(BudgetExceeded):
        reserve(store, "one", limits=limits)
    store.release(third)
    reserve(store, "one", limits=limits)
