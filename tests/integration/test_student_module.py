"""The student in Lightning: masks, dropout, seeds, warm-up, checkpoints; and what it learns."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader

from elad_exp.data.collate import IGNORE, collate
from elad_exp.student.module import StudentModule, rate_at, target_loss
from tests.unit.student_toys import TASK, engine, pairs, rows, tiny


def module(**changes: Any) -> StudentModule:
    model, tokenizer = tiny()
    options: dict[str, Any] = {"learning_rate": 3e-3, "warmup_steps": 4, "seed": 0}
    return StudentModule(model, engine(model, tokenizer), **(options | changes))


def loader(student: StudentModule, *, n: int = 16, batch: int = 8) -> DataLoader[Any]:
    tokenizer = student.engine.tokenizer
    return DataLoader(
        rows(tokenizer)[:n],  # type: ignore[arg-type]
        batch_size=batch,
        collate_fn=lambda found: collate(found, tokenizer.pad_token_id),
    )


def fit(
    student: StudentModule, path: Path, *, epochs: int = 2, n: int = 16, ckpt: str | None = None
) -> Any:
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        gradient_clip_val=1.0,
        num_sanity_val_steps=0,
        default_root_dir=path,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
        splits = DataLoader(["dev"], batch_size=None)  # type: ignore[var-annotated,arg-type]
        trainer.fit(student, loader(student, n=n), splits, ckpt_path=ckpt)
    return trainer


def batch_of(student: StudentModule) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = next(iter(loader(student)))
    return found


def test_the_loss_is_that_of_the_learnt_tokens() -> None:
    student = module()
    batch = batch_of(student)
    out = student.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    logp = torch.log_softmax(out.logits, dim=-1)
    terms = [
        -logp[r, i - 1, label]
        for r, labels in enumerate(batch["labels"].tolist())
        for i, label in enumerate(labels)
        if label != IGNORE
    ]
    loss = target_loss(student.model, batch)
    torch.testing.assert_close(loss, torch.stack(terms).mean())
    ends = {**batch, "labels": batch["labels"].where(batch["labels"] == 2, IGNORE)}
    assert len(terms) > 3 * len(batch["labels"])
    only = [t for t, label in zip(terms, _learnt(batch), strict=True) if label == 2]
    torch.testing.assert_close(target_loss(student.model, ends), torch.stack(only).mean())


def _learnt(batch: dict[str, torch.Tensor]) -> list[int]:
    return [label for row in batch["labels"].tolist() for label in row if label != IGNORE]


def test_right_padding_does_not_change_the_loss() -> None:
    student = module()
    found = rows(student.engine.tokenizer)[:1]
    alone = target_loss(student.model, collate(found, 0))
    wide = collate([*found, *rows(student.engine.tokenizer)], 0)
    padded = {name: t[:1] for name, t in wide.items()}
    assert padded["labels"].shape[1] > len(found[0])
    torch.testing.assert_close(target_loss(student.model, padded), alone)


def test_f11_models_arrive_in_eval_mode_and_dropout_is_switched_on(tmp_path: Path) -> None:
    student = module()
    assert not student.model.training
    batch = batch_of(student)
    assert target_loss(student.model, batch) == target_loss(student.model, batch)
    seen: list[bool] = []
    student.model.register_forward_pre_hook(lambda model, _: seen.append(model.training))
    fit(student, tmp_path)
    assert seen == [True] * 4
    student.train()
    assert target_loss(student.model, batch) != target_loss(student.model, batch)


def test_training_is_seeded_per_epoch_whatever_ran_before(tmp_path: Path) -> None:
    first, second, other = module(), module(), module(seed=1)
    for student, noise in ((first, 1), (second, 2), (other, 1)):
        torch.manual_seed(noise)
        fit(student, tmp_path)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
    assert any(
        not torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True)
    )


def test_f10_the_learning_rate_warms_up_by_steps_then_stays() -> None:
    student = module(learning_rate=1.0, warmup_steps=4)
    parts = student.configure_optimizers()
    schedule, rates = parts["lr_scheduler"], []
    assert schedule["interval"] == "step"
    for _ in range(6):
        rates.append(parts["optimizer"].param_groups[0]["lr"])
        parts["optimizer"].step()
        schedule["scheduler"].step()
    assert rates == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_the_learning_rate_falls_within_a_round_and_starts_anew() -> None:
    rates = [rate_at(step, warmup_steps=2, decay_steps=4) for step in range(9)]
    falling = [1.0, 0.7625, 0.525, 0.2875]
    assert rates == pytest.approx([0.5, *falling[1:], *falling, 1.0])


def test_only_matrices_decay_and_every_parameter_is_trained_once() -> None:
    student = module(weight_decay=0.3)
    groups = student.configure_optimizers()["optimizer"].param_groups
    assert [g["weight_decay"] for g in groups] == [0.3, 0.0]
    assert all(p.ndim > 1 for p in groups[0]["params"])
    assert sum(len(g["params"]) for g in groups) == len(list(student.model.parameters()))


def test_f8_a_checkpoint_holds_primitives_and_gives_the_same_student_back(tmp_path: Path) -> None:
    whole, half, resumed = module(), module(), module()
    fit(whole, tmp_path, epochs=4)
    trainer = fit(half, tmp_path, epochs=2)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    torch.load(tmp_path / "half.ckpt", weights_only=True)
    fit(resumed, tmp_path, epochs=4, ckpt=str(tmp_path / "half.ckpt"))
    assert resumed.train_tokens == whole.train_tokens == 2 * half.train_tokens
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


def test_tokens_are_counted_without_padding(tmp_path: Path) -> None:
    student = module()
    fit(student, tmp_path, epochs=1)
    assert student.train_tokens == sum(map(len, rows(student.engine.tokenizer)[:16]))


def test_validation_hands_the_split_over(tmp_path: Path) -> None:
    seen: list[str] = []
    fit(module(measure=seen.append), tmp_path, epochs=2)
    assert seen == ["dev", "dev"]


def test_what_is_learnt_by_heart_is_generated_word_for_word(tmp_path: Path) -> None:
    """Prompt, target and end must have the same ids in training and in generation."""
    student = module(learning_rate=1e-2, warmup_steps=10)
    before = float(target_loss(student.model, batch_of(student)).detach())
    trainer = fit(student, tmp_path, epochs=200, n=8)
    assert trainer.callback_metrics["train/loss"] < 0.3 * before
    known = pairs()[:8]
    made = student.engine.explain([s for s, _ in known])
    right = [TASK.target(s, e) == found[0].raw for (s, e), found in zip(known, made, strict=True)]
    assert sum(right) >= 7
    forced = student.engine.answer_distributions([(s, e.texts) for s, e in known])
    agree = [max(d, key=d.__getitem__) == e.answer for (_, e), d in zip(known, forced, strict=True)]
    assert sum(agree) >= 7
