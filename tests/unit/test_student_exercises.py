"""Pretraining on exercises: made once, kept, and only where a task has them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock

from elad_exp.errors import ConfigError
from elad_exp.student import exercises
from elad_exp.student.build import BuiltStudent, TinyStudent
from elad_exp.tasks.almanac import AlmanacTask
from tests.unit.student_toys import TASK

BATCHES = 3


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ELAD_EXP_CACHE", str(tmp_path))
    return tmp_path / "exercises"


def built(
    exercises: int = BATCHES, *, seed: int = 0, max_length: int = 160, **watch: Any
) -> BuiltStudent:
    student = TinyStudent(
        d_model=32,
        layers=1,
        heads=2,
        vocab_size=400,
        max_length=max_length,
        max_new_tokens=8,
        dropout=0.1,
        exercises=exercises,
    )
    task = AlmanacTask(entities=40, n_pool=40, n_dev=5, n_test=5)
    return student.build(task, task.load(), seed=seed, **watch)


def weights(student: BuiltStudent) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in student.model.parameters()])


def test_exercises_change_the_weights_once_and_for_every_seed(cache: Path) -> None:
    seen: list[tuple[int, int]] = []
    first = built(on_progress=lambda *at: seen.append(at))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    again = built(seed=9, on_progress=lambda *at: seen.append(at))
    assert len(seen) == BATCHES, "the second run must find them in the cache"
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(built(0)))
    assert not first.model.training
    assert first.info["source"] == again.info["source"]
    assert "3 batches of exercises" in first.info["source"]
    assert [path.suffix for path in sorted(cache.iterdir())] == [".lock", ".pt"]


def test_they_are_the_same_when_made_anew(cache: Path) -> None:
    first = built()
    torch.manual_seed(77)
    for path in cache.iterdir():
        path.unlink()
    assert torch.equal(weights(first), weights(built()))


def test_an_interrupted_pretraining_leaves_nothing_to_be_taken_for_a_result(cache: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        built(on_progress=stop)
    assert not list(cache.glob("*.pt"))
    assert built().info["parameters"] > 0


def test_waiting_for_another_process_is_said_and_can_be_interrupted(
    cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        seen.append((done, total))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        built(on_progress=stop)
    [lock] = cache.glob("*.lock")
    with FileLock(lock), caplog.at_level("INFO"), pytest.raises(KeyboardInterrupt):
        built(on_progress=stop)
    assert seen == [(1, BATCHES), (0, BATCHES)]
    assert "another process trains a student on these exercises; waiting" in caplog.text


def test_the_key_names_all_that_the_weights_depend_on(monkeypatch: pytest.MonkeyPatch) -> None:
    student = built(0)
    splits = AlmanacTask(n_pool=9, n_dev=5, n_test=5).load()

    def key(max_length: int = 160) -> str:
        return exercises._key(student.model, student.tokenizer, splits, 3, max_length)

    keys = [key(), key(161)]
    student.model.config.max_position_embeddings += 1  # max_new_tokens decides that
    assert key() == keys[0]
    for name in ("REVISION", "BATCH", "RATE", "LAST_RATE", "DECAY", "WARMUP", "CLIP"):
        with monkeypatch.context() as changed:
            changed.setattr(exercises, name, 7)
            keys.append(key())
    assert len(set(keys)) == len(keys)
    assert key() == keys[0]


def test_batches_that_do_not_fit_are_skipped_and_all_of_them_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = AlmanacTask.exercises

    def first_too_long(self: Any, batches: int, size: int) -> Any:
        for number, batch in enumerate(real(self, batches, size)):
            yield (
                [(replace(s, question=s.question * 99), e) for s, e in batch]
                if number < 1
                else batch
            )

    monkeypatch.setattr(AlmanacTask, "exercises", first_too_long)
    seen: list[tuple[int, int]] = []
    built(on_progress=lambda *at: seen.append(at))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    with pytest.raises(ConfigError, match=r"none of the exercises fits student\.max_length=12;"):
        built(max_length=12)


def test_other_exercises_are_another_student() -> None:
    assert not torch.equal(weights(built(3)), weights(built(4)))


def test_a_task_without_exercises_is_refused_by_name() -> None:
    student = TinyStudent(
        d_model=32,
        layers=1,
        heads=2,
        vocab_size=400,
        max_length=96,
        max_new_tokens=8,
        dropout=0.1,
        exercises=1,
    )
    with pytest.raises(ConfigError, match=r"student\.exercises=1: dataset 'toy' has no exercises"):
        student.build(TASK, AlmanacTask(n_pool=9, n_dev=5, n_test=5).load(), seed=0)


def test_a_negative_number_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"student\.exercises=-1"):
        built(-1)
