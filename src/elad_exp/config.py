"""The configuration's schema, where it lies, and how it is composed.

`dataset`, `student`, `selector`, `teacher`, `stopping` and `logger` are built from their
`_target_`; everything made of numbers has a dataclass here, so that a misspelt key is an error.
A run's configuration is code: never resume or export a stranger's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from elad_exp.errors import ConfigError
from elad_exp.mistakes import explain, not_an_option
from elad_exp.teachers.endpoint import SECRET_NAME

USER_INFO = re.compile(r"://[^/?#\s]*@")
NOT_ASCII = (
    "; letters that are not ASCII must stand in quotation marks on the command line, as in "
    '\'dataset.labels=["\u5929\u6c14","\u4ea4\u901a"]\'; a mapping whose names have such '
    "letters must stand in a file of the configuration, such as conf/dataset/NAME.yaml"
)
_MOST_COMPOSED = 200
"""Jobs of a sweep that are composed before it starts: half a minute's worth."""


@dataclass
class AboutConfig:
    """What an experiment does, needs and takes; shown by `python -m elad_exp`."""

    summary: str = ""
    needs: str = "nothing"
    takes: str = ""


@dataclass
class BudgetConfig:
    """Limits; null means none. `scope`: `run`, or `sweep` for all its jobs together."""

    max_annotations: int | None = None
    max_calls: int | None = None
    max_tokens: int | None = None
    max_usd: float | None = None
    max_wall_s: float | None = None
    scope: str = "run"


@dataclass
class ScheduleConfig:
    """See `schedule.Schedule`."""

    rounds: int = MISSING
    initial_size: int | str | None = MISSING  # or `all`
    query_size: int = MISSING
    steps_per_round: int = MISSING
    reset: str = "warm"
    shots: int | None = None


@dataclass
class SelectionConfig:
    """Audit share, candidate subset, and how scores are made (see `selectors.scorer.Scorer`)."""

    among: str = "pool"  # or `annotated`, `new`: see `studied.Studied`
    audit_fraction: float = 0.1
    candidates: int | None = None
    samples: int = 4
    temperature: float = 1.0
    intra: str = "truncate"
    inter_from: str = "root"
    content: str = "auto"
    content_encoder: str = "student"
    cluster_distance: float | None = None
    dropout_passes: int = 8
    guided_fraction: float = 1.0
    also_score: Any = field(default_factory=list)  # a component, several, or `all`
    max_attempts: int = 2


@dataclass
class OptimConfig:
    """AdamW; a linear warm-up, then constant or, with `decay`, falling within each round
    (`student.module.rate_at`). `train_on`: `full`, or `revision` to learn nothing of the steps
    that the teacher kept. `early_answer_fraction`: see `data.early`. `review`: see `data.review`.
    `class_weights` (`none` or `balanced`) and `doubt`: see `data.weighing`.
    """

    learning_rate: float = MISSING
    weight_decay: float = 0.01
    warmup_steps: int = 20
    decay: bool = False
    batch_size: int = 32
    clip: float = 1.0
    train_on: str = "full"
    early_answer_fraction: float = 0.0
    review: float | None = None
    class_weights: str = "none"
    doubt: float | None = None


@dataclass
class TrainerConfig:
    """Where training runs; may differ when a run is resumed.

    `precision` is Lightning's, or `auto`: mixed bfloat16 where the student is large and the
    processor multiplies bfloat16 in hardware (the rule of `student.precision.choose_dtype`), else
    float32.
    """

    accelerator: str = "auto"
    threads: int | None = None
    precision: str = "auto"


@dataclass
class PathsConfig:
    """Where a run writes. `run_dir` null: runs/NAME/TIME."""

    root: str = "runs"
    run_dir: str | None = None
    store: str | None = None


