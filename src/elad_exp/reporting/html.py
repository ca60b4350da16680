"""`report.html`: one file for people, without scripts and without anything from a network."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from elad_exp.metrics import pooled
from elad_exp.reporting.files import RunFiles, read_run
from elad_exp.reporting.lessons import class_table, lesson_rounds
from elad_exp.reporting.revisions import choose, revision
from elad_exp.reporting.scores import score_tables
from elad_exp.reporting.svg import curve_svg
from elad_exp.reporting.text import clipped, visible
from elad_exp.rundir import Line, write_atomic
from elad_exp.teachers.audit import audit_of_rounds
from elad_exp.types import Metric

UNITS = ("annotations", "calls", "tokens", "usd", "wall_s")
PARTS = ("dataset", "student", "selector", "teacher")
PHASES = ("score", "annotate", "train", "evaluate")
TEACHER_AUDIT = {
    "answer_accuracy_round0": (
        "initial answers right",
        "Share of the initial questions, explained from scratch, whose answer equals the gold's.",
    ),
    "answer_accuracy": (
        "later answers right",
        "The same for later rounds, where a teacher that revises has seen the student's attempt.",
    ),
    "right_to_wrong": (
        "right made wrong",
        "Share of the checked attempts with a right answer that the teacher gave a wrong one.",
    ),
    "first_error_accuracy": (
        "first error exact",
        "Share of the checked attempts whose first error, or none, is what a program finds.",
    ),
}
_MISSING = "\N{EN DASH}"


def write_report(run_dir: str | Path, *, limit: int = 100) -> Path:
    """Write `report.html` into a run directory, in whatever state the run is.

    Args:
        run_dir: The directory; `rounds.jsonl` and `annotations.jsonl` may be absent.
        limit: Most annotations shown; they are spread evenly over the run.

    Raises:
        DataError: `run_dir` holds no run, or a file in it cannot be read.
    """
    path = Path(run_dir) / "report.html"
    write_atomic(path, _render(_view(read_run(run_dir), limit)))
    return path


def _render(view: dict[str, Any]) -> str:
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    css = _asset("report.css")
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=_shown, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"number": number, "metric": metric, "band": band, "percent": percent}
    template = environment.from_string(_asset("report.html.j2"))
    # The style sheet and the curve are the only markup that is not escaped: both are ours, and the
    # curve holds numbers alone.
    trusted = {"css": Markup(css), "curve": Markup(view["curve"])}
    return template.render(view | trusted | {"style_hash": digest})


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _shown(value: Any) -> Any:
    """How an expression of the template appears, before it is escaped."""
    if value is None or value == "":
        return _MISSING
    # Markup is a string too; what a macro made has passed through here piece by piece.
    return visible(value) if type(value) is str else value


def number(value: Any, digits: int = 0) -> str:
    """A number with thousands separated; what is not a number is shown as it is."""
    if value is None:
        return _MISSING
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,.{digits}f}" if math.isfinite(value) else str(value)


def percent(share: float | None) -> str:
    """`12 %`, or a dash where there is none."""
    return _MISSING if share is None else f"{100 * share:.0f} %"


def metric(value: Mapping[str, Any] | None) -> str:
    """`0.712`, or a dash where there is none."""
    return number(value["value"], 3) if value else _MISSING


def band(value: Mapping[str, Any] | None, *, size: bool = True) -> str:
    """`[0.690, 0.735], n = 1,000`, or nothing."""
    if not value:
        return ""
    ends = ", ".join(number(end, 3) for end in value["ci95"])
    return f"[{ends}], n = {number(value['n'])}" if size else f"[{ends}]"


def _view(run: RunFiles, limit: int) -> dict[str, Any]:
    result = run.result
    majority = result["metrics"].get("test/majority")
    chosen = choose(run.annotations, limit)
    rates = audit_of_rounds(run.rounds)
    lessons = lesson_rounds(run.rounds, run.annotations)
    return {
        "result": result,
        "name": clipped(str(result["experiment"]), 200),
        "parts": {key: _part(result[key]) for key in PARTS if result[key]},
        "rounds": run.rounds,
        "phases": PHASES,
        "seconds": {p: sum(x["seconds"].get(p, 0.0) for x in run.rounds) for p in PHASES},
        "curve": curve_svg(run.rounds, majority=majority["value"] if majority else None),
        "gains": _gains(result["metrics"]),
        "costs": _costs(result),
        "scores": score_tables(run.rounds),
        "lessons": lessons,
        "classes": class_table(lessons),
        "acceptance": _acceptance(run.rounds),
        "audit": [
            {"title": title, "told": told, "rate": rates[name]}
            for name, (title, told) in TEACHER_AUDIT.items()
            if name in rates
        ],
        "taught_by": {t["name"]: _part(t) for t in (result["teacher"],) if t},
        "revisions": [revision(line) for line in chosen],
        "n_annotations": len(run.annotations),
        "n_attempts": sum(bool(line["attempt"]) for line in run.annotations),
        "stop_reason": clipped(result["stop_reason"] or ""),
        "facts": _facts(result),
    }


def _part(told: Mapping[str, Any]) -> str:
    """`litellm (openai/gpt-4o-mini)`: of a teacher the model as well."""
    return f"{told['name']} ({told['model']})" if told.get("model") else str(told["name"])


def _gains(metrics: Mapping[str, Any]) -> dict[str, str]:
    """Final accuracy minus what it is measured against, in percentage points."""
    final = metrics.get("test/acc")
    against = {"the untrained student": "test/acc_round0", "the majority answer": "test/majority"}
    if final is None:
        return {}
    return {
        name: f"{(final['value'] - metrics[key]['value']) * 100:+.1f}"
        for name, key in against.items()
        if key in metrics
    }


def _costs(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    spent, paid = result["spent"] or {}, result["paid"] or {}
    rows = []
    for unit in UNITS:
        limit, used = result["budget"]["limits"].get(f"max_{unit}"), spent.get(unit)
        share = f"{100 * used / limit:.0f} %" if limit and used is not None else None
        rows.append(
            {
                "unit": {"usd": "US dollars", "wall_s": "wall seconds"}.get(unit, unit),
                "digits": {"usd": 4, "wall_s": 1}.get(unit, 0),
                "spent": used,
                "paid": paid.get(unit),
                "limit": "none" if limit is None else limit,
                "share": share,
            }
        )
    return rows


def _acceptance(rounds: Sequence[Line]) -> dict[str, Any]:
    rows = [
        {
            "round": line["round"],
            "audit": line["bought"].get("acceptance_audit"),
            "selected": line["bought"].get("acceptance_selected"),
        }
        for line in rounds
        if line["bought"]
    ]
    kept = [row for row in rows if row["audit"] or row["selected"]]
    return {"rows": kept, "audit": _pooled(kept, "audit"), "selected": _pooled(kept, "selected")}


def _pooled(rows: Sequence[Mapping[str, Any]], key: str) -> dict[str, Any] | None:
    found = [Metric.from_dict(row[key]) for row in rows if row[key]]
    return pooled(found).to_dict() if found else None


def _facts(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a reader needs to repeat the run, one line each."""

    def told(value: Any) -> str:
        if isinstance(value, Mapping):
            return ", ".join(f"{k} {told(v)}" for k, v in value.items() if v is not None)
        if isinstance(value, list):
            return "; ".join(told(v) for v in value)
        return str(value)

    keys = (
        "run_id", "command", "seed", "dataset", "student", "selector", "teacher", "started_at",
        "finished_at", "wall_s", "resumed", "config_sha256", "git", "machine", "versions", "assets",
    )  # fmt: skip
    return [(key, clipped(told(result[key]))) for key in keys if result[key] not in (None, [])]
