"""Where downloads are kept. `ELAD_EXP_CACHE` moves all of them."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

VARIABLE = "ELAD_EXP_CACHE"
OFFLINE_COMMAND = "python -m elad_exp +experiment=quickstart"


def cache_dir() -> Path:
    """The folder of all caches; not created here.

    `ELAD_EXP_CACHE` if set, else `elad_exp` below the platform's cache folder: `XDG_CACHE_HOME`
    or `~/.cache`, `~/Library/Caches` on macOS, `LOCALAPPDATA` on Windows.
    """
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "elad_exp"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "elad_exp"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "elad_exp"


def store_path() -> Path:
    """The store of runs that name none."""
    return cache_dir() / "store" / "store.sqlite"


def hub_cache_dir() -> Path | None:
    """The hub's cache: below `ELAD_EXP_CACHE` if that is set, else None for the hub's default,
    so that models a user has already are found.
    """
    return cache_dir() / "hub" if os.environ.get(VARIABLE) else None


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def megabytes(n: int) -> str:
    """`n` bytes for people, in units of 10^6."""
    return f"{n / 1e6:.1f} MB" if n < 100e6 else f"{n / 1e6:,.0f} MB"
