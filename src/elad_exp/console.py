"""What a run prints: progress of long phases, a line a round, what was spent and reached.

On a terminal a phase that lasts longer than a second shows a bar; elsewhere only plain lines are
printed, so that logs stay readable.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console as RichConsole
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

NOTE_EVERY_S = 30.0
HEADER = ("round", "labelled", "tokens", "dev", "test", "bought", "accepted", "seconds")
_ROW = "{:>5}  {:>8}  {:>9}  {:>6}  {:>6}  {:>9}  {:>8}  {:>7}"


class Told(logging.Handler):
    """Shows what a part of the program logs.

    Args:
        console: Where it is shown.
        name: Logger whose records, and those of loggers below it, are shown.
        level: The least that is.
    """

    def __init__(self, console: Console, name: str, level: int = logging.INFO) -> None:
        super().__init__(level)
        self.console = console
        self.addFilter(logging.Filter(name))

    def emit(self, record: logging.LogRecord) -> None:
        self.console.say(record.getMessage())


@contextmanager
def told(*handlers: logging.Handler) -> Iterator[None]:
    """Add handlers to the root logger while the context is open."""
    root = logging.getLogger()
    for handler in handlers:
        root.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()


class Console:
    """Prints for people; never the record of a run.

    Args:
        quiet: Print nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.rich = RichConsole(quiet=quiet, highlight=False, soft_wrap=True)
        self._progress: Progress | None = None
        self._phase = ""
        self._started = self._noted = 0.0

    def say(self, text: str) -> None:
        """One plain line."""
        self.rich.print(text, markup=False)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """While the context is open, `advance` moves the bar of `name`."""
        self._phase = name
        self._started = self._noted = time.monotonic()
        try:
            yield
        finally:
            if self._progress is not None:
                self._progress.stop()
                self._progress = None
            self._phase = ""

    def advance(self, done: int, total: int, note: str = "") -> None:
        """Show `done` of `total`, once the phase has lasted a second; with a note, elsewhere than
        on a terminal too, every half minute.
        """
        now = time.monotonic()
        if not self._phase:
            return
        if not self.rich.is_terminal:
            if note and now - self._noted >= NOTE_EVERY_S:
                self._noted = now
                self.say(f"{self._phase:<9} {done} of {total}: {note}")
            return
        if self._progress is None:
            if now - self._started < 1.0:
                return
            self._progress = Progress(
                TextColumn("{task.description:>9}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[note]}"),
                console=self.rich,
                transient=True,
            )
            self._progress.add_task(self._phase, total=total, note=note)
            self._progress.start()
        self._progress.update(self._progress.task_ids[0], completed=done, total=total, note=note)

    def header(self) -> None:
        """Column names of the round table."""
        self.say(_ROW.format(*HEADER))

    def round_line(self, line: Mapping[str, Any]) -> None:
        """One line of `rounds.jsonl`, for reading."""
        bought = line["bought"] or {}
        audit = bought.get("acceptance_audit")
        self.say(
            _ROW.format(
                line["round"],
                line["n_labelled"],
                line["spent"]["tokens"],
                f"{line['dev']['acc']['value']:.3f}",
                f"{line['test']['acc']['value']:.3f}",
                f"{bought['ok']} of {bought['asked']}" if bought else "-",
                f"{audit['value']:.2f}" if audit else "-",
                f"{sum(line['seconds'].values()):.1f}",
            )
        )
