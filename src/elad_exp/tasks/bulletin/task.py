"""The bulletin as text classification."""

from __future__ import annotations

from collections.abc import Sequence

from elad_exp.f1 import label_measures
from elad_exp.tasks.bulletin.base import Bulletin
from elad_exp.tasks.bulletin.reading import Reading
from elad_exp.tasks.bulletin.words import DESCRIPTIONS
from elad_exp.tasks.weaknesses import compared_labels
from elad_exp.types import GoldBook, Metric, Sample


class BulletinTask(Bulletin):
    """Which class a notice belongs to; arguments as of `Bulletin`."""

    descriptions = DESCRIPTIONS

    def kind(self, sample: Sample) -> str:
        return "label"

    def labels(self, sample: Sample) -> tuple[str, ...]:
        return tuple(self.mix.classes)

    def measures(
        self, samples: Sequence[Sample], answers: Sequence[str | None], gold: GoldBook
    ) -> dict[str, Metric]:
        """Macro F1."""
        return label_measures([gold[s.id].answer for s in samples], answers, list(self.mix.classes))

    def compared(self, right: str, predicted: str | None) -> list[tuple[str, str]]:
        """See `weaknesses.compared_labels`."""
        return compared_labels(right, predicted)

    def _right(self, reading: Reading) -> str:
        return reading.label

    def _written(self, sample: Sample, answer: str) -> str:
        return answer

    def _answer(self, sample: Sample, text: str) -> str | None:
        said = text.strip(" .*`\"'").casefold()
        return said if said in self.mix.classes else None
