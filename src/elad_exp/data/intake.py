"""Takes a dataset's files into a table, whatever their size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from elad_exp.data.records import Reading
from elad_exp.data.rows import AnswersSeen, Problems, Row, canonical, kind_hint
from elad_exp.data.table import RowTable, TableWriter
from elad_exp.errors import DataError
from elad_exp.tasks.answers import Answers
from elad_exp.tasks.families import AUTO

Reader = Callable[[Reading], Iterable[Row]]
"""Begins anew whenever it is called; puts what is wrong into its argument."""
Readings = dict[str, Reading]


def tabulate(
    readers: Mapping[str, Reader], answers: str | Answers
) -> tuple[RowTable, str | Answers, Readings]:
    """The rows with canonical answers in a table, their kind of answers, and what was left out.

    They are read once, and under `answers=auto` once more where all rows together are of another
    kind than the first row is by itself. A few records in a dataset's own columns may be unusable
    or of another kind; rows in our schema may not.

    Args:
        readers: One for each split.
        answers: See `rows.answer_kind`.

    Raises:
        DataError: Rows cannot be used: all problems of the files at once, or else all rows of
            another kind.
    """
    kind = None if answers == AUTO else answers
    while True:
        readings = {split: Reading() for split in readers}
        table, taken_as, found, misfits = _read(readers, readings, kind, answers)
        if answers != AUTO or taken_as == found:
            for reading in readings.values():
                reading.settle()
                misfits.items += reading.problems.items
            misfits.check()
            return table, taken_as, readings
        kind = found


def _read(
    readers: Mapping[str, Reader],
    readings: Readings,
    kind: str | Answers | None,
    answers: str | Answers,
) -> tuple[RowTable, str | Answers, str, Problems]:
    """The table, the kind that its rows were taken as (None: that of the first), the kind of all
    rows together, and the rows that are of another kind than they were taken as and must not be.
    """
    misfits, seen, problems = Problems(), AnswersSeen(), Problems()
    with TableWriter(list(readers)) as writer:
        for split, read in readers.items():
            reading = readings[split]
            for row in read(reading):
                seen.add(row)
                kind = kind or seen.kind
                try:
                    fitting = canonical(row, kind)
                except DataError as error:
                    reason = f"{error}{kind_hint(answers, kind)}"
                    if reading.ours:
                        misfits.add(row.where, reason)
                    else:
                        reading.left_out[row.where] = reason
                else:
                    writer.add(split, fitting)
            problems.items += reading.problems.items
        problems.check()
        return writer.table(), kind or answers, seen.kind, misfits
