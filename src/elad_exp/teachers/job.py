"""What a purchase asks a teacher about at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from elad_exp.teachers.annotator import Ask
from elad_exp.types import Annotation


@dataclass
class Job:
    """What is asked about together: `about` names it in the store, `texts` is how many annotations
    it counts for. `first` until its first reservation; `holds` if more was set aside with one.
    """

    index: int
    about: str
    annotation: str
    repetition: int
    texts: int
    work: Callable[[Ask], Awaitable[list[Annotation]]]
    first: bool = True
    holds: bool = False
