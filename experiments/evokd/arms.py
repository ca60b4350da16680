"""What the study compares: names of arms, and the overrides that each stands for."""

from __future__ import annotations

from pathlib import Path

TOKENS = 12_000
"""The question is about 8,000; what lies beyond is shown as well."""
ROUNDS, STEPS = 10, 30
"""More rounds than the budget covers; optimizer steps after each."""
SPENT = 5
"""Rounds of training that the budget about covers."""

_BULLETIN = (
    "+experiment=evokd_quickstart",
    "student=minilm",
    "optim.batch_size=8",
    "dataset.n_dev=100",
    "dataset.n_test=500",
    f"schedule.steps_per_round={STEPS}",
    "schedule.shots=1",
    "schedule.query_size=10",
)
_LESSONS = ("teacher.texts=10", "teacher.lesson_size=10")
_BOUGHT = (*_LESSONS, f"schedule.rounds={ROUNDS}", f"budget.max_tokens={TOKENS}")
_GIVEN = ("selector=given", "selection.among=annotated", "schedule.query_size=6")
_ONCE = ("schedule.rounds=1", f"schedule.steps_per_round={SPENT * STEPS}", "optim.review=null")
BULLETIN: dict[str, tuple[str, ...]] = {
    "evokd": _BOUGHT,
    "no_easy": (*_BOUGHT, "teacher.easy_fraction=0"),
    "no_right": (*_BOUGHT, "teacher.show_right=false", "selector.right_fraction=0"),
    "no_review": (*_BOUGHT, "optim.review=0"),
    "one_call": (*_BOUGHT, "teacher.one_call=true"),
    "static": (*_BOUGHT, "teacher.analyse=false"),
    "eda": ("teacher=eda", *_GIVEN, "teacher.texts=10", f"schedule.rounds={SPENT}"),
    "none": _ONCE,
    "full": (
        *("teacher=gold", *_ONCE),
        *("schedule.shots=null", "schedule.initial_size=all"),
        f"schedule.steps_per_round={2 * SPENT * STEPS}",
    ),
}
"""`none` and `eda` train about as many steps as those who pay, `full` twice as many."""
LINES = ("none", "eda", "full")
"""These ask no teacher for texts, so they are no curves against its tokens."""
UNEVEN = ("evokd", "static")
HABIT = ("teacher.uneven=1",)
"""For a teacher that, unasked, writes of one class six times as often as of another."""

_REAL = (
    "student=minilm",
    "selector=predictions",
    "selection.among=new",
    "selection.audit_fraction=0",
    "optim.review=0.5",
    "schedule.initial_size=null",
    "schedule.shots=5",
    "schedule.query_size=32",
)
ITEMS = 30
REAL_ROUNDS, REAL_STEPS = 7, 40
_REAL_ROUNDS = (f"schedule.rounds={REAL_ROUNDS}", f"schedule.steps_per_round={REAL_STEPS}")
_REAL_ONCE = ("schedule.rounds=1", f"schedule.steps_per_round={REAL_ROUNDS * REAL_STEPS}")
REAL: dict[str, tuple[str, ...]] = {
    "evokd_corpus": ("teacher=corpus", f"teacher.texts={ITEMS}", *_REAL_ROUNDS),
    "random": (
        *("teacher=gold", "selector=random", "selection.among=pool"),
        *(f"schedule.query_size={ITEMS}", *_REAL_ROUNDS),
    ),
    "eda": (
        *("teacher=eda", "selector=given", "selection.among=annotated"),
        *(f"teacher.texts={ITEMS}", *_REAL_ROUNDS),
    ),
    "none": ("teacher=corpus", *_REAL_ONCE, "optim.review=null"),
    "full": (
        *("teacher=gold", *_REAL_ONCE, "optim.review=null"),
        *("schedule.shots=null", "schedule.initial_size=all"),
    ),
}
"""Equal items: `evokd_corpus` and `random` take as many texts of the corpus a round. `full` has the
whole pool labelled, without duplicates and texts that are too long."""
DATASETS = ("sib200_en", "snips_intents", "wikigold")


def bulletin(name: str) -> tuple[str, ...]:
    return (*_BULLETIN, *BULLETIN[name])


def real(dataset: str, name: str, data: Path) -> tuple[str, ...]:
    return (f"dataset={dataset}", f"dataset.path={data / dataset}", *_REAL, *REAL[name])
