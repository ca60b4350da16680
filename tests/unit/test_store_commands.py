"""`elad-exp store`: show, export, prune."""

import json
import os
import re
import stat
import subprocess
import sys
from contextlib import closing

import pytest

from elad_exp.budget import database, prune
from elad_exp.budget.budget import Limits
from elad_exp.budget.database import open_database, open_readonly
from elad_exp.budget.export import FORMAT, SETTINGS
from elad_exp.budget.owner import Owner, this_process
from elad_exp.budget.store import Store
from elad_exp.cli import main
from elad_exp.errors import ConfigError
from elad_exp.teachers.recording import from_file
from elad_exp.types import Status, Usage

DEAD = Owner(this_process().host, 2**22 + 1, "never")
TEACHER = dict.fromkeys(SETTINGS) | {"name": "litellm", "model": "openai/m", "mode": "single"}
TEXT = "a text that only the teacher could write"


def fill(path, run_id, *, n=2, owner=DEAD, clock=lambda: 0.0, sweep=None, teacher=TEACHER):
    """`n` settled calls, the last from the cache, and one each of unknown and refused."""
    explanation = {"steps": [{"index": 1, "text": "one"}], "answer": "yes", "raw": ""}
    with Store(path, owner=owner, clock=clock) as store:
        store.begin(run_id, sweep=sweep, teacher=teacher)
        for i in range(n + 2):
            cached = i == n - 1
            call = store.reserve(
                run_id=run_id,
                key=f"k{i}",
                sample_id=f"s{i}",
                annotation=f"s{i}:0",
                round=i // 2,
                bound=Usage(10, 10, 0.01),
                limits=Limits(),
                wall_s=0.0,
                send=not cached,
            )
            if i == n + 1:
                store.mark_unknown(call)
                continue
            ok = i < n
            payload = {"text": TEXT, "reason": "" if ok else "no", "prompt_version": "v"}
            store.settle(
                call,
                usage=Usage(5, 5, 0.002),
                status=Status.OK if ok else Status.REFUSED,
                payload=payload | {"explanation": explanation if ok else None},
                latency_s=0.1,
                cached=cached,
            )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "store" / "store.sqlite"  # that of ELAD_EXP_CACHE


def test_show_has_a_line_for_each_run_and_totals(path, capsys):
    fill(path, "one")
    fill(path, "two", sweep="sw", teacher=None)
    assert main(["store", "show"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    title, one, two, total = (" ".join(line.split()) for line in lines)
    assert str(path) in head
    assert f"schema version {len(database.MIGRATIONS)}, 2 runs" in head
    assert title == "run sweep started annotations calls tokens spent paid open"
    # Three settled at $0.002, of them one from the cache, and one unknown at its bound.
    assert one == "one - 1970-01-01T00:00 4 4 50 $0.0160 $0.0140 0 litellm openai/m single"
    assert two == "two sw 1970-01-01T00:00 4 4 50 $0.0160 $0.0140 0 -"
    assert total == "total 8 8 100 $0.0320 $0.0280 0"


def test_show_a_run_by_state_and_round(path, capsys):
    fill(path, "one")
    assert main(["store", "show", "one", "--store", str(path)]) == 0
    out = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["settled", "ok", "yes", "1", "10", "$0.0020"] in out
    assert ["settled", "refused", "no", "1", "10", "$0.0020"] in out
    assert ["unknown", "-", "no", "1", "20", "$0.0100"] in out
    assert ["0", "2", "2", "20", "$0.0040", "$0.0020"] in out
    assert ["1", "2", "2", "30", "$0.0120", "$0.0120"] in out
    assert main(["store", "show", "none"]) == 2
    assert "no run 'none'; it has one" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["show"], ["export", "x.jsonl"], ["prune", "--run", "r"]])
def test_a_store_that_is_not_there_is_not_made(path, capsys, command):
    assert main(["store", *command]) == 2
    assert "ELAD_EXP_CACHE" in capsys.readouterr().err
    assert not path.parent.exists()


