"""Who holds a reservation, and whether that process is still alive."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from elad_exp.types import Record

LEASE_S = 900.0
"""For so long a process of which nothing can be known counts as alive."""


@dataclass(frozen=True, slots=True)
class Owner(Record):
    """A process. `host` is where its pid means something: host name and, on Linux, the namespace
    of process ids (containers may share a name). `start` tells the process from a later one with
    the same pid; empty if unreadable.
    """

    host: str
    pid: int
    start: str


def this_process() -> Owner:
    """The owner that this process is."""
    pid, host = os.getpid(), socket.gethostname()
    namespace = Path("/proc/self/ns/pid")
    if namespace.is_symlink():
        host += f" {namespace.readlink()}"
    return Owner(host, pid, process_start(pid) or "")


def process_start(pid: int) -> str | None:
    """When process `pid` started, as an opaque word; None if there is none or it cannot be read.

    On Linux, the boot and the clock tick since then; elsewhere what `ps` prints.
    """
    if sys.platform.startswith("linux"):
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        except OSError:
            return None
        # The command, in parentheses, may itself hold blanks and parentheses.
        fields = stat.rpartition(")")[2].split()
        state, start = fields[0], fields[19]
        return None if state in "ZX" else f"{boot}:{start}"
    if os.name != "posix":
        return None
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    try:
        shown = subprocess.run(
            command, capture_output=True, text=True, check=False, env=os.environ | {"LC_ALL": "C"}
        )
    except OSError:
        return None
    return shown.stdout.strip() or None


def is_dead(owner: Owner, *, me: Owner, lease_over: bool) -> bool:
    """Whether `owner` can no longer use what it holds.

    A process of this host is looked up. Of a process elsewhere, or where start times cannot be
    read, nothing is known until its lease is over.
    """
    if owner.host == me.host and owner.start and me.start:
        return process_start(owner.pid) != owner.start
    return lease_over
