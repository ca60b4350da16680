"""A mirror that cannot be written to is refused when it is made."""

from __future__ import annotations

import sys

import pytest

from elad_exp.callbacks.loggers import WandbSink
from elad_exp.errors import ConfigError


def test_wandb_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match=r"elad-exp\[wandb\].*logger=csv"):
        WandbSink("elad_exp", offline=True)
