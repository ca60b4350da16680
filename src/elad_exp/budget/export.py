"""A recording: the answers of runs as a file that `teacher=recorded` replays.

JSON Lines. The first line says what the file is, and for each run what shaped its requests:

    {"format": "elad_exp recording", "version": 1, "runs": {RUN: {"started": ..., "answers": n,
     "prompt_versions": [...], "teacher": {"name": ..., "model": ..., ...}}}}

Each further line is the answer to one call, of any status, so that a replay goes the way of the
run; the texts are the teacher's, steps before a first error the student's:

    {"run": RUN, "key": ..., "sample": ..., "annotation": ..., "round": 0, "status": "ok",
     "prompt_version": ..., "usage": {"prompt_tokens": ..., "completion_tokens": ..., "usd": ...},
     "text": ..., "reason": "", "explanation": {"steps": [...], "answer": ...} or null}
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from elad_exp.budget.ledger import stored_call, utc
from elad_exp.budget.overview import StoredRun, find_run, stored_runs
from elad_exp.errors import ConfigError

FORMAT = "elad_exp recording"
VERSION = 1
SETTINGS = (
    *("name", "model", "mode", "endpoint", "temperature", "max_completion_tokens"),
    *("fresh_per_seed", "price"),
)
"""What must be known of a teacher to make its requests again."""
LESSONS = "lessons"
"""And of one that writes lessons; others do not have it."""


def export(db: sqlite3.Connection, path: Path, run_ids: Sequence[str] = ()) -> int:
    """Write a recording with mode 0600, whole or not at all; returns its number of answers.

    Args:
        db: The store.
        path: The file; must not exist.
        run_ids: Runs to export; none: all whose teacher was a language model.

    Raises:
        ConfigError: A run cannot be exported, or the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    db.execute("BEGIN")  # one state of the store, also while a run goes on
    try:
        runs = chosen(db, run_ids)
        first = header(db, runs)
        if path.exists():
            raise ConfigError(f"{path} exists; name a new file, or remove that one")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            for line in chain([first], answers(db, runs)):
                out.write(json.dumps(line, allow_nan=False) + "\n")
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror})") from error
    finally:
        db.execute("ROLLBACK")
        temporary.unlink(missing_ok=True)
    return sum(run["answers"] for run in first["runs"].values())


def chosen(db: sqlite3.Connection, run_ids: Sequence[str] = ()) -> list[StoredRun]:
    """The runs of these ids, or all that can be exported.

    Raises:
        ConfigError: A run is unknown, or not one of a language model; or there is none.
    """
    runs = [find_run(db, run_id) for run_id in dict.fromkeys(run_ids)] or stored_runs(db)
    good = [run for run in runs if run.teacher and not set(SETTINGS) - run.teacher.keys()]
    if run_ids and len(good) < len(runs):
        others = ", ".join(run.run_id for run in runs if run not in good)
        raise ConfigError(
            f"{others}: not answered by a language model, or by a version of elad_exp that did not "
            "keep how it was asked; there is nothing to replay"
        )
    if not good:
        raise ConfigError("no run of the store was answered by a language model")
    return good


def settings_of(teacher: Mapping[str, Any]) -> dict[str, Any]:
    """Of all that is kept of a teacher, what makes its requests again.

    Raises:
        KeyError: Something is missing.
    """
    names = (*SETTINGS, LESSONS) if teacher.get(LESSONS) else SETTINGS
    return {name: teacher[name] for name in names}


def differences(teachers: Mapping[str, Mapping[str, Any]]) -> str:
    """The settings in which the teachers of runs differ, run by run; empty if they are one teacher.

    A replay makes the requests of one teacher, so it is of one run then.
    """
    differing = [
        name
        for name in (*SETTINGS, LESSONS)
        if len({json.dumps(teacher.get(name), sort_keys=True) for teacher in teachers.values()}) > 1
    ]
    told = (
        f"{run_id}: {', '.join(f'{name}={teacher.get(name)}' for name in differing)}"
        for run_id, teacher in teachers.items()
    )
    return "; ".join(told) if differing else ""


def header(db: sqlite3.Connection, runs: Sequence[StoredRun]) -> dict[str, Any]:
    """The first line of a recording."""
    found = {}
    for run in runs:
        versions = db.execute(
            "SELECT json_extract(payload, '$.prompt_version') AS version, count(*) AS n FROM calls"
            " WHERE run_id = ? AND state = 'settled' AND payload IS NOT NULL"
            " GROUP BY version ORDER BY version",
            (run.run_id,),
        ).fetchall()
        assert run.teacher is not None
        found[run.run_id] = {
            "started": utc(run.started),
            "answers": sum(row["n"] for row in versions),
            "prompt_versions": [row["version"] for row in versions],
            "teacher": settings_of(run.teacher),
        }
    return {"format": FORMAT, "version": VERSION, "runs": found}


def answers(db: sqlite3.Connection, runs: Sequence[StoredRun]) -> Iterator[dict[str, Any]]:
    """The further lines of a recording, run by run in the order of reservation."""
    for run in runs:
        rows = db.execute(
            "SELECT * FROM calls WHERE run_id = ? AND state = 'settled' AND payload IS NOT NULL"
            " ORDER BY rowid",
            (run.run_id,),
        )
        for row in rows:
            call = stored_call(row)
            kept = call.payload
            written = kept.get("explanation")
            yield {
                "run": run.run_id,
                "key": call.key,
                "sample": call.sample_id,
                "annotation": row["annotation"],
                "round": call.round,
                "status": str(call.status),
                "prompt_version": kept.get("prompt_version"),
                "usage": call.usage.to_dict(),
                "text": kept.get("text") or "",
                "reason": kept.get("reason") or "",
                "explanation": written
                and {
                    "steps": [step["text"] for step in written["steps"]],
                    "answer": written["answer"],
                },
            }
