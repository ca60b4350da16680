"""What is printed when a run begins and when it or a sweep ends, out of their records."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from elad_exp.budget.pricing import is_unpriced
from elad_exp.types import StopReason


def introduction(record: Mapping[str, Any], path: Path) -> str:
    """What is about to happen, and where it will be found."""
    data, student, teacher = (record[k] for k in ("dataset", "student", "teacher"))
    budget = record["budget"]
    limits = {k: v for k, v in budget["limits"].items() if v is not None}
    shared = " (of the whole sweep)" if limits and budget["scope"] == "sweep" else ""
    return (
        f"run       {path}\n"
        f"dataset   {data['name']} ({data['source']}): pool {data['n_pool']}, "
        f"dev {data['n_dev']}, test {data['n_test']}\n"
        f"student   {student['name']} ({student['source']}), "
        f"{student['parameters'] / 1e6:.1f} M parameters\n"
        f"selector  {record['selector']['name']}\n"
        f"teacher   {teacher['name']} ({teacher['model']}, {teacher['mode']})\n"
        f"budget    {', '.join(f'{k}={v}' for k, v in limits.items()) or 'no limit'}{shared}"
    )


def conclusion(record: Mapping[str, Any], reason: StopReason, path: Path, unknown: str) -> str:
    """What was spent, what was reached, why it ended, and where the report lies."""
    found = record["metrics"]
    acc, first, major = (found[f"test/{name}"] for name in ("acc", "acc_round0", "majority"))
    low, high = acc["ci95"]
    return (
        f"{spending(record, unknown)}\n"
        f"reached   test accuracy {acc['value']:.3f} [{low:.3f}, {high:.3f}], n={acc['n']}; "
        f"before training {first['value']:.3f}, majority class {major['value']:.3f}\n"
        f"stopped   {reason.name}{'' if reason.name == 'rounds' else f': {reason.detail}'}\n"
        f"report    {path / 'report.html'}"
    )


def spending(record: Mapping[str, Any], unknown: str) -> str:
    """What the run has cost.

    Args:
        record: Of `result.json`.
        unknown: Of calls that may or may not be on the bill; empty if there are none.
    """
    spent, paid = record["spent"], record["paid"]
    digits = _digits(spent["usd"])
    dollars = f"${spent['usd']:.{digits}f} (paid ${paid['usd']:.{digits}f})"
    if is_unpriced(record["teacher"] or {}):
        dollars = "dollars not counted"
    return (
        f"spent     {spent['annotations']} annotations, {spent['tokens']} teacher tokens, "
        f"{dollars} in {record['wall_s']:.0f} s{f'; {unknown}' if unknown else ''}"
    )


def sweep_ending(records: Sequence[Mapping[str, Any]], folder: str) -> str:
    """What became of the jobs of a sweep, what they cost together, and how they are compared.

    Args:
        records: Of the jobs' `result.json`.
        folder: Where the jobs have their folders.
    """
    states = Counter(record["status"] for record in records)
    became = ", ".join(f"{states[name]} {name}" for name in ("completed", "stopped", "failed"))
    spent, paid = (_sums(records, kind) for kind in ("spent", "paid"))
    n = len(records)
    told = f"sweep     {n} job{'' if n == 1 else 's'}: {became}; spent {spent}; paid {paid}"
    if not states["completed"]:
        return told
    return f"{told}\ncompare   elad-exp compare {shlex.quote(folder)}"


def _sums(records: Sequence[Mapping[str, Any]], kind: str) -> str:
    known = [record[kind] for record in records if record[kind]]
    annotations, tokens = (
        sum(spent[unit] for spent in known) for unit in ("annotations", "tokens")
    )
    usd = math.fsum(spent["usd"] for spent in known)
    return f"{annotations} annotations, {tokens} teacher tokens, ${usd:.{_digits(usd)}f}"


def _digits(usd: float) -> int:
    return 2 if usd >= 1 or not usd else 4
