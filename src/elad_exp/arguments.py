"""Checks on the command line that must come before Hydra, which writes files early."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from elad_exp.config import (
    USER_INFO,
    BudgetConfig,
    OptimConfig,
    PathsConfig,
    ScheduleConfig,
    SelectionConfig,
    TrainerConfig,
    config_dir,
    register,
)
from elad_exp.errors import ConfigError
from elad_exp.mistakes import explain, no_such_key, no_such_option, options
from elad_exp.teachers.calling import Calling
from elad_exp.teachers.endpoint import SECRET_NAME

_SECRET = re.compile(SECRET_NAME + "$", re.IGNORECASE)
_SECRET_INSIDE = re.compile(
    r"(^|[{\[,])\s*['\"]?[\w.-]*" + SECRET_NAME + r"['\"]?\s*:", re.IGNORECASE
)
"""A key of a mapping; not the same word in a sentence."""
_KEY = re.compile(r"[\w./@-]+")
_URL_VARIABLE = re.compile(r"\w+_API_BASE|(OPENAI|ANTHROPIC|WANDB)_BASE_URL")
_MAY_HOLD_CREDENTIALS = "ELAD_EXP_API_BASE"
_OPERATIONAL = tuple(f"teacher.{field.name}" for field in fields(Calling))
"""How a teacher is called, which shapes no answer."""
_CHANGEABLE = ("budget", "trainer", "logger", "paths.store", *_OPERATIONAL)


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
        # What is no key may be a part of the secret.
        named = key if _KEY.fullmatch(key) else "an argument"
        if argument.startswith("experiment="):
            raise ConfigError(f"write +{argument}: an experiment is added to the defaults")
        if value and (_SECRET.search(key.rsplit(".", 1)[-1]) or _SECRET_INSIDE.search(value)):
            raise ConfigError(
                f"{named}: keys, tokens and passwords are taken from the environment only, "
                "never from the command line, where they would be written to files"
            )
        if USER_INFO.search(argument):
            raise ConfigError(
                f"{named}: an address carries a user name or password, which would be written to "
                "files; write the address without it"
            )
    for name, value in environment.items():
        if name == _MAY_HOLD_CREDENTIALS or not _URL_VARIABLE.fullmatch(name):
            continue
        if USER_INFO.search(value):
            raise ConfigError(
                f"{name} carries a user name or password; set {_MAY_HOLD_CREDENTIALS} in its place"
                if name.endswith("_API_BASE")
                else f"{name} carries a user name or password; remove it"
            )


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
        ConfigError: There is no run there, a change cannot be read, or something other than a
            raised budget, the trainer, the logger or the store's place would change (the message
            is a diff).
    """
    directory, changes = _split_resume(arguments)
    saved = directory / "config.yaml"
    for name in ("config.yaml", "result.json"):
        if not (directory / name).is_file():
            raise ConfigError(f"resume={directory}: there is no run here (no {name})")
    register()
    config = OmegaConf.load(saved)
    assert isinstance(config, DictConfig)
    diff = []
    for argument in changes:
        key, value = _change(argument)
        old = OmegaConf.select(config, key)
        if not any(f"{key}.".startswith(f"{allowed}.") for allowed in _CHANGEABLE):
            diff.append(f"  {key}: {_shown(old)} -> {value}")
        elif key == "logger":
            config["logger"] = _logger(value)
        elif key in ("budget", "trainer"):
            raise ConfigError(
                f"{argument}: a resumed run takes single values; write {key}.KEY=VALUE with one "
                f"of {', '.join(map(str, old))}"
            )
        elif old is None and not _known(config, key):
            raise ConfigError(no_such_key(key, _beside(config, key)))
        else:
            OmegaConf.update(config, key, value)
    if diff:
        raise ConfigError(
            "a run is resumed with its own configuration; only budget (upwards), trainer, logger, "
            "paths.store and how the teacher is called (teacher.concurrency and the like) may "
            "change. Refused:\n" + "\n".join(diff)
        )
    _check_types(config)
    return directory, config


def _split_resume(arguments: Sequence[str]) -> tuple[Path, list[str]]:
    named = [a.partition("=")[2] for a in arguments if a.startswith("resume=")]
    if len(named) != 1 or not named[0].strip():
        raise ConfigError("resume=RUN_DIR: name the folder of one run")
    return Path(named[0]), [a for a in arguments if not a.startswith("resume=")]


def _change(argument: str) -> tuple[str, Any]:
    """Key and value of a change to a resumed run, read as Hydra reads those of a new one."""
    key, _, text = argument.partition("=")
    if key.startswith(("+", "~")):
        raise ConfigError(
            f"{argument}: a resumed run has all its keys; write KEY=VALUE without {key[0]}"
        )
    if text.strip() in ("", "''", '""'):
        raise ConfigError(
            f"{key}: there is no value; leave {key} out to keep what the run has, or write "
            f"{key}=null to remove a limit"
        )
    try:
        (override,) = OverridesParser.create().parse_overrides([argument])
    except HydraException as error:
        raise ConfigError(
            f"{argument}: {explain(error, config_dir())}; write KEY=VALUE, with quotes around a "
            "value that has brackets or other signs"
        ) from error
    if override.is_sweep_override():
        raise ConfigError(f"{argument}: a run is resumed with one value; leave out the others")
    return key, override.value()


def _logger(option: object) -> Any:
    allowed = options("logger", config_dir())
    if option not in allowed:
        raise ConfigError(no_such_option("logger", str(option), allowed))
    return OmegaConf.load(config_dir() / "logger" / f"{option}.yaml")


def _shown(value: object) -> str:
    if isinstance(value, DictConfig):
        return str(value.get("_target_") or value.get("name") or dict(value))
    return str(value)


def _known(config: DictConfig, key: str) -> bool:
    return key.rpartition(".")[2] in _beside(config, key)


def _beside(config: DictConfig, key: str) -> list[str]:
    """The keys of the group that `key` would be in."""
    parent = key.rpartition(".")[0]
    node = OmegaConf.select(config, parent) if parent else config
    return [str(name) for name in node] if isinstance(node, DictConfig) else []


def _check_types(config: DictConfig) -> None:
    # All groups with a schema: what a run that was begun earlier does not say is as it was then.
    schemas = {
        "budget": BudgetConfig,
        "trainer": TrainerConfig,
        "paths": PathsConfig,
        "selection": SelectionConfig,
        "optim": OptimConfig,
        "schedule": ScheduleConfig,
    }
    typed = OmegaConf.create({name: OmegaConf.structured(x) for name, x in schemas.items()})
    try:
        for name, node in OmegaConf.merge(typed, {name: config[name] for name in schemas}).items():
            config[name] = node
        OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(explain(error, config_dir())) from error
