"""How much each label of a training batch counts: by the share of its class, and by doubt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from elad_exp.data.collate import IGNORE, Encoded
from elad_exp.errors import ConfigError
from elad_exp.protocols import SpanTask, Task

Collate = Callable[[Sequence[Encoded]], dict[str, Tensor]]

CLASS_WEIGHTS = ("none", "balanced")


@dataclass(frozen=True, slots=True)
class Weighing:
    """Adds to batches what `labels.label_loss` weighs by.

    *Balance.* A label's loss is multiplied by the inverse of the share of its class among all that
    is drawn in the round, so that every class counts alike in it and the mean weight is 1. Of
    entities the types are balanced, by their tokens: B and I of a type have one weight, and the
    tokens outside of entities keep 1. Those are most tokens; at the inverse of their share they
    would count next to nothing, and a tagger would see entities everywhere.

    *Doubt.* The loss of a synthetic example is multiplied by p^q, where p is the probability that
    the student itself gives the label in the same pass (of entities: for each token), held
    constant. Its gradient is that of (1 - p^q) / q, the generalised cross entropy of Zhang &
    Sabuncu 2018, arXiv 1805.07836: an example that the student contradicts teaches it little. Given
    and real examples count in full. SunGen (Gao et al. 2023, arXiv 2205.12679) learns a weight of
    each synthetic example in an outer loop with such a loss; this is the loss without the loop. It
    has no warm-up: of k classes p is 1/k at first, so synthetic examples begin with k^-q of their
    weight, and while given ones are few a large q slows learning down.

    Attributes:
        classes: Of each output of the student; "" for one that is not balanced. None: no balance.
        doubt: q, above 0 and at most 1; None: no doubt.
    """

    classes: tuple[str, ...] | None = None
    doubt: float | None = None

    def collate(self, collate: Collate, drawn: Iterable[Encoded]) -> Collate:
        """`collate`, whose batches also have `weights` and `doubt` as far as they are asked for.

        Args:
            collate: Makes a batch of labels.
            drawn: All examples of the round's batches, each as often as it is drawn.
        """
        weights = None if self.classes is None else balanced(drawn, self.classes)

        def weighed(batch: Sequence[Encoded]) -> dict[str, Tensor]:
            made = collate(batch)
            if weights is not None:
                made["weights"] = weights[made["labels"].clamp(min=0)]  # IGNORE has no loss
            if self.doubt is not None:
                made["doubt"] = torch.tensor([self.doubt * row.synthetic for row in batch])
            return made

        return weighed


def balanced(drawn: Iterable[Encoded], classes: Sequence[str]) -> Tensor:
    """(outputs,): n / (k m) for a class with m of n labels in k classes, 1 for "" and the absent.

    Args:
        drawn: Examples with labels.
        classes: Of each output.
    """
    counts = Counter(classes[n] for row in drawn for n in row.labels if n != IGNORE)
    counts.pop("", None)
    mean = counts.total() / max(len(counts), 1)
    return torch.tensor([mean / counts[name] if counts[name] else 1.0 for name in classes])


def weighing_of(
    task: Task, outputs: Sequence[str], *, class_weights: str, doubt: float | None
) -> Weighing | None:
    """What the options ask for; None where all labels count alike.

    Args:
        task: Says whether outputs are labels or tags.
        outputs: Of the student, in order; none of one that writes its answers.
        class_weights: One of `CLASS_WEIGHTS`.
        doubt: See `Weighing`.

    Raises:
        ConfigError: The student writes.
    """
    if class_weights == "none" and doubt is None:
        return None
    if not outputs:
        raise ConfigError(
            f"optim.class_weights={class_weights}, optim.doubt={'null' if doubt is None else doubt}"
            ": labels are to be weighed, and this student writes its answers; set "
            "optim.class_weights=none optim.doubt=null, or choose a student that labels texts, "
            "e.g. tiny_encoder or minilm"
        )
    if class_weights == "none":
        return Weighing(None, doubt)
    tags = isinstance(task, SpanTask)  # of which two letters say which token of an entity it is
    return Weighing(tuple(name[2:] if tags else name for name in outputs), doubt)


def weighing_problems(class_weights: str, doubt: float | None) -> list[str]:
    """What is wrong with the values of the options."""
    problems = []
    if class_weights not in CLASS_WEIGHTS:
        allowed = " or ".join(CLASS_WEIGHTS)
        problems.append(f"optim.class_weights={class_weights}: choose {allowed}")
    if doubt is not None and not 0 < doubt <= 1:
        problems.append(f"optim.doubt={doubt}: must be null, or above 0 and at most 1")
    return problems
