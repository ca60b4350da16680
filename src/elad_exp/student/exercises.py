"""Pretraining of a student from scratch on a task's exercises, once for all runs.

A language model brings its language and arithmetic to a distillation, and the teacher adds what it
does not know. A student from scratch has to learn both from the annotations, and what it is
uncertain about then says little about what it does not know. So it may learn from exercises first:
see `protocols.ExerciseTask`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable
from typing import Any

import torch

from elad_exp.assets import cache_dir
from elad_exp.assets.lock import locked
from elad_exp.data.collate import collate, encode, render
from elad_exp.errors import ConfigError
from elad_exp.protocols import ExerciseTask, Splits, Task
from elad_exp.rng import derive_seed
from elad_exp.student.module import LAST_RATE, rate_at, target_loss

log = logging.getLogger(__name__)

REVISION = "exercises-2"
BATCH = 32
RATE = 0.004
DECAY = 0.01
WARMUP = 50
CLIP = 1.0


def pretrained(
    model: Any,
    tokenizer: Any,
    task: Task,
    splits: Splits,
    *,
    batches: int,
    max_length: int,
    on_progress: Callable[[int, int], None],
) -> str:
    """Give `model` the weights that `batches` batches of exercises lead to.

    They are kept in the cache, under a key of everything that they depend on: initial weights,
    tokenizer, data, lengths and rates. Another process that needs the same ones waits for them.

    Args:
        model: From scratch; trained in place and left in eval mode.
        tokenizer: Of the model.
        task: Makes the exercises.
        splits: Of the task; their hash is part of the key.
        batches: Number of batches of 32.
        max_length: Context in tokens; exercises that do not fit are left out.
        on_progress: Called with (done, total) after every batch, and with (0, total) while
            another process trains; may raise to stop.

    Returns:
        The key.

    Raises:
        ConfigError: The task has no exercises, none fits, or `batches` is below 1.
    """
    if batches < 1:
        raise ConfigError(f"student.exercises={batches}: use 1 or more, or 0 for none")
    if not isinstance(task, ExerciseTask):
        raise ConfigError(
            f"student.exercises={batches}: dataset {task.name!r} has no exercises; use "
            "student=tiny, or the almanac"
        )
    key = _key(model, tokenizer, splits, batches, max_length)
    path = cache_dir() / "exercises" / f"{key}.pt"
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(
        path.with_suffix(".lock"),
        "trains a student on these exercises",
        poll=lambda: on_progress(0, batches),
    ):
        if not path.exists():
            log.info("training the student on %d batches of exercises: %s", batches, path)
            _train(model, tokenizer, task, batches, max_length, on_progress)
            partial = path.with_suffix(".partial")
            torch.save(model.state_dict(), partial)
            os.replace(partial, path)
        model.load_state_dict(torch.load(path, weights_only=True))
    model.eval()
    return key


def _key(model: Any, tokenizer: Any, splits: Splits, batches: int, max_length: int) -> str:
    digest = hashlib.sha256()
    settings = (REVISION, BATCH, RATE, LAST_RATE, DECAY, WARMUP, CLIP, batches, max_length)
    for part in (*settings, splits.info["sha256"]):
        digest.update(f"{part}\n".encode())
    digest.update(tokenizer.backend_tokenizer.to_str().encode())
    # How far rotary positions may go changes nothing that is learnt; `max_length` counts.
    config = model.config.to_diff_dict() | {"max_position_embeddings": None}
    digest.update(json.dumps(config, sort_keys=True).encode())
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()[:16]


def _train(
    model: Any,
    tokenizer: Any,
    task: ExerciseTask,
    batches: int,
    max_length: int,
    on_progress: Callable[[int, int], None],
) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    rates = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: rate_at(step, warmup_steps=WARMUP, decay_steps=batches)
    )
    model.train()
    learnt = 0
    with torch.random.fork_rng(devices=[]):
        for number, exercises in enumerate(task.exercises(batches, BATCH)):
            torch.manual_seed(derive_seed(0, "exercises", number))
            rows = [
                row
                for sample, explanation in exercises
                if (
                    row := encode(
                        tokenizer,
                        render(tokenizer, task.prompt(sample), chat_template=False),
                        task.target(sample, explanation),
                        max_length=max_length,
                    )
                )
            ]
            if rows:
                learnt += len(rows)
                optimizer.zero_grad()
                loss = target_loss(model, collate(rows, tokenizer.pad_token_id))
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
                optimizer.step()
                rates.step()
            on_progress(number + 1, batches)
    if not learnt:
        raise ConfigError(
            f"none of the exercises fits student.max_length={max_length}; raise it, or set "
            "student.exercises=0"
        )
