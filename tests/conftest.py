"""Shared by all tests: offline, one thread, caches below a temporary folder."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["WANDB_MODE"] = "offline"
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import pytest
from hypothesis import settings

# The same examples every time; `make test-slow` looks at more of them.
settings.register_profile("fast", max_examples=25, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=200, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's store or assets."""
    monkeypatch.setenv("ELAD_EXP_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def shared_data() -> Path:
    """The folder of real datasets named by ELAD_EXP_DATA or beside the checkout."""
    default = Path(__file__).parents[2] / "shared" / "data"
    path = Path(os.environ.get("ELAD_EXP_DATA", default))
    if not path.is_dir():
        pytest.skip("real datasets are not at hand (set ELAD_EXP_DATA)")
    return path
