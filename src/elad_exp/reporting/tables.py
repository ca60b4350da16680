"""A comparison as plain text tables."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from elad_exp.metrics import Difference, Needed
from elad_exp.reporting.summaries import LEFT_OUT, SWEEP_BUDGET, RunSummary
from elad_exp.reporting.text import visible
from elad_exp.types import Metric

if TYPE_CHECKING:
    from elad_exp.reporting.compare import Comparison, Row, SettingComparison

_WIDTH = 118
_NONE = "-"

_LEGEND = (
    "Accuracy is on test after the last round; area is under its curve over the budget, divided by "
    "the budget. Brackets are 95 % intervals over seeds: t for means (clipped to [0, 1]), "
    "bootstrap for differences and shares. p: sign-flip test over seeds, Holm-corrected for the "
    "selectors of a setting. Needed: cost at which the monotone mean curve reaches the baseline's "
    "final level, as a share of the baseline's final cost. Intervals leave out the teacher's "
    "sampling noise unless each seed asked it anew."
)


def render(comparison: Comparison) -> str:
    """Tables for a terminal or a README: two for each setting, then the runs that do not count and
    why.
    """
    file = io.StringIO()
    console = Console(file=file, width=_WIDTH, highlight=False, markup=False, emoji=False)
    for setting in comparison.settings:
        _setting(console, setting, comparison.baseline)
    left_out = [run for run in comparison.uncounted if run.status == LEFT_OUT]
    others = [run for run in comparison.uncounted if run.status != LEFT_OUT]
    _uncounted(console, "Not counted, did not complete", others)
    _uncounted(console, "Not counted, although completed", left_out)
    console.print(_LEGEND)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def _uncounted(console: Console, title: str, runs: Sequence[RunSummary]) -> None:
    if not runs:
        return
    console.print(f"{title} ({len(runs)} {'run' if len(runs) == 1 else 'runs'}):")
    for run in runs:
        why = f"{run.status}, {run.reason or 'no reason recorded'}"
        if run.reason == SWEEP_BUDGET:
            why += " (what all jobs may spend together was spent)"
        _say(console, f"  {run.path}: {run.reason if run.status == LEFT_OUT else why}")
    console.print()


def _setting(console: Console, found: SettingComparison, baseline: str) -> None:
    _say(console, f"{found.setting}; n_test {found.testset['n_test']}")
    first = _table("selector", "seeds", "test accuracy", "area", f"area - {baseline}", "p (Holm)")
    second = _table(
        "selector",
        "annotations needed",
        "tokens needed",
        f"token area - {baseline}",
        "p (Holm)",
        "steps",
        "select s",
    )
    for row in found.rows:
        one, two = row.against.get("annotations"), row.against.get("tokens")
        first.add_row(
            visible(row.selector),
            str(len(row.seeds)),
            interval(row.accuracy),
            interval(row.area.get("annotations")),
            interval(one.difference if one else None, signed=True),
            f"{one.p_holm:.4f}" if one else _NONE,
        )
        second.add_row(
            visible(row.selector),
            share(one.needed if one else None),
            share(two.needed if two else None),
            interval(two.difference if two else None, signed=True),
            f"{two.p_holm:.4f}" if two else _NONE,
            *_beside(row),
        )
    console.print(first)
    console.print()
    console.print(second)
    console.print()
    for note in found.notes:
        _say(console, f"Note: {note}.")
    console.print()


def _say(console: Console, text: str) -> None:
    """One line, however long, with nothing that a terminal would obey."""
    indent = " " * (len(text) - len(text.lstrip()))
    console.print(indent + visible(" ".join(text.split())), soft_wrap=True)


def _beside(row: Row) -> tuple[str, str]:
    steps = _NONE if row.mean_steps is None else f"{row.mean_steps:.2f}"
    return steps, f"{row.select_seconds:.1f}"


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in columns:
        left = name == "selector"
        table.add_column(name, justify="left" if left else "right", no_wrap=not left)
    return table


def interval(metric: Metric | Difference | None, *, signed: bool = False) -> str:
    """`0.712 [0.690, 0.735]`; without brackets for a single seed."""
    if metric is None:
        return _NONE
    form = "+.3f" if signed else ".3f"
    return f"{metric.value:{form}}" + _brackets([f"{end:{form}}" for end in metric.ci95])


def share(needed: Needed | None) -> str:
    """`63 % [51, 80]`; `> 100 %` where the level was not reached within what was observed."""
    if needed is None:
        return _NONE
    ends = [_percent(end, needed.observed) for end in needed.ci95]
    return f"{_percent(needed.value, needed.observed)} %" + _brackets(ends)


def _percent(value: float, observed: float) -> str:
    return f"{value * 100:.0f}" if math.isfinite(value) else f"> {observed * 100:.0f}"


def _brackets(ends: Sequence[str]) -> str:
    return f" [{', '.join(ends)}]" if ends else ""
