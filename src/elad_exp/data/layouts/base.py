"""The type of a layout, and which family of answers a dataset has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from elad_exp.errors import DataError
from elad_exp.tasks.answers import Answers

# The families of answers that these datasets are graded by.
NUMBER = "number"
NLI = "nli"

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Columns that only our own schema has.
OWN_ONLY = frozenset({"explanation", "meta"})


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns of a dataset and what is made of them.

    Attributes:
        name: Name in configuration.
        answers: Family of its answers or its name, see `ReasoningTask`; `auto` to infer it.
        columns: Columns that every record must have.
        convert: A record as a dictionary of our schema. Raises DataError with the reason.
        own: Whether it is a schema of ours, whose files are the user's to put right.
    """

    name: str
    answers: str | Answers
    columns: tuple[str, ...]
    convert: Callable[[Mapping[str, Any]], dict[str, Any]]
    own: bool = False

    def fits(self, record: Mapping[str, Any]) -> bool:
        """Whether all columns are there."""
        return set(self.columns) <= record.keys()

    def row(self, record: Any) -> dict[str, Any]:
        """`convert` of a record that has all columns.

        Raises:
            DataError: Names the columns that are missing and those found, or says what is wrong
                with a value.
        """
        if not isinstance(record, Mapping):
            raise DataError(f"a record with columns is expected, not {type(record).__name__}")
        self.check(record)
        return self.convert(record)

    def check(self, record: Mapping[str, Any]) -> None:
        """Raises DataError unless all columns are there; names those missing and those found."""
        missing = [column for column in self.columns if column not in record]
        if missing:
            raise DataError(
                f"no column {', '.join(missing)} (found: {', '.join(map(str, record)) or 'none'})"
            )


def text(value: Any, name: str) -> str:
    """`value` without white space around it; raises DataError unless it is a string."""
    if not isinstance(value, str):
        raise DataError(f"{name}: a string is expected, not {type(value).__name__}")
    return value.strip()


def text_lines(value: Any, name: str) -> list[str]:
    """The lines of a string that are not blank, without white space around them."""
    return [line.strip() for line in text(value, name).splitlines() if line.strip()]
