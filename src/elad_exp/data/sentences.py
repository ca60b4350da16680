"""Splits a rationale into steps: lines of a list, lines, or sentences.

The same human rationale comes as a list of facts from one source and as one string from another.
Splitting the joined string the same way everywhere is what makes the steps equal.

    1. Ice floats.                 Ice floats.
    2. So does wood, e.g. oak.     So does wood, e.g. oak.

    He has 3.5 kg.                 He has 3.5 kg.
    At $2 each that is $7.         At $2 each that is $7.

    Dr. Ito met J. K. at 5 p.m. They left.
                                   Dr. Ito met J. K. at 5 p.m.
                                   They left.

The rules are ours: pysbd and blingfire were last released in 2021, other splitters bring a model or
download data, and none gives the steps of StrategyQA that results were already made with.
"""

from __future__ import annotations

import re

_END = re.compile(r"""[.!?]+["'\u201d\u2019)\]]*\s+(?=["'\u201c\u2018(\[$]*[^\W_])""")
_OPENING = "\"'\u201c\u2018([$"
# A name or a number follows these: never the end of a sentence.
_TITLE = re.compile(
    r"mrs?|ms|dr|st|mt|ft|prof|gen|lt|col|sgt|capt|rev|hon|gov|sen|rep|vs|approx|"
    r"e\.g|i\.e|cf|viz",
    re.IGNORECASE,
)
# A number follows these where they are no words.
_BEFORE_NUMBER = re.compile(r"nos?|figs?|eqs?|pp?|vols?|ch|rs", re.IGNORECASE)
# These may end a sentence, and do if a word follows that usually starts one.
_MAYBE = re.compile(
    r"jr|sr|inc|ltd|co|bros|etc|jan|feb|mar|apr|aug|sept?|oct|nov|dec", re.IGNORECASE
)
_STARTER = re.compile(
    r"an?|the|its?|he|his|s?he|her|they|their|this|that|these|those|there|in|on|at|by|for|from|"
    r"according|so|of|thus|therefore|hence|then|but|both|some|many|most|all|if|when|while|since|although|however|people|one",
    re.IGNORECASE,
)
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")
# The number or letter of an item: no sentence of its own. And the same with any bullet, on a line.
_ITEM = re.compile(r"[(\[]?(?:\d{1,2}|[^\W\d_])")
_MARKER = re.compile(r"(?:step\s+)?[(\[]?(\d{1,3})(?:[.:)\]]+)\s+(?=\S)", re.IGNORECASE)
_BULLET = re.compile(r"[-*\u2022\u2013\u2014]\s+(?=\S)")
# "World War I." and "vitamin C." are no initials of a name.
_NOT_NAMES = frozenset({"war", "vitamin"})


def split_steps(text: str) -> tuple[str, ...]:
    """The steps of an explanation as a person or a model writes it; none if it is empty.

    Of several lines each is a step, otherwise each sentence is. Steps numbered from 1 lose their
    numbers, lines that all have a bullet their bullets. Joined they are `text` again, but for white
    space and those marks.
    """
    lines = tuple(line for line in (" ".join(line.split()) for line in text.splitlines()) if line)
    if len(lines) > 1:
        return _without(_BULLET, _numbers_off(lines))
    return _numbers_off(sentences(text))


def split_sentences(text: str) -> tuple[str, ...]:
    """The sentences of `text`, white space collapsed, stray full stops removed.

    Rule-based and deterministic. A sentence ends at `.`, `!` or `?` before a capital letter or a
    digit; after titles, initials and abbreviations (`Dr.`, `J. K.`, `U.S.`) only before a word
    that usually starts a sentence.
    """
    return tuple(s for s in map(_tidy, sentences(text)) if any(c.isalnum() for c in s))


def sentences(text: str) -> tuple[str, ...]:
    """The same sentences as they stand: joined they are `text` again, but for white space."""
    text = " ".join(text.split())
    found, start = [], 0
    for match in _END.finditer(text):
        if _ends(text[start : match.start()], match.group().strip(), text[match.end() :]):
            found.append(text[start : match.end()].rstrip())
            start = match.end()
    found.append(text[start:])
    return tuple(filter(None, found))


def _numbers_off(steps: tuple[str, ...]) -> tuple[str, ...]:
    numbers = [int(match[1]) if (match := _MARKER.match(step)) else 0 for step in steps]
    counted = numbers == list(range(1, len(steps) + 1))
    return _without(_MARKER, steps) if counted else steps


def _without(mark: re.Pattern[str], steps: tuple[str, ...]) -> tuple[str, ...]:
    """The steps without the mark if all of them have it."""
    found = [mark.match(step) for step in steps]
    if not all(found):
        return steps
    return tuple(step[m.end() :] for step, m in zip(steps, found, strict=True) if m)


def _ends(before: str, mark: str, after: str) -> bool:
    """Whether `mark`, standing between `before` and `after`, ends a sentence."""
    following = re.split(r"\W", after.lstrip(_OPENING), maxsplit=1)[0]
    if following[:1].islower() or (mark[0] == "." and _ITEM.fullmatch(before)):
        return False
    previous, _, word = before.rpartition(" ")
    word = word.lstrip(_OPENING)
    if mark != "." or _TITLE.fullmatch(word):
        return mark != "."
    if _BEFORE_NUMBER.fullmatch(word) and following[:1].isdigit():
        return False
    name = _INITIALS.fullmatch(word) and previous.split(" ")[-1].casefold() not in _NOT_NAMES
    if name or _MAYBE.fullmatch(word):
        return bool(_STARTER.fullmatch(following))
    return True


def _tidy(sentence: str) -> str:
    sentence = re.sub(r"\s+([.!?])", r"\1", sentence.strip())
    sentence = re.sub(r"""(?<!\.)([.!?]["'\u201d\u2019)]?)\.$""", r"\1", sentence)
    return re.sub(r",\.?$", ".", sentence)
