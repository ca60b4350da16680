"""Two processes under DDP: rank 0 acts, all learn of it, all go on or all raise (F16)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from elad_exp.callbacks.ranks import on_rank_zero

# Run as a script, once a process, by Lightning's own launcher.
SCRIPT = """
import os, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
import lightning as L, torch
from torch.utils.data import DataLoader
from elad_exp.callbacks.ranks import on_rank_zero
from elad_exp.callbacks.selection import share_pool
from elad_exp.data.pool import Pool
from elad_exp.errors import EladError
from elad_exp.types import Annotation, Explanation, Query, QueryItem, Sample, Status

out, mode = Path(sys.argv[1]), sys.argv[2]

class Rounds:
    pool = Pool([Sample(str(i), f"q{i}") for i in range(9)])

class Buys(L.Callback):
    def on_train_epoch_end(self, trainer, pl_module):
        def buy():
            (out / f"bought-by-{trainer.global_rank}").touch()
            if mode == "error":
                raise EladError("the teacher is out")
            sample = Rounds.pool.unlabelled[0]
            Rounds.pool.open(Query(Rounds.pool.round, (QueryItem(sample),)))
            Rounds.pool.close([Annotation(sample, Explanation.of(["s"], "yes"), Status.OK, "t")])
            return {"ids": [sample.id]}
        value = on_rank_zero(trainer, buy)
        share_pool(trainer, Rounds)
        text = f"{value} {Rounds.pool.round} {[a.sample.id for a in Rounds.pool.labelled]}"
        (out / f"rank-{trainer.global_rank}").write_text(text)

class Line(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
    def training_step(self, batch, i):
        return self.layer(batch).mean()
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

trainer = L.Trainer(accelerator="cpu", devices=2, strategy="ddp", max_epochs=2, logger=False,
    enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    reload_dataloaders_every_n_epochs=1, default_root_dir=out, callbacks=[Buys()])
try:
    trainer.fit(Line(), DataLoader(torch.ones(4, 1)))
except EladError as error:
    (out / f"error-{trainer.global_rank}").write_text(str(error))
    sys.exit(1)
"""


def two_processes(folder: Path, mode: str) -> int:
    script = folder / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(folder), mode]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    return done.returncode


@pytest.mark.slow
def test_f16_the_value_and_the_pool_reach_both_ranks_and_rank_0_alone_acts(tmp_path: Path) -> None:
    assert two_processes(tmp_path, "value") == 0
    texts = [(tmp_path / f"rank-{rank}").read_text() for rank in (0, 1)]
    assert texts == ["{'ids': ['1']} 2 ['0', '1']"] * 2
    assert [p.name for p in tmp_path.glob("bought-by-*")] == ["bought-by-0"]


@pytest.mark.slow
def test_f16_an_error_on_rank_0_is_raised_on_both(tmp_path: Path) -> None:
    assert two_processes(tmp_path, "error") == 1
    texts = [(tmp_path / f"error-{rank}").read_text() for rank in (0, 1)]
    assert texts == ["the teacher is out"] * 2


class Broadcasts:
    """Stands for a strategy; keeps what rank 0 sends and gives it to rank 1."""

    def __init__(self) -> None:
        self.sent: Any = None

    def trainer(self, rank: int) -> Any:
        def broadcast(value: Any, src: int = 0) -> Any:
            if rank == src:
                self.sent = value
            return self.sent

        strategy = SimpleNamespace(broadcast=broadcast)
        return SimpleNamespace(world_size=2, is_global_zero=rank == 0, strategy=strategy)


def test_f16_what_rank_0_found_is_what_rank_1_gets() -> None:
    both, calls = Broadcasts(), []

    def act() -> int:
        calls.append(1)
        return 7

    assert [on_rank_zero(both.trainer(rank), act) for rank in (0, 1)] == [7, 7]
    assert calls == [1]


def test_f16_rank_0_sends_its_error_before_it_raises() -> None:
    both = Broadcasts()

    def fail() -> None:
        raise ValueError("out")

    for rank in (0, 1):
        with pytest.raises(ValueError, match="out"):
            on_rank_zero(both.trainer(rank), fail)
    assert both.sent[0] == "err"


def test_with_one_process_nothing_is_sent() -> None:
    alone: Any = SimpleNamespace(world_size=1)
    assert on_rank_zero(alone, lambda: torch.ones(1).item()) == 1.0
