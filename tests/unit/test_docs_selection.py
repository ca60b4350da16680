"""What docs/selection.md says, tried."""

from __future__ import annotations

import re
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from elad_exp.building import build
from elad_exp.config import SelectionConfig, compose_config, config_dir
from elad_exp.rng import generator
from elad_exp.selectors.components import COMPONENTS
from elad_exp.types import Candidate, Sample

TEXT = (Path(__file__).parents[2] / "docs" / "selection.md").read_text(encoding="utf-8")


def test_every_selector_and_component_is_named() -> None:
    named = set(re.findall(r"`(\w+)`", TEXT))
    assert {path.stem for path in (config_dir() / "selector").glob("*.yaml")} <= named
    assert named >= COMPONENTS


def test_the_commands_compose() -> None:
    commands = re.findall(r"python -m elad_exp ((?:\\\n|[^\n`#])+)", TEXT)
    plain = [shlex.split(c.replace("\\\n", " ")) for c in commands if "..." not in c]
    assert len(plain) == 8
    for arguments in plain:
        selector = compose_config(arguments).selector
        assert selector._target_.startswith("my_pkg.") or build(selector).needs


def test_the_defaults_are_those_of_the_schema() -> None:
    told = dict(re.findall(r"^\| `selection\.(\w+)` \| (\S+) \|", TEXT, re.MULTILINE))
    assert {k: yaml.safe_load(v) for k, v in told.items()} == asdict(SelectionConfig())
    weights = re.findall(r"`(\w+)` (\d)", re.findall(r"\| `elad` \| ranks; (.+) \|", TEXT)[0])
    assert {name: int(n) for name, n in weights} == compose_config([]).selector.weights


def test_the_selector_of_ones_own_works() -> None:
    (code,) = re.findall(r"```python\n(.+?)```", TEXT, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    pool = [
        Candidate(Sample(f"id{i}", "q"), {"answer_entropy": 0.5, "question_length": float(9 - i)})
        for i in range(3)
    ]
    (item,) = names["HardAndShort"](power=2.0).select(pool, 1, generator(0))
    assert (item.sample.id, item.score) == ("id2", 0.5 / 49)