@dataclass
class RootConfig:
    """All of a run's configuration. `mode`: `run`, or `plan` to say what it would cost."""

    name: str = MISSING
    mode: str = "run"
    seed: int = 0
    about: AboutConfig = field(default_factory=AboutConfig)
    dataset: Any = MISSING
    student: Any = MISSING
    selector: Any = MISSING
    teacher: Any = MISSING
    stopping: Any = MISSING
    logger: Any = MISSING
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    selection: SelectionConfig = field(default_factory=SelectionConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    paths: PathsConfig = field(default_factory=PathsConfig)


def register() -> None:
    """Make the schema known to Hydra under the name that `conf/config.yaml` begins with."""
    ConfigStore.instance().store(name="schema", node=RootConfig)


def config_dir() -> Path:
    """The folder `conf`: inside an installed package, or at the top of a checkout."""
    packaged = Path(__file__).parent / "conf"
    checkout = Path(__file__).parents[2] / "conf"
    for found in (packaged, checkout):
        if (found / "config.yaml").is_file():
            return found
    raise ConfigError(f"no configuration at {packaged} or {checkout}; reinstall elad-exp")


def _hydra() -> AbstractContextManager[None]:
    """Hydra with our configuration; in a job of a sweep it is there already."""
    if GlobalHydra.instance().is_initialized():
        return nullcontext()
    started: AbstractContextManager[None] = initialize_config_dir(
        str(config_dir()), version_base="1.3"
    )
    return started


def compose_config(overrides: Sequence[str]) -> DictConfig:
    """Compose and validate a configuration.

    Raises:
        ConfigError: An override does not parse, names an unknown key or option, or has a value of
            the wrong kind; or a file of the configuration holds a secret.
    """
    register()
    _check_options(overrides)
    with _hydra():
        try:
            config: DictConfig = compose("config", list(overrides))
            plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        except (HydraException, OmegaConfBaseException, YAMLError) as error:
            raise ConfigError(explain(error, config_dir())) from error
    refuse_secrets(plain)
    check_keys(config)
    return config


def _check_options(overrides: Sequence[str]) -> None:
    """Refuse numbers and the like as options of a group, on which Hydra crashes."""
    for override in _parsed(overrides):
        if override.is_sweep_override() or override.is_delete():
            continue
        group, value = override.key_or_group, override.value()
        if not isinstance(value, (str, list, dict)) and (config_dir() / group).is_dir():
            raise ConfigError(not_an_option(group, value, config_dir()))


def _parsed(overrides: Sequence[str]) -> list[Override]:
    try:
        found: list[Override] = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        hint = "" if all(map(str.isascii, overrides)) else NOT_ASCII
        raise ConfigError(explain(error, config_dir()) + hint) from error
    return found


def refuse_secrets(value: Any, at: str = "") -> None:
    """Refuse what must not be copied into the files of a run, whichever file it came from.

    Raises:
        ConfigError: Names the key, without its value.
    """
    if isinstance(value, dict):
        for key, inner in value.items():
            refuse_secrets(inner, f"{at}.{key}" if at else str(key))
    elif isinstance(value, list):
        for inner in value:
            refuse_secrets(inner, at)
    elif value is not None and re.search(SECRET_NAME + "$", at, re.IGNORECASE):
        raise ConfigError(
            f"{at}: keys, tokens and passwords are taken from the environment only, never from "
            "the configuration, which is written to files"
        )
    elif isinstance(value, str) and USER_INFO.search(value):
        raise ConfigError(
            f"{at}: an address carries a user name or password, which would be written to files; "
            "write the address without it"
        )


def check_keys(config: DictConfig) -> None:
    """Refuse keys that the schema does not have and `+` or `++` have added all the same.

    Raises:
        ConfigError: Names the first such key.
    """
    try:
        OmegaConf.merge(OmegaConf.structured(RootConfig), OmegaConf.to_container(config))
    except OmegaConfBaseException as error:
        raise ConfigError(explain(error, config_dir())) from error


def fixed_overrides(overrides: Sequence[str]) -> dict[str, str]:
    """The overrides of a sweep that are the same in all its jobs, by key; not Hydra's own.

    Raises:
        ConfigError: An override does not parse.
    """
    parsed = _parsed(overrides)
    swept = {override.key_or_group for override in parsed if override.is_sweep_override()}
    return {
        override.key_or_group: str(override.input_line)
        for override in parsed
        if override.key_or_group not in swept and not override.is_hydra_override()
    }


def check_jobs(overrides: Sequence[str]) -> tuple[list[list[str]], set[str]]:
    """Compose the jobs of a sweep, of a very large one the first, before any of them starts.

    Returns:
        The overrides of each job, and the one `mode` of those that were composed.

    Raises:
        ConfigError: A job cannot be composed, or names a folder that a sweep would not write to;
            or jobs differ in `mode`.
    """
    register()
    with _hydra():
        loader = GlobalHydra.instance().config_loader()  # expands glob(...)
        try:
            parsed = OverridesParser.create(loader).parse_overrides(list(overrides))
            own = [override for override in parsed if not override.is_hydra_override()]
            jobs = BasicSweeper.split_arguments(own, None)[0]
        except HydraException as error:
            raise ConfigError(explain(error, config_dir())) from error
    modes = set()
    for job in jobs[:_MOST_COMPOSED]:
        config = compose_config(job)
        modes.add(config.mode)
        paths = config.paths
        for key in ("run_dir", "root"):
            if paths[key] != getattr(PathsConfig(), key):
                raise ConfigError(
                    f"paths.{key}={paths[key]}: the jobs of a sweep write below hydra.sweep.dir, "
                    f"each in a folder of its own; write hydra.sweep.dir={paths[key]} instead"
                )
    if len(modes) > 1:
        raise ConfigError(
            f"mode={','.join(sorted(modes))}: all jobs of a sweep have one; plan it first, then "
            "leave mode out"
        )
    return jobs, modes


def held_back(fixed: Mapping[str, str]) -> list[str]:
    """The fixed overrides of a sweep that Hydra is not to see; they belong to each job.

    Hydra first composes the fixed part by itself, where a key of a swept option is unknown. Where
    the fixed part does not stand alone, all its keys below a group are held back.

    Args:
        fixed: See `fixed_overrides`; of a sweep whose jobs can be composed.
    """
    try:
        compose_config(list(fixed.values()))
    except ConfigError:
        return [override for key, override in fixed.items() if "." in key]
    return []
