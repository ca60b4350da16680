"""Facts about Lightning that the loop relies on, each by its number in our list of pitfalls.

A new version of Lightning that changes one of them fails here first.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping, ModelCheckpoint
from torch.utils.data import DataLoader


class Line(L.LightningModule):
    """One weight; validation logs its value."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.dropout = torch.nn.Dropout(0.5)

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        return self.layer(batch).pow(2).mean()

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.log("value", self.layer.weight.mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01)


class Grows(L.LightningDataModule):
    """A pool whose train loader shows what it had when the loader was built."""

    def __init__(self, size: int = 1) -> None:
        super().__init__()
        self.size = size
        self.built: list[int] = []

    def train_dataloader(self) -> DataLoader[Any]:
        self.built.append(self.size)
        return DataLoader(torch.ones(self.size, 1))  # type: ignore[arg-type]

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(torch.ones(1, 1))  # type: ignore[arg-type]

    def state_dict(self) -> dict[str, Any]:
        return {"size": self.size}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.size = state_dict["size"]


class Notes(L.Callback):
    """Writes down, in a shared list, which hook was called."""

    def __init__(self, events: list[str], name: str, hooks: Sequence[str]) -> None:
        for hook in hooks:
            setattr(self, hook, lambda *a, hook=hook, **k: events.append(f"{name}.{hook}"))


def trainer(path: Path, callbacks: Sequence[L.Callback] = (), **options: Any) -> L.Trainer:
    usual: dict[str, Any] = {
        "accelerator": "cpu",
        "max_epochs": 3,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "reload_dataloaders_every_n_epochs": 1,
        "default_root_dir": path,
    }
    if not any(isinstance(c, Checkpoint) for c in callbacks):
        usual["enable_checkpointing"] = False
    return L.Trainer(**(usual | options), callbacks=list(callbacks))


