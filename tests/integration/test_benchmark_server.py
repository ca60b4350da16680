"""The benchmark's server counts what arrives and answers like a chat completions endpoint."""

import json
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SERVER = Path(__file__).resolve().parents[2] / "benchmarks" / "teacher" / "server.py"
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    with OPENER.open(urllib.request.Request(url, data), timeout=10) as reply:
        return json.load(reply)


def test_server_answers_and_counts(tmp_path):
    (tmp_path / "answer").write_text("fixed", encoding="utf-8")
    command = [sys.executable, str(SERVER), "--answer", str(tmp_path / "answer")]
    command += ["--latency-s", "0.3", "--discard", "1"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        url = process.stdout.readline().strip()
        long = [{"role": "system", "content": "s"}, {"role": "user", "content": "x" * 200_000}]
        body = {"model": "m", "messages": long}

        def ask(_):
            return get(f"{url}/v1/chat/completions", body)

        with ThreadPoolExecutor(3) as pool:
            replies = list(pool.map(ask, range(3)))
        probe = get(f"{url}/v1/chat/completions", {"model": "m", "messages": []})
        stats = get(f"{url}/stats")
        process.stdin.close()
        assert process.wait(timeout=10) == 0

    contents = [r["choices"][0]["message"]["content"] for r in [*replies, probe]]
    assert contents == ["fixed"] * 4
    assert (stats["requests"], stats["probes"], stats["highest_in_flight"]) == (3, 1, 3)
    assert stats["fields"] == ["messages", "model"]
    assert stats["window_s"] >= 0.29
