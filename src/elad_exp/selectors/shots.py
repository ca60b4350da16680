"""The few labelled examples that a classifier or a tagger begins with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from elad_exp.entities import from_answer
from elad_exp.errors import ConfigError
from elad_exp.protocols import SpanTask, Splits, Task
from elad_exp.selectors.query import in_drawn_order, initial_query
from elad_exp.types import Query, QueryItem, Sample

_LOOKED_AT = 1000


def first_query(
    task: Task,
    splits: Splits,
    pool: Sequence[Sample],
    *,
    initial_size: int | None,
    shots: int | None,
    seed: int,
) -> Query:
    """The query of round 0, by `shots` or by `initial_size`: one of them is given."""
    if shots is None:
        assert initial_size is not None
        return initial_query(pool, initial_size, seed)
    classes, classes_of = gold_classes(task, splits)
    return few_shot_query(pool, classes_of, shots=shots, classes=classes, seed=seed)


def few_shot_query(
    samples: Sequence[Sample],
    classes_of: Callable[[Sample], Iterable[str]],
    *,
    shots: int,
    classes: Sequence[str],
    seed: int,
) -> Query:
    """`shots` samples of each class, uniformly at random: the query of round 0.

    A sample of several classes (a text with entities of several types) counts for each of them, and
    is taken while one of them has too few. So a class can have more than `shots`.

    Args:
        samples: The pool.
        classes_of: The classes of a sample, by its gold: these are the examples that somebody has
            labelled beforehand. It is the only use of gold that a run without gold teachers makes.
        shots: At least 1.
        classes: All of them.
        seed: Of the run.

    Raises:
        ConfigError: `shots` is below 1, or the pool has too few samples of a class.
    """
    if shots < 1:
        raise ConfigError(f"schedule.shots={shots}: must be at least 1")
    had: Counter[str] = Counter()
    chosen: list[Sample] = []
    # By rank in one draw, so that more shots add samples and change none. Of a large pool the few
    # that are looked at are read.
    drawn = in_drawn_order(samples, seed=seed, purpose=("initial",), expected=_LOOKED_AT)
    for sample in drawn:
        own = set(classes_of(sample))
        if any(had[name] < shots for name in own):
            chosen.append(sample)
            had.update(own)
            if all(had[name] >= shots for name in classes):
                break
    if short := {name: had[name] for name in classes if had[name] < shots}:
        told = ", ".join(f"{name}: {n}" for name, n in short.items())
        raise ConfigError(
            f"schedule.shots={shots}: the pool has fewer samples of some classes ({told}); lower "
            "schedule.shots"
        )
    return Query(0, tuple(QueryItem(sample) for sample in chosen), note="initial")


def gold_classes(
    task: Task, splits: Splits
) -> tuple[tuple[str, ...], Callable[[Sample], Iterable[str]]]:
    """The classes of a task, and those of a sample by its gold: entity types, or its answer.

    Raises:
        ConfigError: Answers are open.
    """
    gold = splits.gold
    if isinstance(task, SpanTask):

        def types(sample: Sample) -> Iterable[str]:
            return {span.type for span in from_answer(gold[sample.id].answer)}

        return tuple(task.descriptions), types
    labels = task.labels(splits.pool[0])
    if labels is None:
        raise ConfigError(
            f"schedule.shots needs classes, and the answers of task {task.name!r} are open; set "
            "schedule.shots=null and schedule.initial_size"
        )
    return labels, lambda sample: (gold[sample.id].answer,)
