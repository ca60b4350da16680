"""Reads and checks files of questions; every problem of a file is reported at once.

A row of a `.jsonl` or `.jsonl.gz` file (UTF-8, one JSON object a line):

    {"id": "q1", "question": "...", "choices": [{"label": "A", "text": "..."}], "answer": "A",
     "explanation": ["one step", "another"], "meta": {}}

`question` and `answer` are required. `answer` is `yes` or `no`, the label of a choice, a number,
or free text; `explanation` is the human one, a step a string, empty when there is none.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from elad_exp.errors import DataError
from elad_exp.tasks.answers import Answers
from elad_exp.tasks.families import AUTO, FAMILIES, family
from elad_exp.tasks.number import is_number
from elad_exp.tasks.yes_no import YES_NO
from elad_exp.types import Choice, sample_id

SHOWN = 10
# The answer grammar reads a label up to the first of these.
_LABEL = re.compile(r"[^\s.,;:()\[\]{}\"'`*!?]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Row:
    """One question with its gold. `where` names file and line; `key` is its sample id."""

    where: str
    source_id: str
    question: str
    answer: str
    choices: tuple[Choice, ...] = ()
    explanation: tuple[str, ...] = ()
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return sample_id(self.question, self.choices)


class Problems:
    """Collects what is wrong with the input, to report it all at once."""

    def __init__(self) -> None:
        self.items: list[tuple[str, str]] = []

    def add(self, where: str, reason: str) -> None:
        self.items.append((where, reason))

    def check(self) -> None:
        """Raises DataError naming the first ten problems and counting the rest, if any."""
        if not self.items:
            return
        lines = [f"{where}: {reason}" for where, reason in self.items[:SHOWN]]
        if len(self.items) > SHOWN:
            lines.append(f"and {len(self.items) - SHOWN:,} more")
        plural = "s" if len(self.items) > 1 else ""
        raise DataError(f"{len(self.items):,} problem{plural} in the data\n  " + "\n  ".join(lines))


def read_rows(path: Path, problems: Problems) -> list[Row]:
    """The rows of `path`, all at once; see `stream_rows`."""
    return list(stream_rows(path, problems))


def stream_rows(path: Path, problems: Problems) -> Iterator[Row]:
    """The rows of `path`; what is wrong goes to `problems`. Blank lines are skipped.

    A byte order mark and Windows line ends are tolerated; gzip is recognised by its content.
    """
    before, empty = len(problems.items), True
    for where, data in read_json(path, problems):
        try:
            row = parse_row(data, where)
        except DataError as error:
            problems.add(where, str(error))
        else:
            empty = False
            yield row
    if empty and len(problems.items) == before:
        problems.add(str(path), "is empty; one JSON object a line is expected")


def read_json(path: Path, problems: Problems) -> Iterator[tuple[str, Any]]:
    """Place (file and line) and value of each line that is not blank, in any JSON Lines file."""
    for number, start, line in _lines(path, problems):
        where = f"{path} line {number}"
        try:
            yield where, json.loads(line.decode("utf-8"))
        except UnicodeDecodeError as error:
            byte = start + error.start + 1
            problems.add(where, f"not UTF-8 (byte {byte}); save the file as UTF-8")
        except (ValueError, RecursionError) as error:
            hint = "; one JSON object a line is expected" if line.startswith(b"[") else ""
            problems.add(where, f"malformed JSON ({error}){hint}")


def _lines(path: Path, problems: Problems) -> Iterator[tuple[int, int, bytes]]:
    """Number, bytes before the text, and text of each line that is not blank."""
    number = 0
    try:
        if path.is_dir():
            problems.add(str(path), "is a folder; name a .jsonl or .jsonl.gz file in it")
            return
        with path.open("rb") as probe:
            start = probe.read(2)
        if start in (b"\xff\xfe", b"\xfe\xff"):
            problems.add(str(path), "is UTF-16; save the file as UTF-8")
            return
        with gzip.open(path) if start == b"\x1f\x8b" else path.open("rb") as file:
            for number, line in enumerate(file, 1):
                bare = (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).lstrip()
                if bare:
                    yield number, len(line) - len(bare), bare.rstrip()
    except FileNotFoundError:
        problems.add(str(path), "no such file")
    except (EOFError, zlib.error, gzip.BadGzipFile):
        problems.add(f"{path} after line {number}", "the gzip data is truncated or damaged")
    except OSError as error:
        problems.add(str(path), f"cannot be read ({error.strerror or error})")


def parse_row(data: Any, where: str) -> Row:
    """A checked row. Raises DataError with the reason alone; `where` is kept in the row."""
    if not isinstance(data, dict):
        raise DataError(f"a JSON object is expected, not {_kind(data)}")
    missing = [name for name in ("question", "answer") if name not in data]
    if missing:
        raise DataError(f"no {' and no '.join(missing)} (found: {', '.join(data) or 'nothing'})")
    question = checked_text(data["question"], "question")
    answer = checked_text(data["answer"], "answer")
    choices = tuple(_choice(c, i) for i, c in enumerate(_list(data, "choices"), 1))
    labels = [choice.label for choice in choices]
    if len({label.casefold() for label in labels}) < len(labels):
        raise DataError(f"two choices have one label ({', '.join(labels)})")
    if len(labels) == 1:
        raise DataError("one choice only; give at least two, or none for an open question")
    if labels and answer not in labels:
        raise DataError(f"answer {answer!r} is not among the choices {', '.join(labels)}")
    steps = [
        checked_text(s, f"explanation step {i}")
        for i, s in enumerate(_list(data, "explanation"), 1)
    ]
    meta = data.get("meta") or {}
    if not isinstance(meta, dict):
        raise DataError(f"meta: an object is expected, not {_kind(meta)}")
    source_id = data.get("id", where)
    if not isinstance(source_id, (str, int)):
        raise DataError(f"id: a string is expected, not {_kind(source_id)}")
    return Row(where, str(source_id), question, answer, choices, tuple(steps), meta)


class AnswersSeen:
    """What the rows of a dataset show of the family of their answers, one after another."""

    def __init__(self) -> None:
        self._choices: bool | None = None
        self._nli = self._number = True
        self._yes_no = False

    def add(self, row: Row) -> None:
        if self._choices is None:
            self._choices = bool(row.choices)
        if self._choices:
            self._nli = self._nli and not FAMILIES["nli"].check(row, row.answer)
        else:
            self._yes_no = self._yes_no or row.answer.casefold() in YES_NO
            self._number = self._number and is_number(row.answer)

    @property
    def kind(self) -> str:
        """If the first row has choices, `nli` if all rows have those three classes as choices, else
        `choice`; without choices `yes_no` if any answer is yes or no, `number` if every answer is a
        bare number, else `open`.
        """
        if self._choices:
            return "nli" if self._nli else "choice"
        if self._yes_no:
            return "yes_no"
        return "number" if self._number else "open"


def canonical(row: Row, kind: str | Answers) -> Row:
    """The row with a canonical answer (`yes`, `no` in lower case).

    Raises:
        DataError: The row's answer is not of this family; the reason alone.
    """
    answers = family(kind)
    if bool(row.choices) != answers.of_choices:
        raise DataError(f"has {'choices' if row.choices else 'no choices'}")
    if reason := answers.check(row, row.answer):
        raise DataError(reason)
    answer = None if answers.labels(row) is None else answers.read(row, row.answer)
    return row if answer in (None, row.answer) else replace(row, answer=answer)


def kind_hint(answers: str | Answers, kind: str | Answers) -> str:
    """Ends a problem of a row that is not of `kind`, which `answers` has named or left open."""
    if answers == AUTO:
        return f"; the file's answers were taken as {kind}, set answers=... if that is wrong"
    return f" (answers={answers})" if isinstance(answers, str) else ""


def answer_kind(
    rows: list[Row], answers: str | Answers, problems: Problems
) -> tuple[str | Answers, list[Row]]:
    """The family of the answers and the rows with canonical answers; for many rows `tabulate`.

    Args:
        rows: Rows of one dataset, all its files together.
        answers: A family, its name, or `auto` to infer it, see `AnswersSeen`.
        problems: Receives the rows that do not fit.
    """
    kind = answers
    if answers == AUTO and rows:
        seen = AnswersSeen()
        for row in rows:
            seen.add(row)
        kind = seen.kind
    kept = []
    for row in rows:
        try:
            kept.append(canonical(row, kind))
        except DataError as error:
            problems.add(row.where, f"{error}{kind_hint(answers, kind)}")
    return kind, kept


def _choice(data: Any, number: int) -> Choice:
    name = f"choice {number}"
    if not isinstance(data, dict) or not {"label", "text"} <= data.keys():
        found = ", ".join(data) if isinstance(data, dict) else _kind(data)
        raise DataError(f"{name}: an object with label and text is expected, found {found}")
    label = checked_text(data["label"], f"{name}, label")
    if not _LABEL.fullmatch(label):
        raise DataError(f"{name}: label {label!r} must be one word without punctuation")
    return Choice(label, checked_text(data["text"], f"{name}, text"))


def _list(data: dict[str, Any], name: str) -> list[Any]:
    value = data.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise DataError(f"{name}: a list is expected, not {_kind(value)}")
    return value


def checked_text(value: Any, name: str) -> str:
    """`value` without white space around it. Raises DataError unless it is text to work with."""
    if isinstance(value, bool):
        raise DataError(f'{name}: a string is expected, not {_kind(value)}; write "yes" or "no"')
    if not isinstance(value, str):
        raise DataError(f"{name}: a string is expected, not {_kind(value)}")
    if not value.strip():
        raise DataError(f"{name} is empty")
    if _SURROGATE.search(value):
        raise DataError(f"{name} holds half of a surrogate pair; it is not valid Unicode")
    return value.strip()


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a truth value"}
    if value is None:
        return "null"
    return names.get(type(value), f"the number {value!r}"[:40])
