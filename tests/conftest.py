"""Shared by all tests: offline, one thread, caches below a temporary folder."""

from __future__ import annotations

import gc
import itertools
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


_caches = itertools.count()


def pytest_collection_finish() -> None:
    """What is imported stays: the collector need not walk it again (half a second each time)."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _own_cache(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's store or assets. A folder is made where there is need."""
    if "tmp_path" in request.fixturenames:
        path = request.getfixturevalue("tmp_path") / "cache"
    else:
        factory = request.getfixturevalue("tmp_path_factory")
        path = factory.getbasetemp() / f"cache{next(_caches)}"
    monkeypatch.setenv("ELAD_EXP_CACHE", str(path))


@pytest.fixture
def shared_data() -> Path:
    """The folder of real datasets named by ELAD_EXP_DATA or beside the checkout."""
    default = Path(__file__).parents[2] / "shared" / "data"
    path = Path(os.environ.get("ELAD_EXP_DATA", default))
    if not path.is_dir():
        pytest.skip("real datasets are not at hand (set ELAD_EXP_DATA)")
    return path
