"""Fetching from a package index made on the spot: a folder of archives, or a dead port."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import shutil
import socket
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from elad_exp.assets import ASSETS, Asset, Member, cache_dir, fetch_pypi, hub_cache_dir, pypi
from elad_exp.errors import AssetError

CONTENT = b"the member's content\n" * 50


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip looks for archives."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def asset_of(data: bytes, archive: str) -> Asset:
    return Asset(
        name="toy",
        title="a toy",
        package="toy-data",
        version="1.2",
        archive=archive,
        bytes=len(data),
        sha256=sha(data),
        licence="MIT",
        hub="owner/toy",
        members=(Member("toy/data/wanted.txt", "wanted.txt", len(CONTENT), sha(CONTENT)),),
    )


def sdist(index: Path) -> Asset:
    """An sdist whose setup.py leaves a trace if anything runs it."""
    trace = index.parent / "setup_py_ran"
    files = {
        "setup.py": f"import pathlib\npathlib.Path({str(trace)!r}).touch()\n".encode(),
        "PKG-INFO": b"Metadata-Version: 2.1\nName: toy-data\nVersion: 1.2\n",
        "toy/data/wanted.txt": CONTENT,
        "other/toy/data/wanted.txt": b"not this one",
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(f"toy_data-1.2/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    (index / "toy_data-1.2.tar.gz").write_bytes(buffer.getvalue())
    return asset_of(buffer.getvalue(), "toy_data-1.2.tar.gz")


def wheel(index: Path) -> Asset:
    name = "toy_data-1.2-py3-none-any.whl"
    info = "toy_data-1.2.dist-info"
    with zipfile.ZipFile(index / name, "w") as archive:
        archive.writestr("toy/data/wanted.txt", CONTENT)
        archive.writestr("toy/data/more.txt", b"x")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: toy-data\nVersion: 1.2")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return asset_of((index / name).read_bytes(), name)


def in_cache() -> list[str]:
    return sorted(p.relative_to(cache_dir()).as_posix() for p in cache_dir().rglob("*"))


def test_sdist_is_fetched_without_running_its_code(index: Path) -> None:
    asset = sdist(index)
    told: list[str] = []
    record = fetch_pypi(asset, notify=told.append)
    assert (Path(record.path) / "wanted.txt").read_bytes() == CONTENT
    assert not (index.parent / "setup_py_ran").exists()
    assert in_cache() == [
        "assets",
        "assets/toy-1.2",
        "assets/toy-1.2.lock",
        "assets/toy-1.2/wanted.txt",
    ]
    assert record.to_dict() == {
        "name": "toy",
        "source": "pypi:toy-data==1.2",
        "path": str(cache_dir() / "assets" / "toy-1.2"),
        "revision": "",
        "sha256": asset.sha256,
        "bytes": asset.bytes,
        "members": {"wanted.txt": sha(CONTENT)},
        "note": "",
    }
    [line] = told
    assert "0.0 MB" in line
    assert record.path in line


def test_what_is_in_the_cache_is_not_fetched_again(index: Path) -> None:
    asset = wheel(index)
    record = fetch_pypi(asset)
    shutil.rmtree(index)
    told: list[str] = []
    assert fetch_pypi(asset, notify=told.append) == record
    assert told == []


def test_damaged_cache_is_fetched_again(index: Path, caplog: pytest.LogCaptureFixture) -> None:
    asset = wheel(index)
    path = Path(fetch_pypi(asset).path) / "wanted.txt"
    path.write_bytes(CONTENT.replace(b"t", b"T"))
    fetch_pypi(asset)
    assert path.read_bytes() == CONTENT
    assert "is damaged" in caplog.text


@pytest.mark.parametrize("make", [sdist, wheel])
def test_an_archive_with_another_hash_is_refused(
    index: Path, make: Callable[[Path], Asset]
) -> None:
    asset = dataclasses.replace(make(index), sha256="0" * 64)
    with pytest.raises(AssetError, match=r"could not download toy-data==1\.2: .*HASHES"):
        fetch_pypi(asset)
    assert in_cache() == ["assets", "assets/toy-1.2.lock"]


@pytest.mark.parametrize("make", [sdist, wheel])
def test_a_member_with_another_hash_or_none_is_refused(
    index: Path, make: Callable[[Path], Asset]
) -> None:
    asset = make(index)
    [member] = asset.members
    for change, match in (
        ({"sha256": "1" * 64}, "and sha256"),
        ({"path": "toy/no"}, "lacks toy/no"),
    ):
        wrong = dataclasses.replace(asset, members=(dataclasses.replace(member, **change),))
        with pytest.raises(AssetError, match=match):
            fetch_pypi(wrong)
        assert in_cache() == ["assets", "assets/toy-1.2.lock"]


def test_a_dead_index_fails_at_once_and_shows_no_credentials(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = wheel(index)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://user:hunter2@127.0.0.1:{port}/simple")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    began = time.monotonic()
    with pytest.raises(AssetError) as caught:
        fetch_pypi(asset)
    assert time.monotonic() - began < 20
    message = str(caught.value)
    assert "refused" in message
    assert "No matching distribution found for toy-data==1.2" in message
    assert "hunter2" not in message
    assert "object at 0x" not in message


def test_no_pip_is_said_plainly(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asset = wheel(index)
    output = f"{sys.executable}: No module named pip\n"
    monkeypatch.setattr(pypi, "_run", lambda *_: (1, output))
    with pytest.raises(AssetError, match=r"this Python has no pip; run .* -m ensurepip"):
        fetch_pypi(asset)


def test_credentials_of_an_index_are_removed() -> None:
    assert pypi._complaint("ERROR: 404 for https://me:token@host/simple/toy/") == (
        "ERROR: 404 for https://***@host/simple/toy/"
    )


def test_a_second_process_waits_and_uses_the_first_ones_copy(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = wheel(index)
    downloads: list[str] = []
    told: list[str] = []
    entered, go_on = threading.Event(), threading.Event()
    really = pypi._pip_download

    def slow(asset: Asset, partial: Path, notify: pypi.Notify) -> Path:
        downloads.append(asset.name)
        entered.set()
        go_on.wait(10)
        return really(asset, partial, notify)

    def hear(line: str) -> None:
        told.append(line)
        if "waiting" in line:
            go_on.set()

    monkeypatch.setattr(pypi, "_pip_download", slow)
    records = []
    threads = [
        threading.Thread(target=lambda: records.append(fetch_pypi(asset, notify=hear)))
        for _ in range(2)
    ]
    threads[0].start()
    assert entered.wait(10)
    threads[1].start()
    for thread in threads:
        thread.join(30)
    assert downloads == ["toy"]
    assert records[0] == records[1]
    assert any("another process fetches a toy" in line for line in told)


def test_leftovers_of_a_killed_download_are_removed(index: Path) -> None:
    asset = wheel(index)
    partial = cache_dir() / "assets" / "toy-1.2.partial-1" / "members"
    partial.mkdir(parents=True)
    (partial / "half").touch()
    fetch_pypi(asset)
    assert not partial.parent.exists()


def test_a_cache_that_cannot_be_written_or_is_full(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = wheel(index)
    usage = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(pypi.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(AssetError, match=r"has 0\.0 MB free\. Set ELAD_EXP_CACHE"):
        fetch_pypi(asset)
    (tmp_path / "file").touch()
    monkeypatch.setenv("ELAD_EXP_CACHE", str(tmp_path / "file"))
    with pytest.raises(AssetError, match="Set ELAD_EXP_CACHE to a folder"):
        fetch_pypi(asset)


def test_one_variable_moves_all_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ELAD_EXP_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    assert hub_cache_dir() == tmp_path / "hub"
    monkeypatch.delenv("ELAD_EXP_CACHE")
    assert hub_cache_dir() is None


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/elad_exp"),
        ("linux", {}, "/home/me/.cache/elad_exp"),
        ("darwin", {}, "/home/me/Library/Caches/elad_exp"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/elad_exp"),
    ],
)
def test_default_cache_follows_the_platform(
    monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], expected: str
) -> None:
    for name in ("ELAD_EXP_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/me", **variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_dir() == Path(expected)


def test_catalogue_is_consistent() -> None:
    for name, asset in ASSETS.items():
        assert name == asset.name
        assert asset.archive.startswith(asset.package.replace("-", "_") + f"-{asset.version}")
        assert all(len(m.sha256) == 64 and m.bytes > 0 for m in asset.members)
        assert len({m.name for m in asset.members}) == len(asset.members)


@pytest.mark.network
@pytest.mark.parametrize("name", sorted(ASSETS))
def test_every_asset_can_be_fetched(name: str) -> None:
    record = fetch_pypi(ASSETS[name])
    assert all((Path(record.path) / member).is_file() for member in record.members)


def test_progress_survives_files_that_pip_removes_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    asset = ASSETS["strategyqa"]
    for name in ("here", "gone"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.tar.gz").write_bytes(b"1" * 1_000_000)
    real = os.path.getsize

    def getsize(path: str) -> int:
        if "gone" in path:
            raise FileNotFoundError(path)
        return real(path)

    monkeypatch.setattr(os.path, "getsize", getsize)
    assert "1.0 MB of 358" in pypi._progress(asset, tmp_path)
