"""A trainer in which the loop would silently go wrong is refused; the one we build is right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.strategies import DDPStrategy, FSDPStrategy, SingleDeviceStrategy

from elad_exp.callbacks.annotation import Annotation
from elad_exp.callbacks.build import ORDER, CheckOrder, build_callbacks
from elad_exp.callbacks.checkpoint import RoundCheckpoint
from elad_exp.callbacks.report import RoundReport
from elad_exp.callbacks.reset import StudentReset
from elad_exp.callbacks.selection import Selection
from elad_exp.callbacks.stopping import Stopping
from elad_exp.errors import ConfigError

Edit = Callable[[list[L.Callback]], list[L.Callback]]


class Watches(L.Callback):
    """One of the callbacks that only watch."""


def callbacks(tmp_path: Path, reset: str = "warm") -> list[L.Callback]:
    rounds: Any = SimpleNamespace(schedule=SimpleNamespace(reset=reset))
    return build_callbacks(
        rounds, checkpoints=tmp_path, check_interrupt=lambda: None, extra=[Watches()]
    )


def built(tmp_path: Path, edit: Edit = lambda found: found, **options: Any) -> L.Trainer:
    usual: dict[str, Any] = {
        "accelerator": "cpu",
        "devices": 1,
        "max_epochs": 2,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "reload_dataloaders_every_n_epochs": 1,
        "default_root_dir": tmp_path,
    }
    return L.Trainer(**(usual | options), callbacks=edit(callbacks(tmp_path)))


def check(trainer: Any) -> None:
    CheckOrder().setup(trainer, L.LightningModule(), "fit")


def kinds(trainer: L.Trainer) -> list[type]:
    return [type(c) for c in trainer.callbacks]  # type: ignore[attr-defined]


def test_the_order_is_report_stop_select_annotate_save(tmp_path: Path) -> None:
    assert (RoundReport, Stopping, Selection, Annotation) == ORDER
    trainer = built(tmp_path)
    ours = [k for k in kinds(trainer) if k.__module__.startswith(("elad_exp", "tests"))]
    assert ours[2:] == [RoundReport, Stopping, Selection, Annotation, Watches, RoundCheckpoint]
    assert kinds(trainer)[-1] is RoundCheckpoint
    check(trainer)


def test_reset_from_scratch_comes_before_the_round(tmp_path: Path) -> None:
    found = [type(c) for c in callbacks(tmp_path, "scratch")]
    assert found.index(StudentReset) < found.index(RoundReport)
    assert StudentReset not in [type(c) for c in callbacks(tmp_path, "warm")]


def test_the_checkpoint_is_last_wherever_it_is_given(tmp_path: Path) -> None:
    trainer = built(tmp_path, lambda found: [found[-1], *found[:-1]])
    assert kinds(trainer)[-1] is RoundCheckpoint
    check(trainer)


def swapped(found: list[L.Callback]) -> list[L.Callback]:
    at = next(i for i, c in enumerate(found) if isinstance(c, Selection))
    return [*found[:at], found[at + 1], found[at], *found[at + 2 :]]


def without(kind: type[L.Callback]) -> Edit:
    return lambda found: [c for c in found if not isinstance(c, kind)]


def twice(found: list[L.Callback]) -> list[L.Callback]:
    at = next(i for i, c in enumerate(found) if isinstance(c, Stopping))

    class Again(Stopping):
        state_key = "again"  # type: ignore[assignment]

    return [*found[: at + 1], Again(found[at].rounds), *found[at + 1 :]]  # type: ignore[attr-defined]


@pytest.mark.parametrize("edit", [swapped, without(RoundReport), without(Stopping), twice])
def test_another_order_is_refused(tmp_path: Path, edit: Edit) -> None:
    with pytest.raises(ConfigError, match="RoundReport, Stopping, Selection, Annotation"):
        check(built(tmp_path, edit))


@pytest.mark.parametrize("every", [0, 2])
def test_another_reload_is_refused(tmp_path: Path, every: int) -> None:
    with pytest.raises(ConfigError, match=f"every_n_epochs={every} must be 1"):
        check(built(tmp_path, reload_dataloaders_every_n_epochs=every))


@pytest.mark.parametrize("extra", [[], [ModelCheckpoint(save_top_k=0, save_last=True)]])
def test_another_checkpoint_is_refused(tmp_path: Path, extra: list[L.Callback]) -> None:
    edit: Edit = lambda found: [*without(RoundCheckpoint)(found), *extra]  # noqa: E731
    with pytest.raises(ConfigError, match="must be RoundCheckpoint"):
        check(built(tmp_path, edit, enable_checkpointing=bool(extra)))


def test_fsdp_is_refused_and_ddp_and_one_device_are_not(tmp_path: Path) -> None:
    right = built(tmp_path)

    def under(strategy: Any) -> Any:
        return SimpleNamespace(
            strategy=strategy,
            reload_dataloaders_every_n_epochs=1,
            callbacks=right.callbacks,  # type: ignore[attr-defined]
        )

    with pytest.raises(ConfigError, match=r"FSDPStrategy is not supported.*ddp"):
        check(under(FSDPStrategy()))
    check(under(SingleDeviceStrategy(torch.device("cpu"))))
    check(under(DDPStrategy()))


def test_fit_refuses_before_it_trains(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="every_n_epochs=0"):
        built(tmp_path, reload_dataloaders_every_n_epochs=0).fit(
            _NeverTrained(),
            torch.utils.data.DataLoader([0]),  # type: ignore[type-var,arg-type]
        )


class _NeverTrained(L.LightningModule):
    def training_step(self, *args: Any) -> None:
        raise AssertionError("trained")

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
