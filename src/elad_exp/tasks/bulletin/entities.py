"""The bulletin as named-entity recognition."""

from __future__ import annotations

from collections.abc import Sequence

from elad_exp.entities import Place, from_answer, to_answer, tokens
from elad_exp.f1 import span_measures
from elad_exp.tasks.bulletin.base import Bulletin
from elad_exp.tasks.bulletin.reading import Reading
from elad_exp.tasks.bulletin.weaknesses import NONE
from elad_exp.tasks.bulletin.world import TYPES
from elad_exp.tasks.entity_answers import Entities
from elad_exp.types import GoldBook, Metric, Sample

CUT = "marks"
_ANSWERS = Entities(tuple(TYPES), CUT)


class BulletinEntitiesTask(Bulletin):
    """Which entities a notice names; arguments as of `Bulletin`."""

    descriptions = TYPES

    def kind(self, sample: Sample) -> str:
        return "entities"

    def labels(self, sample: Sample) -> None:
        return None

    def tokens(self, text: str) -> list[Place]:
        """Where the tokens of a notice stand."""
        return tokens(text, CUT)

    def measures(
        self, samples: Sequence[Sample], answers: Sequence[str | None], gold: GoldBook
    ) -> dict[str, Metric]:
        """F1 of spans."""
        return span_measures([gold[s.id].answer for s in samples], answers, list(TYPES))

    def compared(self, right: str, predicted: str | None) -> list[tuple[str, str]]:
        """A pair of types for each entity and each one that was made up.

        An entity whose bounds are missed was predicted as the other type that lies over it, or as
        `none`; what is no entity, but predicted as one, is `none` on the right side.
        """
        gold, found = (
            {(s.start, s.end): s.type for s in from_answer(answer or "[]")}
            for answer in (right, predicted)
        )
        pairs: list[tuple[str, str]] = []
        met: set[tuple[int, int]] = set()
        for bounds, kind in gold.items():
            over = [place for place in found if place[0] < bounds[1] and bounds[0] < place[1]]
            met.update(over)
            wrong = next((found[place] for place in over if found[place] != kind), NONE)
            pairs.append((kind, found.get(bounds, wrong)))
        return [*pairs, *((NONE, kind) for place, kind in found.items() if place not in met)]

    def _right(self, reading: Reading) -> str:
        return to_answer(reading.spans)

    def _written(self, sample: Sample, answer: str) -> str:
        return _ANSWERS.write(sample, answer)

    def _answer(self, sample: Sample, text: str) -> str | None:
        return _ANSWERS.read(sample, text)
