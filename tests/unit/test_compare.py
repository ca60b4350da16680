from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from elad_exp.errors import DataError
from elad_exp.metrics import Needed, area_under_curve
from elad_exp.reporting.compare import compare, load_sweep, render, to_json
from elad_exp.reporting.plots import compare_plot
from elad_exp.reporting.tables import share
from elad_exp.types import Record
from tests.helpers_runs import write_lines, write_run, write_sweep

SEEDS = tuple(range(6))


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sweep(tmp_path_factory.mktemp("sweep") / "s", seeds=SEEDS)


def change(run: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    result = json.loads((run / "result.json").read_text())
    edit(result)
    (run / "result.json").write_text(json.dumps(result))


def test_selectors_are_compared_over_seeds(sweep: Path) -> None:
    found = compare(sweep)
    (setting,) = found.settings
    assert [row.selector for row in setting.rows] == ["random", "elad", "rare_words"]
    assert all(row.seeds == SEEDS for row in setting.rows)
    random, elad, rare = setting.rows
    assert random.against == {}
    against = elad.against["annotations"]
    assert against.difference.ci95[0] > 0.02
    assert against.difference.value == pytest.approx(
        elad.area["annotations"].value - random.area["annotations"].value
    )
    # Both all-positive: 2 of 2**6 sign patterns, times two selectors.
    assert against.difference.p == pytest.approx(2 / 64)
    assert against.p_holm == pytest.approx(4 / 64)
    assert rare.against["annotations"].p_holm >= rare.against["annotations"].difference.p
    # `elad` learns 1.8 times as fast, so it needs about 1 / 1.8 of the cost.
    assert against.needed.value == pytest.approx(1 / 1.8, abs=0.12)
    assert elad.against["tokens"].needed.value == pytest.approx(1 / 1.8, abs=0.12)
    assert elad.mean_steps == pytest.approx(2.6)
    assert elad.select_seconds == pytest.approx(5 * 4.8)


def test_areas_count_what_was_billed(sweep: Path) -> None:
    run = load_sweep(sweep)[0]
    lines = [json.loads(x) for x in (sweep / run.path / "rounds.jsonl").read_text().splitlines()]
    costs, _ = run.curve("annotations")
    assert costs == [line["spent"]["annotations"] for line in lines]
    assert costs[-1] > lines[-1]["n_labelled"]
    (setting,) = compare(sweep).settings
    elad = setting.rows[1]
    runs = [r for r in load_sweep(sweep) if r.selector == "elad"]
    areas = [area_under_curve(*r.curve()) for r in runs]
    assert elad.area["annotations"].value == pytest.approx(sum(areas) / len(areas))


def test_rendered_tables_hold_the_figures(sweep: Path) -> None:
    found = compare(sweep)
    text = render(found)
    elad = found.settings[0].rows[1]
    assert f"{elad.accuracy.value:.3f} [{elad.accuracy.ci95[0]:.3f}" in text
    assert f"{elad.against['annotations'].difference.value:+.3f}" in text
    assert f"{elad.against['annotations'].needed.value * 100:.0f} % [" in text
    assert "n_test 1000" in text
    assert "Not counted" not in text
    assert max(len(line) for line in text.splitlines()) <= 118


def test_json_holds_finite_numbers_only(tmp_path: Path) -> None:
    write_sweep(tmp_path / "s", selectors=("random", "slow"), seeds=(0, 1, 2), speed=1.0)
    for seed in (0, 1, 2):
        shutil.rmtree(tmp_path / "s" / f"slow-{seed}")
        write_run(tmp_path / "s" / f"slow-{seed}", selector="slow", seed=seed, speed=0.2)
    found = compare(tmp_path)
    slow = found.settings[0].rows[1]
    assert slow.against["annotations"].needed.value == math.inf
    data = json.loads(json.dumps(to_json(found), allow_nan=False))
    assert data["comparison_version"] == 2
    row = data["settings"][0]["rows"][1]
    assert row["against"]["annotations"]["needed"]["value"] is None
    assert "> 100 %" in render(found)


def test_unfinished_and_broken_runs_are_listed(sweep: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(sweep, tmp_path / "s")
    write_run(copy / "early", status="failed", rounds=0)
    write_run(copy / "half", status="stopped", rounds=2, seed=9)
    write_run(copy / "going", status="running", rounds=1, seed=10)
    shutil.copytree(copy / "elad-0", copy / "torn")
    (copy / "torn" / "result.json").write_text('{"status": "comp')
    shutil.copytree(copy / "elad-0", copy / "odd")
    change(copy / "odd", lambda result: result.pop("seed"))
    shutil.copytree(copy / "elad-0", copy / "empty")
    (copy / "empty" / "rounds.jsonl").unlink()
    found = compare(copy)
    assert {run.path: run.status for run in found.uncounted} == {
        "early": "failed",
        "half": "stopped",
        "going": "running",
        "torn": "unreadable",
        "odd": "unreadable",
        "empty": "unreadable",
    }
    assert [s.to_dict() for s in found.settings] == [s.to_dict() for s in compare(sweep).settings]
    text = render(found)
    assert "Not counted, did not complete (6 runs):" in text
    assert "early: failed, RuntimeError: the teacher went away" in text
    assert "odd: unreadable, result.json does not fit its schema: top level: 'seed'" in text


def test_control_characters_of_a_reason_do_not_reach_the_terminal(
    sweep: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(sweep, tmp_path / "s")
    write_run(copy / "early", status="failed", rounds=0, text="\x1b[2J[bold]gone")
    text = render(compare(copy))
    assert "\x1b" not in text
    assert "[U+001B][2J[bold]gone" in text


def test_no_runs_and_no_completed_runs_are_mistakes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no run"):
        compare(tmp_path)
    write_run(tmp_path / "early", status="failed", rounds=0)
    with pytest.raises(DataError, match=r"none of the 1 runs .*\n  early: failed, "):
        compare(tmp_path)


@pytest.mark.parametrize("field", ["sha256", "n_test", "split_seed"])
def test_different_test_sets_are_refused(sweep: Path, tmp_path: Path, field: str) -> None:
    copy = shutil.copytree(sweep, tmp_path / "s")
    other = {"sha256": "e" * 64, "n_test": 999, "split_seed": 1}[field]
    change(copy / "elad-3", lambda result: result["dataset"].update({field: other}))
    with pytest.raises(DataError, match="different test sets") as error:
        compare(copy)
    assert "elad-3" in str(error.value)
    assert repr(other) in str(error.value)


def test_the_same_run_twice_is_refused(sweep: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(sweep, tmp_path / "s")
    shutil.copytree(copy / "elad-0", copy / "elad-again")
    with pytest.raises(DataError, match="elad-0 and elad-again"):
        compare(copy)
    for name in ("elad-0", "elad-again"):
        configure(copy / name)
    with pytest.raises(DataError, match=r"one is a repetition\. Compare"):
        compare(copy)
    configure(copy / "elad-again", selector__weights={"inter": 2.0})
    with pytest.raises(DataError, match=r"they differ in selector\.weights\.inter"):
        compare(copy)


def test_a_file_in_place_of_a_folder_is_the_users_mistake(sweep: Path) -> None:
    with pytest.raises(DataError, match="name a sweep's folder"):
        compare(sweep / "elad-0" / "result.json")


def configure(run: Path, **changes: Any) -> None:
    """Write the `config.yaml` of a run; `schedule__rounds=3` changes `schedule.rounds`."""
    result = json.loads((run / "result.json").read_text())
    config: dict[str, Any] = {
        "name": "almanac",
        "seed": result["seed"],
        "about": {"takes": run.name},
        "selector": {"name": (result["selector"] or {}).get("name"), "weights": {"inter": 1.0}},
        "teacher": {"error_rate": 0.0},
        "dataset": {"instruction": "Explain in short steps. " * 9, "years": [10, 98, 8]},
        "schedule": {"rounds": 6, "steps_per_round": 50},
        "budget": {"max_annotations": 240},
        "trainer": {"threads": run.name},
        "paths": {"run_dir": str(run)},
        "logger": {},
    }
    for key, value in changes.items():
        group, _, leaf = key.partition("__")
        config[group] |= {leaf: value}
    (run / "config.yaml").write_text(yaml.safe_dump(config))


def configured(path: Path, **changes: Any) -> Path:
    write_sweep(path, selectors=("random", "elad"), seeds=(0, 1))
    for run in path.iterdir():
        configure(run, **changes)
    return path


def test_runs_whose_configuration_differs_elsewhere_are_kept_apart(tmp_path: Path) -> None:
    usual = configured(tmp_path / "s" / "usual")
    more = configured(tmp_path / "s" / "more", schedule__steps_per_round=100)
    shutil.rmtree(more / "random-0")
    shutil.rmtree(more / "random-1")
    hundred, fifty = compare(tmp_path / "s").settings
    assert fifty.setting.other == {"schedule.steps_per_round": "50"}
    assert hundred.setting.other == {"schedule.steps_per_round": "100"}
    assert [row.selector for row in fifty.rows] == ["random", "elad"]
    assert [(row.selector, row.against) for row in hundred.rows] == [("elad", {})]
    assert all(
        any("differs in schedule.steps_per_round" in note for note in found.notes)
        for found in (hundred, fifty)
    )
    assert "; schedule.steps_per_round=100; n_test" in render(compare(tmp_path / "s"))
    (alone,) = compare(usual).settings
    assert alone.setting.other == {}
    assert not any("kept apart" in note for note in alone.notes)


def test_a_selector_trained_longer_than_the_baseline_is_not_tested_against_it(
    tmp_path: Path,
) -> None:
    folder = configured(tmp_path / "s")
    for seed in (0, 1):
        configure(folder / f"elad-{seed}", schedule__steps_per_round=100)
    assert [[row.selector for row in s.rows] for s in compare(folder).settings] == [
        ["elad"],
        ["random"],
    ]


def test_name_place_limits_and_numbers_written_otherwise_do_not_matter(tmp_path: Path) -> None:
    folder = configured(tmp_path / "s")
    configure(folder / "elad-0", teacher__error_rate=0, budget__max_annotations=None)
    configure(folder / "elad-1", selector__weights={"inter": 2.0}, logger__csv={"a": 1})
    (setting,) = compare(folder).settings
    assert setting.setting.other == {}


def test_long_values_and_missing_keys_are_told_apart(tmp_path: Path) -> None:
    folder = configured(tmp_path / "s")
    configure(folder / "elad-0", dataset__instruction="Explain in short steps, please. " * 9)
    configure(folder / "elad-1", teacher__mode="explain")
    found = [s.setting.other for s in compare(folder).settings]
    assert {len(other) for other in found} == {2}
    assert sorted(other["teacher.mode"] for other in found) == ['"explain"', "absent", "absent"]
    texts = {other["dataset.instruction"] for other in found}
    assert len(texts) == 2
    assert all(text.startswith("sha256:") and len(text) < 30 for text in texts)


def test_runs_without_a_configuration_are_compared_among_themselves(tmp_path: Path) -> None:
    folder = configured(tmp_path / "s")
    for path in (folder / "elad-0", folder / "random-0"):
        (path / "config.yaml").unlink()
    found = compare(folder).settings
    assert [(s.setting.other, [row.seeds for row in s.rows]) for s in found] == [
        ({}, [(1,), (1,)]),
        ({"config.yaml": "absent"}, [(0,), (0,)]),
    ]
    (folder / "elad-0" / "config.yaml").write_text("{")
    (unread,) = compare(folder).uncounted
    assert "config.yaml is not valid YAML" in unread.reason


def test_settings_are_kept_apart(sweep: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(sweep, tmp_path / "s")
    some: dict[str, Any] = {"selectors": ("random", "elad"), "seeds": (0, 1)}
    write_sweep(copy / "b", dataset="almanac_b", sha256="b" * 64, **some)
    write_sweep(copy / "limited", limit=240, **some)
    found = compare(copy)
    assert [(s.setting.dataset, s.setting.limits, len(s.rows)) for s in found.settings] == [
        ("almanac_a", "max_annotations=240", 2),
        ("almanac_a", "unlimited", 3),
        ("almanac_b", "unlimited", 2),
    ]
    assert any("cannot fall below 0.5" in note for note in found.settings[0].notes)


def test_only_seeds_in_common_are_paired(sweep: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(sweep, tmp_path / "s")
    shutil.rmtree(copy / "elad-0")
    shutil.rmtree(copy / "random-5")
    (setting,) = compare(copy).settings
    assert setting.rows[1].against["annotations"].difference.n == 4
    assert any("elad and random share 4 seeds" in n and "0, 5" in n for n in setting.notes)


def test_without_the_baseline_there_are_no_differences(tmp_path: Path) -> None:
    write_sweep(tmp_path / "s", selectors=("elad",), seeds=(0,))
    found = compare(tmp_path)
    assert found.settings[0].rows[0].against == {}
    assert found.settings[0].rows[0].accuracy.ci95 == ()
    assert "no completed run of the baseline 'random'" in render(found)
    assert compare(tmp_path, baseline="elad").settings[0].notes == ()


def test_runs_of_unequal_cost_are_compared_up_to_the_smallest(sweep: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(sweep, tmp_path / "s")
    shutil.rmtree(copy / "elad-2")
    write_run(copy / "elad-2", selector="elad", seed=2, rounds=4)
    (setting,) = compare(copy).settings
    assert setting.until["annotations"] == 160
    assert any("between 160 and 240 annotations" in note for note in setting.notes)
    random = [r for r in load_sweep(copy) if r.selector == "random"]
    areas = [area_under_curve(*r.curve(), until=160) for r in random]
    assert setting.rows[0].area["annotations"].value == pytest.approx(sum(areas) / len(areas))


def test_a_teacher_that_costs_no_tokens_leaves_that_axis_out(tmp_path: Path) -> None:
    write_sweep(tmp_path / "s", selectors=("random", "elad"), seeds=(0, 1))
    for run in (tmp_path / "s").iterdir():
        lines = [json.loads(x) for x in (run / "rounds.jsonl").read_text().splitlines()]
        for line in lines:
            line["spent"]["tokens"] = 0
        write_lines(run / "rounds.jsonl", lines)
    (setting,) = compare(tmp_path).settings
    assert set(setting.rows[1].against) == {"annotations", "train_tokens"}
    assert " -" in render(compare(tmp_path))


def test_share_says_how_far_was_looked() -> None:
    assert share(Needed(0.634, 5, (0.51, 0.8), 1.0, 0.7, "m")) == "63 % [51, 80]"
    assert share(Needed(math.inf, 5, (0.9, math.inf), 1.0, 0.7, "m")) == "> 100 % [90, > 100]"
    unsure = Needed(0.8, 5, (0.7, math.inf), 0.85, 0.7, "m")
    assert share(unsure) == "80 % [70, > 85]"
    assert share(Needed(math.inf, 1, (), 0.85, 0.7, "m")) == "> 85 %"
    assert share(None) == "-"


def test_a_comparison_is_made_of_records(sweep: Path) -> None:
    found = compare(sweep)
    assert isinstance(found, Record)
    assert type(found).from_dict(found.to_dict()).to_dict() == found.to_dict()


def test_a_seed_of_which_the_sweeps_budget_ended_a_job_is_left_out(tmp_path):
    write_sweep(tmp_path / "s", selectors=("random", "elad"), seeds=(0, 1, 2))
    cut = write_run(tmp_path / "s" / "cut", selector="rare_words", status="stopped", seed=1)
    result = json.loads((cut / "result.json").read_text())
    (cut / "result.json").write_text(json.dumps(result | {"stop_reason": "sweep_budget"}))
    found = compare(tmp_path / "s")
    assert {row.selector: row.seeds for row in found.settings[0].rows} == {
        "random": (0, 2),
        "elad": (0, 2),
    }
    reasons = [run.reason for run in found.uncounted]
    assert sum("budget ended a job of seed 1 (cut)" in reason for reason in reasons) == 2
    text = render(found)
    assert "Not counted, did not complete (1 run):\n  cut: stopped, sweep_budget (what all" in text
    assert "Not counted, although completed (2 runs):\n  elad-1: the sweep's budget ended" in text


def test_when_every_seed_is_left_out_the_reasons_are_told(tmp_path: Path) -> None:
    write_sweep(tmp_path / "s", selectors=("random",), seeds=(1,))
    cut = write_run(tmp_path / "s" / "cut", selector="elad", status="stopped", seed=1)
    change(cut, lambda result: result.update(stop_reason="sweep_budget"))
    with pytest.raises(DataError, match=r"can be compared:") as caught:
        compare(tmp_path)
    assert "random-1: left out, the sweep's budget ended a job of seed 1" in str(caught.value)
    with pytest.raises(DataError, match="nothing to draw"):
        compare_plot(tmp_path, tmp_path / "x.png")


def test_intervals_of_accuracies_stay_accuracies(tmp_path: Path) -> None:
    write_sweep(tmp_path / "s", selectors=("random",), seeds=(0, 1))
    (row,) = compare(tmp_path).settings[0].rows
    for found in (row.accuracy, *row.area.values()):
        assert 0 <= found.ci95[0] <= found.value <= found.ci95[1] <= 1
