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

__all__ = ["LAYOUTS", "Layout", "mapped", "recognised"]

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


def recognised(record: Mapping[str, Any]) -> Layout | None:
    """The layout whose columns `record` has; None for a record of our own schema, or of none."""
    fitting = [layout for layout in LAYOUTS.values() if layout.fits(record)]
    if not OWN_ONLY.isdisjoint(record) or (
        # Our own schema has these two columns as well.
        fitting == [LAYOUTS["gsm8k"]] and gsm8k.MARK not in str(record["answer"])
    ):
        return None
    return max(fitting, key=lambda layout: len(layout.columns), default=None)
