"""The tables of the benchmark, in Markdown, out of its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any

Row = dict[str, Any]


def calls(rows: Sequence[Row], *, ideal_s: float) -> str:
    """A line for each peer: medians of its repetitions, with the lowest and highest wall time.

    Ratios and differences to other peers are taken within each repetition first.
    """
    lines = []
    for peer in dict.fromkeys(row["peer"] for row in rows):
        mine = [row for row in rows if row["peer"] == peer]
        bare = _paired(rows, mine, "litellm")
        curator = _paired(rows, mine, "curator")
        walls = [row["wall_s"] for row in mine]
        lines.append(
            [
                peer,
                f"{median(walls):.2f} [{min(walls):.2f}, {max(walls):.2f}]",
                f"{median(walls) / ideal_s:.2f}",
                _median(bare, _wall_ratio, ".2f"),
                _median(curator, _wall_ratio, ".2f"),
                f"{median(row['server']['window_s'] for row in mine):.2f}",
                f"{median(map(_cpu_ms, mine)):.2f}",
                _median(bare, lambda a, b: _cpu_ms(a) - _cpu_ms(b), "+.2f"),
            ]
        )
    header = ["peer", "wall s [min, max]", "/ ideal", "/ litellm", "/ curator"]
    header += ["window at the server s", "CPU ms per call", "CPU ms beyond litellm"]
    return _markdown(header, lines)


def cached(rows: Sequence[Row]) -> str:
    """Milliseconds for each cached answer."""
    walls = [1000 * row["wall_s"] / row["answers"] for row in rows]
    line = [f"{median(walls):.3f} [{min(walls):.3f}, {max(walls):.3f}]"]
    line += [f"{median(map(_cpu_ms, rows)):.3f}", str(len(rows))]
    return _markdown(["ms per answer [min, max]", "CPU ms per answer", "repetitions"], [line])


def _cpu_ms(row: Row) -> float:
    return 1000 * row["cpu_s"] / row["answers"]


def _wall_ratio(one: Row, other: Row) -> float:
    return one["wall_s"] / other["wall_s"]


def _paired(rows: Sequence[Row], mine: Sequence[Row], other: str) -> list[tuple[Row, Row]]:
    """Each row with that of the peer `other` in the same repetition, where there is one."""
    found = {row["repetition"]: row for row in rows if row["peer"] == other}
    return [(row, found[row["repetition"]]) for row in mine if row["repetition"] in found]


def _median(pairs: Sequence[tuple[Row, Row]], value: Callable[[Row, Row], float], form: str) -> str:
    return format(median(value(a, b) for a, b in pairs), form) if pairs else "-"


def _markdown(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [header, ["---"] * len(header), *lines]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)
