"""The report on files of questions or texts, for a terminal."""

from __future__ import annotations

from elad_exp.data.check import Report

# The answers of texts, in the plural.
_OF_TEXTS = {"label": "classes", "entities": "entities"}


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
    noun = "text" if report.answers in _OF_TEXTS else "question"
    if report.rows:
        shown = ", ".join(
            f"{answer} {n:,} ({n / report.counted:.0%})" for answer, n in report.balance.items()
        )
        more = report.distinct_answers - len(report.balance)
        title = _OF_TEXTS.get(report.answers, f"answers ({report.answers})")
        lines.append(f"{title}: {shown or 'none'}" + (f", {more:,} others" * bool(more)))
    if report.without_entities is not None:
        lines.append(f"texts without an entity: {report.without_entities:,}")
    for title, lengths in (
        (f"{report.unit} in a {noun}", report.prompt),
        (f"{report.unit} in an explanation with its answer", report.target),
        ("steps in an explanation", report.steps),
    ):
        if lengths:
            lines.append(f"{title}: {lengths.least} to {lengths.most}, median {lengths.median}")
    if report.rows and noun == "question":
        lines.append(f"rows without an explanation: {report.without_explanation:,}")
    if report.rows:
        lines.append(f"{noun}s that are near-duplicates of another: {len(report.near):,}")
    if report.room is not None:
        lines.append(
            f"{noun}s of more than {report.room}, which are skipped: {len(report.too_long):,}"
        )
    if report.longest is not None and noun == "question":
        lines.append(f"explanations of more than {report.longest}: {report.long_targets:,}")
    lines.append(
        f"{report.path}: {report.rows:,} usable rows, {len(report.problems):,} problems, "
        f"{left_out:,} left out as duplicates, contradictions or ungradable"
    )
    return lines
