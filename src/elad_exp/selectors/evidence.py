"""What the student says about candidates, gathered in as few passes over it as scores need."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from elad_exp.errors import EladError
from elad_exp.protocols import Student
from elad_exp.rng import derive_seed
from elad_exp.selectors import components as c
from elad_exp.selectors.content import Vector
from elad_exp.selectors.place import Embed, embedded
from elad_exp.types import Explanation, Sample

logger = logging.getLogger(__name__)

Steps = tuple[str, ...]
_SUM_TOLERANCE = 0.01  # a softmax in bfloat16 is off by some thousandths


@dataclass(slots=True)
class Evidence:
    """What the student said about one sample; filled pass by pass.

    Attributes:
        closed: Whether the sample has a closed set of answers.
        attempt: Greedy.
        sampled: The k sampled explanations.
        forced: Distributions of the answer after some steps; `{}` where they exceed the context.
        written: Answers written after some steps, where answers are open.
        continued: The k explanations that go on after some steps; `[]` where they exceed the
            context.
        dropped: Distributions of the answer after the attempt, one for each dropout mask; empty
            where the attempt exceeds the context.
    """

    sample: Sample
    closed: bool
    attempt: Explanation
    sampled: list[Explanation] = field(default_factory=list)
    forced: dict[Steps, dict[str, float]] = field(default_factory=dict)
    written: dict[Steps, str | None] = field(default_factory=dict)
    continued: dict[Steps, list[Explanation]] = field(default_factory=dict)
    dropped: list[dict[str, float]] = field(default_factory=list)


class Passes:
    """The passes over the student. Each method makes one, or none where nothing is to be asked.

    Args:
        student: Explains and answers; batches by itself.
        seed: With the round, gives the seeds of what is drawn.
        k: Sampled explanations per candidate.
        temperature: Of the sampled explanations.
        intra: How attempts are cut, see `components.partial_explanations`.
        dropout_passes: Dropout masks.
        on_phase: Called with the name of a pass and its number of items before it begins.
    """

    def __init__(
        self,
        student: Student,
        *,
        seed: int,
        k: int,
        temperature: float,
        intra: str,
        dropout_passes: int,
        on_phase: Callable[[str, int], None] | None,
    ) -> None:
        self.student = student
        self.seed = seed
        self.k = k
        self.temperature = temperature
        self.intra = intra
        self.dropout_passes = dropout_passes
        self.on_phase = on_phase

    def attempts(
        self,
        samples: Sequence[Sample],
        closed: Sequence[bool],
        needs: frozenset[str],
        *,
        sampled: bool,
        round: int,
    ) -> list[Evidence]:
        """The greedy attempts and, with `sampled`, the k explanations that share their prompts.
        Where answers are closed, the forced answers that the components `needs` take are with them:
        every different (sample, steps) pair once, the shortest first. What does not fit the
        student's context has an empty distribution, and the scores that need it are undefined.

        Raises:
            EladError: Probabilities are not finite.
        """
        with_answers = {s.id for s, is_closed in zip(samples, closed, strict=True) if is_closed}

        def given(sample: Sample, attempt: Explanation) -> list[Steps]:
            return self._given(attempt, needs) if sample.id in with_answers else []

        self.begin("sampled" if sampled else "greedy", len(samples) * (1 + self.k * sampled))
        made = self.student.explain_forced(
            samples,
            given if with_answers and needs & c.FORCED else None,
            k=self.k * sampled,
            temperature=self.temperature,
            seed=derive_seed(self.seed, "score", round),
        )
        found = [
            Evidence(sample, sample.id in with_answers, greedy, drawn, forced)
            for sample, ((greedy, *drawn), forced) in zip(samples, made, strict=True)
        ]
        for own in found:
            for steps, distribution in own.forced.items():
                _check_sum(own.sample, steps, distribution)
        answers = [distribution for own in found for distribution in own.forced.values()]
        _tell_too_long("forced answers", answers.count({}), len(answers))
        return found

    def _given(self, attempt: Explanation, needs: frozenset[str]) -> list[Steps]:
        """The steps after which an answer is forced."""
        steps: set[Steps] = set()
        if needs & c.FORCED_PARTIAL:
            steps.update(self._parts(attempt))
        if needs & c.ANSWER:
            steps.add(attempt.texts)
        if needs & c.FORCED_DIRECT:
            steps.add(())
        return sorted(steps, key=lambda t: (len(t), t))

    def sample(self, evidence: Sequence[Evidence], round: int) -> None:
        """The k explanations of those that were chosen for them; drawn as `attempts` draws them."""
        if not evidence:
            return
        self.begin("sampled", len(evidence) * self.k)
        made = self.student.explain(
            [found.sample for found in evidence],
            k=self.k,
            temperature=self.temperature,
            seed=derive_seed(self.seed, "score", round),
        )
        for found, drawn in zip(evidence, made, strict=True):
            found.sampled = list(drawn)

    def go_on(self, evidence: Sequence[Evidence], round: int) -> None:
        """The k explanations that go on after each proper prefix; without steps, `sampled`."""
        wanted = []
        for found in evidence:
            empty, *prefixes = c.partial_explanations(found.attempt.texts, mode="truncate")
            found.continued[empty] = found.sampled
            wanted += [(found, given) for given in prefixes]
        if not wanted:
            return
        self.begin("continued", len(wanted) * self.k)
        made = self.student.explain_from(
            [(found.sample, given) for found, given in wanted],
            k=self.k,
            temperature=self.temperature,
            seed=derive_seed(self.seed, "score prefixes", round),
        )
        for (found, given), drawn in zip(wanted, made, strict=True):
            found.continued[given] = list(drawn)
        _tell_too_long("continued explanations", sum(not drawn for drawn in made), len(made))

    def write(self, evidence: Sequence[Evidence]) -> None:
        """Answers that the student writes after parts of its attempt, where answers are open."""
        wanted = [
            (found, given)
            for found in evidence
            if not found.closed
            for given in sorted(set(self._parts(found.attempt)), key=lambda t: (len(t), t))
        ]
        if not wanted:
            return
        self.begin("written", len(wanted))
        answers = self.student.forced_answers([(f.sample, given) for f, given in wanted])
        for (found, given), answer in zip(wanted, answers, strict=True):
            found.written[given] = answer

    def drop_out(self, evidence: Sequence[Evidence], round: int) -> None:
        """Distributions of the answer after the attempt under several dropout masks.

        Raises:
            ConfigError: The student has no dropout.
            EladError: Probabilities are not finite.
        """
        self.begin("dropout", len(evidence) * self.dropout_passes)
        made = self.student.dropout_distributions(
            [(found.sample, found.attempt.texts) for found in evidence],
            passes=self.dropout_passes,
            seed=derive_seed(self.seed, "score dropout", round),
        )
        for found, *masks in zip(evidence, *made, strict=True):
            for distribution in masks:
                _check_sum(found.sample, found.attempt.texts, distribution)
            found.dropped = masks if all(masks) else []
        too_long = sum(not found.dropped for found in evidence)
        _tell_too_long("answers under dropout", too_long, len(evidence))

    def vectors(self, evidence: Sequence[Evidence], embed: Embed) -> dict[str, Vector]:
        """Where an encoder, or the student, has the different steps of the sampled explanations."""
        texts = sorted({text for found in evidence for e in found.sampled for text in e.texts})
        if not texts:
            return {}
        self.begin("steps", len(texts))
        return dict(zip(texts, embedded(embed, texts), strict=True))

    def begin(self, phase: str, items: int) -> None:
        logger.debug("scoring, %s pass: %d items", phase, items)
        if self.on_phase is not None:
            self.on_phase(phase, items)

    def _parts(self, attempt: Explanation) -> list[Steps]:
        if attempt.answer is None:
            return []
        return c.partial_explanations(attempt.texts, mode=self.intra)


def _check_sum(sample: Sample, given: Steps, distribution: dict[str, float]) -> None:
    # Written so that NaN fails too: entropy skips it, and would report certainty.
    if distribution and not abs(math.fsum(distribution.values()) - 1.0) <= _SUM_TOLERANCE:
        raise EladError(
            f"answer probabilities of sample {sample.id} after {len(given)} steps are "
            f"{distribution}, which do not sum to 1. If they are not finite, training has "
            "diverged: lower the learning rate."
        )


def _tell_too_long(what: str, too_long: int, asked: int) -> None:
    if too_long:
        logger.warning(
            "%d of %d %s do not fit the student's context; scores that need them count as the "
            "least certain",
            too_long,
            asked,
            what,
        )
