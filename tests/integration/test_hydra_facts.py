"""Facts about Hydra and OmegaConf that the configuration relies on, by number."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import ConfigCompositionException

from elad_exp.__main__ import main
from elad_exp.config import compose_config, config_dir
from elad_exp.errors import ConfigError
from tests.helpers_main import TINY


def test_f13_an_experiment_is_added_only_while_the_defaults_do_not_name_one(
    tmp_path: Path,
) -> None:
    defaults = yaml.safe_load((config_dir() / "config.yaml").read_text())["defaults"]
    assert not any("experiment" in d for d in defaults)
    assert compose_config(["+experiment=quickstart"]).name == "quickstart"

    copy = tmp_path / "conf"
    shutil.copytree(config_dir(), copy)
    text = (copy / "config.yaml").read_text()
    (copy / "config.yaml").write_text(
        text.replace("  - dataset:", "  - experiment: null\n  - dataset:")
    )
    with (
        initialize_config_dir(str(copy), version_base="1.3"),
        pytest.raises(ConfigCompositionException, match="Multiple values for experiment"),
    ):
        compose("config", ["+experiment=quickstart"])


def test_f14_without_a_schema_a_misspelt_key_is_merged_in_silence(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "config.yaml").write_text("budget:\n  max_usd: null\n")
    typo = "# @package _global_\nbudget:\n  max_usdd: 1\n"
    (tmp_path / "experiment" / "typo.yaml").write_text(typo)
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        assert compose("config", ["+experiment=typo"]).budget.max_usdd == 1
    for forced in ("budget.max_usdd=1", "+budget.max_usdd=1", "++budget.max_usdd=1"):
        with pytest.raises(ConfigError, match="max_usdd"):
            compose_config([forced])


def test_f14_our_schema_is_the_first_of_the_defaults() -> None:
    defaults = yaml.safe_load((config_dir() / "config.yaml").read_text())["defaults"]
    assert defaults[0] == "schema"
    compose_config([])
    assert ConfigStore.instance().load("schema.yaml").node is not None


def test_f15_the_configuration_folder_is_absolute_and_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert config_dir().is_absolute()
    assert compose_config(["+experiment=quickstart"]).name == "quickstart"


def test_f15_the_job_is_named_although_the_module_is_main() -> None:
    config = yaml.safe_load((config_dir() / "config.yaml").read_text())
    assert config["hydra"]["job"]["name"] == "elad_exp"


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep over two seeds with a list of stopping rules."""
    folder = tmp_path_factory.mktemp("facts") / "sweep"
    rules = ["stopping=[budget,rounds,acceptance]", "schedule.rounds=1", "seed=0,1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ELAD_EXP_CACHE", str(folder.parent / "cache"))
        assert main(["-m", *TINY, *rules, f"hydra.sweep.dir={folder}"]) == 0
    return folder


def test_f15_a_list_of_stopping_rules_is_one_option_and_not_a_sweep(swept: Path) -> None:
    found = [yaml.safe_load(p.read_text()) for p in sorted(swept.rglob("config.yaml"))]
    assert [list(f["stopping"]) for f in found] == [["budget", "rounds", "acceptance"]] * 2


def test_hydra_writes_nothing_of_its_own_into_a_job(swept: Path) -> None:
    assert not list(swept.rglob(".hydra"))
    assert sorted(p.name for p in swept.iterdir()) == ["multirun.yaml", "seed=0", "seed=1"]
    assert all((swept / job / "result.json").exists() for job in ("seed=0", "seed=1"))


def test_help_lists_the_groups_and_trains_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "elad_exp", "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    for group in ("selector:", "teacher:", "experiment:", "step_entropy"):
        assert group in done.stdout
    assert not list(tmp_path.iterdir())
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert not imported & {"torch", "lightning", "transformers", "wandb"}
