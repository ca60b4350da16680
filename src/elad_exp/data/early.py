"""Answers forced early: explanations cut short in training, so that a student knows the situation.

Some scores ask a student for its answer after only a part of its explanation, where training
otherwise never has one. So a share of the examples in a round's batches is replaced by the same
annotation with its first steps only, none or more and never all, directly followed by its answer.

Of such an example the label alone counts in the loss. Not the steps, which the whole annotation
teaches. And not the words `Answer:` either: after half an explanation they would teach the student
to stop there, and its explanations would become shorter. What is forced at inference is those very
words, so what is learnt is what is asked: the label, given that the answer comes now.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Sized
from typing import Protocol

from elad_exp.data.collate import Encoded
from elad_exp.rng import generator
from elad_exp.types import Annotation

Draw = tuple[int, int | None]
"""Number of an example, and how many of its steps are kept if it is cut short."""


class Batches(Sized, Protocol):
    """Batches of numbers of examples."""

    def __iter__(self) -> Iterator[list[int]]: ...


class Encoder(Protocol):
    """Makes training examples of annotations that are ok."""

    def whole(self, annotation: Annotation) -> Encoded | None:
        """All of it, or None if it does not fit the student's context."""
        ...

    def early(self, annotation: Annotation, kept: int) -> Encoded:
        """The first `kept` steps and right after them the answer."""
        ...


class WithEarlyAnswers:
    """Says of every example in a round's batches whether it is cut short, and where.

    The draw depends on seed, round and position in the round alone: not on what stands there, and
    not on earlier rounds, so a resumed run draws the same. The examples and their order are those
    of `batches` whatever the fraction is.

    Args:
        batches: Of the round.
        steps: Number of steps of each example; one that has none stays whole.
        fraction: Expected share of examples that are cut short, 0 to 1.
        seed: Seed of the run.
        round: The round.
    """

    def __init__(
        self, batches: Batches, steps: Sequence[int], *, fraction: float, seed: int, round: int
    ) -> None:
        self.batches, self.steps, self.fraction = batches, steps, fraction
        self.seed, self.round = seed, round

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[Draw]]:
        rng = generator(self.seed, "early answers", self.round)
        for batch in self.batches:
            draws = rng.random((len(batch), 2)).tolist()
            yield [
                (
                    i,
                    int(where * self.steps[i])
                    if chance < self.fraction and self.steps[i]
                    else None,
                )
                for i, (chance, where) in zip(batch, draws, strict=True)
            ]


class Examples:
    """The annotations that fit the context, as training examples.

    Attributes:
        ids: Of each example's sample.
        lengths: Of each example when it is whole, in tokens.
        steps: Of each example.
    """

    def __init__(self, annotations: Sequence[Annotation], encoder: Encoder) -> None:
        self._encoder = encoder
        whole = [(a, row) for a in annotations if (row := encoder.whole(a)) is not None]
        self._annotations = [annotation for annotation, _ in whole]
        self._rows = [row for _, row in whole]
        self.ids = [annotation.sample.id for annotation in self._annotations]
        self.lengths = list(map(len, self._rows))
        self.steps = [len(a.explanation.steps) if a.explanation else 0 for a in self._annotations]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, draw: Draw) -> Encoded:
        number, kept = draw
        if kept is None:
            return self._rows[number]
        return self._encoder.early(self._annotations[number], kept)
