"""Recordings: what a language model answered earlier, read from a file or a store.

Two kinds of files, both JSON Lines:

- what `elad-exp store export` writes (`elad_exp.budget.export`): answers by request, with which a
  run can be gone through again call by call;
- a plain file of explanations by sample, a row each:
  `{"id": "q1", "rationale": ["one step", "another"], "teacher_answer": "A", "raw": "..."}`.
  `id` is our sample id or the id of the row in the dataset's file; `teacher_answer` is null where
  none could be read; `raw`, optional, is what the model wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from elad_exp.assets.cache import sha256_of
from elad_exp.budget.database import open_readonly
from elad_exp.budget.export import (
    FORMAT,
    VERSION,
    answers,
    chosen,
    differences,
    header,
    settings_of,
)
from elad_exp.budget.money import check_usage
from elad_exp.data.rows import Problems, read_json
from elad_exp.errors import ConfigError, DataError
from elad_exp.types import Answer, Explanation, Status, Usage


@dataclass(frozen=True, slots=True)
class Entry:
    """An explanation of a sample. `usage` is null in plain files, `version` (of the prompt) too."""

    where: str
    steps: tuple[str, ...]
    answer: str | None
    text: str
    usage: Usage | None = None
    version: str | None = None


@dataclass
class Recording:
    """Answers by request key, and explanations by sample id or by the id of a row.

    `settings` are the teacher's that was recorded, null for a plain file.
    """

    name: str
    sha256: str | None = None
    settings: Mapping[str, Any] | None = None
    answers: dict[str, Answer] = field(default_factory=dict)
    entries: dict[str, list[Entry]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.answers) or sum(map(len, self.entries.values()))


def from_file(path: Path, run: str | None = None) -> Recording:
    """Read a recording of either kind; of an exported one, the answers of `run` alone if given.

    Raises:
        DataError: What is wrong with the file and its lines, all at once.
        ConfigError: The file holds answers of several teachers, or has no such run.
    """
    problems = Problems()
    lines = list(read_json(path, problems))
    problems.check()
    if not lines:
        raise DataError(f"{path} is empty; a recording has one JSON object a line")
    first = lines[0][1]
    if isinstance(first, dict) and "format" in first:
        found = _exported(str(path), first, lines[1:], run)
    elif run is not None:
        raise ConfigError(f"teacher.run={run}: {path} is a plain file, which knows no runs")
    else:
        found = _plain(str(path), lines)
    found.sha256 = sha256_of(path)
    return found


def from_store(path: Path, run: str | None = None) -> Recording:
    """The answers of a run of a store; null: of all runs of its one language model.

    Raises:
        ConfigError: There is no such store or run, or the runs differ in their teachers.
    """
    with closing(open_readonly(path)) as db:
        runs = chosen(db, [run] if run else [])
        lines = [(f"{path} run {line['run']}", line) for line in answers(db, runs)]
        return _exported(str(path), header(db, runs), lines, run)


def _exported(
    name: str, first: Mapping[str, Any], lines: Iterable[tuple[str, Any]], run: str | None
) -> Recording:
    if first["format"] != FORMAT:
        raise DataError(f"{name} is no recording: its format is {first['format']!r}")
    if first.get("version") != VERSION:
        raise DataError(
            f"{name} is a recording of version {first.get('version')}, this elad_exp reads "
            f"{VERSION}; upgrade elad_exp, or export again"
        )
    found = Recording(name, settings=_settings(name, first.get("runs"), run))
    problems = Problems()
    completed: list[tuple[tuple[str, str], str, Entry]] = []
    cost: dict[tuple[str, str], Usage] = {}
    for where, line in lines:
        try:
            if run is not None and line["run"] != run:
                continue
            answer = _answer(line)
            whose = (line["run"], line["annotation"])
            before = found.answers.get(line["key"])
            # Several runs may have asked the same: the first that could be used counts.
            if before is None or (answer.status is Status.OK and before.status is not Status.OK):
                found.answers[line["key"]] = answer
            cost[whose] = cost.get(whose, Usage()) + answer.usage
            if answer.status is Status.OK and answer.explanation is not None:
                told = answer.explanation
                version = line["prompt_version"]
                entry = Entry(where, told.texts, told.answer, answer.text, None, version)
                completed.append((whose, line["sample"], entry))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problems.add(where, f"no line of a recording ({type(error).__name__}: {error})")
    problems.check()
    for whose, sample, entry in completed:
        whole = Entry(
            entry.where, entry.steps, entry.answer, entry.text, cost[whose], entry.version
        )
        found.entries.setdefault(sample, []).append(whole)
    if not found.answers:
        raise DataError(f"{name} holds no answers" + (f" of run {run}" if run else ""))
    return found


def _settings(name: str, runs: Any, run: str | None) -> Mapping[str, Any]:
    """The one teacher of the runs."""
    try:
        found = {key: settings_of(value["teacher"]) for key, value in runs.items()}
    except (AttributeError, KeyError, TypeError) as error:
        raise DataError(f"{name} line 1: the runs lack what their teachers were") from error
    if run is not None:
        if run not in found:
            raise ConfigError(f"teacher.run={run}: {name} has {', '.join(found)}")
        return found[run]
    if not found:
        raise DataError(f"{name} line 1: it names no runs")
    if shown := differences(found):
        raise ConfigError(
            f"{name} does not hold the answers of one teacher ({shown}); choose a run with "
            "teacher.run=RUN_ID"
        )
    return next(iter(found.values()))


def _answer(line: Mapping[str, Any]) -> Answer:
    told = line["explanation"]
    return Answer(
        str(line["text"]),
        Status(line["status"]),
        check_usage(Usage.from_dict(line["usage"])),
        str(line["reason"]),
        None if told is None else Explanation.of(told["steps"], told["answer"]),
    )


def _plain(name: str, lines: Iterable[tuple[str, Any]]) -> Recording:
    found = Recording(name)
    problems = Problems()
    for where, row in lines:
        reason = _wrong(row)
        if reason:
            problems.add(where, reason)
        elif str(row["id"]) in found.entries:
            problems.add(where, f"a second row with id {row['id']!r}")
        else:
            steps, answer = tuple(row["rationale"]), row["teacher_answer"]
            text = row.get("raw") or "\n".join([*steps, f"Answer: {answer}"])
            found.entries[str(row["id"])] = [Entry(where, steps, answer, text)]
    problems.check()
    return found


def _wrong(row: Any) -> str:
    """What is wrong with a row of a plain file."""
    if not isinstance(row, dict):
        return "a JSON object is expected"
    if missing := [key for key in ("id", "rationale", "teacher_answer") if key not in row]:
        return f"no {' and no '.join(missing)} (found: {', '.join(row) or 'nothing'})"
    if not isinstance(row["id"], (str, int)) or isinstance(row["id"], bool):
        return "id: a string is expected"
    steps = row["rationale"]
    if not isinstance(steps, list) or not all(isinstance(step, str) for step in steps):
        return "rationale: a list of strings is expected, one a step"
    if not isinstance(row["teacher_answer"], (str, type(None))):
        return "teacher_answer: a string is expected, or null where the model gave none"
    if not isinstance(row.get("raw", ""), str):
        return "raw: a string is expected"
    return ""
