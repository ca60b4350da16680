"""From what the student said to numbers: one column of scores for each component."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from elad_exp.protocols import ComparingTask, Task
from elad_exp.selectors import components as c
from elad_exp.selectors.content import Grouping, step_content, step_content_sum
from elad_exp.selectors.evidence import Evidence
from elad_exp.types import Explanation, Sample

logger = logging.getLogger(__name__)

Column = Callable[[Evidence], float | None]
Same = Callable[[Sample, str, str], bool]


def sameness(task: Task) -> Same:
    """When two answers to a sample are one vote: as the task says, else where they are equal."""
    if isinstance(task, ComparingTask):
        return task.same_answer
    return lambda sample, one, other: one == other


@dataclass(frozen=True, slots=True)
class Reading:
    """How the student's words are read.

    Args:
        same: When two answers are one vote.
        intra: `truncate` or `remove`.
        inter_from: `root` or `prefixes`.
        grouping: Which steps of the explanations drawn for a sample assert the same.
    """

    same: Same
    intra: str
    inter_from: str
    grouping: Callable[[Evidence], Grouping]

    def columns(
        self, evidence: Sequence[Evidence], names: frozenset[str]
    ) -> dict[str, list[float]]:
        """The columns among `names` that look at the student; undefined scores filled in.

        Raises:
            ConfigError: Entropies of steps are needed, and no step has one.
        """
        if names & c.STEP_ENTROPY:
            c.check_step_entropies(found.attempt for found in evidence)
        one: dict[str, Column] = {
            "step_entropy": lambda e: c.step_entropy(e.attempt),
            "step_entropy_max": lambda e: c.step_entropy_max(e.attempt),
            "step_entropy_sum": lambda e: c.step_entropy_sum(e.attempt),
            "perplexity": lambda e: c.perplexity(e.attempt),
            "intra": self._intra,
            "inter": self._inter,
            "self_consistency": lambda e: c.self_consistency(self._votes(e, e.sampled)),
            "step_content": lambda e: step_content(e.sampled, self.grouping(e)),
            "step_content_sum": lambda e: step_content_sum(e.sampled, self.grouping(e)),
            "answer_entropy": self._of_answers(c.entropy),
            "least_confidence": self._of_answers(c.least_confidence),
            "margin": self._of_answers(c.margin),
            "direct_entropy": lambda e: c.entropy(p.values()) if (p := e.forced[()]) else None,
            "bald": lambda e: c.bald(e.dropped) if e.dropped else None,
        }
        columns = {n: [one[n](found) for found in evidence] for n in sorted(names & one.keys())}
        if "intra_excess" in names:
            columns["intra_excess"] = c.intra_excess(
                [self._intra(found) for found in evidence],
                [len(found.attempt.steps) for found in evidence],
            )
        for name, values in columns.items():
            if missing := values.count(None):
                logger.info("%s: undefined for %d of %d attempts", name, missing, len(values))
        return {name: c.fill_undefined(values) for name, values in columns.items()}

    def _votes(self, found: Evidence, explanations: Sequence[Explanation]) -> list[str | None]:
        answers = [explanation.answer for explanation in explanations]
        if found.closed:
            return answers
        return c.one_vote(answers, lambda one, other: self.same(found.sample, one, other))

    def _intra(self, found: Evidence) -> float | None:
        answer = found.attempt.answer
        if answer is None:
            return c.intra(None, [])
        parts = c.partial_explanations(found.attempt.texts, mode=self.intra)
        if not found.closed:
            written = [found.written[given] for given in parts]
            return c.intra_open(answer, written, lambda a, b: self.same(found.sample, a, b))
        forced = [found.forced[given] for given in parts]
        return c.intra(answer, forced) if all(forced) else None

    def _inter(self, found: Evidence) -> float | None:
        if self.inter_from == "root":
            return c.inter(self._votes(found, found.sampled))
        prefixes = c.partial_explanations(found.attempt.texts, mode="truncate")
        drawn = [found.continued[given] for given in prefixes]
        return c.inter_prefixes([self._votes(found, d) for d in drawn]) if all(drawn) else None

    def _of_answers(self, measure: Callable[[Iterable[float]], float]) -> Column:
        return lambda e: measure(p) if (p := self._answer_probabilities(e)) else None

    def _answer_probabilities(self, found: Evidence) -> list[float]:
        """Empty where an answer could not be forced, see `Passes.force`."""
        if found.closed:
            return list(found.forced[found.attempt.texts].values())
        return list(c.vote(self._votes(found, found.sampled)).values())
