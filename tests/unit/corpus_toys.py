"""Small corpora as files: texts of three classes, and texts with towns and persons."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from elad_exp.tasks.texts import EntityTask, TextClassificationTask
from elad_exp.types import Annotation, Explanation, Gold, Query, QueryItem, Sample, Status

WORDS = {
    "concert": ("choir", "fiddle", "drummer", "ballad"),
    "market": ("herring", "cabbage", "bargain", "stall"),
    "storm": ("thunder", "gale", "hail", "flood"),
}
TOWNS = ("Brackmoor", "Eltham", "Sundry", "Keldale", "Oxmere")
NAMES = ("Mira", "Oskar", "Tibor", "Ines")
N = 20
"""Texts of each class; every other one has a word of the next class as well."""


def clear(label: str, n: int) -> str:
    first, second = (WORDS[label][(n + k) % 4] for k in (0, 1 + n % 3))
    return f"The {first} and the {second} of {TOWNS[n % 5]} , notice {n} ."


def vague(label: str, n: int) -> str:
    other = list(WORDS)[(list(WORDS).index(label) + 1) % 3]
    first, second = WORDS[label][n % 4], WORDS[other][n % 3]
    return f"The {first} or the {second} of {TOWNS[n % 5]} , remark {n} ."


def labelled() -> list[dict[str, Any]]:
    return [
        {"id": f"{label}-{n}", "text": (vague if n % 2 else clear)(label, n), "label": label}
        for label in WORDS
        for n in range(N)
    ]


def tagged() -> list[dict[str, Any]]:
    """Persons with towns, towns alone, and neither."""
    rows = []
    for n in range(3 * N):
        name, town = NAMES[n % 4], TOWNS[n % 5]
        tokens, tags = [
            ([name, "left", town], ["B-PER", "O", "B-LOC"]),
            (["Rain", "in", town], ["O", "O", "B-LOC"]),
            (["Nothing", "happened"], ["O", "O"]),
        ][n % 3]
        more = ["on", "day", str(n), "."]
        rows.append({"id": f"e{n}", "tokens": [*tokens, *more], "tags": [*tags, *"OOOO"]})
    return rows


def write(path: Path, rows: Sequence[dict[str, Any]]) -> str:
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return str(path)


def label_task(folder: Path, *more: dict[str, Any]) -> TextClassificationTask:
    path = write(folder / "labelled.jsonl", [*labelled(), *more])
    return TextClassificationTask(path=path, n_dev=3, n_test=3)


def entity_task(folder: Path, *more: dict[str, Any]) -> EntityTask:
    path = write(folder / "tagged.jsonl", [*tagged(), *more])
    return EntityTask(path=path, n_dev=3, n_test=3)


def given(samples: Sequence[Sample], gold: Any) -> list[Annotation]:
    """As the first examples of a run are annotated."""
    entries: dict[str, Gold] = {s.id: gold[s.id] for s in samples}
    return [
        Annotation(s, Explanation((), entries[s.id].answer), Status.OK, "given") for s in samples
    ]


def studied(annotations: Sequence[Annotation], said: dict[str, str], round_: int = 1) -> Query:
    """Predictions on annotated texts: what `said` has in place of the right answer, or that."""
    items = []
    for one in annotations:
        assert one.explanation is not None
        right = one.explanation.answer
        assert right is not None
        items.append(
            QueryItem(one.sample, Explanation((), said.get(right, right)), known=right),
        )
    return Query(round_, tuple(items))
