"""Splits a rationale into sentences, so that one step is one sentence whatever the source.

The same human rationale comes as a list of facts from one source and as one string from another.
Splitting the joined string the same way everywhere is what makes the steps equal.
"""

from __future__ import annotations

import re

_END = re.compile(r"""[.!?]+["'\u201d\u2019)\]]*\s+(?=["'\u201c\u2018(\[$]*[^\W_])""")
_OPENING = "\"'\u201c\u2018([$"
# A name or a number follows these: never the end of a sentence.
_TITLE = re.compile(
    r"mrs?|ms|dr|st|mt|ft|prof|gen|lt|col|sgt|capt|rev|hon|gov|sen|rep|vs|approx|no", re.IGNORECASE
)
# These may end a sentence, and do if a word follows that usually starts one.
_MAYBE = re.compile(r"jr|sr|inc|ltd|co|etc|feb|dec", re.IGNORECASE)
_STARTER = re.compile(
    r"an?|the|its?|he|his|s?he|her|they|their|this|that|these|those|there|in|on|at|by|for|from|"
    r"according|both|some|many|most|all|if|when|while|since|although|however|people|one",
    re.IGNORECASE,
)
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")
# "World War I." and "vitamin C." are no initials of a name.
_NOT_NAMES = frozenset({"war", "vitamin"})


def split_sentences(text: str) -> tuple[str, ...]:
    """The sentences of `text`, white space collapsed, stray full stops removed.

    Rule-based and deterministic. A sentence ends at `.`, `!` or `?` before a capital letter or a
    digit; after titles, initials and abbreviations (`Dr.`, `J. K.`, `U.S.`) only before a word
    that usually starts a sentence.
    """
    text = " ".join(text.split())
    sentences, start = [], 0
    for match in _END.finditer(text):
        if _ends(text[start : match.start()], match.group().strip(), text[match.end() :]):
            sentences.append(text[start : match.end()])
            start = match.end()
    sentences.append(text[start:])
    return tuple(s for s in map(_tidy, sentences) if any(c.isalnum() for c in s))


def _ends(before: str, mark: str, after: str) -> bool:
    """Whether `mark`, standing between `before` and `after`, ends a sentence."""
    following = re.split(r"\W", after.lstrip(_OPENING), maxsplit=1)[0]
    if following[:1].islower():
        return False
    previous, _, word = before.rpartition(" ")
    word = word.lstrip(_OPENING)
    if mark != "." or _TITLE.fullmatch(word):
        return mark != "."
    name = _INITIALS.fullmatch(word) and previous.split(" ")[-1].casefold() not in _NOT_NAMES
    if name or _MAYBE.fullmatch(word):
        return bool(_STARTER.fullmatch(following))
    return True


def _tidy(sentence: str) -> str:
    sentence = re.sub(r"\s+([.!?])", r"\1", sentence.strip())
    sentence = re.sub(r"""([.!?]["'\u201d\u2019)]?)\.$""", r"\1", sentence)
    return re.sub(r",\.?$", ".", sentence)
