"""What the two tasks of the bulletin share: texts, splits, and what their writer knows."""

from __future__ import annotations

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from elad_exp.entities import Span
from elad_exp.errors import ConfigError, DataError
from elad_exp.protocols import Splits
from elad_exp.tasks.bulletin.frames import FRAMES, PHENOMENA
from elad_exp.tasks.bulletin.reading import Grammar, Reading
from elad_exp.tasks.bulletin.sampling import Mix, generate
from elad_exp.tasks.bulletin.words import ACTS, CLASSES
from elad_exp.tasks.bulletin.world import MONTHS, WEEKDAYS, World, invent_world
from elad_exp.tasks.bulletin.writing import Habit, Writer
from elad_exp.tasks.weaknesses import (
    Confusion,
    Evidence,
    Missing,
    Weaknesses,
    analyse,
    replied,
)
from elad_exp.types import Explanation, Gold, GoldBook, Sample

REVISION = "bulletin-1"
_ANSWER = re.compile(r"^\s*answer\s*:\s*(.*?)\s*$", re.IGNORECASE | re.MULTILINE)


class Bulletin(ABC):
    """Generated notices; implements `protocols.Task` but for the kind of answers.

    `label`, `spans`, `phenomena`, `difficulty`, `analyse` and `write` are what a teacher knows that
    wrote the grammar. They read the text that they are given, whether it is of a split or new.

    Args:
        classes: Weight of each class in every split.
        hard: Share of texts with at least one phenomenon.
        phenomena: Weight of each phenomenon among the hard texts.
        second: Share of the hard texts that have two.
        tail: Zipf exponent of the frequencies of names, cues and acts; 0 is uniform.
        names: Names of each type.
        rare_cues: Rare cues of each class.
        n_pool: Texts to learn from.
        n_dev: Texts for tuning.
        n_test: Texts for the final figures.
        world_seed: Seed of the names and of which rare cues there are.
        split_seed: Seed of the texts.
        instruction: Line after the text, for students that follow instructions.
        name: Name in configuration, results and reports.

    Raises:
        ConfigError: A value cannot be used.
    """

    descriptions: Mapping[str, str]
    """What each label (or entity type) means, in a sentence."""

    def __init__(
        self,
        *,
        classes: Mapping[str, float] | None = None,
        hard: float = 0.5,
        phenomena: Mapping[str, float] | None = None,
        second: float = 0.2,
        tail: float = 1.0,
        names: int = 120,
        rare_cues: int = 12,
        n_pool: int = 3000,
        n_dev: int = 300,
        n_test: int = 1000,
        world_seed: int = 0,
        split_seed: int = 0,
        instruction: str = "",
        name: str = "bulletin",
    ) -> None:
        self.name, self.instruction = name, instruction
        self.sizes = {"pool": n_pool, "dev": n_dev, "test": n_test}
        if min(self.sizes.values()) < 1:
            raise ConfigError(f"bulletin: every split needs a text, got {self.sizes}")
        self.mix = Mix(
            classes=dict.fromkeys(CLASSES, 1.0) if classes is None else dict(classes),
            hard=hard,
            phenomena=dict.fromkeys(PHENOMENA, 1.0) if phenomena is None else dict(phenomena),
            second=second,
            tail=tail,
        )
        self.split_seed = split_seed
        self.world: World = invent_world(names=names, rare_cues=rare_cues, seed=world_seed)
        self._grammar = Grammar(self.world)

    def load(self) -> Splits:
        """Generate the splits; their gold is what the grammar reads."""
        pool, dev, test = (self._samples[name] for name in ("pool", "dev", "test"))
        gold = {sample.id: self._gold(sample) for sample in (*pool, *dev, *test)}
        content = [[s.to_dict(), gold[s.id].to_dict()] for s in (*pool, *dev, *test)]
        canonical = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        info = {
            "name": self.name,
            "source": "generated",
            "revision": REVISION,
            "sha256": hashlib.sha256(canonical.encode()).hexdigest(),
            "split_seed": self.split_seed,
        }
        return Splits(pool, dev, test, GoldBook(gold), info)

    def prompt(self, sample: Sample) -> str:
        """The text, and the instruction if there is one."""
        return "\n".join(filter(None, (sample.question, self.instruction))) + "\n"

    def target(self, sample: Sample, explanation: Explanation) -> str:
        """The answer line. Raises ValueError when there is no answer."""
        if explanation.answer is None:
            raise ValueError(f"sample {sample.id}: an explanation without an answer is no target")
        return f"Answer: {self._written(sample, explanation.answer)}"

    def parse(self, sample: Sample, text: str) -> Explanation:
        """The answer of the last answer line; total on arbitrary text."""
        lines = _ANSWER.findall(text)
        return Explanation.of((), self._answer(sample, lines[-1]) if lines else None, raw=text)

    def grade(self, sample: Sample, answer: str | None, gold: GoldBook) -> bool:
        return answer == gold[sample.id].answer

    def vocabulary(self) -> tuple[str, ...]:
        """Every frame, cue, act, name and part of a date; nothing is read off the texts."""
        forms = [frame for frames in FRAMES.values() for frame in frames]
        acts = [act for own in ACTS.values() for act in own]
        names = [name for own in self.world.names.values() for name in own]
        days = [*WEEKDAYS, *MONTHS, *(word[:3] for word in (*WEEKDAYS, *MONTHS))]
        texts = (
            *(" ".join(re.sub(r"\{\w+\}", "", form).split()) for form in (*forms, *acts)),
            *self.world.cues,
            *names,
            *days,
            *map(str, range(1, 29)),
            *(f"Answer: {name}" for name in self.descriptions),
        )
        return texts * 2  # tokenizers tend to ignore what occurs once

    def teacher_context(self, sample: Sample) -> None:
        return None

    # What the teacher that wrote the grammar knows.

    def label(self, text: str) -> str | None:
        """The class of any text of the grammar; None for another text."""
        reading = self._grammar.read(text)
        return reading.label if reading else None

    def spans(self, text: str) -> tuple[Span, ...] | None:
        """The entities in order; None for a text not of the grammar."""
        reading = self._grammar.read(text)
        return reading.spans if reading else None

    def phenomena(self, text: str) -> frozenset[str]:
        """What makes the text hard; nothing for a text not of the grammar."""
        reading = self._grammar.read(text)
        return reading.phenomena if reading else frozenset()

    def difficulty(self, text: str) -> str | None:
        """`easy`, or `hard` with at least one phenomenon; None for a text not of the grammar."""
        reading = self._grammar.read(text)
        return reading.difficulty if reading else None

    def analyse(self, evidence: Sequence[Evidence]) -> Weaknesses:
        """What the student confuses and which phenomena it gets wrong, see `weaknesses`."""
        return analyse(evidence, phenomena=self.phenomena, compared=self.compared)

    def write(
        self,
        n_easy: int,
        n_hard: int,
        weaknesses: Weaknesses | None,
        rng: np.random.Generator,
        *,
        habit: Habit | None = None,
    ) -> list[str]:
        """`n_easy` easy and then `n_hard` hard new texts without labels, see `writing`."""
        writer = Writer(
            self.world, self._grammar, classes=self.mix.classes, known=self._known, habit=habit
        )
        return writer.write(n_easy, n_hard, weaknesses, rng)

    def studied(self, evidence: Sequence[Evidence]) -> dict[str, Any]:
        """`analyse` as a teacher replies it."""
        return replied(self.analyse(evidence))

    def written(
        self,
        easy: int,
        hard: int,
        weaknesses: Mapping[str, Any] | None,
        rng: np.random.Generator,
        *,
        uneven: float = 0.0,
        seed: int = 0,
    ) -> list[str]:
        """`write`, aimed at weaknesses that were named as of `studied`, with a `Habit`."""
        aims = None
        if weaknesses is not None:
            aims = Weaknesses(
                tuple(
                    Confusion(c["right"], c["predicted"], (), c.get("score", 1.0))
                    for c in weaknesses["confused"]
                ),
                tuple(
                    Missing(m["phenomenon"], (), m.get("score", 1.0)) for m in weaknesses["missing"]
                ),
            )
        return self.write(easy, hard, aims, rng, habit=Habit(uneven, seed))

    def right(self, text: str) -> str | None:
        """The canonical answer to any text of the grammar; None for another text."""
        reading = self._grammar.read(text)
        return self._right(reading) if reading else None

    @abstractmethod
    def compared(self, right: str, predicted: str | None) -> list[tuple[str, str]]:
        """What was right and what was predicted, a pair for each decision."""

    @abstractmethod
    def _right(self, reading: Reading) -> str:
        """The canonical answer."""

    @abstractmethod
    def _written(self, sample: Sample, answer: str) -> str:
        """A canonical answer as it stands in the answer line."""

    @abstractmethod
    def _answer(self, sample: Sample, text: str) -> str | None:
        """The canonical answer that an answer line gives."""

    def _gold(self, sample: Sample) -> Gold:
        reading = self._grammar.read(sample.question)
        if reading is None:
            raise DataError(f"bulletin: not a notice of this world: {sample.question!r}")
        meta = {
            "label": reading.label,
            "difficulty": reading.difficulty,
            "phenomena": sorted(reading.phenomena),
        }
        return Gold(self._right(reading), (), meta)

    @cached_property
    def _samples(self) -> dict[str, tuple[Sample, ...]]:
        return generate(self.world, self.mix, sizes=self.sizes, seed=self.split_seed)

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(s.id for samples in self._samples.values() for s in samples)
