"""The run directory: a contract that tools and tests read.

Whole files are written to a temporary name and renamed. JSON Lines files are appended to and cut
back to a round when a run resumes.
"""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from elad_exp.errors import ConfigError
from elad_exp.types import Query

Line = dict[str, Any]
_STARTED = ("result.json", "config.yaml", "overrides.txt", "run.log")
"""What is written before the first round is measured."""
_WRITTEN = (
    *_STARTED,
    "rounds.jsonl",
    "annotations.jsonl",
    "predictions.jsonl",
    "scores.jsonl.gz",
    "ledger.jsonl",
    "open_query.json",
    "report.html",
    "curve.png",
    "metrics.csv",
    "student",
)
"""What a run writes or replaces."""


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write `path` so that a reader sees the old file or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    raw = data.encode() if isinstance(data, str) else data
    with temporary.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def read_lines(path: Path) -> list[Line]:
    """The lines of a JSON Lines file (plain or .gz); a last line cut by a crash is left out."""
    if not path.exists():
        return []
    raw = path.read_bytes()
    text = (_gunzip(raw) if path.suffix == ".gz" else raw).decode(errors="replace")
    whole = text.split("\n")[:-1]
    return [json.loads(line) for line in whole if line]


def _gunzip(raw: bytes) -> bytes:
    """Every whole gzip member; one cut by a crash gives what can be read of it."""
    out = []
    while raw:
        member = zlib.decompressobj(wbits=31)
        try:
            out.append(member.decompress(raw))
        except zlib.error:
            break
        if not member.eof:
            break
        raw = member.unused_data
    return b"".join(out)


class RunDirectory:
    """Paths and files of one run.

    Args:
        path: The directory.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self._rounds: list[Line] = []
        self._made: list[Path] = []
        self._before: dict[str, bytes] = {}

    def create(self) -> None:
        """Make the directory.

        Raises:
            ConfigError: It already holds a run or a file that a run would replace, or cannot be
                written.
        """
        if (self.path / "result.json").exists():
            raise ConfigError(
                f"{self.path} already holds a run; go on with it by resume={self.path}, "
                "or choose another paths.run_dir"
            )
        if found := [name for name in _WRITTEN if (self.path / name).exists()]:
            raise ConfigError(
                f"{self.path} holds {', '.join(found)}, which a run would replace; choose an "
                "empty or new folder as paths.run_dir"
            )
        self._made = [
            folder
            for folder in (self.checkpoints, self.path, *self.path.absolute().parents)
            if not folder.exists()
        ]
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            probe = self.path / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            self._remove_folders()
            raise ConfigError(
                f"paths.run_dir={self.path} cannot be written ({error.strerror}); choose another"
            ) from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes out. The system lets go when this one ends, however it ends.

        Raises:
            ConfigError: Another process runs in the directory.
        """
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ConfigError(
                    f"{self.path} is in use by another process; wait until it ends, or stop it"
                ) from error
            yield
        finally:
            os.close(descriptor)

    def reopen(self) -> None:
        """Read back what an earlier session wrote."""
        self._rounds = read_lines(self.path / "rounds.jsonl")
        self._before = {
            name: (self.path / name).read_bytes()
            for name in _STARTED
            if (self.path / name).exists()
        }

    def undo(self) -> None:
        """Put back what was here before `create` or `reopen`, for a run that could not begin.

        Only files that a run writes before it trains are touched, and only empty folders that
        `create` made are removed.
        """
        for name in _STARTED:
            if name in self._before:
                write_atomic(self.path / name, self._before[name])
            else:
                (self.path / name).unlink(missing_ok=True)
        self._remove_folders()

    def _remove_folders(self) -> None:
        for folder in self._made:
            with suppress(OSError):  # somebody else has put something there
                folder.rmdir()

    def write_json(self, name: str, value: Any) -> None:
        write_atomic(self.path / name, json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def write_text(self, name: str, text: str) -> None:
        write_atomic(self.path / name, text)

    def read_json(self, name: str) -> Any:
        return json.loads((self.path / name).read_text(encoding="utf-8"))

    @property
    def rounds(self) -> list[Line]:
        """The lines of `rounds.jsonl` so far."""
        return self._rounds

    def put_round(self, line: Line) -> None:
        """Add the line of a round, or replace it once its purchase is known."""
        self._rounds = [old for old in self._rounds if old["round"] != line["round"]] + [line]
        self._write_lines("rounds.jsonl", self._rounds)

    def append(self, name: str, lines: Iterable[Line]) -> None:
        """Append to `annotations.jsonl`, `predictions.jsonl` or `scores.jsonl.gz`."""
        data = "".join(dumps(line) + "\n" for line in lines).encode()
        if not data:
            return
        with (self.path / name).open("ab") as file:
            file.write(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)
            file.flush()
            os.fsync(file.fileno())

    def keep_query(self, query: Query, snapshot: Line) -> None:
        """Remember the open query at once, so that an interrupted purchase is not chosen anew.

        Args:
            query: What was chosen.
            snapshot: What the line of the round says about the choice.
        """
        self.write_json("open_query.json", {"query": query.to_dict(), "snapshot": snapshot})

    def kept_query(self, round: int) -> tuple[Query, Line] | None:
        """Query and snapshot of this round, if the run was interrupted while it was open."""
        kept = self._kept()
        return kept if kept is not None and kept[0].round == round else None

    def forget_query(self) -> None:
        """Drop the kept query and the scores behind it."""
        kept = self._kept()
        if kept is not None:
            (self.path / "open_query.json").unlink()
            self._filter("scores.jsonl.gz", lambda line: line["round"] != kept[0].round)

    def _kept(self) -> tuple[Query, Line] | None:
        path = self.path / "open_query.json"
        if not path.exists():
            return None
        kept = json.loads(path.read_text(encoding="utf-8"))
        return Query.from_dict(kept["query"]), kept["snapshot"]

    def cut_back(self, *, measured: int, bought: int) -> None:
        """Keep what a checkpoint knows of: measurements of rounds below `measured`, purchases of
        rounds below `bought`, and the scores behind a kept query, which may be a round ahead.
        """
        self._rounds = [
            line if line["round"] < bought else line | {"select": None, "bought": None}
            for line in read_lines(self.path / "rounds.jsonl")
            if line["round"] < measured
        ]
        self._write_lines("rounds.jsonl", self._rounds)
        self._filter("predictions.jsonl", lambda line: line["round"] < measured)
        self._filter("annotations.jsonl", lambda line: line["round"] < bought)
        kept = self._kept()
        ahead = kept[0].round if kept else -1
        self._filter(
            "scores.jsonl.gz", lambda line: line["round"] < bought or line["round"] == ahead
        )

    def _filter(self, name: str, keep: Callable[[Mapping[str, Any]], bool]) -> None:
        self._write_lines(name, [x for x in read_lines(self.path / name) if keep(x)])

    def _write_lines(self, name: str, lines: Iterable[Line]) -> None:
        data = "".join(dumps(line) + "\n" for line in lines).encode()
        if name.endswith(".gz"):
            data = gzip.compress(data, mtime=0) if data else b""
        write_atomic(self.path / name, data)
