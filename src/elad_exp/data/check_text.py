"""The report on files of questions, for a terminal."""

from __future__ import annotations

from elad_exp.data.check import Report


def to_text(report: Report) -> str:
    """The report for a terminal: everything found, a line each, then the summary."""
    lines = []
    for title, found in (
        ("problem", report.problems),
        ("left out", report.left_out),
        ("left out", report.duplicates),
        ("too long", report.too_long),
    ):
        lines += [f"{title}: {where}: {reason}" for where, reason in found.items()]
    for pair in report.near:
        lines.append(f"nearly the same ({pair.similarity:.2f}): {pair.second} and {pair.first}")
    return "\n".join([*lines, *_summary(report)]) + "\n"


def _summary(report: Report) -> list[str]:
    left_out = len(report.left_out) + len(report.duplicates)
    sizes = ", ".join(f"{split} {n:,}" for split, n in report.splits.items())
    lines = []
    if report.layout:
        lines.append(f"columns: those of {report.layout} on the hub")
    if len(report.splits) > 1:
        lines.append(f"splits: {sizes}")
    if report.rows:
        shown = ", ".join(
            f"{answer} {n:,} ({n / report.rows:.0%})" for answer, n in report.balance.items()
        )
        more = report.distinct_answers - len(report.balance)
        lines.append(f"answers ({report.answers}): {shown}" + (f", {more:,} others" * bool(more)))
    for title, lengths in (
        (f"{report.unit} in a question", report.prompt),
        (f"{report.unit} in an explanation with its answer", report.target),
        ("steps in an explanation", report.steps),
    ):
        if lengths:
            lines.append(f"{title}: {lengths.least} to {lengths.most}, median {lengths.median}")
    if report.rows:
        lines.append(f"rows without an explanation: {report.without_explanation:,}")
        lines.append(f"questions that are near-duplicates of another: {len(report.near):,}")
    if report.room is not None:
        lines.append(
            f"questions of more than {report.room}, which are skipped: {len(report.too_long):,}"
        )
        lines.append(f"explanations of more than {report.longest}: {report.long_targets:,}")
    lines.append(
        f"{report.path}: {report.rows:,} usable rows, {len(report.problems):,} problems, "
        f"{left_out:,} left out as duplicates, contradictions or ungradable"
    )
    return lines
