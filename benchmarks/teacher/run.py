"""Time of teacher calls: ours against bare litellm and bespokelabs-curator, interleaved.

python run.py --setup          make the peers' environments in .envs/
python run.py                  512 requests a peer, 5 repetitions
python run.py --cached         ours, with every answer in the store
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import table
import workload
from server import fingerprint

HERE = Path(__file__).resolve().parent
ENVS, RESULTS = HERE / ".envs", HERE / "results"
REQUESTS, CONCURRENCY, DISCARD, LATENCY_S = 512, 32, 32, 0.2


@dataclass(frozen=True, slots=True)
class Peer:
    """A script, its arguments and its environment; null: the one that runs this file.

    `calls`: whether it asks the server.
    """

    script: str
    environment: str | None = None
    arguments: tuple[str, ...] = ()
    calls: bool = True


PEERS = {
    "raw": Peer("raw.py"),
    "httpx": Peer("bare_httpx.py", "litellm"),
    "litellm": Peer("bare_litellm.py", "litellm"),
    "ours": Peer("ours.py"),
    "ours-pause": Peer("ours.py", arguments=("--pause-s", str(LATENCY_S)), calls=False),
    "curator": Peer("bespoke_curator.py", "curator", ("--backend", "openai")),
    "curator-litellm": Peer("bespoke_curator.py", "curator", ("--backend", "litellm")),
}
# litellm alone gets the versions that ours runs on.
PACKAGES = {
    "litellm": ("--constraint", str(HERE.parents[1] / "constraints.txt"), "litellm"),
    "curator": ("bespokelabs-curator==0.1.31",),
}
# Each peer at its best: no telemetry, display, cache or look-ups in the network.
SETTINGS = {
    "HF_HUB_OFFLINE": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "TELEMETRY_ENABLED": "false",
    "CURATOR_DISABLE_CACHE": "1",
    "CURATOR_DISABLE_RICH_DISPLAY": "1",
    "TQDM_DISABLE": "1",
    "NO_PROXY": "127.0.0.1",
    "OPENAI_API_KEY": "none",
    "PYTHONPATH": str(HERE.parents[1] / "src"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--setup", action="store_true", help="make the environments, and end")
    parser.add_argument("--cached", action="store_true", help="time of a cached answer")
    parser.add_argument("--model", default="benchmark", help="openai/MODEL, as litellm knows it")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--peers", default=",".join(PEERS), help=f"of {','.join(PEERS)}")
    given = parser.parse_args()
    if given.setup:
        setup()
        return
    names = ["ours"] if given.cached else given.peers.split(",")
    if unknown := set(names) - set(PEERS):
        parser.error(f"no such peer: {', '.join(sorted(unknown))}; there are: {', '.join(PEERS)}")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        todo = workload.work(REQUESTS, given.model)
        (work / "answer").write_text(todo["answer"], encoding="utf-8")
        (work / "work.json").write_text(json.dumps(todo), encoding="utf-8")
        sent = sum(map(fingerprint, todo["prompts"]))
        for repetition in range(given.repetitions):
            # Who comes first changes, so that no peer always follows the same one.
            shift = repetition % len(names)
            for name in names[shift:] + names[:shift]:
                row = {"repetition": repetition, "peer": name}
                row |= repeat(name, work, sent=sent, cached=given.cached)
                rows.append(row)
                print(json.dumps(row), flush=True)
    result = {
        "machine": machine(),
        "model": given.model,
        "requests": REQUESTS,
        "concurrency": CONCURRENCY,
        "discarded": DISCARD,
        "latency_s": LATENCY_S,
        "rows": rows,
    }
    name = f"{'cached' if given.cached else 'calls'}-{given.model}"
    text = table.cached(rows) if given.cached else table.calls(rows, ideal_s=ideal_s())
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
    print(text, end="")


def setup() -> None:
    """Make each environment anew."""
    for name, packages in PACKAGES.items():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(ENVS / name)], check=True)
        pip = [str(python(name)), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, *packages], check=True)


def ideal_s() -> float:
    """Full waves of `CONCURRENCY` requests, and nothing but the server's latency."""
    return (REQUESTS - DISCARD) / CONCURRENCY * LATENCY_S


def repeat(name: str, work: Path, *, sent: int, cached: bool) -> dict[str, Any]:
    """One run of a peer against a server of its own; for `cached`, its second run on its store."""
    with serve(work / "answer") as url, tempfile.TemporaryDirectory() as store:
        row = once(PEERS[name], url, work, Path(store))
        if cached:
            row = once(PEERS[name], url, work, Path(store))
        # Of both runs together: the second one must not have asked.
        check(name, row["server"], requests=REQUESTS * PEERS[name].calls, sent=sent)
        return row


def once(peer: Peer, url: str, work: Path, store: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as home:
        command = [str(python(peer.environment)), str(HERE / "peers" / peer.script)]
        command += ["--url", url, "--work", str(work), "--store", str(store), *peer.arguments]
        command += ["--concurrency", str(CONCURRENCY), "--discard", str(DISCARD)]
        environment = {**os.environ, **SETTINGS, "HOME": home}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{peer.script} failed:\n{done.stderr[-3000:]}")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url) as reply:
        stats = json.load(reply)
    return {**json.loads(done.stdout.splitlines()[-1]), "server": stats}


def check(name: str, stats: dict[str, Any], *, requests: int, sent: int) -> None:
    """The peer has sent what it should.

    Raises:
        SystemExit: Too few or too many requests, too many at once, or other prompts.
    """
    if stats["requests"] != requests or stats["highest_in_flight"] > CONCURRENCY:
        raise SystemExit(f"{name} should send {requests} requests, {CONCURRENCY} at once: {stats}")
    if requests and stats["fingerprint"] != sent:
        raise SystemExit(f"{name} has sent other prompts than it was given")


@contextmanager
def serve(answer: Path) -> Iterator[str]:
    """A server in a process of its own; its address."""
    command = [sys.executable, str(HERE / "server.py"), "--answer", str(answer)]
    command += ["--latency-s", str(LATENCY_S), "--discard", str(DISCARD)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(timeout=10)
        process.stdout.close()


def python(environment: str | None) -> Path:
    if environment is None:
        return Path(sys.executable)
    found = ENVS / environment / "bin" / "python"
    if ENVS.exists() and not found.exists():
        raise SystemExit(f"no environment {environment}: run `python run.py --setup` first")
    return found


def machine() -> dict[str, Any]:
    cpu = Path("/proc/cpuinfo")
    lines: Sequence[str] = cpu.read_text().splitlines() if cpu.exists() else ()
    model = next((x.partition(":")[2].strip() for x in lines if x.startswith("model name")), "")
    load = os.getloadavg()
    return {
        "system": platform.system(),
        "cpu": model or platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_average_at_the_end": [round(x, 2) for x in load],
    }


if __name__ == "__main__":
    main()
