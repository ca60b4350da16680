"""Snapshots of the Hugging Face hub: from its cache, or downloaded; never waits for a dead hub."""

from __future__ import annotations

import fnmatch
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]

from elad_exp.assets.cache import hub_cache_dir, megabytes
from elad_exp.assets.catalogue import AssetRecord
from elad_exp.errors import AssetError

logger = logging.getLogger(__name__)

_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Repo:
    """A repository on the hub and which of its files are wanted.

    `kind` is `model` or `dataset`; `revision` a branch, tag or commit, None for the default
    branch; `files` and `skip` are patterns in which `*` also matches `/`.
    """

    name: str
    kind: str
    files: tuple[str, ...]
    skip: tuple[str, ...] = ()
    revision: str | None = None


def cached_snapshot(repo: Repo) -> AssetRecord:
    """The snapshot in the hub's cache, as far as it was fetched: it may lack files.

    No network.

    Raises:
        AssetError: There is none.
    """
    try:
        path = _snapshot(repo, local_files_only=True)
    except (OSError, HFValidationError) as error:
        where = hub_cache_dir() or constants.HF_HUB_CACHE
        raise AssetError(f"{repo.name} is not in {where}") from error
    if not any(path.rglob("*")):
        raise AssetError(f"{repo.name} in the hub's cache has no files")
    return _record(repo, path)


def download_snapshot(repo: Repo, *, notify: Callable[[str], None] = logger.info) -> AssetRecord:
    """Downloads a snapshot into the hub's cache.

    Asks the hub once, with a limit of five seconds, before anything else: where it is out of
    reach, the answer is immediate instead of half a minute of retries.

    Raises:
        AssetError: Offline mode is on, the hub is out of reach, it refuses the repository, or the
            repository has none of the wanted files, such as one with a loading script alone.
    """
    if constants.HF_HUB_OFFLINE:
        raise AssetError("offline mode is on (HF_HUB_OFFLINE)")
    try:
        ask = HfApi().dataset_info if repo.kind == "dataset" else HfApi().model_info
        info = ask(repo.name, revision=repo.revision, timeout=_TIMEOUT_S, files_metadata=True)
        _check_files(repo, [f.rfilename for f in info.siblings or ()])
        size = sum(f.size or 0 for f in info.siblings or () if _wanted(f.rfilename, repo))
        where = hub_cache_dir() or constants.HF_HUB_CACHE
        notify(f"downloading {repo.name} at {info.sha}: {megabytes(size)} from the hub to {where}")
        path = _snapshot(repo)
    except HfHubHTTPError as error:
        raise AssetError(f"the hub refuses {repo.name}: {_first_line(error)}") from error
    except (OSError, httpx.HTTPError, HFValidationError) as error:
        raise AssetError(
            f"the hub at {constants.ENDPOINT} could not be used: {_first_line(error)}"
        ) from error
    return _record(repo, path)


def _check_files(repo: Repo, files: Sequence[str]) -> None:
    """Raises AssetError unless some file is wanted; code in a repository is never run."""
    if any(_wanted(file, repo) for file in files):
        return
    shown = ", ".join(sorted(files)[:10]) or "nothing"
    scripts = [file for file in files if file == f"{repo.name.split('/')[-1]}.py"]
    if repo.kind == "dataset" and scripts:
        raise AssetError(
            f"{repo.name} has a loading script ({scripts[0]}), which is never run, and no data "
            f"files that could be read instead; it holds {shown}. The hub's converter may have "
            "written some: dataset.revision=refs/convert/parquet"
        )
    raise AssetError(f"{repo.name} has no file {' or '.join(repo.files[:4])}; it holds {shown}")


def _snapshot(repo: Repo, *, local_files_only: bool = False) -> Path:
    # By branch, not by commit: only then does the cache note which commit the branch means.
    path = snapshot_download(
        repo.name,
        repo_type=repo.kind,
        revision=repo.revision,
        cache_dir=hub_cache_dir(),
        allow_patterns=list(repo.files),
        ignore_patterns=list(repo.skip) or None,
        local_files_only=local_files_only,
    )
    return Path(path)


def _record(repo: Repo, path: Path) -> AssetRecord:
    # A snapshot's folder is named after its commit.
    return AssetRecord(repo.name, f"hub:{repo.name}", str(path), revision=path.name)


def _wanted(file: str, repo: Repo) -> bool:
    def matches(patterns: Sequence[str]) -> bool:
        return any(fnmatch.fnmatch(file, pattern) for pattern in patterns)

    return matches(repo.files) and not matches(repo.skip)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