def fit(found: L.Trainer, module: Line, data: L.LightningDataModule, ckpt: Any = None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found.fit(module, datamodule=data, ckpt_path=ckpt, weights_only=True if ckpt else None)


def test_f1_order_of_an_epoch(tmp_path: Path) -> None:
    events: list[str] = []

    class Told(Line):
        def on_train_epoch_end(self) -> None:
            events.append("module.on_train_epoch_end")

    class ToldData(Grows):
        def train_dataloader(self) -> DataLoader[Any]:
            events.append("train loader")
            return super().train_dataloader()

    class ToldCheckpoint(ModelCheckpoint):
        def on_train_epoch_end(self, *args: Any) -> None:
            events.append("checkpoint")

    hooks = ("on_train_epoch_start", "on_train_batch_end", "on_validation_end")
    watch = Notes(events, "callback", (*hooks, "on_train_epoch_end"))
    # The checkpoint is given first and runs last.
    fit(trainer(tmp_path, [ToldCheckpoint(), watch], max_epochs=1), Told(), ToldData())
    assert events == [
        "train loader",
        "callback.on_train_epoch_start",
        "callback.on_train_batch_end",
        "callback.on_validation_end",
        "callback.on_train_epoch_end",
        "module.on_train_epoch_end",
        "checkpoint",
    ]


@pytest.mark.parametrize(
    ("hook", "not_trained_on"), [("on_train_epoch_end", 0), ("on_train_epoch_start", 1)]
)
def test_f1_what_is_bought_at_an_epochs_start_arrives_an_epoch_late(
    tmp_path: Path, hook: str, not_trained_on: int
) -> None:
    data, missing = Grows(), []

    class Buys(L.Callback):
        def on_train_batch_end(self, *args: Any) -> None:
            missing.append(data.size - data.built[-1])

    def buy(*args: Any) -> None:
        data.size += 1

    buyer = Buys()
    setattr(buyer, hook, buy)
    fit(trainer(tmp_path, [buyer]), Line(), data)
    assert set(missing) == {not_trained_on}


def test_f2_with_reload_every_epoch_each_epoch_has_its_own_loader(tmp_path: Path) -> None:
    data = Grows()
    fit(trainer(tmp_path), Line(), data)
    assert len(data.built) == 3


def test_f3_an_empty_train_loader_ends_fit_in_silence(tmp_path: Path) -> None:
    events: list[str] = []
    watch = Notes(events, "callback", ("on_fit_start", "on_train_start"))
    fit(trainer(tmp_path, [watch]), Line(), Grows(size=0))
    assert events == ["callback.on_fit_start"]  # so the cold start is done there


def test_f4_early_stopping_asks_after_all_other_callbacks(tmp_path: Path) -> None:
    asked: list[bool] = []

    class Buys(L.Callback):
        def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
            asked.append(trainer.should_stop)

    stop = EarlyStopping("value", stopping_threshold=1e9, mode="min", check_on_train_epoch_end=True)
    default = EarlyStopping("value")
    assert default._check_on_train_epoch_end is None
    found = trainer(tmp_path, [Buys(), stop])
    fit(found, Line(), Grows())
    assert found.current_epoch == 1
    assert asked == [False]  # bought before the rule that forbids it was asked


def test_f5_the_last_epoch_end_fires_like_any_other(tmp_path: Path) -> None:
    events: list[str] = []
    fit(trainer(tmp_path, [Notes(events, "buy", ("on_train_epoch_end",))]), Line(), Grows())
    assert len(events) == 3


@pytest.mark.parametrize(("every", "saves"), [(1, True), (2, False)])
def test_f6_when_model_checkpoint_saves_by_default_depends_on_validation(
    tmp_path: Path, every: int, saves: bool
) -> None:
    checkpoint = ModelCheckpoint(tmp_path)
    found = trainer(tmp_path, [checkpoint], check_val_every_n_epoch=every)
    fit(found, Line(), Grows())
    assert checkpoint._should_save_on_train_epoch_end(found) is saves


def test_f6_model_checkpoint_without_top_k_saves_nothing_before_the_end(tmp_path: Path) -> None:
    seen: list[bool] = []

    class Looks(L.Callback):
        def on_train_epoch_start(self, *args: Any) -> None:
            seen.append((tmp_path / "last.ckpt").exists())

    checkpoint = ModelCheckpoint(
        tmp_path, save_top_k=0, save_last=True, save_on_train_epoch_end=True
    )
    fit(trainer(tmp_path, [Looks(), checkpoint]), Line(), Grows())
    assert seen == [False, False, False]  # why we have a checkpoint callback of our own
    assert (tmp_path / "last.ckpt").exists()


def test_f8_a_dataclass_in_the_state_breaks_loading_weights_only(tmp_path: Path) -> None:
    from elad_exp.types import Sample

    torch.save({"pool": Sample("a", "q")}, tmp_path / "bad.ckpt")
    with pytest.raises(Exception, match=r"weights_only|Weights only"):
        torch.load(tmp_path / "bad.ckpt", weights_only=True)
    torch.save({"pool": Sample("a", "q", ()).to_dict()}, tmp_path / "good.ckpt")
    assert torch.load(tmp_path / "good.ckpt", weights_only=True)["pool"]["id"] == "a"


def test_f9_no_generator_state_is_in_a_checkpoint(tmp_path: Path) -> None:
    found = trainer(tmp_path)
    fit(found, Line(), Grows())
    found.save_checkpoint(tmp_path / "x.ckpt")
    saved = torch.load(tmp_path / "x.ckpt", weights_only=True)
    assert not [key for key in saved if "rng" in key.lower() or "random" in key.lower()]


def test_f10_the_estimate_of_all_steps_comes_from_the_first_pool(tmp_path: Path) -> None:
    estimates: list[float] = []

    class Asks(Line):
        def configure_optimizers(self) -> torch.optim.Optimizer:
            estimates.append(self.trainer.estimated_stepping_batches)
            return super().configure_optimizers()

    class Buys(L.Callback):
        def on_train_epoch_end(self, *args: Any) -> None:
            data.size += 1

    data = Grows()
    found = trainer(tmp_path, [Buys()])
    fit(found, Asks(), data)
    assert (estimates, found.global_step) == ([3], 1 + 2 + 3)  # hence no schedule over all steps


def test_f11_lightning_leaves_a_model_in_eval_mode(tmp_path: Path) -> None:
    modes: list[bool] = []

    class Watched(Line):
        def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
            modes.append(self.dropout.training)
            return super().training_step(batch, batch_idx)

    module = Watched()
    module.dropout.eval()
    fit(trainer(tmp_path, max_epochs=2), module, Grows())
    assert modes == [False, False]


def test_f20_sanity_validation_comes_after_the_cold_start_and_before_training(
    tmp_path: Path,
) -> None:
    events: list[str] = []
    hooks = ("on_fit_start", "on_validation_start", "on_train_start")
    fit(
        trainer(tmp_path, [Notes(events, "c", hooks)], num_sanity_val_steps=1, max_epochs=1),
        Line(),
        Grows(),
    )
    assert events[:3] == ["c.on_fit_start", "c.on_validation_start", "c.on_train_start"]


def test_f21_model_checkpoint_does_not_save_twice_at_one_global_step(tmp_path: Path) -> None:
    checkpoint = ModelCheckpoint(tmp_path, save_on_train_epoch_end=True)
    found = trainer(tmp_path, [checkpoint], max_epochs=1)
    fit(found, Line(), Grows())
    assert checkpoint._should_skip_saving_checkpoint(found)


def test_f22_optimizer_and_loops_are_restored_after_on_fit_start(tmp_path: Path) -> None:
    first = trainer(tmp_path, max_epochs=2)
    fit(first, Line(), Grows())
    first.save_checkpoint(tmp_path / "x.ckpt")
    seen: dict[str, Any] = {}

    class Looks(L.Callback):
        def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
            seen["at fit start"] = (trainer.current_epoch, trainer.global_step)
            seen["pool"] = trainer.datamodule.size  # type: ignore[attr-defined]

        def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
            seen["at train start"] = (trainer.current_epoch, trainer.global_step)

    grown = Grows(size=9)
    fit(trainer(tmp_path, [Looks()], max_epochs=3), Line(), grown, ckpt=tmp_path / "x.ckpt")
    assert seen == {"at fit start": (0, 0), "pool": 1, "at train start": (2, 2)}
