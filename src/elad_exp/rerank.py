"""`elad-exp select`: the candidates of a finished round, ranked again by other selectors.

Needs neither the student nor the dataset: torch is not imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from elad_exp.arguments import check_arguments
from elad_exp.building import build
from elad_exp.config import compose_config
from elad_exp.protocols import Selector
from elad_exp.reporting.ranking import Ranking, StoredRound, rank, stored_round


def rerank(
    run: Path,
    names: str,
    overrides: Sequence[str] = (),
    *,
    round: int | None = None,
    n: int | None = None,
) -> tuple[StoredRound, list[Ranking]]:
    """What each of the selectors makes of a stored round.

    Args:
        run: A run directory.
        names: Options of `selector=`, separated by commas.
        overrides: As `weights.inter=2`: of each of the selectors. What begins with `selector` is
            left as it is: `selector@selector.inner=random`.
        round: Of the run; by default the last with scores.
        n: Size of the query, audit included; by default the run's.

    Raises:
        ConfigError: A selector cannot be composed or needs what is not stored, or a value is out
            of range.
        DataError: `run` holds no run, or no scores.
    """
    check_arguments(overrides)
    selectors = [_selector(name.strip(), overrides) for name in names.split(",")]
    stored = stored_round(run, round)
    return stored, [rank(stored, selector, n=n) for selector in selectors]


def _selector(name: str, overrides: Sequence[str]) -> Selector:
    config = compose_config([f"selector={name}", *map(_below_selector, overrides)])
    found: Selector = build(config.selector)
    return found


def _below_selector(override: str) -> str:
    """`weights.inter=2` as `selector.weights.inter=2`, with `+`, `++` or `~` before that."""
    key = override.lstrip("+~")
    if key.startswith(("selector.", "selector@")):
        return override
    return f"{override[: len(override) - len(key)]}selector.{key}"
