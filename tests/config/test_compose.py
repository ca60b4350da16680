"""Every experiment and every option composes and instantiates."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import instantiate
from omegaconf import DictConfig

from elad_exp.budget.budget import Limits
from elad_exp.building import build
from elad_exp.callbacks.loggers import CsvSink, WandbSink
from elad_exp.config import compose_config, config_dir
from elad_exp.errors import ConfigError
from elad_exp.groundwork import check
from elad_exp.protocols import Selector, StoppingRule, Task
from elad_exp.schedule import Schedule
from elad_exp.stopping import AcceptanceRule, BudgetRule, DevPlateauRule, PoolRule, RoundsRule
from elad_exp.types import RoundState, Spent
from tests.helpers_main import LESSONS, SIZES, main, result

# How a test covers each experiment: overrides that make it tiny, or why it is not run here.
EXPERIMENTS: dict[str, list[str] | str] = {
    "quickstart": SIZES,
    "almanac": [*SIZES, "student.exercises=2"],
    "evokd_quickstart": LESSONS,
    "strategyqa": "needs 451 MB of downloads; its parts are tested one by one",
    **dict.fromkeys(
        ("evokd_news", "evokd_sentiment", "evokd_ner"),
        "needs a model and texts; tests/e2e/test_corpus.py runs them with other ones",
    ),
    **dict.fromkeys(
        ("gsm8k", "aqua", "commonsenseqa", "arc", "anli", "esnli"),
        "needs a model and questions; loading is tested in tests/unit/test_hub_task.py",
    ),
}
NEEDED = {
    "jsonl": ["dataset.path=mine.jsonl"],
    "own": ["dataset._target_=elad_exp.tasks.almanac.AlmanacTask"],
    **{
        name: ["dataset.path=mine"]
        for name in (
            *("text", "sib200_en", "sib200_zh", "snips_intents", "sentence_polarity"),
            *("movie_reviews", "amazon_products", "entities", "wikigold"),
        )
    },
    "hf": ["dataset.name=me/mine", "dataset.columns.question=q", "dataset.columns.answer=a"],
}
GROUPS = ("budget", "dataset", "logger", "schedule", "selector", "stopping", "student", "teacher")


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (config_dir() / group).glob("*.yaml"))


def composed(group: str, option: str) -> DictConfig:
    value = f"[{option}]" if group == "stopping" else option
    return compose_config([f"{group}={value}", *NEEDED.get(option, [])])


def test_every_experiment_is_covered() -> None:
    assert set(EXPERIMENTS) == set(options("experiment"))


def test_every_group_is_covered() -> None:
    # What options of others include.
    included = {"experiment", "language_model"}
    assert {p.name for p in config_dir().iterdir() if p.is_dir()} == {*GROUPS, *included}


@pytest.mark.parametrize("name", options("experiment"))
def test_an_experiment_composes_and_instantiates(name: str) -> None:
    config = compose_config([f"+experiment={name}"])
    assert config.name == name
    assert config.about.summary
    assert config.about.takes
    check(config)
    assert isinstance(build(config.dataset), Task)
    assert callable(build(config.student).build)
    assert isinstance(build(config.teacher), functools.partial)
    selector: Selector = build(config.selector)
    assert isinstance(selector.needs, frozenset)
    assert selector.name
    assert Schedule(**config.schedule).rounds == config.schedule.rounds
    limits = Limits(**config.budget)
    for rule in config.stopping.values():
        found = build(rule)
        assert hasattr(found(limits) if callable(found) else found, "check")
    for sink in config.logger.values():
        assert hasattr(build(sink), "log")


@pytest.mark.parametrize("name", [k for k, v in EXPERIMENTS.items() if isinstance(v, list)])
def test_an_experiment_without_needs_runs_in_miniature(name: str, tmp_path: Path) -> None:
    path = tmp_path / "run"
    sizes = [*EXPERIMENTS[name], "schedule.rounds=1"]
    assert main([f"+experiment={name}", *sizes, f"paths.run_dir={path}"]) == 0
    assert result(path)["experiment"] == name


@pytest.mark.parametrize(
    ("group", "option"), [(group, option) for group in GROUPS for option in options(group)]
)
def test_every_option_composes_and_instantiates(group: str, option: str) -> None:
    node: Any = composed(group, option)[group]
    kinds: dict[str, Any] = {"budget": Limits, "schedule": Schedule}
    if group in kinds:
        kinds[group](**node)
    elif "_target_" in node:
        assert instantiate(node) is not None
    else:
        assert all(instantiate(part) is not None for part in node.values())


def test_stopping_rules_compose_as_a_list_and_work() -> None:
    config = compose_config(
        [
            "+experiment=quickstart",
            "stopping=[budget,rounds,pool,acceptance,dev_plateau]",
            "budget.max_annotations=100",
            "schedule.rounds=4",
        ]
    )
    limits = Limits(**config.budget)
    built = [build(rule) for rule in config.stopping.values()]
    rules: list[StoppingRule] = [rule(limits) if callable(rule) else rule for rule in built]
    kinds = [BudgetRule, RoundsRule, PoolRule, AcceptanceRule, DevPlateauRule]
    assert [type(rule) for rule in rules] == kinds

    def state(**changes: Any) -> RoundState:
        usual: dict[str, Any] = {"round": 1, "metrics": {}, "n_labelled": 9, "n_unlabelled": 9}
        return RoundState(**(usual | {"spent": Spent(annotations=9)} | changes))

    flat = tuple({"dev": {"acc": {"value": 0.5}}, "bought": None} for _ in range(4))
    audit = {"acceptance_audit": {"value": 1.0, "n": 200}}
    # As it is when rules are asked: the last round has bought nothing yet.
    accepted = ({"dev": {"acc": {"value": 0.5}}, "bought": audit}, flat[0])
    fires = [
        state(spent=Spent(annotations=100)),
        state(round=4),
        state(n_unlabelled=0),
        state(history=accepted),
        state(history=flat),
    ]
    names = [[r.name for rule in rules if (r := rule.check(found))] for found in fires]
    assert names == [["budget"], ["rounds"], ["pool"], ["acceptance"], ["dev_plateau"]]
    assert [rule.check(state()) for rule in rules] == [None] * 5


def test_logger_options_are_what_they_say() -> None:
    kinds = {
        name: [type(build(sink)) for sink in composed("logger", name).logger.values()]
        for name in options("logger")
    }
    assert kinds == {
        "none": [],
        "csv": [CsvSink],
        "wandb": [CsvSink, WandbSink],
        "wandb_offline": [CsvSink, WandbSink],
    }
    assert build(composed("logger", "wandb_offline").logger.wandb).offline is True
    assert build(composed("logger", "wandb").logger.wandb).offline is False


def test_letters_that_are_not_ascii_stand_in_quotation_marks() -> None:
    given = ["dataset=text", "dataset.path=f.jsonl"]
    found = compose_config([*given, 'dataset.labels=["天气", "交通"]']).dataset.labels
    assert list(found) == ["天气", "交通"]
    for wrong in ("dataset.labels=[天气,交通]", 'dataset.labels={天气: "下雨"}'):
        with pytest.raises(ConfigError, match=r"must stand in quotation marks.*conf/dataset/NAME"):
            compose_config([*given, wrong])
