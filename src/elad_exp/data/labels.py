"""Training examples of annotations for students that label texts or their tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from elad_exp.data.collate import IGNORE, Encoded, padded
from elad_exp.types import SYNTHETIC, Annotation


class LabelEncoder:
    """Token ids and labels of annotations; cached, because every round asks for all of them.

    Args:
        ids: Of what the student reads of a sample.
        labels: Of an annotation with so many ids: one for the text, or one for each id.
        max_length: Context of the student in tokens.
    """

    def __init__(
        self,
        ids: Callable[[Annotation], list[int]],
        labels: Callable[[Annotation, int], Sequence[int]],
        *,
        max_length: int,
    ) -> None:
        self.ids, self.labels, self.max_length = ids, labels, max_length
        self._made: dict[str, Encoded | None] = {}

    def whole(self, annotation: Annotation) -> Encoded | None:
        """The example, or None if the text does not fit the context: never cut."""
        key = annotation.sample.id
        if key not in self._made:
            ids = self.ids(annotation)
            fits = len(ids) <= self.max_length
            labels = tuple(self.labels(annotation, len(ids))) if fits else ()
            synthetic = annotation.sample.origin == SYNTHETIC
            self._made[key] = Encoded(tuple(ids), labels, synthetic=synthetic) if fits else None
        return self._made[key]

    def early(self, annotation: Annotation, kept: int) -> Encoded:
        """Never asked: there are no steps."""
        raise TypeError("a text that is labelled has no steps to keep")


def collate_labels(batch: Sequence[Encoded], pad_id: int) -> dict[str, Tensor]:
    """`input_ids`, `attention_mask`: (examples, longest); `labels`: (examples,), or of the tokens
    (examples, longest) with `IGNORE` where nothing is learnt. Padded on the right.
    """
    ids, mask = padded([row.ids for row in batch], pad_id)
    if all(len(row.labels) == 1 for row in batch):
        labels = torch.tensor([row.labels[0] for row in batch])
    else:
        labels, _ = padded([row.labels for row in batch], IGNORE)
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def label_loss(model: Any, batch: dict[str, Tensor]) -> Tensor:
    """Mean cross-entropy (nats) over the labels of a batch made by `collate_labels`.

    Where `weighing.Weighing` has added to the batch, each label counts as much as that says:
    `weights` (of the shape of the labels) multiply its loss, and so does p(label)^`doubt`
    (examples,), where p is the model's own in this pass and a constant for the gradient. It stays
    a mean over labels: dividing by the sum of the weights of a small batch would undo them.
    """
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    logits, labels = logits.float().flatten(0, -2), batch["labels"]
    if "weights" not in batch and "doubt" not in batch:
        return torch.nn.functional.cross_entropy(logits, labels.flatten(), ignore_index=IGNORE)
    losses = torch.nn.functional.cross_entropy(
        logits, labels.flatten(), ignore_index=IGNORE, reduction="none"
    ).view_as(labels)
    counted = losses
    if "weights" in batch:
        counted = counted * batch["weights"]
    if "doubt" in batch:
        doubt = batch["doubt"].view(-1, *[1] * (labels.ndim - 1))
        counted = counted * torch.exp(-doubt * losses.detach())
    return counted.sum() / (labels != IGNORE).sum()
