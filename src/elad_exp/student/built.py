"""What a run needs of any student: to train it, and to ask it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from torch import Tensor

from elad_exp.data.collate import Encoded
from elad_exp.data.early import Encoder
from elad_exp.protocols import Student, Task
from elad_exp.types import Sample


class Asked(Student, Protocol):
    """A student at inference, in this process.

    Attributes:
        tokenizer: Saved with the student.
        on_progress: Called with (done, total) after every batch.
        interrupted: Called before every forward pass; may raise to stop.
    """

    tokenizer: Any
    on_progress: Callable[[int, int], None]
    interrupted: Callable[[], None]

    def fits(self, sample: Sample) -> bool:
        """Whether a sample fits the student's context."""
        ...

    def phase(self) -> AbstractContextManager[Any]:
        """Keep one copy of the weights in the number format of inference."""
        ...

    def take_speeds(self) -> dict[str, float]:
        """Tokens per second since the last call, by kind of work that was done."""
        ...


class Built(Protocol):
    """A student, ready to be trained and asked.

    Attributes:
        model: Of Hugging Face.
        tokenizer: Its tokenizer.
        info: Name, source, parameters and dtype.
        assets: Where its files are from.
        writes_steps: Whether it explains.
        outputs: The labels or tags that it tells apart; none of a student that writes.
        warnings: What the user should know about it.
    """

    @property
    def model(self) -> Any: ...
    @property
    def tokenizer(self) -> Any: ...
    @property
    def info(self) -> dict[str, Any]: ...
    @property
    def assets(self) -> list[dict[str, Any]]: ...
    @property
    def writes_steps(self) -> bool: ...
    @property
    def outputs(self) -> tuple[str, ...]: ...
    @property
    def warnings(self) -> tuple[str, ...]: ...

    def engine(self, task: Task) -> Asked:
        """The student at inference."""
        ...

    def encoder(self, task: Task, *, train_on: str) -> Encoder:
        """Makes training examples."""
        ...

    def collate(self, batch: Sequence[Encoded]) -> dict[str, Tensor]:
        """A training batch."""
        ...

    def loss(self, model: Any, batch: dict[str, Tensor]) -> Tensor:
        """What training makes smaller."""
        ...
