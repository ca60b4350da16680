"""Several processes on one store: a race for a small budget, and a process that is killed."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from elad_exp.budget.budget import Limits
from elad_exp.budget.store import Store
from elad_exp.errors import BudgetExceeded
from elad_exp.types import Status, Usage

SPAWN = multiprocessing.get_context("spawn")
BOUND = Usage(3, 4, 0.007)


def buy_until_refused(path, name, start, results, limits):
    """Reserve in pairs, so that holds of several calls are open at a time."""
    start.wait()
    bought, worst = 0, 0
    with Store(path) as store:
        while True:
            held = []
            try:
                for part in "ab":
                    call = store.reserve(
                        run_id="r",
                        key=f"{name}-{bought}-{part}",
                        sample_id="s",
                        round=0,
                        bound=BOUND,
                        limits=limits,
                        wall_s=0.0,
                    )
                    held.append(call)
                    store.mark_sent(call)
            except BudgetExceeded:
                refused = True
            else:
                refused = False
            rows = [c for c in store.calls("r") if c["state"] != "released"]
            worst = max(worst, sum(c["spent"]["tokens"] for c in rows))
            for i, call in enumerate(held):
                if (bought + i) % 3:
                    usage = Usage(3, 4, 0.007)
                    store.settle(call, usage=usage, status=Status.OK, payload={}, latency_s=0.0)
                else:
                    store.mark_unknown(call)
            bought += len(held)
            if refused:
                break
    results.put((bought, worst))


@pytest.mark.parametrize(
    ("limits", "fits"),
    [(Limits(max_tokens=7 * 17 + 6), 17), (Limits(max_annotations=19, max_usd=0.2), 19)],
)
def test_racing_processes_never_exceed_a_limit_by_one_unit(tmp_path, limits, fits):
    path = tmp_path / "new" / "s.sqlite"  # made in the race, too
    start, results = SPAWN.Barrier(3), SPAWN.Queue()
    workers = [
        SPAWN.Process(target=buy_until_refused, args=(path, n, start, results, limits))
        for n in range(3)
    ]
    for worker in workers:
        worker.start()
    outcomes = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(timeout=60)
        assert worker.exitcode == 0
    assert sum(bought for bought, _ in outcomes) == fits
    assert max(worst for _, worst in outcomes) <= 7 * fits
    with Store(path) as store:
        spent = store.spent("r")
        assert store.held("r").calls == 0
    assert (spent.annotations, spent.calls, spent.tokens) == (fits, fits, 7 * fits)


def hold_two(path, ready):
    store = Store(path)
    for key in ("reserved", "sent"):
        call = store.reserve(
            run_id="r",
            key=key,
            sample_id="s",
            round=0,
            bound=BOUND,
            limits=Limits(),
            wall_s=0.0,
        )
    store.mark_sent(call)
    ready.set()
    signal.pause()


def test_a_killed_process_leaves_its_holds_to_recovery(tmp_path: Path):
    path = tmp_path / "s.sqlite"
    ready = SPAWN.Event()
    worker = SPAWN.Process(target=hold_two, args=(path, ready))
    worker.start()
    assert ready.wait(timeout=60)
    with Store(path) as store:
        assert store.recover("r").left_open == 2  # it lives
        os.kill(worker.pid, signal.SIGKILL)
        worker.join(timeout=60)
        assert store.recover("r").to_dict() == {"released": 1, "unknown": 1, "left_open": 0}
        assert store.spent("r").tokens == BOUND.tokens
        assert store.recover("r").to_dict() == {"released": 0, "unknown": 0, "left_open": 0}
