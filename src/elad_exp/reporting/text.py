"""Text of data, students and teachers made safe to look at."""

from __future__ import annotations

import re

from elad_exp.entities import from_answer, mentions
from elad_exp.errors import DataError

# Control characters (a terminal obeys some), bidirectional overrides and isolates (they make text
# read as what it is not), and lone surrogates (they cannot be encoded).
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """`text` with invisible characters that deceive written out, as in `[U+202E]`."""
    return _HIDDEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)


def clipped(text: str, limit: int = 3_000) -> str:
    """The beginning of a long text, saying how much is missing."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]} ... ({len(text) - limit} more characters)"


def answer_text(question: str, answer: str | None) -> str:
    """A canonical answer in words: the entities quoted with their types, or as it is."""
    if answer is None:
        return ""
    try:
        spans = from_answer(answer)
    except DataError:
        return answer
    quoted = (f"{kind}: {mention}" for mention, kind in mentions(question, spans))
    return "; ".join(quoted) or "no entity"
