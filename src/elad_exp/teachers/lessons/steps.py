"""The steps of a lesson as prompts and as replies: analyse, write, label (EvoKD, 2403.06414), and
those of the methods that it is compared with.

What the papers leave open is ours: the prompts, the JSON, and what is kept of a reply.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field, FiniteFloat

from elad_exp.protocols import SpanTask, Task
from elad_exp.tasks.weaknesses import NONE
from elad_exp.teachers.prompts import Prompt, load_prompt
from elad_exp.teachers.replies import Unusable
from elad_exp.types import Explanation, QueryItem, Sample

LABELS = "Each text has one of these classes."
ENTITIES = "In each text the entities of these types are to be found."
LABEL_FORM = "An answer is the name of a class."
ENTITY_FORM = (
    "An answer quotes the entities from the text, with their types, in its order: "
    '"TYPE: words of the text; TYPE: words of the text", or "none".'
)


UNREAD = "?"
"""Stands in a prompt for an answer that could not be read."""
BYTES_A_TOKEN = 8
"""A text with more bytes than so many times the tokens that it may have is dropped. Prose has 3 to
5 in most vocabularies."""


class Weakness(BaseModel):
    """With what shows it, and how much it weighs.

    `evidence`: numbers of the predictions in the prompt; ids of their samples once it was read.
    """

    evidence: list[int | str] = Field(default_factory=list)
    score: FiniteFloat = 1.0


class Confused(Weakness):
    """What the student takes for what."""

    right: str
    predicted: str


class Missing(Weakness):
    """What it does not understand."""

    phenomenon: str


class Analysis(BaseModel):
    """Weaknesses, the weightiest first; both lists empty where none is seen."""

    confused: list[Confused]
    missing: list[Missing]
    text: str = ""


class Texts(BaseModel):
    """New texts."""

    easy: list[str]
    hard: list[str]

    @property
    def all(self) -> list[str]:
        return [*self.easy, *self.hard]


class Labelled(Texts):
    """With one answer for each, for the easy ones first."""

    answers: list[str]


class Batch(BaseModel):
    """New texts of one kind."""

    texts: list[str]


class NamesOfType(BaseModel):
    """Entities of one type."""

    type: str
    names: list[str]


class Names(BaseModel):
    """New entities, by type."""

    entities: list[NamesOfType]


class Answers(BaseModel):
    """One for each text."""

    answers: list[str]


SCHEMAS: dict[str, type[BaseModel]] = {
    "analyse": Analysis,
    "write": Texts,
    "write_labelled": Labelled,
    "label": Answers,
    "rephrase": Batch,
    "imagine": Batch,
    "rewrite": Batch,
    "name": Names,
}
"""What each step replies."""


class Miscounted(Unusable):
    """Of answers that are not as many as texts, none can be told to belong to its text.

    `found` is the reply.
    """

    def __init__(self, found: Answers | Labelled, texts: int) -> None:
        labels = len(found.answers)
        super().__init__(
            f"{labels} label{'s' * (labels != 1)} came for {texts} text{'s' * (texts != 1)}"
        )
        self.found = found


def require_whole(found: BaseModel, plan: Mapping[str, Any]) -> None:
    """Refuse a reply of the right form that is no lesson.

    Args:
        found: A reply to a step.
        plan: Of the step; `texts` are those that were to be labelled.

    Raises:
        Unusable: It has no texts.
        Miscounted: It has more or fewer answers than texts.
    """
    if isinstance(found, Texts) and not found.all:
        raise Unusable("it has no texts")
    if isinstance(found, Batch) and not found.texts:
        raise Unusable("it has no texts")
    if isinstance(found, Labelled) and len(found.answers) != len(found.all):
        raise Miscounted(found, len(found.all))
    if isinstance(found, Answers) and len(found.answers) != len(plan["texts"]):
        raise Miscounted(found, len(plan["texts"]))


def prompt_of(step: str) -> Prompt:
    return load_prompt(f"lessons/{step}")


def about(task: Task, descriptions: Mapping[str, str]) -> dict[str, str]:
    """The fields of a prompt that are the same in every one of a task."""
    spans = isinstance(task, SpanTask)
    return {
        "task": ENTITIES if spans else LABELS,
        "names": "\n".join(f"- {name}: {text}" for name, text in descriptions.items()),
    }


def form_of(task: Task) -> str:
    return ENTITY_FORM if isinstance(task, SpanTask) else LABEL_FORM


def spoken(task: Task, sample: Sample, answer: str | None) -> str:
    """A canonical answer as prompts show it; `UNREAD` for one that could not be read."""
    if answer is None:
        return UNREAD
    line = task.target(sample, Explanation((), answer))
    return line.removeprefix("Answer: ")


def evidence_text(task: Task, items: Sequence[QueryItem]) -> str:
    """The predictions, numbered from 1, one a line."""
    lines = []
    for number, item in enumerate(items, 1):
        said = item.attempt.answer if item.attempt else None
        right = spoken(task, item.sample, item.known)
        lines.append(
            f"{number}. right: {right} | said: {spoken(task, item.sample, said)} | "
            f"{item.sample.question}"
        )
    return "\n".join(lines)


def weaknesses_text(analysis: Analysis | None) -> str:
    """What a prompt says of the weaknesses; what shows them is left out."""
    if analysis is None:
        return "Nothing is known about what the model gets wrong."
    lines = [f"- it takes {c.right} for {c.predicted}" for c in analysis.confused]
    lines += [f"- it does not understand: {m.phenomenon}" for m in analysis.missing]
    if analysis.text:
        lines.append(f"- {analysis.text}")
    return "\n".join(["Weaknesses of the model:", *lines]) if lines else "No weakness is known."


def not_invented(
    found: Iterable[Confused], names: Iterable[str]
) -> tuple[list[Confused], list[str]]:
    """Confusions of classes (or types) that there are, spelt as in `names`, and the names that a
    teacher has invented, with which the other confusions are left out.

    On either side there may also be `none` or `UNREAD`: nothing was right, said, or read.
    """
    known = {_plain(name): name for name in (UNREAD, NONE, *names)}
    kept: list[Confused] = []
    invented: list[str] = []
    for each in found:
        sides = {"right": each.right, "predicted": each.predicted}
        unknown = [said for said in sides.values() if _plain(said) not in known]
        invented += unknown
        if not unknown:
            own = {side: known[_plain(said)] for side, said in sides.items()}
            kept.append(each.model_copy(update=own))
    return kept, list(dict.fromkeys(invented))


def _plain(name: str) -> str:
    return " ".join(name.split()).strip(" .").casefold()


def shown_by(weakness: Weakness, ids: Sequence[str]) -> list[str]:
    """Of a weakness as it was replied, the ids of the predictions that exist."""
    known = {str(number): own for number, own in enumerate(ids, 1)}
    found = (known.get(str(named).strip("[]. ")) for named in weakness.evidence)
    return [own for own in dict.fromkeys(found) if own]


def numbered(texts: Sequence[str]) -> str:
    return "\n".join(f"{n}. {text}" for n, text in enumerate(texts, 1))


def reply_text(reply: Mapping[str, Any]) -> str:
    """How a teacher that is a program writes its reply."""
    return json.dumps(reply, ensure_ascii=False)
