"""The bulletin as named-entity recognition."""

from __future__ import annotations

from collections.abc import Sequence

from elad_exp.entities import Place, to_answer, tokens
from elad_exp.f1 import span_measures
from elad_exp.tasks.bulletin.base import Bulletin
from elad_exp.tasks.bulletin.reading import Reading
from elad_exp.tasks.bulletin.world import TYPES
from elad_exp.tasks.entity_answers import Entities
from elad_exp.tasks.weaknesses import compared_entities
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
        """See `weaknesses.compared_entities`."""
        return compared_entities(right, predicted)

    def _right(self, reading: Reading) -> str:
        return to_answer(reading.spans)

    def _written(self, sample: Sample, answer: str) -> str:
        return _ANSWERS.write(sample, answer)

    def _answer(self, sample: Sample, text: str) -> str | None:
        return _ANSWERS.read(sample, text)
