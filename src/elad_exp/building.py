"""Parts from their configuration; what is wrong with it is the user's error, in one line."""

from __future__ import annotations

from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from elad_exp.errors import ConfigError, EladError


def build(option: Any, **given: Any) -> Any:
    """Instantiate a config node.

    Raises:
        ConfigError: A wrong key or value.
    """
    try:
        return instantiate(option, **given)
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, EladError):
            raise cause from error
        if isinstance(cause, (TypeError, ValueError, ImportError)):
            raise ConfigError(f"{_target(option)}: {cause}") from error
        raise


def complete(option: Any, **given: Any) -> Any:
    """Call a part that the configuration leaves partial.

    Raises:
        ConfigError: A wrong key or value.
    """
    part = build(option)
    try:
        return part(**given)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{_target(option)}: {error}") from error


def _target(option: Any) -> str:
    return str(option.get("_target_", option)).rsplit(".", 1)[-1]
