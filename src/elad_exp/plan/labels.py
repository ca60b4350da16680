"""Attempts of a student that labels texts: it reads, and writes nothing."""

from __future__ import annotations

from omegaconf import DictConfig

from elad_exp.data.collate import Encoded
from elad_exp.entities import Span, to_answer
from elad_exp.plan.attempts import Attempts, Scoring
from elad_exp.protocols import SpanTask, Splits, Task
from elad_exp.selectors.components import (
    ANSWER,
    DROPOUT,
    FEATURES,
    FORCED_DIRECT,
    FORCED_PARTIAL,
    from_samples,
)
from elad_exp.student.build_encoder import BuiltEncoder
from elad_exp.types import Annotation, Explanation, Sample, Status


class Labels(Attempts):
    """A forward pass over the text for each attempt, before training and after."""

    def __init__(self, task: Task, splits: Splits, student: BuiltEncoder, *, shown: bool) -> None:
        super().__init__(task, splits, shown=shown)
        self.student = student
        read = sum(map(len, student.engine(task).ids(self.some))) / len(self.some)
        self.first_tokens = self.attempt_tokens = self.example_tokens = read

    def likely(self, sample: Sample) -> Explanation:
        """The dataset's answer; without one the first label, or no entities."""
        if gold := self.gold.get(sample.id):
            return Explanation((), gold.answer)
        return Explanation((), (self.task.labels(sample) or ("[]",))[0])

    def longest(self, sample: Sample) -> Explanation:
        """The longest label, or every token as an entity of the type with the longest name."""
        if isinstance(self.task, SpanTask):
            kind = max(self.task.descriptions, key=len)
            places = self.task.tokens(sample.question)
            return Explanation((), to_answer(Span(kind, *place) for place in places))
        return Explanation((), max(self.task.labels(sample) or ("",), key=len))

    def examples(self) -> list[tuple[Sample, Encoded]]:
        """Those that fit the student's context."""
        encoder = self.student.encoder(self.task, train_on="full")
        made = [
            (sample, encoder.whole(Annotation(sample, self.likely(sample), Status.OK, "plan")))
            for sample in self.some
        ]
        return [(sample, row) for sample, row in made if row is not None]

    def scored_tokens(self, scoring: Scoring, selection: DictConfig) -> float:
        """One pass for the attempts and for all that is drawn with them, and one for each further
        question about a candidate; see `selectors.evidence.Passes`.
        """
        wanted, closed, n = scoring.wanted, scoring.closed, scoring.candidates
        passes = scoring.attempts
        if scoring.guided and from_samples(wanted, closed=closed):
            passes += scoring.sampled
        if wanted & (FORCED_PARTIAL | ANSWER | FORCED_DIRECT if closed else FORCED_PARTIAL):
            passes += n
        if wanted & DROPOUT:
            passes += n * selection.dropout_passes
        if wanted & FEATURES:
            passes += n + scoring.labelled
        return self.attempt_tokens * passes
