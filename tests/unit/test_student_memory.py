"""What was freed is given back."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from elad_exp.student.memory import release_memory


def resident_mb() -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator is meant")
def test_freed_pieces_do_not_stay_resident() -> None:
    pieces = [b"x" * (100_000 + i) for i in range(3_000)]
    full = resident_mb()
    last = pieces.pop()  # it pins the top of the heap, so that freeing alone gives nothing back
    pieces.clear()
    release_memory()
    assert resident_mb() < full - 200
    assert last
