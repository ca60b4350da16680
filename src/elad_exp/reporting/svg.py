"""The budget curve as inline SVG that follows the page's colours; no script, no font, no link."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from elad_exp.rundir import Line

_WIDTH, _HEIGHT = 720.0, 350.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 60.0, 18.0, 14.0, 58.0


def nice_ticks(low: float, high: float, *, most: int = 6) -> list[float]:
    """Multiples within `low`..`high` of 1, 2 or 5 times a power of ten; at most `most` + 1."""
    if not high > low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(m * power for m in (1, 2, 5, 10) if (high - low) / (m * power) <= most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def curve_svg(rounds: Sequence[Line], *, majority: float | None = None) -> str:
    """Test accuracy with its Wilson band against annotations; empty without rounds.

    Args:
        rounds: Lines of `rounds.jsonl`.
        majority: Accuracy of the majority answer, drawn as a dotted line.
    """
    if not rounds:
        return ""
    costs = [float(line["spent"]["annotations"]) for line in rounds]
    accs = [line["test"]["acc"] for line in rounds]
    values = [float(acc["value"]) for acc in accs]
    lows, highs = [float(acc["ci95"][0]) for acc in accs], [float(acc["ci95"][1]) for acc in accs]
    floor = min([*lows, *([] if majority is None else [majority])])
    y_low, y_high = max(0.0, floor - 0.02), min(1.0, max(highs) + 0.02)
    x_high = max(*costs, 1.0)

    def x(cost: float) -> str:
        return f"{_LEFT + cost / x_high * (_WIDTH - _LEFT - _RIGHT):.1f}"

    def y(value: float) -> str:
        share = (value - y_low) / (y_high - y_low)
        return f"{_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM):.1f}"

    parts = [
        f'<svg class="curve" viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img" '
        'aria-label="Test accuracy against annotations bought">'
    ]
    for tick in nice_ticks(y_low, y_high):
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(tick)}" '
            f'y2="{y(tick)}"/><text class="tick" x="{_LEFT - 8}" y="{y(tick)}" '
            f'text-anchor="end" dominant-baseline="middle">{tick:.2f}</text>'
        )
    for tick in nice_ticks(0.0, x_high, most=8):
        parts.append(
            f'<text class="tick" x="{x(tick)}" y="{_HEIGHT - _BOTTOM + 22}" '
            f'text-anchor="middle">{tick:g}</text>'
        )
    if majority is not None:
        parts.append(
            f'<line class="majority" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(majority)}" '
            f'y2="{y(majority)}"/><text class="tick" x="{_WIDTH - _RIGHT}" '
            f'y="{float(y(majority)) - 6:.1f}" text-anchor="end">majority answer</text>'
        )
    up = [f"{x(c)},{y(v)}" for c, v in zip(costs, highs, strict=True)]
    down = [f"{x(c)},{y(v)}" for c, v in zip(costs, lows, strict=True)]
    line = " ".join(f"{x(c)},{y(v)}" for c, v in zip(costs, values, strict=True))
    parts.append(f'<polygon class="band" points="{" ".join(up + down[::-1])}"/>')
    parts.append(f'<polyline class="line" points="{line}"/>')
    for i, (cost, value) in enumerate(zip(costs, values, strict=True)):
        name = "untrained student" if i == 0 else f"round {rounds[i]['round']}"
        hint = f"{name}: {value:.3f} [{lows[i]:.3f}, {highs[i]:.3f}] at {cost:g} annotations"
        parts.append(
            f'<circle class="{"start" if i == 0 else "point"}" cx="{x(cost)}" cy="{y(value)}" '
            f'r="{5 if i == 0 else 4}"><title>{escape(hint)}</title></circle>'
        )
    parts.append(
        f'<text class="axis" x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 6}" '
        'text-anchor="middle">annotations bought</text></svg>'
    )
    return "".join(parts)
