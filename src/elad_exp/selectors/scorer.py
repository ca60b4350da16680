"""Scores candidates once for all selectors: the union of the components that they need."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from elad_exp.errors import ConfigError, EladError
from elad_exp.protocols import CheckableTask, Student, Task
from elad_exp.rng import derive_seed
from elad_exp.selectors import components as c
from elad_exp.types import Candidate, Explanation, Sample

logger = logging.getLogger(__name__)

_SUM_TOLERANCE = 0.01  # a softmax in bfloat16 is off by some thousandths


@dataclass(slots=True)
class _Evidence:
    """What the student said about one sample; filled pass by pass."""

    sample: Sample
    closed: bool
    attempt: Explanation
    sampled: list[Explanation] = field(default_factory=list)
    forced: dict[tuple[str, ...], dict[str, float]] = field(default_factory=dict)

    def answer_probabilities(self) -> list[float]:
        """Empty where an answer could not be forced, see `Scorer._force`."""
        if self.closed:
            return list(self.forced[self.attempt.texts].values())
        return list(c.vote([explanation.answer for explanation in self.sampled]).values())


class Scorer:
    """Runs the student over candidates and computes what selectors need, no more.

    Passes over the student, each at most once per call: one greedy explanation if any component
    but the text-only ones is needed; `k` sampled explanations if `inter`, `step_content` or, for
    open answers, an `answer_entropy`-like component is; forced answers, every different
    (sample, steps) pair once. Results do not depend on the order of the samples.

    Args:
        task: tells which samples have a closed set of answers.
        student: explains and answers; batches by itself.
        k: sampled explanations per candidate, at least 2.
        temperature: of the sampled explanations, above 0.
        intra: `truncate` (answer after each proper prefix) or `remove` (one step left out).
        content: what counts as the same step in `step_content`: `facts` (equal numbers, names
            and negations) suits free text, `text` (equal normalised text) a fixed grammar. `auto`
            is `text` for tasks whose steps a program can check, else `facts`.
        seed: with the round, gives the seed of the sampled explanations.
        on_phase: called with the name of a pass (`greedy`, `sampled`, `forced`) and its number of
            items before it begins; may raise to stop the run.

    Raises:
        ConfigError: a value out of range.
    """

    def __init__(
        self,
        task: Task,
        student: Student,
        *,
        seed: int,
        k: int = 4,
        temperature: float = 0.7,
        intra: str = "truncate",
        content: str = "auto",
        on_phase: Callable[[str, int], None] | None = None,
    ) -> None:
        if k < 2:
            raise ConfigError(f"scorer k={k}: one sample never disagrees; use k >= 2")
        if not (temperature > 0 and math.isfinite(temperature)):
            raise ConfigError(
                f"scorer temperature={temperature}: at 0 all samples are equal; use e.g. 0.7"
            )
        if intra not in ("truncate", "remove"):
            raise ConfigError(f"scorer intra={intra!r}; allowed: truncate, remove")
        if content == "auto":
            # In a fixed grammar the facts miss what tells "47 is before 60" from "47 is after 60".
            content = "text" if isinstance(task, CheckableTask) else "facts"
        if content not in c.CONTENT_KEYS:
            raise ConfigError(
                f"scorer content={content!r}; allowed: auto, {', '.join(sorted(c.CONTENT_KEYS))}"
            )
        self.task = task
        self.student = student
        self.seed = seed
        self.k = k
        self.temperature = temperature
        self.intra = intra
        self.content = content
        self.on_phase = on_phase

    def score(
        self,
        samples: Sequence[Sample],
        needs: frozenset[str],
        *,
        labelled: Sequence[Sample],
        round: int,
    ) -> list[Candidate]:
        """One candidate per sample, in the order given, with exactly the scores in `needs`.

        With text-only needs, or none, the student is not called and `attempt` is None. A score
        that is undefined (no steps, or too long to force an answer) becomes the largest of its
        component in this call.

        Args:
            samples: different samples.
            needs: names of components.
            labelled: questions annotated so far, for `rare_words`.
            round: the round, for the seed of the sampled explanations.

        Raises:
            ConfigError: an unknown component, or one that open answers do not support.
            EladError: the student's probabilities are not finite.
            ValueError: a sample is given twice.
        """
        c.check_components(needs)
        ordered = sorted(samples, key=lambda s: s.id)
        if len({s.id for s in ordered}) != len(ordered):
            raise ValueError("a sample is given twice")
        columns: dict[str, list[float]] = {}
        evidence: list[_Evidence] = []
        if ordered and needs - c.TEXT:
            evidence = self._evidence(ordered, needs, round)
            columns = self._student_columns(evidence, needs)
        if "rare_words" in needs:
            columns["rare_words"] = c.rare_words(ordered, labelled)
        if "question_length" in needs:
            columns["question_length"] = [c.question_length(s) for s in ordered]
        _check_finite(ordered, columns)
        scored: dict[str, Candidate] = {}
        for i, sample in enumerate(ordered):
            scores = {name: columns[name][i] for name in sorted(columns)}
            found = evidence[i] if evidence else None
            scored[sample.id] = Candidate(
                sample,
                scores,
                found.attempt if found else None,
                tuple(e.answer for e in found.sampled) if found else (),
            )
        return [scored[s.id] for s in samples]

    def _evidence(
        self, samples: Sequence[Sample], needs: frozenset[str], round: int
    ) -> list[_Evidence]:
        closed = [self.task.labels(s) is not None for s in samples]
        if not all(closed) and (refused := sorted(needs & c.CLOSED_ONLY)):
            raise ConfigError(
                f"{', '.join(refused)}: not available for open answers (sample "
                f"{samples[closed.index(False)].id}); open answers support "
                f"{', '.join(sorted(c.COMPONENTS - c.CLOSED_ONLY))}"
            )
        self._begin("greedy", len(samples))
        greedy = self.student.explain(samples)
        evidence = [
            _Evidence(sample, is_closed, attempt)
            for sample, is_closed, (attempt,) in zip(samples, closed, greedy, strict=True)
        ]
        if needs & c.SAMPLED or (needs & c.ANSWER and not all(closed)):
            self._begin("sampled", len(samples) * self.k)
            sampled = self.student.explain(
                samples,
                k=self.k,
                temperature=self.temperature,
                seed=derive_seed(self.seed, "score", round),
            )
            for found, explanations in zip(evidence, sampled, strict=True):
                found.sampled = list(explanations)
        self._force(evidence, needs)
        return evidence

    def _force(self, evidence: Sequence[_Evidence], needs: frozenset[str]) -> None:
        """Fill in forced answers; those of one sample stand together, shortest first, so that a
        student can share their prefixes.

        Where one does not fit the student's context, its distribution is empty, and the scores
        that need it are undefined.
        """
        wanted: list[tuple[_Evidence, tuple[str, ...]]] = []
        for found in evidence:
            steps: set[tuple[str, ...]] = set()
            if needs & c.FORCED_PARTIAL and found.attempt.answer is not None:
                steps.update(c.partial_explanations(found.attempt.texts, mode=self.intra))
            if needs & c.ANSWER and found.closed:
                steps.add(found.attempt.texts)
            if needs & c.FORCED_DIRECT:
                steps.add(())
            wanted += [(found, given) for given in sorted(steps, key=lambda t: (len(t), t))]
        if not wanted:
            return
        self._begin("forced", len(wanted))
        answers = self.student.answer_distributions([(f.sample, given) for f, given in wanted])
        if too_long := answers.count({}):
            logger.warning(
                "%d of %d forced answers do not fit the student's context; scores that need them "
                "count as the least certain",
                too_long,
                len(wanted),
            )
        for (found, given), distribution in zip(wanted, answers, strict=True):
            found.forced[given] = distribution
            if not distribution:
                continue
            # Written so that NaN fails too: entropy skips it, and would report certainty.
            if not abs(math.fsum(distribution.values()) - 1.0) <= _SUM_TOLERANCE:
                raise EladError(
                    f"answer probabilities of sample {found.sample.id} after {len(given)} steps "
                    f"are {distribution}, which do not sum to 1. If they are not finite, training "
                    "has diverged: lower the learning rate."
                )

    def _student_columns(
        self, evidence: Sequence[_Evidence], needs: frozenset[str]
    ) -> dict[str, list[float]]:
        def intra(found: _Evidence) -> float | None:
            if found.attempt.answer is None:
                return c.intra(None, [])
            parts = c.partial_explanations(found.attempt.texts, mode=self.intra)
            forced = [found.forced[given] for given in parts]
            return c.intra(found.attempt.answer, forced) if all(forced) else None

        def of_answers(
            measure: Callable[[Iterable[float]], float],
        ) -> Callable[[_Evidence], float | None]:
            return lambda e: measure(p) if (p := e.answer_probabilities()) else None

        key = c.CONTENT_KEYS[self.content]
        one: dict[str, Callable[[_Evidence], float | None]] = {
            "step_entropy": lambda e: c.step_entropy(e.attempt),
            "step_entropy_max": lambda e: c.step_entropy_max(e.attempt),
            "step_entropy_sum": lambda e: c.step_entropy_sum(e.attempt),
            "intra": intra,
            "inter": lambda e: c.inter([x.answer for x in e.sampled]),
            "step_content": lambda e: c.step_content(e.sampled, key=key),
            "step_content_sum": lambda e: c.step_content_sum(e.sampled, key=key),
            "answer_entropy": of_answers(c.entropy),
            "least_confidence": of_answers(c.least_confidence),
            "margin": of_answers(c.margin),
            "direct_entropy": lambda e: c.entropy(p.values()) if (p := e.forced[()]) else None,
        }
        columns = {n: [one[n](found) for found in evidence] for n in sorted(needs & one.keys())}
        if "intra_excess" in needs:
            columns["intra_excess"] = c.intra_excess(
                [intra(found) for found in evidence],
                [len(found.attempt.steps) for found in evidence],
            )
        for name, values in columns.items():
            if missing := values.count(None):
                logger.info("%s: undefined for %d of %d attempts", name, missing, len(values))
        return {name: c.fill_undefined(values) for name, values in columns.items()}

    def _begin(self, phase: str, items: int) -> None:
        logger.debug("scoring, %s pass: %d items", phase, items)
        if self.on_phase is not None:
            self.on_phase(phase, items)


def _check_finite(samples: Sequence[Sample], columns: dict[str, list[float]]) -> None:
    for name, values in sorted(columns.items()):
        for sample, value in zip(samples, values, strict=True):
            if not math.isfinite(value):
                raise EladError(
                    f"{name} of sample {sample.id} is {value}: the student's probabilities are "
                    "not finite. Training has diverged; lower the learning rate."
                )
