"""What columns the datasets have on the hub, and how a record becomes a row of our schema.

A layout turns one record (column -> value, as parquet or JSON gives it) into the dictionary that
`elad_exp.data.rows.parse_row` checks. It raises `DataError` with the reason alone. Where the column
names are from, and what was not verified against the live hub, is in `docs/datasets.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elad_exp.data.layouts import aqua, gsm8k, lettered, nli
from elad_exp.data.layouts.base import NLI, NUMBER, OWN_ONLY, Layout
from elad_exp.data.layouts.mapped import mapped
from elad_exp.data.layouts.texts import NER, TEXT

__all__ = ["LAYOUTS", "NER", "TEXT", "Layout", "mapped", "ours", "recognised"]

LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout("gsm8k", NUMBER, ("question", "answer"), gsm8k.convert),
        Layout("aqua", "choice", ("question", "options", "rationale", "correct"), aqua.convert),
        Layout(
            "commonsenseqa",
            "choice",
            ("id", "question", "question_concept", "choices", "answerKey"),
            lettered.commonsenseqa,
        ),
        Layout("arc", "choice", ("id", "question", "choices", "answerKey"), lettered.arc),
        Layout("anli", NLI, ("uid", "premise", "hypothesis", "label", "reason"), nli.anli),
        Layout("esnli", NLI, ("premise", "hypothesis", "label", "explanation_1"), nli.esnli),
    )
}


def ours(record: Mapping[str, Any]) -> bool:
    """Whether `record` is in our own schema, though it may have the columns of a dataset as well.

    It has `question` and `answer`, and either a column that only our schema has or those of no
    dataset but GSM8K, which has these two alone, without the mark of GSM8K's results.
    """
    if not {"question", "answer"} <= record.keys():
        return False
    others = [layout for layout in LAYOUTS.values() if layout.fits(record)]
    others.remove(LAYOUTS["gsm8k"])
    return not OWN_ONLY.isdisjoint(record) or (
        not others and gsm8k.MARK not in str(record["answer"])
    )


def recognised(record: Mapping[str, Any]) -> Layout | None:
    """The layout whose columns `record` has; None for a record of our own schema of questions, or
    of none.
    """
    if ours(record):
        return None
    fitting = [layout for layout in (*LAYOUTS.values(), TEXT, NER) if layout.fits(record)]
    return max(fitting, key=lambda layout: len(layout.columns), default=None)
