"""The group `selection` of a configuration, as far as scoring is concerned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elad_exp.errors import ConfigError
from elad_exp.selectors.components import check_also
from elad_exp.selectors.scorer import guided_size

_SAME = (
    "temperature",
    "intra",
    "inter_from",
    "content",
    "cluster_distance",
    "dropout_passes",
    "guided_fraction",
)


def scorer_options(selection: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `Scorer` that are settings."""
    same = {name: selection[name] for name in _SAME}
    return {"k": selection["samples"], "also": selection["also_score"]} | same


def scoring_problems(selection: Mapping[str, Any], *, query_size: int) -> list[str]:
    """What can be refused before anything is built: a sentence for each value."""
    problems = []
    fraction, n = selection["guided_fraction"], selection["candidates"]
    if not 0 < fraction <= 1:
        problems.append(
            f"selection.guided_fraction={fraction}: must be above 0 and at most 1 (no guiding)"
        )
    elif n is not None and n >= query_size > guided_size(n, fraction):
        problems.append(
            f"selection.guided_fraction={fraction} of selection.candidates={n} leaves "
            f"{guided_size(n, fraction)} to choose from, fewer than "
            f"schedule.query_size={query_size}; raise one of the first two"
        )
    try:
        check_also(selection["also_score"])
    except ConfigError as error:
        problems.append(f"selection.also_score={selection['also_score']}: {error}")
    return problems
