"""Texts with labels and texts with entities, small enough to be learnt by heart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from elad_exp.entities import Place, Span, to_answer, tokens
from elad_exp.protocols import Splits
from elad_exp.types import Annotation, Explanation, Gold, GoldBook, Sample, Status, sample_id

NAMES = ("Mira Solent", "Oskar Fenn", "Tibor Vale", "Ines Quarrow", "Rufus Hale")
TOWNS = ("Brackmoor", "Eltham Cross", "Sundry", "Upper Keld")
NOTICES = [
    (f"{name} {verb} in {town}, after {n} o'clock.", label, name, town)
    for i, (name, town) in enumerate((a, b) for a in NAMES for b in TOWNS)
    for n, (verb, label) in enumerate((("sings", "concert"), ("sells fish", "market")), 3 + i)
]


def sample(text: str) -> Sample:
    return Sample(sample_id(text), text)


class LabelToy:
    """Two labels."""

    name = "label toy"

    def __init__(self, labels: tuple[str, ...] | None = ("concert", "market")) -> None:
        self._labels = labels

    def load(self) -> Splits:
        gold = {sample(text).id: Gold(label) for text, label, *_ in NOTICES}
        pool = [sample(text) for text, *_ in NOTICES]
        return Splits(pool, pool[:4], pool[4:8], GoldBook(gold), {"name": self.name})

    def prompt(self, sample: Sample) -> str:
        return f"{sample.question}\n"

    def target(self, sample: Sample, explanation: Explanation) -> str:
        return f"Answer: {explanation.answer}"

    def parse(self, sample: Sample, text: str) -> Explanation:
        return Explanation((), text.removeprefix("Answer: ") or None)

    def kind(self, sample: Sample) -> str:
        return "label"

    def labels(self, sample: Sample) -> tuple[str, ...] | None:
        return self._labels

    def grade(self, sample: Sample, answer: str | None, gold: GoldBook) -> bool:
        return answer == gold[sample.id].answer

    def vocabulary(self) -> tuple[str, ...]:
        return ()

    def teacher_context(self, sample: Sample) -> str | None:
        return None


class EntityToy(LabelToy):
    """Persons and towns."""

    name = "entity toy"
    descriptions: Mapping[str, str] = {"PERSON": "who acts", "TOWN": "where it is"}

    def __init__(self) -> None:
        super().__init__(None)

    def load(self) -> Splits:
        found = super().load()
        gold = {}
        for text, _, name, town in NOTICES:
            at = text.index(town)
            spans = (Span("PERSON", 0, len(name)), Span("TOWN", at, at + len(town)))
            gold[sample(text).id] = Gold(to_answer(spans))
        return Splits(found.pool, found.dev, found.test, GoldBook(gold), {"name": self.name})

    def tokens(self, text: str) -> list[Place]:
        return tokens(text, "marks")


def annotations(task: LabelToy) -> list[Annotation]:
    splits = task.load()
    return [
        Annotation(s, Explanation((), splits.gold[s.id].answer), Status.OK, "toy")
        for s in splits.pool
    ]


def taught(built: Any, task: LabelToy, *, steps: int = 150) -> Any:
    """The student after it has learnt all annotations by heart."""
    encoder = built.encoder(task, train_on="full")
    rows = [encoder.whole(a) for a in annotations(task)]
    optimizer = torch.optim.AdamW(built.model.parameters(), lr=2e-3)
    torch.manual_seed(0)
    built.model.train()
    for step in range(steps):
        batch = [rows[(step * 8 + i) % len(rows)] for i in range(8)]
        optimizer.zero_grad()
        built.loss(built.model, built.collate(batch)).backward()
        optimizer.step()
    built.model.eval()
    return built
