"""The group `selection` of a configuration, as far as scoring is concerned."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from elad_exp.errors import ConfigError
from elad_exp.protocols import Selector, Student, Task
from elad_exp.selectors.components import (
    ALL,
    CLOSED_ONLY,
    DROPOUT,
    check_also,
    check_components,
    supported,
)
from elad_exp.selectors.content import CONTENTS, ENCODERS
from elad_exp.types import Sample

INTRA = ("truncate", "remove")
INTER_FROM = ("root", "prefixes")

_CHOICES = {
    "intra": INTRA,
    "inter_from": INTER_FROM,
    "content": CONTENTS,
    "content_encoder": tuple(ENCODERS),
}
_SAME = (
    "temperature",
    "intra",
    "inter_from",
    "content",
    "content_encoder",
    "cluster_distance",
    "dropout_passes",
    "guided_fraction",
)


def scorer_options(selection: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `Scorer` that are settings."""
    same = {name: selection[name] for name in _SAME}
    return {"k": selection["samples"], "also": selection["also_score"]} | same


def scoring_problems(selection: Mapping[str, Any], *, query_size: int) -> list[str]:
    """What can be refused before anything is built: a sentence for each value."""
    problems = [f"selection.{problem}" for problem in setting_problems(selection)]
    fraction, n = selection["guided_fraction"], selection["candidates"]
    if not problems and n is not None and n >= query_size > guided_size(n, fraction):
        problems.append(
            f"selection.guided_fraction={fraction} of selection.candidates={n} leaves "
            f"{guided_size(n, fraction)} to choose from, fewer than "
            f"schedule.query_size={query_size}; raise one of the first two"
        )
    try:
        check_also(selection["also_score"])
    except ConfigError as error:
        problems.append(f"selection.also_score={selection['also_score']}: {error}")
    return problems


def setting_problems(settings: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each setting of the scorer that is out of range."""
    if settings["samples"] < 2:
        yield f"samples={settings['samples']}: one never disagrees; must be at least 2"
    heat = settings["temperature"]
    if not (heat > 0 and math.isfinite(heat)):
        yield f"temperature={heat}: at 0 all samples are equal; must be above 0, e.g. 1.0"
    for name, allowed in _CHOICES.items():
        if settings[name] not in allowed:
            yield f"{name}={settings[name]}: choose {', '.join(allowed)}"
    encoder, distance = settings["content_encoder"], settings["cluster_distance"]
    if encoder != "student" and settings["content"] != "cluster":
        yield (
            f"content_encoder={encoder}: with content={settings['content']} no encoder is asked; "
            "set content=cluster as well, or leave the encoder out"
        )
    if distance is not None and not 0 <= distance <= 2:
        yield f"cluster_distance={distance}: a cosine distance is from 0 to 2"
    if settings["dropout_passes"] < 2:
        yield f"dropout_passes={settings['dropout_passes']}: must be at least 2, or none disagree"
    if not 0 < settings["guided_fraction"] <= 1:
        yield (
            f"guided_fraction={settings['guided_fraction']}: must be above 0 and at most 1 "
            "(no guiding)"
        )


def guided_size(n: int, fraction: float) -> int:
    """How many of `n` candidates get samples: `n * fraction`, rounded up."""
    # 0.07 * 100 is 7.000000000000001 in binary.
    return math.ceil(round(n * fraction, 9))


def chosen_among(selector: Selector, among: str) -> tuple[str, ...]:
    """What `selection.among` may be for a selector, `among` if that does not matter; for one that
    is wrapped around another what it may be for the other.
    """
    inner: Selector | None = getattr(selector, "inner", None)
    if inner is not None:
        return chosen_among(inner, among)
    return getattr(selector, "among", (among,))


def check_among(selector: Selector, among: str) -> None:
    """Raises ConfigError where a selector is for other candidates than `selection.among` says."""
    if among not in (wanted := chosen_among(selector, among)):
        raise ConfigError(
            f"selection.among={among}: selector={selector.name} chooses of what is annotated; set "
            f"selection.among={' or '.join(wanted)}"
        )


def check_dropout(
    student: Student, task: Task, sample: Sample, *, needs: frozenset[str], also: frozenset[str]
) -> list[str]:
    """Warnings where `selection.also_score=all` has to leave out `bald`, which needs dropout.

    Args:
        student: It is asked about `sample`.
        task: The task.
        sample: One of its questions.
        needs: Of the selector.
        also: See `check_also`.

    Raises:
        ConfigError: `bald` is asked for by name, and the student has no dropout.
    """
    named = bool((needs | also) & DROPOUT)
    if not named and (ALL not in also or task.labels(sample) is None):
        return []
    try:
        student.dropout_distributions([(sample, ())], passes=2, seed=0)
    except ConfigError as error:
        if named:
            raise
        return [f"selection.also_score=all leaves out bald: {error}"]
    return []


def check_needs(needs: frozenset[str], also: Any, task: Task, sample: Sample) -> None:
    """Refuse what the answers of the task do not allow, before anything is bought.

    Args:
        needs: Of the selector.
        also: `selection.also_score`.
        task: The task.
        sample: One of its questions.

    Raises:
        ConfigError: An unknown component, or one that open answers do not support.
    """
    wanted = check_components(needs) | check_also(also)
    refused = sorted(wanted & CLOSED_ONLY)
    if refused and task.labels(sample) is None:
        raise ConfigError(
            f"{', '.join(refused)}: not available for open answers, which those of "
            f"{task.name} are; choose a selector, and selection.also_score, among "
            f"{', '.join(sorted(supported(closed=False)))}"
        )
