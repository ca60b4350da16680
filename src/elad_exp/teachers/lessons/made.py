"""Teachers as configurations name them: a method, and who answers its steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elad_exp.protocols import Task
from elad_exp.teachers.lessons.auggpt import AugGPTTeacher
from elad_exp.teachers.lessons.base import LessonTeacher
from elad_exp.teachers.lessons.corpus import CorpusTeacher
from elad_exp.teachers.lessons.evokd import EvoKDTeacher
from elad_exp.teachers.lessons.grammar import GrammarSpeaker
from elad_exp.teachers.lessons.llm_da import LLMDATeacher
from elad_exp.teachers.lessons.model import ModelSpeaker
from elad_exp.teachers.lessons.zerogen import ZeroGenTeacher
from elad_exp.types import GoldBook

_METHODS: tuple[type[LessonTeacher], ...] = (
    EvoKDTeacher,
    AugGPTTeacher,
    ZeroGenTeacher,
    LLMDATeacher,
)
BY_MODEL = {method.name: method for method in _METHODS}
"""Methods that a language model can answer, by the name in results."""
_OF_METHODS = frozenset(
    (
        "texts", "lesson_size", "text_tokens", "answer_tokens", "near_duplicates",
        "easy_fraction", "analyse",
        "show_right", "one_call", "votes", "init", "init_rounds", "describe", "rewrite_fraction",
        "new_names",
    )
)  # fmt: skip
"""Settings of methods; the others are the model's."""


def evokd_oracle(
    task: Task,
    gold: GoldBook,
    *,
    seed: int = 0,
    error_rate: float = 0.0,
    uneven: float = 0.0,
    **given: Any,
) -> LessonTeacher:
    """EvoKD by the program that wrote the bulletin; `given` are settings of `EvoKDTeacher`."""
    speaker = GrammarSpeaker(task, seed=seed, error_rate=error_rate, uneven=uneven)
    return EvoKDTeacher(task, gold, speaker, seed=seed, name="evokd_oracle", **given)


def evokd(task: Task, gold: GoldBook, *, seed: int = 0, **given: Any) -> LessonTeacher:
    """EvoKD by a language model; `given` are settings of `EvoKDTeacher` and `LanguageModel`."""
    return _by_model(EvoKDTeacher, task, gold, seed=seed, given=given)


def corpus(task: Task, gold: GoldBook, *, seed: int = 0, **given: Any) -> LessonTeacher:
    """EvoKD by real texts that are held back; `given` are settings of `CorpusTeacher`."""
    return CorpusTeacher(task, gold, seed=seed, **given)


def auggpt(task: Task, gold: GoldBook, *, seed: int = 0, **given: Any) -> LessonTeacher:
    """AugGPT; `given` are settings of `AugGPTTeacher` and `LanguageModel`."""
    return _by_model(AugGPTTeacher, task, gold, seed=seed, given=given)


def zerogen(task: Task, gold: GoldBook, *, seed: int = 0, **given: Any) -> LessonTeacher:
    """ZeroGen; `given` are settings of `ZeroGenTeacher` and `LanguageModel`."""
    return _by_model(ZeroGenTeacher, task, gold, seed=seed, given=given)


def llm_da(task: Task, gold: GoldBook, *, seed: int = 0, **given: Any) -> LessonTeacher:
    """LLM-DA; `given` are settings of `LLMDATeacher` and `LanguageModel`."""
    return _by_model(LLMDATeacher, task, gold, seed=seed, given=given)


def by_recording(
    task: Task, gold: GoldBook, settings: Mapping[str, Any], *, seed: int
) -> LessonTeacher:
    """The teacher by a model whose name, model and `info` are `settings`; it is never called.

    Raises:
        KeyError, TypeError, ConfigError: `settings` are not those of such a teacher.
    """
    names = ("model", "temperature", "max_completion_tokens", "fresh_per_seed")
    speaker = ModelSpeaker(seed=seed, **{name: settings[name] for name in names})
    speaker.stand_in(settings)
    method = BY_MODEL[settings["name"]]
    return method(task, gold, speaker, seed=seed, **settings["lessons"])


def _by_model(
    method: type[LessonTeacher],
    task: Task,
    gold: GoldBook,
    *,
    seed: int,
    given: dict[str, Any],
) -> LessonTeacher:
    own = {key: value for key, value in given.items() if key in _OF_METHODS}
    others = {key: value for key, value in given.items() if key not in _OF_METHODS}
    return method(task, gold, ModelSpeaker(seed=seed, **others), seed=seed, **own)
