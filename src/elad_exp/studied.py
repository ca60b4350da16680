"""Queries that a teacher studies, not annotates: texts, and what the student said of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from elad_exp.data.pool import Pool
from elad_exp.protocols import Student
from elad_exp.types import Annotation, Candidate, Explanation, Sample, Status

AMONG = ("pool", "annotated", "new")
"""What candidates are drawn from: texts to annotate, or one of the kinds of `Studied`."""


class Studied:
    """Annotated texts as candidates.

    `annotated`: all of them, with the student's predictions of now. `new`: those of the last
    purchase that gave any, with what the student said of them when they came, before it was
    trained on them; but of the texts of round 0, which came before it was trained at all, with
    what it says now.

    Args:
        among: `annotated` or `new`.
        pool: Knows what is annotated.
        readable: Whether the student can be asked about a text, which may be too long for it.
    """

    def __init__(self, among: str, pool: Pool, readable: Callable[[Annotation], bool]) -> None:
        self.among, self.pool, self.readable = among, pool, readable
        self._first: dict[str, Explanation] = {}

    @property
    def samples(self) -> list[Sample]:
        """What a query may name."""
        found = [a.sample for a in self.pool.labelled if self.readable(a)]
        if self.among == "new" and found:
            last = max(self.pool.bought_in(s.id) for s in found)
            found = [s for s in found if self.pool.bought_in(s.id) == last]
        return found

    def meet(self, student: Student, annotations: Sequence[Annotation]) -> None:
        """Ask the student about what has come, before it is trained on it."""
        if self.among != "new" or self.pool.round == 1:
            return
        new = [a.sample for a in annotations if a.status is Status.OK and self.readable(a)]
        if new:
            said = [found[0] for found in student.explain(new)]
            self._first = dict(zip((s.id for s in new), said, strict=True))

    def told(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Candidates with the answers that they should have had, and those that they had."""
        known = {a.sample.id: a.explanation for a in self.pool.labelled}
        found = []
        for c in candidates:
            right = known[c.sample.id]
            said = self._first.get(c.sample.id, c.attempt)
            found.append(replace(c, known=right.answer if right else None, attempt=said))
        return found

    def state_dict(self) -> dict[str, Any]:
        """Primitives for the checkpoint."""
        return {name: said.to_dict() for name, said in self._first.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._first = {name: Explanation.from_dict(said) for name, said in state.items()}
