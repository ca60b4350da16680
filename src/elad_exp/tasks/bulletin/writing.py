"""New texts for a student: aimed at its weaknesses where these are named.

The writer knows the grammar. It does not know how often the classes, phenomena, names and cues
of the pool come: where no weakness says otherwise, all are equally frequent, or those that it
has a habit of writing (`Habit`) are more so. A text of the pool, dev or test is never written, nor
is one written twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from elad_exp.errors import ConfigError
from elad_exp.tasks.almanac.draw import Draw, running
from elad_exp.tasks.bulletin.composing import Composer
from elad_exp.tasks.bulletin.frames import PHENOMENA
from elad_exp.tasks.bulletin.reading import Grammar
from elad_exp.tasks.bulletin.sampling import drawn_phenomena, new_text
from elad_exp.tasks.bulletin.world import TYPES, Picker, World
from elad_exp.tasks.weaknesses import Weaknesses

T = TypeVar("T")
# Share of texts aimed at the weaknesses. The others keep what no evidence speaks of in view: were
# all aimed, a class that is absent from one batch would be absent from all that follow.
AIMED = 0.5
_REDRAWS = 1_000


@dataclass(frozen=True, slots=True)
class Habit:
    """What a writer writes most where nothing is asked for, as language models do.

    Attributes:
        uneven: Zipf exponent of the shares of classes, and of phenomena; 0 is none.
        seed: Of which of them comes first.
    """

    uneven: float = 0.0
    seed: int = 0

    def weights(self, names: Sequence[str], *purpose: str) -> dict[str, float]:
        """Weight of each name, from 1 downwards; {} without a habit."""
        if not self.uneven:
            return {}
        order = Draw(self.seed, "bulletin", "habit", *purpose).shuffled(names)
        return {name: (place + 1) ** -self.uneven for place, name in enumerate(order)}


class Writer:
    """Writes texts of a world.

    Args:
        world: Names and cues.
        grammar: Reads what was written.
        classes: The classes to write about.
        known: Ids of texts that must not be written.
        habit: Of texts that are aimed at nothing.
    """

    def __init__(
        self,
        world: World,
        grammar: Grammar,
        *,
        classes: Iterable[str],
        known: Iterable[str],
        habit: Habit | None = None,
    ) -> None:
        self._world, self._grammar = world, grammar
        self._classes = tuple(classes)
        self._known = frozenset(known)
        self._habit = habit or Habit()

    def write(
        self, n_easy: int, n_hard: int, weaknesses: Weaknesses | None, rng: np.random.Generator
    ) -> list[str]:
        """`n_easy` texts without a phenomenon, then `n_hard` with one.

        `AIMED` of the texts, by chance, are aimed at the weaknesses, the others at nothing.

        The class of an aimed text is drawn by the scores of the confusions in which it is the
        right one. In a hard text the distractors are of the class that it is taken for; in one of
        three the two change places, so that the student learns the difference and not the class.
        Its phenomenon is drawn by the scores of the missing ones. A confusion of entity types
        asks for texts that hold an entity of the type that is missed.

        Raises:
            ConfigError: The world has too few different texts.
        """
        draw = Draw(int(rng.integers(2**62)), "bulletin", "write")
        composer = Composer(Picker(self._world, draw, tail=0.0))
        unaimed = _Aims(self._classes, Weaknesses(), self._habit, draw)
        aimed = _Aims(self._classes, weaknesses, self._habit, draw) if weaknesses else unaimed
        taken = set(self._known)
        texts = []
        for hard in (False,) * n_easy + (True,) * n_hard:
            aims = draw.weighted((aimed, unaimed), (AIMED, 1.0))
            label, other = aims.classes(contrast=hard)
            phenomena = aims.phenomena() if hard else frozenset()
            kind = aims.entity()
            for _ in range(_REDRAWS):
                text = new_text(composer, label, phenomena, other, taken=taken)
                reading = self._grammar.read(text)
                if kind is None or (reading and kind in {span.type for span in reading.spans}):
                    break
            else:
                raise ConfigError(f"bulletin: no {label!r} text with an entity of type {kind!r}")
            texts.append(text)
        return texts


class _Aims:
    """What the texts should be about."""

    def __init__(
        self, classes: tuple[str, ...], weaknesses: Weaknesses, habit: Habit, draw: Draw
    ) -> None:
        self._all, self._draw = classes, draw
        self._usual = habit.weights(classes, "classes")
        self._pairs = {
            (c.right, c.predicted): c.score for c in weaknesses.confusions if c.right in classes
        }
        self._types: dict[str, float] = {}
        for c in weaknesses.confusions:
            kind = c.right if c.right in TYPES else c.predicted
            if kind in TYPES:
                self._types[kind] = self._types.get(kind, 0.0) + c.score
        named = {m.phenomenon: m.score for m in weaknesses.phenomena if m.phenomenon in PHENOMENA}
        usual = habit.weights(tuple(PHENOMENA), "phenomena") or dict.fromkeys(PHENOMENA, 1.0)
        self._phenomena = named or usual

    def classes(self, *, contrast: bool) -> tuple[str, str]:
        """The class of a text and that of its distractors."""
        usual = self._weighted(self._usual)
        label, other = self._weighted(self._pairs) or (usual or self._draw.pick(self._all), "")
        if other not in self._all:
            other = self._draw.pick([name for name in self._all if name != label])
        swapped = contrast and self._pairs and self._draw.below(3) == 0
        return (other, label) if swapped else (label, other)

    def phenomena(self) -> frozenset[str]:
        return drawn_phenomena(self._draw, self._phenomena, 1)

    def entity(self) -> str | None:
        """An entity type that the text must hold."""
        return self._weighted(self._types)

    def _weighted(self, weights: Mapping[T, float]) -> T | None:
        if not weights:
            return None
        return self._draw.weighted(list(weights), running(list(weights.values())))
