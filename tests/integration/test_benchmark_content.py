"""The pairs of benchmarks/content are what they are said to be, and its table what was measured."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from elad_exp.selectors.content import by_meaning
from elad_exp.types import Sample

HERE = Path(__file__).parents[2] / "benchmarks" / "content"


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(HERE))
    yield
    for name in ("pairs", "run"):  # other benchmarks have modules of these names
        sys.modules.pop(name, None)


def test_no_pair_is_told_apart_without_an_encoder() -> None:
    from pairs import KINDS

    assert {kind: len(pairs) for kind, pairs in KINDS.items()} == {
        "same": 24,
        "other": 24,
        "apart": 19,
    }
    for pair in {pair for pairs in KINDS.values() for pair in pairs}:
        group = by_meaning(Sample("", ""), dict.fromkeys(pair, np.ones(2)), distance=0.5)
        assert len(set(group(pair))) == 1, pair


def test_the_tables_are_of_the_results() -> None:
    from run import joined_by_rules, tables

    results = json.loads((HERE / "results.json").read_text(encoding="utf-8"))
    rules = results.pop("rules")
    text = (HERE / "README.md").read_text(encoding="utf-8")
    for line in tables(results).splitlines():
        assert line in text
    assert rules == joined_by_rules()
