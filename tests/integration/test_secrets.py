"""Keys and passwords of the environment are in no file that a run writes, and on no screen."""

from __future__ import annotations

import asyncio
import base64
import gzip
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("litellm", reason="litellm is not installed (extra `litellm`)")

from elad_exp import config as configuration
from elad_exp.__main__ import main
from elad_exp.teachers import calling, litellm
from elad_exp.teachers.endpoint import endpoint
from tests.helpers_litellm import QUIET
from tests.helpers_main import SIZES, TINY, result
from tests.helpers_openai import Fault, Server, serve

pytestmark = QUIET

USER, PASSWORD = "canary-user-5f1e", "canary/pass-77b0"
KEYS = {"OPENAI_API_KEY": "canary-openai-1c9d", "ELAD_EXP_API_KEY": "canary-own-e2a8"}
PAIR = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
CANARIES = [*KEYS.values(), USER, PASSWORD, PASSWORD.replace("/", "%2F"), PAIR]
TEACHER = [
    "teacher=litellm",
    "teacher.model=openai/scripted",
    "teacher.prompt_usd=1e-7",
    "teacher.completion_usd=4e-7",
    "teacher.attempts=2",
    "teacher.longest_pause_s=0.01",
    "teacher.give_up_after=2",
    "teacher.concurrency=1",
]


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(lambda body: "no JSON") as running:
        yield running


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: Server) -> None:
    for name, value in (KEYS | {"ELAD_EXP_API_BASE": hidden(server)}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(calling, "FIRST_PAUSE_S", 0.01)
    monkeypatch.chdir(tmp_path)


def hidden(server: Server) -> str:
    quoted = PASSWORD.replace("/", "%2F")
    return server.url.replace("http://", f"http://{USER}:{quoted}@")


def silent(*texts: str | bytes, folder: Path) -> None:
    """No canary is in the texts, nor in any file below the folder, packed or not."""
    files = {}
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            raw = path.read_bytes()
            files[str(path)] = gzip.decompress(raw) if path.suffix == ".gz" else raw
    assert files
    shown = {f"text {i}": t if isinstance(t, bytes) else t.encode() for i, t in enumerate(texts)}
    found = [
        (name, canary)
        for name, raw in (files | shown).items()
        for canary in CANARIES
        if canary.encode() in raw
    ]
    assert found == []


@pytest.mark.parametrize("logger", ["csv", pytest.param("wandb_offline", marks=pytest.mark.slow)])
def test_a_server_that_repeats_all_it_was_sent(
    tmp_path: Path, server: Server, capfd: pytest.CaptureFixture[str], logger: str
) -> None:
    if logger != "csv":
        pytest.importorskip("wandb", reason="wandb is not installed (extra `wandb`)")
    message = f"{KEYS['ELAD_EXP_API_KEY']} Basic {PAIR} is not {hidden(server)} for {USER}"
    server.faults[:] = [Fault(), Fault(status=500, message=message)]
    server.faults += [Fault(status=401, message=f"{message} {KEYS['OPENAI_API_KEY']}")]
    path = tmp_path / "run"
    assert main([*TINY, *TEACHER, f"logger={logger}", f"paths.run_dir={path}"]) == 75
    assert result(path)["stop_reason"] == "teacher"
    assert "is not http://***@127.0.0.1" in (path / "run.log").read_text()
    assert (path / "wandb").exists() is (logger != "csv")
    out, err = capfd.readouterr()
    assert "turns calls down" in out
    silent(out, err, folder=tmp_path)
    # The server got the credentials of its address, and no key of a provider.
    assert len(server.headers) == 3
    for headers in server.headers:
        assert headers["authorization"] == f"Basic {PAIR}"
        assert KEYS["OPENAI_API_KEY"] not in str(headers)


def test_a_server_named_by_its_address_gets_its_own_key_or_none(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask() -> None:
        await litellm.call(
            [{"role": "user", "content": "hi"}],
            model="openai/scripted",
            max_completion_tokens=5,
            timeout_s=10,
            endpoint=endpoint(server.url),
        )
        await litellm.close()

    monkeypatch.delenv("ELAD_EXP_API_BASE")
    asyncio.run(ask())
    monkeypatch.delenv("ELAD_EXP_API_KEY")
    asyncio.run(ask())
    sent = [headers["authorization"] for headers in server.headers]
    assert sent == [f"Bearer {KEYS['ELAD_EXP_API_KEY']}", "Bearer none"]
    assert KEYS["OPENAI_API_KEY"] not in str(server.headers) + str(server.requests)


# The text of an exception repeats what it should not.
BROKEN = """
import os, runpy, sys
from elad_exp.teachers import litellm
async def breaks(*args, **options):
    try:
        raise ValueError(os.environ["OPENAI_API_KEY"])
    except ValueError as error:
        raise RuntimeError("in " + os.environ["ELAD_EXP_API_BASE"]) from error
litellm.call = breaks
runpy.run_module("elad_exp", run_name="__main__", alter_sys=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("sweep", [False, True], ids=["run", "sweep"])
def test_tracebacks_of_an_error_that_nobody_expected(tmp_path: Path, sweep: bool) -> None:
    where = ["-m", "hydra.sweep.dir=sweep"] if sweep else ["paths.run_dir=run"]
    command = [sys.executable, "-c", BROKEN, *where, *TINY, *TEACHER]
    done = subprocess.run(command, capture_output=True, check=False, cwd=tmp_path, timeout=120)
    assert done.returncode == 1, done.stderr.decode()
    assert b"RuntimeError: in http://***@127.0.0.1" in done.stderr
    logs = list(tmp_path.rglob("run.log"))
    assert len(logs) == 1
    assert "Traceback" in logs[0].read_text()
    assert "RuntimeError" in result(logs[0].parent)["stop_reason"]
    silent(done.stdout, done.stderr, folder=tmp_path)


# -- refusals --------------------------------------------------------------------------------------


def own_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    """A copy of the configuration with an experiment of the user's."""
    folder = tmp_path.parent / f"{tmp_path.name}-conf"
    shutil.copytree(configuration.config_dir(), folder)
    base = (folder / "experiment" / "quickstart.yaml").read_text()
    (folder / "experiment" / "mine.yaml").write_text(f"{base}\n{text}\n")
    monkeypatch.setattr(configuration, "config_dir", lambda: folder)


@pytest.mark.parametrize("sweep", [False, True], ids=["run", "sweep"])
@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("  api_base: http://me:canary-own-e2a8@host/v1", "teacher.api_base"),
        ("  api_key: canary-own-e2a8", "teacher.api_key"),
        ("  kwargs: {headers: [{hf_token: canary-own-e2a8}]}", "teacher.kwargs.headers.hf_token"),
    ],
)
def test_secrets_in_an_experiment_are_refused_before_anything_is_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    text: str,
    key: str,
    sweep: bool,
) -> None:
    own_configuration(monkeypatch, tmp_path, f"teacher:\n{text}")
    monkeypatch.delenv("ELAD_EXP_API_BASE")
    where = ["-m", f"hydra.sweep.dir={tmp_path / 'sweep'}"] if sweep else []
    given = ["teacher=litellm", "teacher.model=openai/x", f"paths.root={tmp_path / 'runs'}"]
    given = given[:2] if sweep else given
    assert main([*where, "+experiment=mine", *SIZES, *given]) == 2
    out, err = capfd.readouterr()
    assert key in err
    assert "canary" not in out + err
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("name", ["OPENAI_API_BASE", "OPENAI_BASE_URL", "ANTHROPIC_API_BASE"])
def test_other_addresses_of_the_environment_may_not_hold_credentials(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    name: str,
) -> None:
    monkeypatch.setenv(name, os.environ["ELAD_EXP_API_BASE"])
    assert main(TINY) == 2
    out, err = capfd.readouterr()
    assert f"{name} carries a user name or password" in err
    assert "canary" not in out + err
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
