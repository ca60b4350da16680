"""Random generators derived from (seed, purpose, ...), so that no draw shifts another."""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed from `seed` and what it is for, e.g. `derive_seed(0, "select", 3)`."""
    text = "\x1f".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """A NumPy generator for one purpose. Equal arguments give equal draws."""
    return np.random.default_rng(derive_seed(seed, *purpose))
