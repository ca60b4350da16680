"""Training examples of annotations: the whole target, or an answer forced early."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from elad_exp.data.collate import Encoded, Rendered, encode, encode_label
from elad_exp.protocols import Task
from elad_exp.types import Annotation, Explanation


class TargetEncoder:
    """Token ids and labels of annotations; cached, because every round asks for all of them.

    Args:
        task: Gives prompts and targets.
        tokenizer: Of the student.
        render: What the student reads for a task's prompt.
        max_length: Context of the student in tokens.
        train_on: `full`, or `revision` to learn nothing of the steps that the teacher kept.
    """

    def __init__(
        self,
        task: Task,
        tokenizer: Any,
        render: Callable[[str], Rendered],
        *,
        max_length: int,
        train_on: str,
    ) -> None:
        self.task, self.tokenizer, self.render = task, tokenizer, render
        self.max_length, self.train_on = max_length, train_on
        self._whole: dict[str, Encoded | None] = {}
        self._early: dict[tuple[str, int], Encoded] = {}

    def whole(self, annotation: Annotation) -> Encoded | None:
        """All of an explanation, or None if it does not fit the context."""
        key = annotation.sample.id
        if key not in self._whole:
            explanation = _explanation(annotation)
            kept = 0
            if self.train_on == "revision" and annotation.checked:
                first = annotation.first_error or len(explanation.steps) + 1
                kept = first - 1
            self._whole[key] = encode(
                self.tokenizer,
                self.render(self.task.prompt(annotation.sample)),
                self.task.target(annotation.sample, explanation),
                max_length=self.max_length,
                kept_steps=kept,
            )
        return self._whole[key]

    def early(self, annotation: Annotation, kept: int) -> Encoded:
        """The first `kept` steps and right after them the answer, whose label alone is learnt.

        The context is not looked at: a part of what fits it fits it too.
        """
        key = (annotation.sample.id, kept)
        if key not in self._early:
            explanation = _explanation(annotation)
            cut = Explanation.of(explanation.texts[:kept], explanation.answer)
            self._early[key] = encode_label(
                self.tokenizer,
                self.render(self.task.prompt(annotation.sample)),
                self.task.target(annotation.sample, cut),
            )
        return self._early[key]


def _explanation(annotation: Annotation) -> Explanation:
    assert annotation.explanation is not None  # only what is ok is trained on
    return annotation.explanation
