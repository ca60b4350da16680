"""What the components were worth, over the rounds of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from elad_exp.reporting.text import clipped
from elad_exp.rundir import Line

KINDS = {
    "": "the attempt is wrong (by gold, all candidates)",
    "_teacher": "the teacher finds an error (audit items)",
}
"""Endings of the keys, and the question that scores should answer."""


def score_tables(rounds: Sequence[Line]) -> list[dict[str, Any]]:
    """One table a question: a row a component, with its means over rounds and its last round.

    A component has no mean where it was never defined, that is, in no round with both classes.
    """
    tables = []
    for kind, title in KINDS.items():
        areas, precisions = (
            [of_measure(line["select"] or {}, f"{name}{kind}") for line in rounds]
            for name in ("auroc", "auprc")
        )
        names = sorted({name for found in areas for name in found})
        if names:
            rows = [_row(name, areas, precisions) for name in names]
            tables.append({"title": title, "rows": rows})
    return tables


def _row(
    name: str, areas: Sequence[Mapping[str, Any]], precisions: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    known = [found[name] for found in areas if found.get(name)]
    precise = [found[name] for found in precisions if found.get(name)]
    return {
        "name": name,
        "rounds": len(known),
        "auroc": _mean([metric["value"] for metric in known]),
        "last": known[-1] if known else None,
        "auprc": _mean([metric["value"] for metric in precise]),
        "prevalence": _mean([metric["prevalence"] for metric in precise]),
    }


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def of_measure(select: Mapping[str, Any], measure: str) -> dict[str, Any]:
    """Component -> metric or None, from the keys `measure/component`."""
    start = f"{measure}/"
    found = {k.removeprefix(start): v for k, v in select.items() if k.startswith(start)}
    return {clipped(k, 60): v for k, v in found.items()}
