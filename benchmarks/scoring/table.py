"""The tables of the benchmark, in Markdown, out of its rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from workload import WORKLOADS, Job

Row = dict[str, Any]
"""A job's fields, its `repetition`, `wall_s`, `cpu_s`, memory, `tokens` and `answers`."""
PEER = "batched"


def comparison(rows: Sequence[Row], job: Job) -> str:
    """A line for each workload and each who was measured: medians over repetitions.

    Rows of ours on other than `job`'s numbers are points of growth, and left out.

    Ratios are the peer's time for a question over theirs, taken within each repetition first. The
    peer, like whoever has a choice of batches, is there with its best.
    """
    floors = {r["repetition"]: r for r in rows if r["name"] == "rates"}
    lines = []
    for workload in WORKLOADS:
        here = [r for r in rows if r["workload"] == workload and compared(r, job)]
        peer = best(here, PEER)
        for name in ("ours", PEER, "loop", "polygraph"):
            if mine := best(here, name):
                lines.append([workload, *_cells(name, mine, peer, floors, job)])
    header = ["workload", "who", "questions", "questions a minute", "wall s (CPU s)"]
    header += ["new tokens/s", "peak MB (before)", "as fast as batched: wall", "CPU"]
    header += ["share of the floor: own shapes", "square"]
    return _markdown(header, lines)


def compared(row: Row, job: Job) -> bool:
    """Whether a row is one of the comparison."""
    same = all(row[name] == getattr(job, name) for name in ("questions", "k", "prefixes"))
    return same or row["name"] != "ours"


def _cells(
    name: str, mine: Sequence[Row], peer: Sequence[Row], floors: dict[int, Row], job: Job
) -> list[str]:
    shown = f"**{name}**" if name == "ours" else name
    shown += f", {mine[0]['rows']} rows" if mine[0]["rows"] else ""
    walls, cpus = _median(mine, "wall_s"), _median(mine, "cpu_s")
    shares = [floor_shares(mine, floors, of) for of in ("own_s", "square_s")]
    # The floor is that of these questions, with their answers forced.
    with_floor = mine[0]["workload"] == "forced" and mine[0]["questions"] == job.questions
    with_floor &= name != "polygraph"
    return [
        shown,
        str(mine[0]["questions"]),
        f"{60 / median(map(per_question, mine)):.1f}",
        f"{walls:.1f} ({cpus:.1f})",
        f"{median(r['tokens'] / r['wall_s'] for r in mine):.0f}",
        f"{_median(mine, 'peak_mb'):,.0f} ({_median(mine, 'before_mb'):,.0f})",
        *(_ratio(mine, peer, key) for key in ("wall_s", "cpu_s")),
        *(f"{median(s):.0%}" if s and with_floor else "-" for s in shares),
    ]


def batches(rows: Sequence[Row]) -> str:
    """Wall seconds of those who have a choice of batches, for each number of rows."""
    sizes = sorted({r["rows"] for r in rows if r["rows"]})
    lines = []
    for workload in WORKLOADS:
        for name in (PEER, "polygraph"):
            mine = [r for r in rows if (r["workload"], r["name"]) == (workload, name)]
            if mine:
                at = [[r for r in mine if r["rows"] == size] for size in sizes]
                lines.append([workload, name, *(_seconds(own) for own in at)])
    return _markdown(["workload", "who", *map(str, sizes)], lines)


def floor(rows: Sequence[Row]) -> str:
    """What the `forced` workload needs, and what the machine does: medians."""
    found = [r for r in rows if r["name"] == "rates"]
    if not found:
        return ""
    one = found[0]
    parts = ", ".join(f"{name} {value:,.0f}" for name, value in one["gmac"].items())
    rates = {
        "large square": "square_gmac_s",
        f"own matrices, {one['batch_rows']} rows": "own_gmac_s",
        "own matrices, reading": "own_reading_gmac_s",
    }
    said = ", ".join(f"{name} {_median(found, key):.0f}" for name, key in rates.items())
    return (
        f"Floor: {_median(found, 'own_s'):.1f} s at the rates of its own matrices, "
        f"{_median(found, 'square_s'):.1f} s at that of a large square product. "
        f"10^9 multiply-adds: {parts}. 10^9 multiply-adds a second: {said}. "
        f"Copies: {_median(found, 'copy_gb_s'):.1f} GB/s.\n"
    )


def equality(found: Row) -> str:
    """Each against the plain loop in float32."""
    lines = [
        [
            name,
            f"{own['equal']:.0%}",
            f"{own['tokens_in_common']:.1f} of {found['tokens']}",
            f"{own['mean_nats']:.1e}",
            f"{own['largest_nats']:.1e}",
        ]
        for name, own in found["against"].items()
    ]
    header = [f"against the loop in float32, {found['sequences']} questions"]
    header += ["equal greedy sequences", "tokens in common"]
    header += ["forced log-probabilities, mean difference in nats", "largest"]
    return _markdown(header, lines)


def per_question(row: Row, key: str = "wall_s") -> float:
    """Seconds for each question."""
    return float(row[key]) / int(row["questions"])


def best(rows: Sequence[Row], name: str) -> list[Row]:
    """The rows of `name` with the number of rows a batch that takes the shortest median time."""
    sizes: dict[int, list[Row]] = {}
    for row in rows:
        if row["name"] == name:
            sizes.setdefault(row["rows"], []).append(row)
    return min(sizes.values(), key=lambda own: median(map(per_question, own)), default=[])


def ratios(mine: Sequence[Row], peer: Sequence[Row], key: str) -> list[float]:
    """How many times as fast as the peer, for each repetition that has both."""
    theirs = {r["repetition"]: per_question(r, key) for r in peer}
    shared = [r for r in mine if r["repetition"] in theirs]
    return [theirs[r["repetition"]] / per_question(r, key) for r in shared]


def floor_shares(mine: Sequence[Row], floors: dict[int, Row], key: str) -> list[float]:
    """Floor over wall time, for each repetition that has both."""
    shared = [r for r in mine if r["repetition"] in floors]
    return [floors[r["repetition"]][key] / r["wall_s"] for r in shared]


def _ratio(mine: Sequence[Row], peer: Sequence[Row], key: str) -> str:
    found = ratios(mine, peer, key)
    return f"{median(found):.2f} x" if found else "-"


def _seconds(rows: Sequence[Row]) -> str:
    return f"{_median(rows, 'wall_s'):.1f} s" if rows else "-"


def _median(rows: Sequence[Row], key: str) -> float:
    return median(float(row[key]) for row in rows)


def _markdown(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [header, ["---"] * len(header), *lines]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)
