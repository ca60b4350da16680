"""Selectors against each other, over seeds, where all else is equal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from elad_exp.errors import DataError
from elad_exp.metrics import (
    Curve,
    Difference,
    Needed,
    annotations_needed,
    area_under_curve,
    holm,
    mean_over_seeds,
    paired_difference,
)
from elad_exp.reporting.summaries import (
    AXES,
    RunSummary,
    Setting,
    differing_keys,
    load_sweep,
)
from elad_exp.reporting.tables import render
from elad_exp.types import Metric, Record

__all__ = ["Comparison", "RunSummary", "compare", "load_sweep", "render", "to_json"]

COMPARISON_VERSION = 2
_MAX_NAMED = 6


@dataclass(frozen=True, slots=True)
class Against(Record):
    """A selector against the baseline on one cost axis, over the seeds that both have.

    `p_holm` is adjusted for the number of selectors of the setting, on this axis.
    """

    difference: Difference
    p_holm: float
    needed: Needed


@dataclass(frozen=True, slots=True)
class Row(Record):
    """One selector in one setting. `area` and `against` are by cost axis."""

    selector: str
    seeds: tuple[int, ...]
    accuracy: Metric
    area: dict[str, Metric]
    against: dict[str, Against] = field(default_factory=dict)
    mean_steps: float | None = None
    select_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class SettingComparison(Record):
    """The selectors of one setting. Areas end at `until`, the cost that every run reached."""

    setting: Setting
    testset: dict[str, Any]
    until: dict[str, float]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison(Record):
    """All settings, and the runs that do not count: they did not complete, or are `left out`."""

    baseline: str
    settings: tuple[SettingComparison, ...]
    uncounted: tuple[RunSummary, ...]


def compare(directory: str | Path, *, baseline: str = "random") -> Comparison:
    """Compare the selectors of the runs below `directory` with `baseline`.

    Raises:
        DataError: No run there counts, runs on one dataset have different test sets, or
            two completed runs differ in nothing that a comparison knows.
    """
    runs = load_sweep(directory)
    done = [run for run in runs if run.completed]
    uncounted = tuple(run for run in runs if not run.completed)
    if not done:
        told = "".join(f"\n  {r.path}: {r.status}, {r.reason}" for r in uncounted[:_MAX_NAMED])
        raise DataError(f"none of the {len(runs)} runs below {directory} can be compared:{told}")
    _refuse_other_testsets(done)
    _refuse_twins(done)
    settings = tuple(
        _compare_setting(setting, list(group), baseline)
        for setting, group in groupby(sorted(done, key=_by_setting), key=lambda run: run.setting)
        if setting is not None
    )
    return Comparison(baseline, settings, uncounted)


def _by_setting(run: RunSummary) -> str:
    return str(run.setting)


def _refuse_other_testsets(runs: Sequence[RunSummary]) -> None:
    known: dict[str, RunSummary] = {}
    for run in runs:
        assert run.setting is not None  # completed runs have one: the schema says so
        first = known.setdefault(run.setting.dataset, run)
        if run.testset != first.testset:
            raise DataError(
                f"runs on dataset {run.setting.dataset!r} have different test sets, so their "
                f"accuracies do not compare: {first.path} has {first.testset}, {run.path} has "
                f"{run.testset}. Compare them apart, each in a folder of its own"
            )


def _refuse_twins(runs: Sequence[RunSummary]) -> None:
    known: dict[tuple[str, str | None, int | None], RunSummary] = {}
    for run in runs:
        key = (str(run.setting), run.selector, run.seed)
        first = known.setdefault(key, run)
        if first is not run:
            keys = differing_keys([first.config, run.config])
            if not (first.config and run.config):
                why = "one is a repetition, or they differ in another setting"
            else:
                why = f"they differ in {', '.join(keys)}" if keys else "one is a repetition"
            raise DataError(
                f"{first.path} and {run.path} have the same dataset, student, teacher, budget, "
                f"selector ({run.selector}) and seed ({run.seed}): {why}. Compare them apart, "
                "each in a folder of its own"
            )


def _compare_setting(
    setting: Setting, runs: Sequence[RunSummary], baseline: str
) -> SettingComparison:
    by_selector: dict[str, dict[int, RunSummary]] = {}
    for run in runs:
        by_selector.setdefault(str(run.selector), {})[int(run.seed or 0)] = run
    names = sorted(by_selector, key=lambda name: (name != baseline, name))
    until = {axis: min(max(run.curve(axis)[0]) for run in runs) for axis in AXES}
    areas = {
        name: {axis: _areas(by_selector[name], axis, until[axis]) for axis in AXES}
        for name in names
    }
    against, notes = _against_baseline(by_selector, areas, baseline)
    rows = tuple(
        _row(name, by_selector[name], areas[name], against.get(name, {})) for name in names
    )
    notes += _unequal_costs(runs)
    if setting.other:
        notes.append(
            "kept apart from other runs on this dataset with this student, teacher and budget, "
            f"whose configuration differs in {', '.join(setting.other)}"
        )
    return SettingComparison(setting, dict(runs[0].testset), until, rows, tuple(notes))


def _areas(runs: Mapping[int, RunSummary], axis: str, until: float) -> dict[int, float]:
    """Area by seed; empty where the axis costs nothing."""
    if until <= 0:
        return {}
    return {s: area_under_curve(*r.curve(axis), until=until) for s, r in sorted(runs.items())}


def _against_baseline(
    by_selector: Mapping[str, Mapping[int, RunSummary]],
    areas: Mapping[str, Mapping[str, Mapping[int, float]]],
    baseline: str,
) -> tuple[dict[str, dict[str, Against]], list[str]]:
    if baseline not in by_selector:
        return {}, [f"no completed run of the baseline {baseline!r}: no differences"]
    base, notes = by_selector[baseline], []
    common: dict[str, list[int]] = {}
    for name, runs in by_selector.items():
        if name == baseline:
            continue
        shared = sorted(set(runs) & set(base))
        left_out = sorted(set(runs) ^ set(base))
        if left_out:
            notes.append(
                f"{name} and {baseline} share {len(shared)} seeds; differences leave out "
                f"{', '.join(map(str, left_out))}"
            )
        if shared:
            common[name] = shared
        if shared and 2 / 2 ** len(shared) > 0.05:
            notes.append(
                f"with {len(shared)} seeds the p-value of {name} cannot fall below "
                f"{2 / 2 ** len(shared):g}; six or more are needed for 0.05"
            )
    found: dict[str, dict[str, Against]] = {name: {} for name in common}
    for axis in AXES:
        pairs = {
            name: paired_difference(
                [areas[name][axis][s] for s in seeds], [areas[baseline][axis][s] for s in seeds]
            )
            for name, seeds in common.items()
            if areas[name][axis]
        }
        adjusted = holm([pair.p for pair in pairs.values()])
        for (name, pair), p in zip(pairs.items(), adjusted, strict=True):
            needed = annotations_needed(
                _curves(by_selector[name], common[name], axis), _curves(base, common[name], axis)
            )
            found[name][axis] = Against(pair, p, needed)
    return found, notes


def _curves(runs: Mapping[int, RunSummary], seeds: Sequence[int], axis: str) -> dict[int, Curve]:
    return {seed: runs[seed].curve(axis) for seed in seeds}


def _row(
    name: str,
    runs: Mapping[int, RunSummary],
    areas: Mapping[str, Mapping[int, float]],
    against: Mapping[str, Against],
) -> Row:
    steps = [run.mean_steps for run in runs.values() if run.mean_steps is not None]
    return Row(
        selector=name,
        seeds=tuple(sorted(runs)),
        accuracy=mean_over_seeds([run.points[-1]["acc"] for run in runs.values()]),
        area={axis: mean_over_seeds(list(v.values())) for axis, v in areas.items() if v},
        against=dict(against),
        mean_steps=sum(steps) / len(steps) if steps else None,
        select_seconds=sum(run.select_seconds for run in runs.values()) / len(runs),
    )


def _unequal_costs(runs: Sequence[RunSummary]) -> list[str]:
    ends = [run.points[-1]["annotations"] for run in runs]
    if min(ends) == max(ends):
        return []
    return [
        f"the runs bought between {min(ends):g} and {max(ends):g} annotations: areas end at "
        f"{min(ends):g}, and final accuracies are not at equal cost"
    ]


def to_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison as JSON values. Infinite shares (a level never reached) become null."""
    figures: dict[str, Any] = _finite(comparison.to_dict())
    return {"comparison_version": COMPARISON_VERSION} | figures


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return value
