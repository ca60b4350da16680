"""A whole run whose steps are clustered by a sentence encoder, and what it says of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from elad_exp import assemble
from elad_exp.rundir import read_lines
from tests.helpers_main import result, run


class Encoder:
    """Has every text at its length."""

    asset: ClassVar[dict[str, Any]] = {"name": "an encoder", "source": "file"}
    asked: ClassVar[list[str]] = []

    def __init__(self, *, beside: Any, poll: Callable[[], None]) -> None:
        assert beside.device.type == "cpu"
        poll()

    def embed(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        self.asked.extend(texts)
        angles = np.array([len(text) % 90 for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_the_encoder_is_asked_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assemble, "SentenceEncoder", Encoder)
    options = ["selection.content=cluster", "selection.content_encoder=minilm"]
    assert run(tmp_path / "run", *options, "schedule.rounds=2") == 0
    assert Encoder.asked
    assert Encoder.asset in result(tmp_path / "run")["assets"]
    (line, *_) = read_lines(tmp_path / "run" / "scores.jsonl.gz")
    settings = line["scored_by"]["settings"]
    assert (settings["content_encoder"], settings["cluster_distance"]) == ("minilm", 0.25)
    select = read_lines(tmp_path / "run" / "rounds.jsonl")[1]["select"]
    assert select["scored_by"] == line["scored_by"]


def test_an_encoder_that_nobody_asks_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "run", "selection.content_encoder=minilm") == 2
    assert "with content=auto no encoder is asked" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
