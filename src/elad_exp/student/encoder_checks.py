"""What an encoder student is refused for, or warned of, before a run."""

from __future__ import annotations

from typing import Any

from elad_exp.errors import ConfigError
from elad_exp.protocols import SpanTask, Splits, Task
from elad_exp.selectors.query import draw_uniform
from elad_exp.student.encoder import encoder_ids

UNKNOWN_SHARE = 0.05
"""More unknown tokens than that, and a tokenizer does not know the language."""
LOOKED_AT = 1000
_SHORTEST = 8


def check_truncate(truncate: bool, max_length: int, task: Task) -> None:
    """Raises ConfigError where texts cannot be cut."""
    if not truncate:
        return
    if isinstance(task, SpanTask):
        raise ConfigError(
            f"student.truncate=true: the entities of task {task.name!r} that stand after the cut "
            "would be lost; set student.truncate=false, and raise student.max_length for long texts"
        )
    if max_length < _SHORTEST:
        raise ConfigError(
            f"student.max_length={max_length}: student.truncate=true would leave nothing of a "
            f"text; set it to at least {_SHORTEST}"
        )


def cut_warnings(tokenizer: Any, splits: Splits, max_length: int) -> tuple[str, ...]:
    """What to say where texts of the pool are cut at `max_length`: how many of some."""
    ids = _some_ids(tokenizer, splits)
    cut = sum(len(own) > max_length for own in ids)
    if not cut:
        return ()
    return (
        f"{cut:,} of {len(ids):,} texts of the pool that were looked at are longer than "
        f"student.max_length={max_length}, and such texts are cut there",
    )


def positions(model: Any) -> int:
    """The longest text in tokens that a model reads.

    The positions of RoBERTa and its like begin after that of padding.
    """
    most = int(model.config.max_position_embeddings)
    embedded = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
    padding = getattr(embedded, "padding_idx", None)
    return most if padding is None else most - padding - 1


def check_unknown(tokenizer: Any, splits: Splits, name: str) -> None:
    """Raises ConfigError where the tokenizer does not know the language of the pool."""
    ids = [i for own in _some_ids(tokenizer, splits) for i in own[1:-1]]
    share = sum(i == tokenizer.unk_token_id for i in ids) / max(len(ids), 1)
    if share > UNKNOWN_SHARE:
        raise ConfigError(
            f"{name}: {100 * share:.0f} % of the tokens of the pool's texts are unknown to its "
            f"tokenizer (at most {100 * UNKNOWN_SHARE:.0f} %); choose an encoder of the language, "
            "e.g. student=tiny_encoder student.level=character for Chinese"
        )


def _some_ids(tokenizer: Any, splits: Splits) -> list[list[int]]:
    some = draw_uniform(splits.pool, min(LOOKED_AT, len(splits.pool)), seed=0, purpose=("unknown",))
    return encoder_ids(tokenizer, [s.question for s in some])
