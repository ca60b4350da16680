"""The token counter of teachers that are no language model.

Free teachers report the tokens that the texts of prompt and answer would have, so that budgets in
tokens mean something without a model. The count is an estimate, never used where money is paid:
no vocabulary, no download, and equal on every machine and in every version.
"""

from __future__ import annotations

import re
from functools import lru_cache

# Runs of letters and digits cost one token per four characters, about what byte-pair vocabularies
# need for English; every other visible character costs one. White space is free.
TOKENIZER = "regex-v1"
_TOKEN = re.compile(r"\w{1,4}|[^\w\s]")


@lru_cache(maxsize=256)  # most of a prompt is the same in every prompt
def count_tokens(text: str) -> int:
    """Tokens of `text` by `regex-v1`."""
    return len(_TOKEN.findall(text))


def cut(text: str, n: int) -> str:
    """The beginning of `text` that has at most `n` tokens."""
    end = 0
    for i, match in enumerate(_TOKEN.finditer(text)):
        if i == n:
            return text[:end]
        end = match.end()
    return text
