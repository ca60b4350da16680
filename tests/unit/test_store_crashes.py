"""Coroutines in processes that are killed between any two changes of state, on one store."""

import asyncio
import multiprocessing
import os
import random
import signal
import sqlite3
import time
from itertools import count

import pytest

from elad_exp.budget.budget import Limits
from elad_exp.budget.owner import process_start
from elad_exp.budget.store import Store
from elad_exp.errors import BudgetExceeded
from elad_exp.types import Status, Usage

SPAWN = multiprocessing.get_context("spawn")
BROKEN_LIMIT = 3
USED = (
    "SELECT (SELECT sum(used_tokens) FROM runs) + (SELECT coalesce(sum(tokens), 0) FROM holds),"
    " (SELECT sum(used_pico_usd) FROM runs) + (SELECT coalesce(sum(pico_usd), 0) FROM holds),"
    " (SELECT coalesce(sum(prompt_tokens + completion_tokens), 0) FROM calls"
    "  WHERE state != 'released'),"
    " (SELECT coalesce(sum(pico_usd), 0) FROM calls WHERE state != 'released'),"
    " (SELECT sum(used_tokens) FROM runs), (SELECT sum(used_pico_usd) FROM runs)"
)


def look(db, limits):
    """One consistent view: calls and holds are within the limits, and add up to the sums."""
    tokens, pico, own_tokens, own_pico, sum_tokens, sum_pico = db.execute(USED).fetchone()
    if (tokens or 0) > limits.max_tokens or (pico or 0) > limits.max_usd * 1e12:
        return f"{tokens} tokens and {pico} pico-dollars exceed {limits}"
    if (sum_tokens or 0, sum_pico or 0) != (own_tokens, own_pico):
        return f"sums {sum_tokens, sum_pico} are not {own_tokens, own_pico}"
    return ""


class Worker:
    """Buys annotations of one to three calls; dies after a number of changes, if it is to."""

    def __init__(self, path, number, limits, dies_after):
        self.store, self.limits = Store(path), limits
        self.run, self.number = f"r{number % 2}", number
        self.rng, self.left = random.Random(number), dies_after
        self.names = count()

    def changed(self):
        if self.left is not None:
            self.left -= 1
            if self.left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
        if problem := look(self.store._db, self.limits):
            print(problem, flush=True)
            os._exit(BROKEN_LIMIT)

    def cost(self):
        tokens = self.rng.randint(0, 9)
        return Usage(tokens, self.rng.randint(0, 9), tokens / 1000)

    async def annotate(self):
        name = f"{self.number}-{next(self.names)}"
        bounds = [self.cost() for _ in range(self.rng.randint(1, 3))]
        try:
            for i, bound in enumerate(bounds):
                later = bounds[i + 1 :]
                ahead = Usage(
                    sum(u.prompt_tokens for u in later),
                    sum(u.completion_tokens for u in later),
                    sum(u.prompt_tokens for u in later) / 1000,
                )
                await self.call(f"{name}-{i}", name, bound, ahead, len(later))
        finally:
            self.store.drop_hold(self.run, name)
            self.changed()

    async def call(self, key, name, bound, ahead, ahead_calls):
        send = self.rng.random() < 0.5
        asked = {"run_id": self.run, "key": key, "sample_id": name, "round": 0, "wall_s": 0.0}
        asked |= {"annotation": name, "ahead": ahead, "ahead_calls": ahead_calls, "send": send}
        call = self.store.reserve(**asked, bound=bound, limits=self.limits)
        self.changed()
        await asyncio.sleep(0)
        if not send:
            if self.rng.random() < 0.1:
                self.store.release(call)
                self.changed()
                return
            self.store.mark_sent(call)
            self.changed()
        await asyncio.sleep(0.002 * self.rng.random())
        if self.rng.random() < 0.2:
            self.store.mark_unknown(call)
        else:
            part = self.rng.random()
            prompt, completion = (
                int(bound.prompt_tokens * part),
                int(bound.completion_tokens * part),
            )
            usage = Usage(prompt, completion, prompt / 1000)
            self.store.settle(call, usage=usage, status=Status.OK, payload={}, latency_s=0.0)
        self.changed()

    async def coroutine(self):
        while True:
            try:
                await self.annotate()
            except BudgetExceeded:
                return


def work(path, number, limits, dies_after, coroutines, start):
    worker = Worker(path, number, limits, dies_after)
    worker.store.begin(worker.run, sweep="sweep")
    start.wait()

    async def all_of_them():
        await asyncio.gather(*(worker.coroutine() for _ in range(coroutines)))

    asyncio.run(all_of_them())
    worker.store.close()


def open_calls(path):
    with Store(path) as store:
        return {
            row["call_id"]: (row["state"], row["pid"], row["start"])
            for row in store._select("SELECT * FROM calls WHERE state IN ('reserved', 'sent')")
        }


@pytest.mark.parametrize(
    ("coroutines", "deaths", "annotations"),
    [
        (8, (None, 12), 60),
        pytest.param(32, (None, 60, None, 100), 600, marks=pytest.mark.slow),
        pytest.param(32, (1, 2, 33, None), 200, marks=pytest.mark.slow),
        pytest.param(32, (90, 91, 92, 93), 400, marks=pytest.mark.slow),
    ],
)
def test_the_limits_hold_at_every_commit_whoever_dies(tmp_path, coroutines, deaths, annotations):
    path = tmp_path / "s.sqlite"
    limits = Limits(max_tokens=9 * annotations, max_usd=annotations / 200, scope="sweep")
    Store(path).close()
    start = SPAWN.Barrier(len(deaths) + 1)
    workers = [
        SPAWN.Process(target=work, args=(path, i, limits, dies, coroutines, start))
        for i, dies in enumerate(deaths)
    ]
    for worker in workers:
        worker.start()
    reader = sqlite3.connect(path)
    start.wait(timeout=60)
    end = time.monotonic() + 120
    looks = 0
    while any(w.is_alive() for w in workers) and time.monotonic() < end:
        assert look(reader, limits) == ""
        looks += 1
        time.sleep(0.01)
    for worker in workers:
        worker.join(timeout=30)
    assert look(reader, limits) == ""
    reader.close()
    codes = [0 if dies is None else -signal.SIGKILL for dies in deaths]
    assert [w.exitcode for w in workers] == codes
    assert looks > 0

    left = open_calls(path)
    assert all(process_start(pid) != started for _, pid, started in left.values())
    with Store(path) as store:
        done = store.recover("r0").to_dict() | store.recover("r1").to_dict()
        assert done["left_open"] == 0
        ends = {"reserved": "released", "sent": "unknown"}
        for call_id, (state, _, _) in left.items():
            line = store.call(call_id)
            assert line["state"] == ends[state]
            if state == "sent":
                assert line["spent"] == line["bound"]
        assert store._select("SELECT * FROM holds") == []
        assert look(store._db, limits) == ""
        lines = [line for run in ("r0", "r1") for line in store.calls(run)]
        assert {line["state"] for line in lines} <= {"settled", "released", "unknown"}
        # What the dead held is free again, and the rest can be bought to the last token.
        spent = sum(line["spent"]["tokens"] for line in lines)
        asked = {"run_id": "r0", "sample_id": "s", "round": 1, "wall_s": 0.0, "limits": limits}
        store.reserve(key="rest", bound=Usage(limits.max_tokens - spent, 0), **asked)
        with pytest.raises(BudgetExceeded, match="of the whole sweep"):
            store.reserve(key="more", bound=Usage(1, 0), **asked)
