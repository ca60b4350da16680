"""A teacher that answers with the explanation that a human wrote."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from elad_exp.errors import DataError
from elad_exp.protocols import Task
from elad_exp.teachers.free import FreeTeacher
from elad_exp.teachers.texts import explanation_text
from elad_exp.types import Annotation, Explanation, GoldBook, QueryItem, Sample, Status


class GoldTeacher(FreeTeacher):
    """The human explanation replaces the attempt.

    Not a revision: no step is judged, there are no verdicts and no first error, and no acceptance
    rate follows. What can be said about attempts is `answer_agreement` alone. A sample whose gold
    has an answer but no explanation is annotated with the answer, without steps.

    Args:
        task: Gives prompts their context.
        gold: Answers and explanations by sample id.
        seed: Not used; given to every teacher alike.
        max_completion_tokens: An explanation longer than that is `truncated`.
    """

    name = "gold"
    model = "human"

    def __init__(
        self, task: Task, gold: GoldBook, *, seed: int = 0, max_completion_tokens: int = 1024
    ) -> None:
        super().__init__(task, mode="explain", max_completion_tokens=max_completion_tokens)
        self.gold = gold

    def request(self, item: QueryItem) -> dict[str, Any]:
        """As of every free teacher.

        Raises:
            DataError: The sample has no gold.
        """
        if item.sample.id not in self.gold:
            raise DataError(
                f"teacher=gold: sample {item.sample.id} has no gold answer; choose another teacher"
            )
        return super().request(item)

    def write(self, item: QueryItem) -> tuple[Annotation, str]:
        sample = item.sample
        gold = self.gold[sample.id]
        text = explanation_text(gold.explanation, gold.answer)
        explanation = Explanation.of(gold.explanation, gold.answer)
        return Annotation(sample, explanation, Status.OK, self.name, raw=text), text


def answer_agreement(
    attempts: Iterable[tuple[Sample, Explanation | None]], *, task: Task, gold: GoldBook
) -> float:
    """Share of attempts whose answer equals the gold's; an attempt without an answer does not.

    Raises:
        ValueError: There are no attempts.
    """
    agrees = [
        task.grade(sample, attempt.answer if attempt else None, gold)
        for sample, attempt in attempts
    ]
    if not agrees:
        raise ValueError("no attempts: their agreement with the gold answers is undefined")
    return sum(agrees) / len(agrees)
