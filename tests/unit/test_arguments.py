"""What is refused before Hydra starts."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from elad_exp.arguments import check_arguments, list_experiments, resumed_config
from elad_exp.config import compose_config, config_dir
from elad_exp.errors import ConfigError


def test_experiment_without_plus_says_what_to_write() -> None:
    with pytest.raises(ConfigError, match=r"write \+experiment=quickstart"):
        check_arguments(["experiment=quickstart"])


@pytest.mark.parametrize(
    "key",
    [
        "teacher.api_key",
        "+hf_token",
        "db.password",
        "OPENAI_API_KEY",
        "+a.access_key",
        "+a.credentials",
    ],
)
def test_secrets_on_the_command_line_are_refused_without_repeating_them(key: str) -> None:
    with pytest.raises(ConfigError, match="environment only") as caught:
        check_arguments([f"{key}=canary-7f3a"])
    assert "canary" not in str(caught.value)


def test_addresses_with_user_information_are_refused_without_repeating_them() -> None:
    with pytest.raises(ConfigError, match="user name or password") as caught:
        check_arguments(["teacher.api_base=http://me:canary@host/v1"])
    assert "canary" not in str(caught.value)
    with pytest.raises(ConfigError, match="OPENAI_BASE_URL") as caught:
        check_arguments([], {"OPENAI_BASE_URL": "http://me:canary@host"})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "argument",
    [
        "+teacher.kwargs={api_key: canary}",
        "+teacher.kwargs={'api_key': canary}",
        "+teacher.kwargs={headers: {hf_token: canary}}",
        "+teacher.kwargs={a: 1, Password : canary}",
        "teacher.kwargs={secret:1},{secret:canary}",
        "logger.csv='token: canary'",
        "+teacher.kwargs={aws_secret_access_key: canary}",
        "+teacher.kwargs={credentials: canary}",
    ],
)
def test_secrets_inside_values_are_refused_without_repeating_them(argument: str) -> None:
    with pytest.raises(ConfigError, match="environment only") as caught:
        check_arguments([argument], {})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "argument",
    [
        "teacher.urls=[http://me:canary@host]",
        "teacher.kwargs={api_base: 'http://me:canary@host/v1'}",
        "teacher.api_base=http://a,http://me:canary@host",
        "teacher.api_base='http://me:can,ary@host'",
        "http://me:canary@host/?x=1",
    ],
)
def test_addresses_inside_values_are_refused_without_repeating_them(argument: str) -> None:
    with pytest.raises(ConfigError, match="user name or password") as caught:
        check_arguments([argument], {})
    assert "canary" not in str(caught.value)
    assert "ELAD_EXP_API_BASE" not in str(caught.value)  # nothing reads it


@pytest.mark.parametrize(
    "argument",
    [
        "budget.max_tokens=100",
        "student.max_new_tokens=8",
        "student.tokens_per_batch=4096",
        "teacher.kwargs={max_tokens: 5, tokens_per_batch: 8}",
        "dataset.instruction='Answer with one token: yes or no'",
        "teacher.api_base=http://host/v1/me@there",
        "teacher.api_base=http://host,http://other?user=a@b",
    ],
)
def test_what_only_looks_like_a_secret_is_none(argument: str) -> None:
    check_arguments([argument], {})


def test_every_experiment_is_listed_with_what_it_needs_and_takes() -> None:
    text = list_experiments()
    for path in (config_dir() / "experiment").glob("*.yaml"):
        assert f"+experiment={path.stem}" in text
    assert "needs nothing; takes under two minutes" in text


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "budget.max_usdd=4",
            "there is no such key (did you mean budget.max_usd?); allowed: max_a",
        ),
        ("+budget.max_usdd=4", "there is no such key (did you mean budget.max_usd?)"),
        ("bugdet.max_usd=4", "bugdet: there is no such key (did you mean budget?); allowed:"),
        ("selecter=elad", "selecter: there is no such key (did you mean selector?)"),
        ("+experimnt=almanac", "(did you mean +experiment?)"),
        ("dataset.n_pol=4", "dataset.n_pol: there is no such key (did you mean dataset.n_pool?)"),
        ("selector.weights.intr=1", "allowed: step_entropy_sum, step_content_sum, inter"),
        ("teacher.zzz=1", "teacher.zzz: there is no such key; allowed: mode, error_rate"),
        ("hydra.sweep.dirr=x", "(did you mean hydra.sweep.dir?); allowed: dir, subdir"),
        ("selector=elat", "there is no such option (did you mean selector=elad?); allowed: answer"),
        ("+experiment=nope", "experiment=nope: there is no such option; allowed: almanac, anli"),
        ("stopping=[budget,rund]", "stopping=rund: there is no such option (did you mean stopping"),
        ("budget=3", "budget=3: the name of an option is expected; allowed: unlimited"),
        ("teacher=null", "teacher=null: the name of an option is expected; allowed: auggpt"),
        ("budget.max_usd=abc", "budget.max_usd=abc: a number is expected, or null"),
        ("schedule.rounds=2.5", "schedule.rounds=2.5: a whole number is expected"),
        ("schedule.rounds=null", "schedule.rounds=null: a whole number is expected"),
        ("optim.decay=maybe", "optim.decay=maybe: true or false is expected"),
        ("mode=[1]", "mode=[1]: text is expected"),
        ("dataset=jsonl", "dataset.path is not set; write dataset.path=VALUE"),
        ("seed=0,1", "add --multirun"),
        ("selector=elad,random", "add --multirun"),
    ],
)
def test_bad_overrides_get_one_line_that_names_value_choice_and_the_nearest(
    override: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        compose_config([override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    for raw in ("struct", "Config'", "full_key", "object_type", "To append"):
        assert raw not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "schedule:\n  query_sise: 3\n",
            "schedule.query_sise: there is no such key (did you mean schedule.query_size?)",
        ),
        ("schedule:\n  query_size: 3.5\n", "schedule.query_size=3.5: a whole number is expected"),
        ("bugdet:\n  max_usd: 3\n", "bugdet: there is no such key (did you mean budget?)"),
        (
            "defaults:\n  - override /selectr: elad\n",
            "selectr: there is no such key (did you mean selector?)",
        ),
        (
            "defaults:\n  - /selector: elat\n",
            "selector=elat: there is no such option (did you mean selector=elad?)",
        ),
    ],
)
def test_a_mistake_inside_an_experiment_file_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    experiment(tmp_path, monkeypatch, text)
    with pytest.raises(ConfigError) as caught:
        compose_config(["+experiment=typo"])
    assert str(caught.value).startswith(f"experiment/typo.yaml: {message}")
    assert "\n" not in str(caught.value)
    assert "+experiment" not in str(caught.value)  # which is for the command line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("defaults:\n  - override /selector: elat\n", "did you mean selector=elad"),
        ("budget: [\n", "typo.yaml"),
        ("schedule: 3\n", "typo.yaml.*ScheduleConfig.*3"),
    ],
)
def test_other_mistakes_inside_an_experiment_file_get_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    experiment(tmp_path, monkeypatch, text)
    with pytest.raises(ConfigError, match=message) as caught:
        compose_config(["+experiment=typo"])
    assert "\n" not in str(caught.value)


def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A copy of the configuration with a further experiment, `typo`."""
    copy = shutil.copytree(config_dir(), tmp_path / "conf")
    (copy / "experiment" / "typo.yaml").write_text(f"# @package _global_\n{text}")
    monkeypatch.setattr("elad_exp.config.config_dir", lambda: copy)


