"""What calls cost, and what a round of a plan consists of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

from elad_exp.types import Usage


@dataclass
class Cost:
    """Calls and their tokens and dollars."""

    calls: float = 0.0
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0
    usd: float = 0.0

    def add(self, usage: Usage, weight: float = 1.0) -> None:
        """Count a call that is made with a probability of `weight`."""
        self.calls += weight
        self.prompt_tokens += weight * usage.prompt_tokens
        self.completion_tokens += weight * usage.completion_tokens
        self.usd += weight * usage.usd

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __sub__(self, other: Cost) -> Cost:
        return self + other.times(-1)

    def times(self, factor: float) -> Cost:
        """So many times this."""
        return Cost(*(factor * getattr(self, f.name) for f in fields(self)))

    @property
    def tokens(self) -> float:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True)
class Lot:
    """Annotations that are bought together or not at all: a lesson; none for what is studied.

    `aside` is what is expected to be set aside when it begins.
    """

    annotations: int
    expected: Cost
    aside: Cost
    most: Cost


@dataclass
class RoundPlan:
    """One round: trained and measured, scored by the student, bought.

    `candidates` are scored; `given` are examples that nobody asks for. `expected` and `most` are
    what is spent, with an empty cache; of both, `stored` is what the store has the answers to, and
    of `expected`, `repeated` what an earlier job of the sweep has bought by then. `lots` is what a
    budget covers as a whole, in order; where there are none, annotations are bought one by one.
    `measured`, `scored` and `trained` are tokens of the student.
    """

    round: int
    annotations: int = 0
    candidates: int = 0
    given: int = 0
    lots: tuple[Lot, ...] = ()
    expected: Cost = field(default_factory=Cost)
    most: Cost = field(default_factory=Cost)
    stored: Cost = field(default_factory=Cost)
    repeated: Cost = field(default_factory=Cost)
    measured: float = 0.0
    scored: float = 0.0
    trained: float = 0.0
    train_s: float = 0.0
    measure_s: float = 0.0
    score_s: float = 0.0
    wait_s: float = 0.0

    def __add__(self, other: RoundPlan) -> RoundPlan:
        sums = (getattr(self, f.name) + getattr(other, f.name) for f in fields(self)[1:])
        return RoundPlan(self.round, *sums)

    @property
    def paid(self) -> Cost:
        """What is expected to leave."""
        return self.expected - self.stored - self.repeated

    @property
    def answered(self) -> float:
        """Tokens that the student writes outside of training, or reads where it labels."""
        return self.measured + self.scored

    @property
    def student_s(self) -> float:
        return self.train_s + self.measure_s + self.score_s

    @property
    def seconds(self) -> float:
        return self.student_s + self.wait_s

    def bought(self, n: int) -> RoundPlan:
        """This round, if the budget covers `n` of its annotations; what is scored stays."""
        share = n / self.annotations
        return replace(
            self,
            annotations=n,
            expected=self.expected.times(share),
            most=self.most.times(share),
            stored=self.stored.times(share),
            repeated=self.repeated.times(share),
            wait_s=share * self.wait_s,
        )

    def begun(self, lots: Sequence[Lot]) -> RoundPlan:
        """This round, if the budget covers these of its lots alone; what is scored stays."""
        expected = sum((lot.expected for lot in lots), Cost())
        asked = self.expected.calls
        return replace(
            self,
            annotations=sum(lot.annotations for lot in lots),
            lots=tuple(lots),
            expected=expected,
            most=sum((lot.most for lot in lots), Cost()),
            wait_s=self.wait_s * expected.calls / asked if asked else 0.0,
        )

    def closed(self) -> RoundPlan:
        """This round, if it only trains and measures, as the last one does."""
        return RoundPlan(
            self.round,
            measured=self.measured,
            trained=self.trained,
            train_s=self.train_s,
            measure_s=self.measure_s,
        )


def total(rounds: list[RoundPlan]) -> RoundPlan:
    """The sum, as a round."""
    return sum(rounds, RoundPlan(0))
