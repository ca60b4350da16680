"""Exact money: whole pico-dollars, so that sums do not depend on their order."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, Decimal

from elad_exp.types import Usage

_PICO = Decimal(10) ** 12


def pico_usd(usd: float) -> int:
    """`usd` in whole pico-dollars: the decimal number that is printed for it, rounded."""
    return int((Decimal(repr(usd)) * _PICO).to_integral_value(ROUND_HALF_EVEN))


def dollars(pico: int) -> float:
    """Inverse of `pico_usd`."""
    return float(Decimal(pico) / _PICO)


def check_usage(usage: Usage) -> Usage:
    """Return `usage`. Raises ValueError unless its counts and dollars are finite and >= 0."""
    counts = (usage.prompt_tokens, usage.completion_tokens)
    whole = all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in counts)
    if not whole or not math.isfinite(usage.usd) or usage.usd < 0:
        raise ValueError(f"{usage} is no usage: counts and dollars must be finite and at least 0")
    return usage
