"""What `serve-teacher` would start, and what it refuses; the server itself is a slow test."""

from __future__ import annotations

import importlib.util
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from elad_exp import serve
from elad_exp.assets import cache_dir
from elad_exp.assets.catalogue import SMOLLM2
from elad_exp.cli import _parser, main
from elad_exp.config import config_dir
from elad_exp.errors import ConfigError
from elad_exp.student.pretrained import dequantised_name

for package in ("fastapi", "uvicorn"):
    pytest.importorskip(package, reason=f"{package} is not installed (extra `serve`)")


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind((serve.HOST, 0))
        return int(probe.getsockname()[1])


def model(folder: Path) -> Path:
    folder.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (folder / name).touch()
    return folder


def source(server: serve.Server) -> Path:
    """The folder whose files are served."""
    return (server.cwd / server.name / "config.json").resolve().parent


def test_the_preset_asks_for_what_is_served_by_default() -> None:
    preset = OmegaConf.load(config_dir() / "teacher" / "litellm_local.yaml")
    (member,) = SMOLLM2.members
    assert dequantised_name(member.name) == serve.MODEL
    assert preset.model == f"openai/{serve.MODEL}"
    assert preset.api_base == f"http://{serve.HOST}:{serve.PORT}/v1"
    assert (preset.prompt_usd, preset.completion_usd) == (0, 0)
    assert _parser().parse_args(["serve-teacher"]).port == serve.PORT


def test_a_folder_is_served_under_its_name_from_our_cache(tmp_path: Path, port: int) -> None:
    first, second = model(tmp_path / "mine @2"), model(tmp_path / "other")
    found = serve.prepare(str(first), port=port)
    assert found.name == "mine-2"
    assert found.cwd == cache_dir() / "served"
    assert source(found) == first
    assert found.argv[-2:] == ("mine-2", str(port))
    assert found.overrides == [
        "teacher=litellm_local",
        f"teacher.api_base=http://127.0.0.1:{port}/v1",
        "teacher.model=openai/mine-2",
    ]
    # A name that was used before means the folder given last.
    second.rename(tmp_path / "mine-2")
    again = serve.prepare(str(tmp_path / "mine-2"), port=port)
    assert source(again) == tmp_path / "mine-2"


def test_settings_are_added_without_touching_the_models_own_folder(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    own = folder / "generation_config.json"
    own.write_text('{"eos_token_id": 2, "do_sample": false}')
    serve._lay_out(tmp_path / "served" / "m", folder, serve.SAMPLING)
    found = tmp_path / "served" / "m" / "generation_config.json"
    assert json.loads(found.read_text()) == {"eos_token_id": 2, **serve.SAMPLING}
    assert json.loads(own.read_text()) == {"eos_token_id": 2, "do_sample": False}
    assert [p.name for p in (tmp_path / "served").iterdir()] == ["m"]


def test_the_usual_server_needs_no_further_override() -> None:
    usual = serve.Server(serve.MODEL, "file", serve.PORT, (), Path(), {})
    assert usual.overrides == ["teacher=litellm_local"]
    told = "python -m elad_exp +experiment=quickstart teacher=litellm_local schedule.rounds=2"
    assert told in serve.to_text(usual)


def test_a_port_in_use_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind((serve.HOST, 0))
        other.listen()
        taken = other.getsockname()[1]
        assert main(["serve-teacher", "--port", str(taken)]) == 2
    assert f"--port {taken} on 127.0.0.1 cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [0, -1, 65536])
def test_a_port_that_is_none_is_refused(wrong: int) -> None:
    with pytest.raises(ConfigError, match="must be 1 to 65535"):
        serve.prepare(port=wrong)


def test_missing_packages_are_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec

    def without(name: str, *rest: Any) -> Any:
        return None if name in ("fastapi", "uvicorn") else real(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    with pytest.raises(ConfigError) as caught:
        serve.prepare()
    assert str(caught.value) == (
        "serve-teacher needs fastapi, uvicorn, which is not installed; install elad-exp[serve]"
    )