@cache
def saved_config() -> str:
    config = compose_config(["+experiment=quickstart", "budget.max_annotations=100"])
    return OmegaConf.to_yaml(config, resolve=True)


def saved_run(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(saved_config())
    (tmp_path / "result.json").write_text("{}")
    return tmp_path


def test_resume_takes_the_saved_configuration_and_a_new_budget(tmp_path: Path) -> None:
    run = saved_run(tmp_path)
    directory, config = resumed_config([f"resume={run}", "budget.max_annotations=200"])
    assert directory == run
    assert config.budget.max_annotations == 200
    assert config.name == "quickstart"


def test_resume_of_a_run_that_knew_fewer_ways_to_score(tmp_path: Path) -> None:
    run = saved_run(tmp_path)
    config = OmegaConf.load(run / "config.yaml")
    for key in ("inter_from", "also_score", "guided_fraction"):
        del config.selection[key]
    del config.optim["early_answer_fraction"]
    OmegaConf.save(config, run / "config.yaml")
    resumed = resumed_config([f"resume={run}"])[1]
    assert resumed.optim.early_answer_fraction == 0
    selection = resumed.selection
    assert (selection.inter_from, selection.also_score) == ("root", [])
    assert selection.samples == config.selection.samples


def test_resume_with_another_configuration_is_refused_with_a_diff(tmp_path: Path) -> None:
    run = saved_run(tmp_path)
    with pytest.raises(ConfigError, match=r"seed: 0 -> 3") as caught:
        resumed_config([f"resume={run}", "seed=3", "selector=random"])
    assert "selector: elad_exp.selectors.combine.RankSum -> random" in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("budget.max_usd=abc", "^budget.max_usd=abc: a number is expected, or null$"),
        ("budget.max_usdd=1", r"max_usdd: there is no such key \(did you mean budget.max_usd\?\)"),
        ("budget.max_usd=1,2", r"budget.max_usd=1,2: .*one value"),
        ("budget=unlimited", "budget=unlimited: .*budget.KEY=VALUE.*max_usd"),
        ("trainer={threads: 1}", "trainer.KEY=VALUE.*threads"),
        ("trainer.precision=[x", r"trainer.precision=\[x: .*quotes"),
        ("trainer.precision=[x]", "precision"),
        ("trainer.precision=${nope}", "nope.*trainer.precision"),
        ("logger=nope", "logger=nope: there is no such option.*allowed: csv"),
        ("logger=../budget/unlimited", "allowed: csv"),
        ("paths.store={a: 1}", "store"),
        ("paths.root=elsewhere", "paths.root: runs -> elsewhere"),
    ],
)
def test_resume_checks_keys_and_values(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resumed_config([f"resume={saved_run(tmp_path)}", override])


@pytest.mark.parametrize("change", ["{}=", "{}= ", "{}", "{}=''", "~{}", "~{}=", "+{}=200"])
def test_only_null_removes_a_limit_of_a_resumed_run(tmp_path: Path, change: str) -> None:
    key, run = "budget.max_annotations", saved_run(tmp_path)
    with pytest.raises(ConfigError, match=key) as caught:
        resumed_config([f"resume={run}", change.format(key)])
    if change[0] == "{":
        assert f"{key}=null to remove a limit" in str(caught.value)
    assert resumed_config([f"resume={run}"])[1].budget.max_annotations == 100
    assert resumed_config([f"resume={run}", f"{key}=null"])[1].budget.max_annotations is None


def test_a_resumed_run_may_find_its_store_elsewhere(tmp_path: Path) -> None:
    _, config = resumed_config([f"resume={saved_run(tmp_path)}", "paths.store=/moved/store.sqlite"])
    assert config.paths.store == "/moved/store.sqlite"


def test_resume_names_one_run(tmp_path: Path) -> None:
    for named in (["resume="], [f"resume={saved_run(tmp_path)}", "resume=other"]):
        with pytest.raises(ConfigError, match="one run"):
            resumed_config(named)


def test_resume_where_there_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no run here"):
        resumed_config([f"resume={tmp_path / 'nowhere'}"])
