"""Checks on the command line that must come before Hydra, which writes files early."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from elad_exp.config import config_dir, explain, register
from elad_exp.errors import ConfigError

_SECRET = re.compile(r"(api_?key|token|password|passwd|secret)$", re.IGNORECASE)
_URL_VARIABLES = ("ELAD_EXP_API_BASE", "OPENAI_API_BASE", "OPENAI_BASE_URL", "WANDB_BASE_URL")
_CHANGEABLE = ("budget", "trainer", "logger")


def split_override(argument: str) -> tuple[str, str]:
    """`key` (without +, ++ or ~) and `value` of an override."""
    key, _, value = argument.partition("=")
    return key.lstrip("+~"), value


def check_arguments(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> None:
    """Refuse what must not reach Hydra's files.

    Raises:
        ConfigError: `experiment=` without `+`, a secret on the command line, or a URL with user
            information. The value is not repeated.
    """
    for argument in arguments:
        key, value = split_override(argument)
        if argument.startswith("experiment="):
            raise ConfigError(f"write +{argument}: an experiment is added to the defaults")
        if value and _SECRET.search(key.rsplit(".", 1)[-1]):
            raise ConfigError(
                f"{key}: keys, tokens and passwords are taken from the environment only, "
                "never from the command line, where they would be written to files"
            )
        if _has_user_info(value):
            raise ConfigError(
                f"{key}: the address carries a user name or password; set ELAD_EXP_API_BASE in "
                "the environment instead"
            )
    for name in _URL_VARIABLES[1:]:
        if _has_user_info(environment.get(name, "")):
            raise ConfigError(f"{name} carries a user name or password; remove it")


def _has_user_info(value: str) -> bool:
    if "://" not in value:
        return False
    try:
        return "@" in urlsplit(value.strip("'\"")).netloc
    except ValueError:
        return False


def list_experiments() -> str:
    """The experiments that can be run, what each needs and takes."""
    rows = []
    for path in sorted((config_dir() / "experiment").glob("*.yaml")):
        about = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("about", {})
        rows.append(
            f"  +experiment={path.stem}\n"
            f"      {about.get('summary', '')}\n"
            f"      needs {about.get('needs', 'nothing')}; takes {about.get('takes', 'unknown')}"
        )
    return (
        "Choose an experiment, for example\n"
        "  python -m elad_exp +experiment=quickstart\n\n"
        "Experiments:\n" + "\n".join(rows) + "\n\n"
        "Sweep with -m and lists (seed=0,1,2); go on with a run by resume=RUN_DIR; "
        "--help shows every option."
    )


def resumed_config(arguments: Sequence[str]) -> tuple[Path, DictConfig]:
    """Directory and configuration of the run named by `resume=`, with allowed changes.

    Raises:
        ConfigError: There is no run there, or something other than a raised budget, the trainer
            or the logger would change (the message is a diff).
    """
    pairs = [split_override(argument) for argument in arguments]
    directory = Path(next(value for key, value in pairs if key == "resume"))
    saved = directory / "config.yaml"
    for name in ("config.yaml", "result.json"):
        if not (directory / name).is_file():
            raise ConfigError(f"resume={directory}: there is no run here (no {name})")
    register()
    config = OmegaConf.load(saved)
    assert isinstance(config, DictConfig)
    diff = []
    for key, value in pairs:
        if key == "resume":
            continue
        old = OmegaConf.select(config, key)
        if key.split(".", 1)[0] not in _CHANGEABLE:
            diff.append(f"  {key}: {_shown(old)} -> {value}")
        elif key == "logger":
            path = config_dir() / "logger" / f"{value}.yaml"
            if not path.is_file():
                allowed = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml")))
                raise ConfigError(f"logger={value}: choose one of {allowed}")
            config["logger"] = OmegaConf.load(path)
        elif old is None and not _known(config, key):
            raise ConfigError(f"{key}: there is no such key")
        else:
            OmegaConf.update(config, key, yaml.safe_load(value))
    if diff:
        raise ConfigError(
            "a run is resumed with its own configuration; only budget (upwards), trainer and "
            "logger may change. Refused:\n" + "\n".join(diff)
        )
    _check_types(config)
    return directory, config


def _shown(value: object) -> str:
    if isinstance(value, DictConfig):
        return str(value.get("_target_") or value.get("name") or dict(value))
    return str(value)


def _known(config: DictConfig, key: str) -> bool:
    parent, _, leaf = key.rpartition(".")
    node = OmegaConf.select(config, parent) if parent else config
    return isinstance(node, DictConfig) and leaf in node


def _check_types(config: DictConfig) -> None:
    from elad_exp.config import BudgetConfig, TrainerConfig

    for name, schema in (("budget", BudgetConfig), ("trainer", TrainerConfig)):
        try:
            config[name] = OmegaConf.merge(OmegaConf.structured(schema), config[name])
        except OmegaConfBaseException as error:
            raise ConfigError(f"{name}: {explain(error)}") from error
