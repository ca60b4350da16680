"""What the package imports is what it asks for."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def imported() -> Iterator[str]:
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (name.name for name in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module


def plain(requirement: str) -> str:
    """The normalised name of a requirement or a distribution."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;]", requirement)[0]).lower()


def test_every_import_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    needed = [*project["dependencies"], *(r for name in optional for r in optional[name])]
    declared = set(map(plain, needed))
    makers = packages_distributions()
    modules = {name.split(".")[0] for name in imported()} - sys.stdlib_module_names - {"elad_exp"}
    assert {"torch", "yaml", "markupsafe"} <= modules
    missing = {m for m in modules if not declared & {plain(d) for d in makers.get(m, [m])}}
    assert missing == set()
