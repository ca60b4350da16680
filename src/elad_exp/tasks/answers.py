"""What a family of answers is: which answers there are, how one is read, when two are the same.

A family is one file: the grammar of its answers beside its parser. `ReasoningTask` finds the
answer line and hands what follows `Answer:` to the family; what a teacher gives as the answer is
read in the same way.
"""

from __future__ import annotations

import re
from typing import Protocol

from elad_exp.types import Choice

EDGES = " \t.,;:!?()[]{}\"'*`" + "。．，、；：！？（）［］【】｛｝“”‘’＂＇「」『』＊｀"
"""What may stand around an answer without being part of it; the second half is of Chinese."""
_LEAD = re.compile(
    r"(?:so,?\s+)?(?:the\s+)?(?:(?:final|correct|right|best)\s+)*(?:answer|option|choice)\b"
    r"(?:\s+is\b)?\s*[:：=]?\s*(?:(?:option|choice)\s+)?",
    re.IGNORECASE,
)
_WORD_END = re.compile(rf"[\s{re.escape(EDGES)}]")


class Asked(Protocol):
    """What an answer belongs to: a `Sample`, or a `Row` of a file."""

    @property
    def question(self) -> str:
        """The question, or the text that is labelled."""
        ...

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The options, if any."""
        ...


class Answers(Protocol):
    """A family of answers. Stateless; total on arbitrary text, nothing raises."""

    kind: str
    """Its name: `yes_no`, `choice`, `number`, `nli`, `open`, `label` or `entities`."""
    of_choices: bool
    """Whether its questions have choices."""

    def labels(self, asked: Asked) -> tuple[str, ...] | None:
        """The closed set of canonical answers, or None if any text may be one."""
        ...

    def read(self, asked: Asked, text: str) -> str | None:
        """The canonical answer that the text of an answer line gives; None if it gives none, or
        two different ones. What it returns is read as itself.
        """
        ...

    def same(self, asked: Asked, answer: str, right: str) -> bool:
        """Whether the canonical `answer` means the same as the gold answer `right`."""
        ...

    def check(self, asked: Asked, answer: str) -> str | None:
        """Why a gold answer does not fit the family; None if it does. That there are choices where
        `of_choices` says so is not checked here.
        """
        ...


def one_line(text: str) -> str:
    """`text` with every run of white space replaced by one space."""
    return " ".join(text.split())


def spoken(text: str) -> str:
    """An answer of a closed set without "the answer is" before it and punctuation around it."""
    return _without_lead(one_line(text).strip(EDGES)).strip(EDGES)


def first_word(text: str) -> tuple[str, str]:
    """The text up to the first white space or punctuation, and what follows it."""
    end = _WORD_END.search(text)
    return (text[: end.start()], text[end.start() :]) if end else (text, "")


def _without_lead(line: str) -> str:
    lead = _LEAD.match(line)
    return line[lead.end() :] if lead else line
