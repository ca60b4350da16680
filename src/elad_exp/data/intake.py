"""Takes a dataset's files into a table, whatever their size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from elad_exp.data.rows import AnswersSeen, Problems, Row, canonical, kind_hint
from elad_exp.data.table import RowTable, TableWriter
from elad_exp.errors import DataError

Reader = Callable[[Problems], Iterable[Row]]
"""Begins anew whenever it is called; puts what is wrong into its argument."""


def tabulate(readers: Mapping[str, Reader], answers: str) -> tuple[RowTable, str]:
    """The rows with canonical answers in a table, and their kind of answers.

    They are read once, and under `answers=auto` once more where all rows together are of another
    kind than the first row is by itself.

    Args:
        readers: One for each split.
        answers: See `rows.answer_kind`.

    Raises:
        DataError: Rows cannot be used: all problems of the files at once, or else all rows of
            another kind.
    """
    kind = None if answers == "auto" else answers
    while True:
        table, taken_as, found, misfits = _read(readers, kind, answers)
        if answers != "auto" or taken_as == found:
            misfits.check()
            return table, taken_as
        kind = found


def _read(
    readers: Mapping[str, Reader], kind: str | None, answers: str
) -> tuple[RowTable, str, str, Problems]:
    """The table, the kind that its rows were taken as (None: that of the first), the kind of all
    rows together, and the rows that are of another kind than they were taken as.
    """
    problems, misfits, seen = Problems(), Problems(), AnswersSeen()
    with TableWriter(list(readers)) as writer:
        for split, read in readers.items():
            for row in read(problems):
                seen.add(row)
                kind = kind or seen.kind
                try:
                    fitting = canonical(row, kind)
                except DataError as error:
                    misfits.add(row.where, f"{error}{kind_hint(answers, kind)}")
                else:
                    writer.add(split, fitting)
        problems.check()
        return writer.table(), kind or answers, seen.kind, misfits
