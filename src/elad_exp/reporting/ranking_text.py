"""What selectors make of a stored round, as tables for people and as JSON."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from elad_exp.reporting.ranking import Ranking, StoredRound, base_rates, worth
from elad_exp.reporting.tables import interval
from elad_exp.reporting.text import clipped, visible
from elad_exp.selectors.components import COMPONENTS
from elad_exp.types import Metric

_WIDTH = 118
_NONE = "-"
_LEGEND = (
    "overlap: share that the run's selector chose too. wrong: attempts with a wrong answer among "
    "those chosen. AUROC, AUPRC: how well a component, or the order in which a selector takes all "
    "candidates, finds wrong attempts. Brackets are 95 % intervals for these questions. What a "
    "choice teaches only training shows, over seeds (elad-exp compare)."
)


def to_text(stored: StoredRound, rankings: Sequence[Ranking]) -> str:
    """Tables for a terminal; what was chosen is listed where there is one selector only."""
    file = io.StringIO()
    console = Console(file=file, width=_WIDTH, highlight=False, markup=False, emoji=False)
    wrong, steps = base_rates(stored)
    told = [
        f"round {stored.round} of {stored.run}: {len(stored.candidates)} candidates",
        f"wrong attempts {interval(wrong)}" if wrong else "wrong attempts not stored",
        f"mean steps {_number(steps, 2)}",
        f"{stored.selector} chose {len(stored.taken)} (overlap by chance {stored.chance:.2f})"
        if stored.taken
        else "the run bought nothing in it",
    ]
    console.print(visible(", ".join(told)), soft_wrap=True)
    if by := stored.scored_by:
        settings = ", ".join(f"{name}={value}" for name, value in by["settings"].items())
        console.print(visible(f"scored by student {by['student']}: {settings}"), soft_wrap=True)
    if screened := sum(candidate.screened for candidate in stored.candidates):
        console.print(
            f"{screened} candidates have no samples (selection.guided_fraction, guided by the "
            "run's selector): who needs samples takes them last, where a run of its own would have "
            "guided by its own scores",
            soft_wrap=True,
        )
    console.print()
    if len(rankings) == 1:
        console.print(_chosen(stored, rankings[0]))
        console.print()
    console.print(_comparison(rankings))
    console.print()
    if found := worth(stored):
        console.print(_worth(found))
        console.print()
    console.print(_LEGEND)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def _chosen(stored: StoredRound, ranking: Ranking) -> Table:
    names = sorted(ranking.needs & COMPONENTS)
    table = _table("chosen", "score", *names, "answer", "wrong")
    for item in ranking.chosen:
        answer = item.attempt.answer if item.attempt else None
        wrong = stored.wrong.get(item.sample.id)
        table.add_row(
            item.sample.id,
            _number(item.score),
            *(_number(item.scores.get(name)) for name in names),
            _NONE if answer is None else visible(clipped(answer, 20)),
            _NONE if wrong is None else ("yes" if wrong else "no"),
        )
    return table


def _comparison(rankings: Sequence[Ranking]) -> Table:
    table = _table("selector", "n", "overlap", "wrong", "AUROC", "AUPRC", "steps", "diversity")
    for ranking in rankings:
        table.add_row(
            visible(ranking.selector),
            str(len(ranking.chosen)),
            _number(ranking.overlap, 2),
            interval(ranking.wrong),
            interval(ranking.auroc),
            _number(ranking.auprc.value if ranking.auprc else None),
            _number(ranking.mean_steps, 2),
            _number(ranking.diversity["selected"] if ranking.diversity else None),
        )
    return table


def _worth(found: Mapping[str, Any]) -> Table:
    table = _table("component", "n", "AUROC", "AUPRC", "by chance")
    names = [key.partition("/")[2] for key in found if key.startswith("auroc/")]
    for name in names:
        area, precision = found[f"auroc/{name}"], found[f"auprc/{name}"]
        table.add_row(
            visible(name),
            str(area["n"]) if area else _NONE,
            interval(Metric.from_dict(area) if area else None),
            _number(precision["value"] if precision else None),
            _number(precision["prevalence"] if precision else None),
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for i, name in enumerate(columns):
        table.add_column(name, justify="right" if i else "left", no_wrap=i > 0)
    return table


def _number(value: float | None, digits: int = 3) -> str:
    return _NONE if value is None else f"{value:.{digits}f}"


def to_json(stored: StoredRound, rankings: Sequence[Ranking]) -> dict[str, Any]:
    """Everything as primitives; of what was chosen every component that is stored."""
    wrong, steps = base_rates(stored)
    return {
        "run": str(stored.run),
        "round": stored.round,
        "run_selector": stored.selector,
        "run_chose": sorted(stored.taken),
        "chance_overlap": stored.chance,
        "scored_by": stored.scored_by,
        "stored": sorted(stored.stored()),
        "candidates": {
            "n": len(stored.candidates),
            "wrong": wrong and wrong.to_dict(),
            "mean_steps": steps,
        },
        "worth": worth(stored),
        "selectors": [_told(stored, ranking) for ranking in rankings],
    }


def _told(stored: StoredRound, ranking: Ranking) -> dict[str, Any]:
    return {
        "selector": ranking.selector,
        "needs": sorted(ranking.needs),
        "chosen": [
            {
                "id": item.sample.id,
                "score": item.score,
                "scores": item.scores,
                "answer": item.attempt.answer if item.attempt else None,
                "wrong": stored.wrong.get(item.sample.id),
            }
            for item in ranking.chosen
        ],
        "overlap": ranking.overlap,
        "wrong": ranking.wrong and ranking.wrong.to_dict(),
        "auroc": ranking.auroc and ranking.auroc.to_dict(),
        "auprc": ranking.auprc and ranking.auprc.to_dict(),
        "mean_steps": ranking.mean_steps,
        "diversity": ranking.diversity,
        "classes": ranking.classes,
    }
