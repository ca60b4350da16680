"""What all peers share: the arguments, the warm-up, the clock and the line that is printed.

Standard library only: peers run in environments of their own.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

TIMEOUT_S = 60.0

Messages = list[dict[str, str]]
Ask = Callable[[Sequence[Messages]], list[str]]


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True, help="address of the server, without /v1")
    parser.add_argument("--work", type=Path, required=True, help="folder with work.json")
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("--discard", type=int, required=True)
    parser.add_argument("--store", type=Path, required=True, help="folder of this peer's files")
    return parser


def work(given: argparse.Namespace) -> dict[str, Any]:
    """`prompts`, the `answer` that the server gives to each, `model`, and `options`: what a body
    holds besides.
    """
    found: dict[str, Any] = json.loads((given.work / "work.json").read_text(encoding="utf-8"))
    return found


def measure(ask: Ask, given: argparse.Namespace, *, packages: Sequence[str] = ()) -> None:
    """Ask for the first `discard` prompts, then for the others with the clock running.

    Imports, connections and whatever else a peer does once belong to the warm-up. CPU is user and
    system time of all threads of this process.
    """
    todo = work(given)
    prompts, answer = todo["prompts"], todo["answer"]
    discard = given.discard
    warm = ask(prompts[:discard])
    wall, cpu = time.perf_counter(), time.process_time()
    timed = ask(prompts[discard:])
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    answers = [*warm, *timed]
    if answers != [answer] * len(prompts):
        wrong = sum(a != answer for a in answers)
        raise SystemExit(f"{len(answers)} answers for {len(prompts)} prompts, {wrong} wrong")
    print(
        json.dumps(
            {
                "answers": len(timed),
                "wall_s": wall,
                "cpu_s": cpu,
                "python": platform.python_version(),
                "packages": {name: _version(name) for name in packages},
            }
        )
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
