"""Rules that end a run."""

from __future__ import annotations

from typing import Any

import pytest

from elad_exp.errors import ConfigError
from elad_exp.stopping import AcceptanceRule
from elad_exp.types import RoundState, Spent


def measured(*accepted: float, n: int = 40) -> RoundState:
    """After one purchase for each acceptance rate; the round just measured has bought nothing."""
    lines: list[dict[str, Any]] = [
        {"bought": {"acceptance_audit": {"value": rate, "n": n}}} for rate in accepted
    ]
    history = ({"bought": {}}, *lines, {"bought": None})
    return RoundState(
        round=len(history), metrics={}, spent=Spent(), n_labelled=9, n_unlabelled=9, history=history
    )


def test_the_window_counts_purchases() -> None:
    rule = AcceptanceRule(0.9, window=1)
    found = rule.check(measured(0.0, 1.0))
    assert found is not None
    assert "40 of 40" in found.detail
    found = AcceptanceRule(0.9, window=3).check(measured(0.0, 1.0, 1.0, 1.0))
    assert found is not None
    assert "120 of 120" in found.detail
    assert AcceptanceRule(0.9, window=4).check(measured(0.0, 1.0, 1.0, 1.0)) is None


def test_no_audit_no_verdict() -> None:
    assert AcceptanceRule().check(measured()) is None


def test_a_window_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"stopping\.acceptance\.window=0"):
        AcceptanceRule(window=0)
