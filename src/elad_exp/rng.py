"""Random generators derived from (seed, purpose, ...), so that no draw shifts another."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np


def derive_seed(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed from `seed` and what it is for, e.g. `derive_seed(0, "select", 3)`."""
    text = "\x1f".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def seeds_for(seed: int, *purpose: str | int) -> Callable[[str], int]:
    """`derive_seed` of many purposes that differ in their last part, which the function takes."""
    start = "\x1f".join([*map(str, (seed, *purpose)), ""])

    def seed_of(last: str) -> int:
        digest = hashlib.sha256(f"{start}{last}".encode()).digest()
        return int.from_bytes(digest[:8], "big") >> 1

    return seed_of


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """A NumPy generator for one purpose. Equal arguments give equal draws."""
    return np.random.default_rng(derive_seed(seed, *purpose))
