"""A mistake in a configuration, told in one line: what was written, what is allowed, the nearest.

Hydra and OmegaConf name their classes and leave out what could have been written.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import get_args, get_type_hints

from hydra.errors import ConfigCompositionException, MissingConfigException
from omegaconf import DictConfig
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
    ValidationError,
)
from yaml import YAMLError

_EXPECTED = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
_COMMAND_LINE = ("+experiment", "resume")
"""What may stand on the command line beside the keys of the schema."""
_NOISE = ("object_type=", "reference_type=", "Set the", "provider=", "Config search path:")


def explain(error: Exception, conf: Path) -> str:
    """One line about what Hydra, OmegaConf or the reader of YAML has refused.

    Args:
        error: What they have raised.
        conf: The folder of the configuration, whose groups have the options.
    """
    place = _place(error)
    told = [told for cause in _causes(error) if (told := _known(cause, conf, file=bool(place)))]
    return place + (told[-1] if told else _shortened(error))


def no_such_key(key: str, allowed: Iterable[str]) -> str:
    """What to say of `key`, whose group has the keys `allowed`."""
    group, dot, leaf = key.rpartition(".")
    names = [name for name in allowed if not name.startswith("_")]
    near = _nearest(leaf, names, form=f"{group}{dot}{{}}")
    return f"{key}: there is no such key{near}; allowed: {', '.join(names) or 'none'}"


def no_such_option(group: str, option: str, allowed: Sequence[str]) -> str:
    """What to say of an unknown option of a group."""
    near = _nearest(option, allowed, form=f"{group}={{}}")
    listed = ", ".join(allowed) or "none"
    return f"{group}={option}: there is no such option{near}; allowed: {listed}"


def options(group: str, conf: Path) -> list[str]:
    """The options of a group of the configuration."""
    return sorted(path.stem for path in (conf / group).glob("*.yaml"))


def not_an_option(group: str, value: object, conf: Path) -> str:
    """What to say of a value in place of the name of an option."""
    shown = "null" if value is None else value
    return (
        f"{group}={shown}: the name of an option is expected; allowed: "
        f"{', '.join(options(group, conf))}. A single setting is written {group}.KEY=VALUE"
    )


def _known(error: BaseException, conf: Path, *, file: bool) -> str:
    """A line on a mistake whose parts are known, else nothing."""
    if isinstance(error, (ConfigAttributeError, ConfigKeyError)):
        group = error.parent_node
        key, keys = str(error.full_key), list(group) if isinstance(group, DictConfig) else []
        own = () if file or "." in key else _COMMAND_LINE
        return no_such_key(key, [*map(str, keys), *own])
    if isinstance(error, ValidationError):
        return _wrong_value(error)
    if isinstance(error, MissingConfigException):
        group, slash, option = str(error.missing_cfg_file).rpartition("/")
        found = list(error.options or options(group, conf))
        return no_such_option(group, option, found) if slash else ""
    if isinstance(error, MissingMandatoryValue) and error.full_key:
        return f"{error.full_key} is not set; write {error.full_key}=VALUE"
    if isinstance(error, ConfigCompositionException):
        unknown = re.search(r"Could not override '([^']+)'\. No match", str(error))
        groups = sorted(path.name for path in conf.iterdir() if path.is_dir())
        return no_such_key(unknown[1], groups) if unknown else ""
    if isinstance(error, YAMLError):
        return " ".join(str(error).split())
    return ""


def _wrong_value(error: ValidationError) -> str:
    try:
        hint = get_type_hints(error.object_type)[error.key]
    except (KeyError, TypeError):  # no value of a schema of ours
        return ""
    kinds = get_args(hint) or (hint,)
    expected = " or ".join(_EXPECTED[kind] for kind in kinds if kind in _EXPECTED)
    if not expected:
        return ""
    shown = "null" if error.value is None else error.value
    null = ", or null" if type(None) in kinds else ""
    return f"{error.full_key}={shown}: {expected} is expected{null}"


def _nearest(name: str, allowed: Sequence[str], *, form: str) -> str:
    found = difflib.get_close_matches(name, allowed, n=1)
    return f" (did you mean {form.format(found[0])}?)" if found else ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _place(error: Exception) -> str:
    """The file of the configuration that has the mistake; empty for the command line."""
    found = re.match(r"In '(.+?)': ", str(error))
    return f"{found[1]}.yaml: " if found and found[1] not in ("config", "hydra/config") else ""


def _shortened(error: Exception) -> str:
    """Hydra's own words without its internals."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    text = re.sub(r"^In '.+?': (\w+ raised while composing config:)?", "", str(cause))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(_NOISE) and line != "full_key:"]
    first = str(error).splitlines()[0] if str(error) else ""
    if isinstance(cause, OmegaConfBaseException) and "merging override" in first:
        lines.insert(0, first)
    return " ".join(lines).replace("full_key: ", "at ")
