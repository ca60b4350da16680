"""Lessons that make new texts of labelled ones: which those are, and how many each gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from elad_exp.errors import ConfigError
from elad_exp.rng import generator
from elad_exp.selectors.studied import GivenSelector
from elad_exp.teachers.annotator import Lesson
from elad_exp.types import GIVEN, SYNTHETIC, Annotation, Candidate, Query, QueryItem


def of_each(query: Query, *, texts: int, name: str) -> list[Lesson]:
    """A lesson for each text of the dataset that is queried, of `texts` new ones in all.

    Args:
        query: See `labelled`.
        texts: Shared out evenly; of what is left over the first texts get one more.
        name: What the new texts are called in the names of lessons.

    Raises:
        ConfigError: See `labelled`.
    """
    items = labelled(query)
    lessons = []
    for number, item in enumerate(items):
        size = texts // len(items) + (number < texts % len(items))
        if size:
            plan = {
                "round": query.round,
                "number": number,
                "size": size,
                "source": item.sample.to_dict(),
                "known": item.known,
            }
            lessons.append(Lesson(f"{name}-{query.round}-{number}", size, plan))
    return lessons


def labelled(query: Query) -> list[QueryItem]:
    """Items of the dataset, with their known answers.

    Raises:
        ConfigError: One has none: candidates that are not annotated were queried.
    """
    items = of_dataset(query)
    if any(item.known is None for item in items):
        raise ConfigError(
            "selection.among=pool: this teacher makes new texts of labelled ones; set "
            "selection.among=annotated and selector=given"
        )
    return items


def first_examples(labelled: Sequence[Annotation], query: Query, *, seed: int) -> Query:
    """`query` with the examples that the run began with in place of its items, evenly over their
    answers, so that the first ones are of all classes.

    Args:
        labelled: What is annotated by now, the examples among it.
        query: Names the round, in each of which the order is another.
        seed: Of the run.
    """
    own = [
        Candidate(a.sample, known=a.explanation.answer)
        for a in labelled
        if a.teacher == GIVEN and a.explanation
    ]
    rng = generator(seed, "first examples", query.round)
    return replace(query, items=tuple(GivenSelector().select(own, len(own), rng)))


def of_dataset(query: Query) -> list[QueryItem]:
    """Items that no teacher has written."""
    return [item for item in query.items if item.sample.origin != SYNTHETIC]
