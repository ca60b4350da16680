"""A store of the first version is opened, and nothing in it is lost."""

import json
import sqlite3

import pytest

from elad_exp.budget import database
from elad_exp.budget.budget import Limits
from elad_exp.budget.store import Store
from elad_exp.errors import BudgetExceeded
from elad_exp.types import Spent, Status, Usage

# run, key, sample, round, state, status, cached, tokens of prompt and completion, pico-dollars
CALLS = [
    ("r", "k1", "s1", 0, "settled", "ok", 0, 10, 5, 2_000_000),
    ("r", "k2", "s2", 0, "settled", "unparsed", 0, 7, 3, 1_000_000),
    ("r", "k3", "s3", 0, "settled", "ok", 1, 20, 4, 5_000_000),
    ("r", "k4", "s4", 1, "unknown", None, 0, 30, 40, 9_000_000),
    ("r", "k4", "s4", 1, "settled", "ok", 0, 11, 2, 3_000_000),
    ("r", "k5", "s5", 1, "released", None, 0, 30, 40, 9_000_000),
    ("r", "k6", "s2", 1, "settled", "ok", 0, 6, 6, 4_000_000),
    ("r", "k7", "s7", 2, "reserved", None, 0, 30, 40, 9_000_000),
    ("r", "k8", "s8", 2, "sent", None, 0, 30, 40, 9_000_000),
    ("other", "k1", "s1", 0, "settled", "ok", 0, 1, 1, 1_000_000),
]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "old.sqlite"
    db = sqlite3.connect(path, isolation_level=None)
    for statement in database.MIGRATIONS[0]:
        db.execute(statement)
    db.execute("PRAGMA user_version = 1")
    for run in ("r", "other"):
        db.execute("INSERT INTO runs VALUES (?, 5.0)", (run,))
    count = {"r": 0, "other": 0}
    for run, key, sample, round_, state, status, cached, prompt, completion, pico in CALLS:
        count[run] += 1
        annotation = {"sample": {"id": sample}, "raw": f'said "{key}"\n💸', "status": status}
        row = {
            **{"call_id": f"{run}:{count[run]}", "run_id": run, "key": key, "sample_id": sample},
            **{"round": round_, "state": state, "status": status, "cached": cached},
            **{"bound_prompt_tokens": 30, "bound_completion_tokens": 40},
            **{"bound_pico_usd": 9_000_000, "prompt_tokens": prompt},
            **{"completion_tokens": completion, "pico_usd": pico},
            "payload": json.dumps(annotation) if state == "settled" else None,
            **{"latency_s": 0.5, "wall_s": 1.0, "host": "h", "pid": 2**22 + 1, "start": "never"},
            **{"lease_until": 0.0, "reserved_at": 1.0, "sent_at": 2.0, "closed_at": 3.0},
        }
        marks = ", ".join("?" for _ in row)
        db.execute(f"INSERT INTO calls ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))
    db.close()
    return path


def test_calls_answers_and_sums_are_kept(path):
    with Store(path) as store:
        assert store._db.execute("PRAGMA user_version").fetchone()[0] == len(database.MIGRATIONS)
        lines = list(store.calls("r"))
        assert [(x["key"], x["state"], x["status"], x["cached"]) for x in lines] == [
            (c[1], c[4], c[5], bool(c[6])) for c in CALLS[:-1]
        ]
        assert [x["annotation"] for x in lines] == [x["key"] for x in lines]
        assert store.spent("r") == Spent(5, 6, 144, 0.000024, 1.0)
        assert store.paid("r") == Spent(4, 5, 120, 0.000019, 1.0)
        assert store.held("r") == Spent(2, 2, 140, 0.000018, 1.0)
        assert store.used_usd("r") == 0.000042
        found = store.settled("r", "k2")
        assert (found.status, found.usage) == (Status.UNPARSED, Usage(7, 3, 0.000001))
        assert found.payload == {"text": 'said "k2"\n💸'}
        assert store.shared("k1").call_id == "r:1"
        assert store.times_asked("r", before_round=1) == {"s1": 1, "s2": 1, "s3": 1}
        assert store.times_asked("r", before_round=2) == {"s1": 1, "s2": 2, "s3": 1, "s4": 1}


def test_sums_of_the_runs_count_what_is_not_released(path):
    with Store(path) as store:
        run = dict(store._select("SELECT * FROM runs WHERE run_id = 'r'")[0])
        assert (run["last_call"], run["started"], run["sweep"]) == (9, 5.0, None)
        used = [run[f"used_{x}"] for x in ("annotations", "calls", "tokens", "pico_usd")]
        assert used == [7, 8, 284, 42_000_000]
        assert [run[f"cached_{x}"] for x in ("calls", "tokens", "pico_usd")] == [1, 24, 5_000_000]


def test_the_limits_go_on_from_there(path):
    asked = {"run_id": "r", "sample_id": "s9", "round": 3, "wall_s": 2.0}
    with Store(path) as store:
        assert store.recover("r").to_dict() == {"released": 1, "unknown": 1, "left_open": 0}
        assert store.spent("r").tokens == 144 + 70
        limits = Limits(max_tokens=214 + 70)
        call = store.reserve(key="k9", bound=Usage(30, 40), limits=limits, **asked)
        assert call == "r:10"
        with pytest.raises(BudgetExceeded, match="max_tokens=284"):
            store.reserve(key="k10", bound=Usage(0, 1), limits=limits, **asked)
