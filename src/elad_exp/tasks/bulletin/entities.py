"""The bulletin as named-entity recognition."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from elad_exp.tasks.bulletin.base import Bulletin
from elad_exp.tasks.bulletin.reading import Reading, Span
from elad_exp.tasks.bulletin.weaknesses import NONE
from elad_exp.tasks.bulletin.world import TYPES
from elad_exp.types import Sample


class BulletinEntitiesTask(Bulletin):
    """Which entities a notice names; arguments as of `Bulletin`."""

    descriptions = TYPES

    def kind(self, sample: Sample) -> str:
        return "entities"

    def labels(self, sample: Sample) -> None:
        return None

    def compared(self, right: str, predicted: str | None) -> list[tuple[str, str]]:
        """A pair of types for each entity and each one that was made up.

        An entity whose bounds are missed was predicted as the other type that lies over it, or as
        `none`; what is no entity, but predicted as one, is `none` on the right side.
        """
        gold, found = (
            {(start, end): kind for kind, start, end in json.loads(answer or "[]")}
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
        return canonical(reading.spans)

    def _written(self, sample: Sample, answer: str) -> str:
        named = [f"{kind}: {sample.question[a:b]}" for kind, a, b in json.loads(answer)]
        return "; ".join(named) or NONE

    def _answer(self, sample: Sample, text: str) -> str | None:
        return None if (spans := located(sample.question, text)) is None else canonical(spans)


def canonical(spans: Sequence[Span]) -> str:
    """The canonical answer: JSON of [type, start, end], by start."""
    ordered = sorted(spans, key=lambda span: span[1])
    return json.dumps([list(span) for span in ordered], separators=(",", ":"))


def located(text: str, answer: str) -> list[Span] | None:
    """The spans of `TYPE: mention; TYPE: mention`, each mention looked up after the one before.

    None where a type is not known, or a mention is not in the text from there on.
    """
    spans: list[Span] = []
    end = 0
    for part in [] if answer.casefold() in (NONE, "") else answer.split(";"):
        kind, _, mention = (piece.strip() for piece in part.partition(":"))
        match = re.compile(rf"\b{re.escape(mention)}\b").search(text, end) if mention else None
        if kind not in TYPES or match is None:
            return None
        spans.append((kind, match.start(), match.end()))
        end = match.end()
    return spans
