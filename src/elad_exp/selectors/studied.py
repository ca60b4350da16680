"""What a teacher studies who writes texts: the student's predictions, or the first examples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from elad_exp.entities import from_answer, rarest_types
from elad_exp.errors import ConfigError, DataError
from elad_exp.selectors.base import attempt_of, query_item, shuffled
from elad_exp.selectors.components import ATTEMPT
from elad_exp.types import SYNTHETIC, Candidate, QueryItem


class PredictionsSelector:
    """Draws wrong and right predictions, evenly over the answers that they should have been (see
    `groups`).

    For candidates that are annotated already, see `elad_exp.studied`: a prediction is right if it
    is the annotation's answer. Where one kind has too few, the other fills up.

    Args:
        right_fraction: Share of right ones, 0 to 1.
        name: Of the selector, in files and plots.

    Raises:
        ConfigError: `right_fraction` is out of range.
    """

    among = ("annotated", "new")

    def __init__(self, *, right_fraction: float = 0.5, name: str = "predictions") -> None:
        if not 0 <= right_fraction <= 1:
            raise ConfigError(f"selector.right_fraction={right_fraction}: must be 0 to 1")
        self.right_fraction, self.name = right_fraction, name
        self.needs = ATTEMPT

    def select(
        self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator
    ) -> list[QueryItem]:
        """See `protocols.Selector`; a candidate that is not annotated counts as wrong."""
        right: list[Candidate] = []
        wrong: list[Candidate] = []
        for candidate in shuffled(candidates, n, rng):
            answer = attempt_of(candidate, self.name).answer
            is_right = answer is not None and answer == candidate.known
            (right if is_right else wrong).append(candidate)
        right, wrong = in_turn(right), in_turn(wrong)
        wanted = min(len(right), round(n * self.right_fraction))
        most = min(len(wrong), n - wanted)
        chosen = [*wrong[:most], *right[: n - most]]
        return [query_item(candidate) for candidate in chosen]


class GivenSelector:
    """Draws texts of the dataset, evenly over their answers; a teacher's own ones if they run out.

    Of all that is annotated (`selection.among=annotated`) those are the labelled examples that a
    run began with.

    Args:
        name: Of the selector, in files and plots.
    """

    needs: frozenset[str] = frozenset()
    among = ("annotated",)

    def __init__(self, *, name: str = "given") -> None:
        self.name = name

    def select(
        self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator
    ) -> list[QueryItem]:
        """See `protocols.Selector`."""
        drawn = shuffled(candidates, n, rng)
        own = [c for c in drawn if c.sample.origin != SYNTHETIC]
        others = [c for c in drawn if c.sample.origin == SYNTHETIC]
        return [query_item(candidate) for candidate in [*in_turn(own), *in_turn(others)][:n]]


def in_turn(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The first candidate of each group, then the second of each, and so on. See `groups`."""
    seen: dict[str, int] = {}
    ranked = []
    for place, (candidate, group) in enumerate(zip(candidates, groups(candidates), strict=True)):
        turn = seen[group] = seen.get(group, -1) + 1
        ranked.append((turn, place, candidate))
    return [candidate for _, _, candidate in sorted(ranked, key=lambda x: x[:2])]


def groups(candidates: Sequence[Candidate]) -> list[str]:
    """The known answer of each candidate. Of a text with entities, whose answer is nearly always
    its own, the type among them that the fewest candidates have.
    """
    answers = [candidate.known or "" for candidate in candidates]
    try:
        return rarest_types([from_answer(answer) for answer in answers])
    except DataError:  # no entities
        return answers
