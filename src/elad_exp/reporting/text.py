"""Text of data, students and teachers made safe to look at."""

from __future__ import annotations

import re

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