def test_looking_at_an_older_store_does_not_migrate_it(path, monkeypatch, capsys):
    path.parent.mkdir(parents=True)
    with monkeypatch.context() as older:
        older.setattr(database, "MIGRATIONS", database.MIGRATIONS[:2])
        open_database(path).close()
    before = path.read_bytes()
    assert main(["store", "show"]) == 2
    assert "schema version 2, older than" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_what_is_no_store_is_refused(tmp_path, capsys):
    text = tmp_path / "notes.txt"
    text.write_text("not a database, " * 100)
    assert main(["store", "show", "--store", str(text)]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_output_that_nobody_reads_ends_the_command_quietly(path):
    fill(path, "one")
    unread, written = os.pipe()
    os.close(unread)
    command = [sys.executable, "-m", "elad_exp.cli", "store", "show"]
    try:
        ended = subprocess.run(command, stdout=written, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(written)
    assert (ended.returncode, ended.stderr) == (141, b"")


# -- export --------------------------------------------------------------------------------------


def test_a_recording_has_a_header_and_a_line_for_each_answer(path, tmp_path, capsys):
    fill(path, "one")
    fill(path, "free", teacher={"name": "oracle", "model": "program", "mode": "revise"})
    out = tmp_path / "recording.jsonl"
    assert main(["store", "export", str(out)]) == 0
    assert "3 answers" in capsys.readouterr().out
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    header, *lines = map(json.loads, out.read_text().splitlines())
    assert (header["format"], header["version"], list(header["runs"])) == (FORMAT, 1, ["one"])
    assert header["runs"]["one"]["teacher"] == TEACHER
    assert header["runs"]["one"]["prompt_versions"] == ["v"]
    assert header["runs"]["one"]["answers"] == len(lines) == 3
    assert lines[0] == {
        "run": "one",
        "key": "k0",
        "sample": "s0",
        "annotation": "s0:0",
        "round": 0,
        "status": "ok",
        "prompt_version": "v",
        "usage": {"prompt_tokens": 5, "completion_tokens": 5, "usd": 0.002},
        "text": TEXT,
        "reason": "",
        "explanation": {"steps": ["one"], "answer": "yes"},
    }
    assert (lines[2]["status"], lines[2]["explanation"]) == ("refused", None)
    assert [p.name for p in tmp_path.iterdir() if "recording" in p.name] == ["recording.jsonl"]


def test_runs_of_several_teachers_are_exported_with_a_warning(path, tmp_path, capsys):
    fill(path, "one")
    fill(path, "same")
    assert main(["store", "export", str(tmp_path / "a.jsonl")]) == 0
    assert capsys.readouterr().err == ""
    fill(path, "two", teacher=TEACHER | {"mode": "sequential"})
    assert main(["store", "export", str(tmp_path / "b.jsonl")]) == 0
    told = capsys.readouterr().err
    assert told.startswith("warning: the runs had different teachers (one: mode=single; same: mode")
    assert "two: mode=sequential); such a recording is replayed one run at a time" in told
    assert "teacher.run=RUN_ID" in told
    assert len(told.splitlines()) == 1
    with pytest.raises(ConfigError, match=r"one: mode=single; same: mode=single; two: mode=seq"):
        from_file(tmp_path / "b.jsonl")
    assert len(from_file(tmp_path / "b.jsonl", "two")) == 3
    assert main(["store", "export", str(tmp_path / "c.jsonl"), "--run", "two"]) == 0
    assert capsys.readouterr().err == ""


def test_an_export_replaces_no_file_and_names_what_it_cannot_export(path, tmp_path, capsys):
    fill(path, "free", teacher=None)
    out = tmp_path / "mine.jsonl"
    assert main(["store", "export", str(out)]) == 2
    assert "no run of the store was answered by a language model" in capsys.readouterr().err
    assert main(["store", "export", str(out), "--run", "free"]) == 2
    assert "free: not answered by a language model" in capsys.readouterr().err
    fill(path, "one")
    out.write_text("precious")
    assert main(["store", "export", str(out), "--run", "one"]) == 2
    assert "exists; name a new file" in capsys.readouterr().err
    assert out.read_text() == "precious"
    assert main(["store", "export", str(tmp_path / "no" / "folder.jsonl")]) == 2
    assert "cannot be written" in capsys.readouterr().err


# -- prune ---------------------------------------------------------------------------------------


def counts(path):
    with closing(open_readonly(path)) as db:
        tables = ("runs", "calls", "holds")
        rows = [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]
        payloads = db.execute("SELECT count(payload) FROM calls").fetchone()[0]
    return (*rows, payloads)


def test_a_run_is_deleted_once_it_is_said_to_and_its_texts_with_it(path, capsys):
    fill(path, "one")
    fill(path, "two")
    assert main(["store", "prune", "--run", "one"]) == 2
    out = capsys.readouterr().out
    assert out == (
        "would delete 1 run (one) with 4 calls, 3 answers and what they cost\n"
        "nothing is deleted yet; add --yes to delete it\n"
    )
    assert counts(path) == (2, 8, 0, 6)
    assert main(["store", "prune", "--run", "one", "--yes"]) == 0
    deleted, size = capsys.readouterr().out.splitlines()
    assert deleted == "deleted 1 run (one) with 4 calls, 3 answers and what they cost"
    assert re.fullmatch(rf"the store {path} takes \d\.\d MB now", size)
    assert counts(path) == (1, 4, 0, 3)
    assert main(["store", "prune", "--run", "two", "--yes"]) == 0
    assert counts(path) == (0, 0, 0, 0)
    assert TEXT.encode() not in path.read_bytes()


def test_the_jobs_of_a_sweep_go_together(path, capsys):
    """One without the others would lower the sum that a budget of the sweep holds for."""
    for run_id in ("a", "b"):
        fill(path, run_id, sweep="sw")
    assert main(["store", "prune", "--run", "a", "--yes"]) == 2
    assert (
        "run a is one of 2 jobs of a sweep, which are deleted together" in capsys.readouterr().err
    )
    with Store(path) as store:
        assert store.used_usd("a") == store.used_usd("b") == pytest.approx(0.016)
    assert main(["store", "prune", "--run", "a", "--answers-only", "--yes"]) == 0
    with Store(path) as store:
        assert store.used_usd("a") == pytest.approx(0.016)
    assert main(["store", "prune", "--before", "2100-01-01", "--yes"]) == 0
    assert counts(path)[0] == 0


def test_a_run_that_is_open_but_asks_nothing_is_kept(path, capsys):
    fill(path, "resumed")
    with Store(path) as store:
        store.begin("resumed")  # by this process, which then trains for a while
        assert main(["store", "prune", "--run", "resumed", "--yes"]) == 2
    assert "still runs" in capsys.readouterr().err


def test_answers_go_and_what_was_spent_stays(path, capsys):
    fill(path, "one")
    assert main(["store", "prune", "--run", "one", "--answers-only", "--yes"]) == 0
    assert capsys.readouterr().out.startswith(
        "deleted 3 answers of 1 run (one); what its 4 calls cost stays known\n"
    )
    assert counts(path) == (1, 4, 0, 0)
    assert TEXT.encode() not in path.read_bytes()
    with Store(path) as store:
        assert store.spent("one").calls == 4
        assert store.settled("one", "k0") is None
        assert store.shared("k0") is None


def test_before_a_day_means_that_nothing_was_asked_since(path, capsys):
    day = 86400.0
    fill(path, "old", clock=lambda: 1.0)
    fill(path, "late", clock=lambda: 2 * day)
    fill(path, "resumed", clock=lambda: 1.0)
    with Store(path, owner=DEAD, clock=lambda: 2 * day) as store:
        call = store.reserve(
            run_id="resumed",
            key="k9",
            sample_id="s9",
            round=9,
            bound=Usage(),
            limits=Limits(),
            wall_s=0,
        )
        store.release(call)
    assert main(["store", "prune", "--before", "1970-01-02", "--yes"]) == 0
    assert "deleted 1 run (old)" in capsys.readouterr().out
    assert main(["store", "prune", "--before", "1970-01-02", "--yes"]) == 0
    assert capsys.readouterr().out == "there is no run to delete\n"
    assert main(["store", "prune", "--before", "yesterday"]) == 2
    assert "write a day like" in capsys.readouterr().err


def test_a_run_whose_process_lives_is_kept_and_so_is_its_sweep(path, capsys):
    fill(path, "done", sweep="sw")
    fill(path, "going", sweep="sw", owner=this_process())
    fill(path, "other")
    assert main(["store", "prune", "--run", "done", "--yes"]) == 2
    assert "run done or a job of its sweep still runs" in capsys.readouterr().err
    assert main(["store", "prune", "--before", "2100-01-01", "--yes"]) == 0
    kept, deleted, _ = capsys.readouterr().out.splitlines()
    assert kept == "kept, because they, or other jobs of their sweep, still run: done, going"
    assert deleted.startswith("deleted 1 run (other)")
    assert counts(path)[0] == 2
    # Alive between the plan and the deed.
    with closing(open_database(path)) as db:
        with pytest.raises(Exception, match="still runs"):
            prune.prune(db, ["done", "going"])
        assert counts(path)[0] == 2


def test_jobs_of_a_sweep_that_stay_for_a_later_one_are_named(path, capsys):
    fill(path, "early", sweep="sw", clock=lambda: 1.0)
    fill(path, "late", sweep="sw", clock=lambda: 172800.0)
    assert main(["store", "prune", "--before", "1970-01-02"]) == 0
    kept, none = capsys.readouterr().out.splitlines()
    assert "asked something later" in kept
    assert kept.endswith(": early")
    assert none == "there is no run to delete"


def test_while_the_store_is_in_use_the_texts_stay_and_that_is_said(path, capsys, monkeypatch):
    fill(path, "one")
    monkeypatch.setattr(database, "BUSY_S", 0.05)
    with closing(open_readonly(path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM runs").fetchone()
        assert main(["store", "prune", "--run", "one", "--yes"]) == 0
    deleted, said = capsys.readouterr().out.splitlines()
    assert deleted.startswith("deleted 1 run (one)")
    assert said.startswith(f"another process uses the store {path}: the deleted texts stay")


def test_prune_needs_to_be_told_what():
    with pytest.raises(SystemExit):
        main(["store", "prune"])
