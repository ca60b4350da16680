"""Who may import whom."""

from __future__ import annotations

import ast
from pathlib import Path

import elad_exp

ROOT = Path(elad_exp.__file__).parent
LAYERS = [
    {"types", "protocols", "errors", "rng", "clock", "entities", "words"},
    {"assets", "f1", "metrics", "budget"},
    {
        "tasks",
        "data",
        "selectors",
        "teachers",
        "stopping",
        "lines",
        "drift",
        "studied",
        "scored",
        "schedule",
    },
    {"rounds"},
    {"student", "callbacks", "reporting", "rundir", "console", "signals"},
    {
        "config",
        "mistakes",
        "arguments",
        "record",
        "building",
        "rerank",
        "assemble",
        "groundwork",
        "plan",
        "run",
        "serve",
        "telling",
        "logfile",
        "cli",
        "__main__",
    },
]
# Lower layers may use these, which import nothing of ours but types and errors.
LEAVES = {"rundir", "console"}
LIGHTNING = {"student", "callbacks", "assemble", "data/datamodule"}


def imports(path: Path) -> list[tuple[str, bool]]:
    """Imported modules and whether the import is at the top level of the file."""
    found = []
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = set(map(id, tree.body))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.module, id(node) in top))
    return found


def modules() -> list[tuple[str, Path]]:
    out = []
    for path in ROOT.rglob("*.py"):
        name = path.relative_to(ROOT).with_suffix("").as_posix()
        if not name.startswith("conf/"):
            out.append((name, path))
    return out


def rank(part: str) -> int:
    return next((i for i, layer in enumerate(LAYERS) if part in layer), -1)


def test_every_module_has_a_layer() -> None:
    parts = {name.split("/")[0] for name, _ in modules()} - {"__init__"}
    assert {part for part in parts if rank(part) < 0} == set()


def test_lower_layers_do_not_import_higher_ones() -> None:
    wrong = []
    for name, path in modules():
        mine = rank(name.split("/")[0])
        for module, _ in imports(path):
            if not module.startswith("elad_exp."):
                continue
            part = module.split(".")[1]
            if part not in LEAVES and rank(part) > mine and name != "__init__":
                wrong.append(f"{name} imports {module}")
    assert wrong == []


def test_only_the_named_places_import_lightning_and_plots() -> None:
    wrong = []
    for name, path in modules():
        for module, top in imports(path):
            package = module.split(".")[0]
            allowed = name in LIGHTNING or name.split("/")[0] in LIGHTNING
            if package == "lightning" and not allowed:
                wrong.append(f"{name} imports {module}")
            if package == "matplotlib" and (not name.startswith("reporting/") or top):
                wrong.append(f"{name} imports {module}")
            if package == "wandb" and (name != "callbacks/loggers" or top):
                wrong.append(f"{name} imports {module}")
            if package == "litellm" and name not in {"teachers/litellm", "budget/pricing"}:
                wrong.append(f"{name} imports {module}")
    assert wrong == []


def test_no_file_is_longer_than_400_lines() -> None:
    long = {name: n for name, path in modules() if (n := len(path.read_text().splitlines())) > 400}
    assert long == {}
