"""A real model behind a real server: two rounds over HTTP, and the ledger against its usage."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from elad_exp.assets import cache_dir
from elad_exp.assets.catalogue import SMOLLM2
from elad_exp.rundir import read_lines
from elad_exp.serve import HOST, MODEL
from tests.helpers_main import SIZES, result
from tests.helpers_proxy import record

for package in ("litellm", "fastapi", "uvicorn"):
    pytest.importorskip(package, reason=f"{package} is not installed (extra `serve`)")

FOLDER = f"{SMOLLM2.name}-{SMOLLM2.version}"
# Of the user, before tests get a cache of their own.
ASSET = cache_dir() / "assets" / FOLDER
STARTS_WITHIN_S = 600
# About a third of the answers can be used; a first query without any would end the run.
ROUNDS = [
    "schedule.rounds=2",
    "schedule.initial_size=16",
    "schedule.query_size=4",
    "teacher.max_completion_tokens=144",
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(
        not all((ASSET / member.name).is_file() for member in SMOLLM2.members),
        reason="SmolLM2 is not in the cache (`make serve-teacher` fetches it)",
    ),
]


def command(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(log: Path, environment: dict[str, str]) -> Iterator[str]:
    """The address of the server that `make serve-teacher` starts; ends as by Ctrl-C."""
    port = free_port()
    argv = command("elad_exp.cli", "serve-teacher", "--port", str(port))
    with log.open("wb") as output:
        process = subprocess.Popen(argv, env=environment, stdout=output, stderr=output)
    url = f"http://{HOST}:{port}"
    try:
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not healthy(url):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.5)
        yield url
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def healthy(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def test_two_rounds_over_http_are_billed_as_the_server_reports(tmp_path: Path) -> None:
    cache, path = cache_dir(), tmp_path / "run"
    (cache / "assets").mkdir(parents=True)
    (cache / "assets" / FOLDER).symlink_to(ASSET)
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY")}
    with served(tmp_path / "server.log", environment) as url, record(url) as proxy:
        argv = command(
            "elad_exp",
            "+experiment=quickstart",
            *SIZES,
            "teacher=litellm_local",
            f"teacher.api_base={proxy.url}/v1",
            *ROUNDS,
            f"paths.run_dir={path}",
        )
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=2400)
        assert done.returncode == 0, done.stdout + done.stderr

    found = result(path)
    assert found["status"] == "completed"
    assert found["teacher"]["model"] == f"openai/{MODEL}"
    ledger = read_lines(path / "ledger.jsonl")
    assert len(ledger) == 16 + 4
    assert {line["state"] for line in ledger} == {"settled"}
    assert not [line for line in ledger if line["cached"] or line["excess"]]
    # Call by call, then in sum; nothing was asked that the ledger does not have.
    assert proxy.statuses == [200] * len(ledger)
    billed = [(line["prompt_tokens"], line["completion_tokens"]) for line in ledger]
    assert sorted(billed) == sorted(proxy.usage)
    total = sum(map(sum, proxy.usage))
    assert found["spent"]["tokens"] == found["paid"]["tokens"] == total
    assert found["spent"]["usd"] == 0
    assert all(
        line["bound"]["tokens"] >= sum(pair) for line, pair in zip(ledger, billed, strict=True)
    )
    # It is a model that answered: some of it could be used, and was trained on.
    assert any(row["trained_on"] for row in read_lines(path / "annotations.jsonl"))
    assert all(call["model"] == MODEL for call in proxy.requests)
