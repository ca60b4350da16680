"""Entities of a text: spans, their canonical answer, tags of tokens, and quoted mentions.

    text      Ada Lovelace died in London .
    answer    [["PER",0,12],["LOC",21,27]]
    tags      B-PER I-PER O O B-LOC O
    mentions  ("Ada Lovelace", "PER"), ("London", "LOC")

A span counts characters of the text, from 0, its end not included. Spans of one text neither
overlap nor lie inside one another, and begin and end where tokens do.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from elad_exp.errors import DataError
from elad_exp.types import Record

Place = tuple[int, int]
"""First character and the one after the last."""

_TOKENS = {
    "spaces": re.compile(r"\S+"),
    "marks": re.compile(r"\w+|[^\w\s]"),
    "characters": re.compile(r"\S"),
}
TOKENS = tuple(_TOKENS)
"""Ways to cut a text: at white space; also around each punctuation mark; into characters."""
_TAG = re.compile(r"O|[BI]-(.+)", re.DOTALL)
_TYPE = re.compile(r"[^\s:：;；]+")


@dataclass(frozen=True, slots=True)
class Span(Record):
    """An entity: its type, and where it stands."""

    type: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Located:
    """What `located` found: the spans in order, and a sentence for each mention it did not."""

    spans: tuple[Span, ...]
    problems: tuple[str, ...] = ()


def tokens(text: str, by: str = "spaces") -> list[Place]:
    """Where the tokens of `text` stand.

    Args:
        text: Any.
        by: One of `TOKENS`. `marks` is for prose, where "London." ends a sentence; `characters`
            for languages without spaces between words. White space is never part of a token.
    """
    return [match.span() for match in _TOKENS[by].finditer(text)]


def to_answer(spans: Iterable[Span]) -> str:
    """The canonical answer: compact JSON of [type, start, end], sorted by place."""
    ordered = sorted(spans, key=lambda span: (span.start, span.end, span.type))
    rows = [[span.type, span.start, span.end] for span in ordered]
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))


def from_answer(answer: str) -> tuple[Span, ...]:
    """Inverse of `to_answer`. Raises DataError for any other text."""
    try:
        rows = json.loads(answer)
    except (ValueError, RecursionError):
        rows = None
    if not isinstance(rows, list) or not all(map(_is_row, rows)):
        raise DataError(f"{answer[:60]!r} is no list of [type, start, end]")
    return tuple(Span(*row) for row in rows)


def rarest_types(texts: Sequence[Iterable[Span]]) -> list[str]:
    """Of each text that of its entities' types which the fewest texts have; "" without entities."""
    types = [{span.type for span in spans} for spans in texts]
    times = Counter(kind for own in types for kind in own)
    return [min(own, key=lambda kind: (times[kind], kind), default="") for own in types]


def _is_row(row: Any) -> bool:
    return (
        isinstance(row, list)
        and len(row) == 3
        and isinstance(row[0], str)
        and all(isinstance(n, int) and not isinstance(n, bool) for n in row[1:])
    )


def check_type(name: str) -> None:
    """Raises DataError unless `name` can be an entity type: one word without colon or semicolon."""
    if not _TYPE.fullmatch(name):
        raise DataError(f"entity type {name!r} must be one word without : ; ： ；")


def spans_of_tags(tags: Sequence[str], places: Sequence[Place]) -> tuple[Span, ...]:
    """The entities that BIO2 tags mark.

    Args:
        tags: One a token: `O`, `B-TYPE` for the first of an entity, `I-TYPE` for each further one.
        places: Of the tokens.

    Raises:
        DataError: A tag is none of these, or does not go on with an entity of its type; names the
            first such position, from 1. Tags of other schemes (IOB1, BIOES) are refused by this.
    """
    if len(tags) != len(places):
        raise DataError(f"{len(places)} tokens have {len(tags)} tags")
    spans: list[Span] = []
    before = "O"
    for number, (tag, (start, end)) in enumerate(zip(tags, places, strict=True), 1):
        match = _TAG.fullmatch(tag) if isinstance(tag, str) else None
        if match is None:
            raise DataError(f"tag {number} is {tag!r}; BIO2 has O, B-TYPE and I-TYPE")
        if tag[0] == "B":
            check_type(match[1])
            spans.append(Span(match[1], start, end))
        elif tag[0] == "I":
            if before[2:] != match[1]:
                raise DataError(
                    f"tag {number} is {tag!r} after {before!r}: in BIO2 it follows B-{match[1]} or "
                    f"I-{match[1]}, and the first token of an entity has B-{match[1]}"
                )
            spans[-1] = Span(match[1], spans[-1].start, end)
        before = tag
    return tuple(spans)


def tags_of_spans(spans: Iterable[Span], places: Sequence[Place]) -> list[str]:
    """The BIO2 tags of tokens.

    Raises:
        DataError: A span cuts a token in two, holds none, or overlaps another.
    """
    tags = ["O"] * len(places)
    for span in spans:
        inside = [i for i, place in enumerate(places) if _overlap(place, (span.start, span.end))]
        shown = f"span {span.type} from {span.start} to {span.end}"
        if not inside:
            raise DataError(f"{shown} holds no token")
        for i in inside:
            if places[i][0] < span.start or places[i][1] > span.end:
                raise DataError(f"{shown} cuts the token from {places[i][0]} to {places[i][1]}")
            if tags[i] != "O":
                raise DataError(f"{shown} overlaps another")
            tags[i] = f"{'B' if i == inside[0] else 'I'}-{span.type}"
    return tags


def problem_of(text: str, spans: Sequence[Span], by: str = "spaces") -> str:
    """Why `spans` cannot be the entities of `text`; "" if they can."""
    places = tokens(text, by)
    starts, ends = {start for start, _ in places}, {end for _, end in places}
    for span in spans:
        shown = f"{span.type} from {span.start} to {span.end}"
        if not 0 <= span.start < span.end <= len(text):
            return f"{shown} is no part of a text of {len(text)} characters"
        if span.start not in starts or span.end not in ends:
            return f"{shown}, {text[span.start : span.end]!r}, does not begin and end with a token"
    ordered = sorted(spans, key=lambda span: (span.start, span.end))
    for one, other in pairwise(ordered):
        if other.start < one.end:
            return f"{_shown(text, one)} and {_shown(text, other)} overlap"
    return ""


def mentions(text: str, spans: Iterable[Span]) -> list[tuple[str, str]]:
    """The text and type of each span."""
    return [(text[span.start : span.end], span.type) for span in spans]


def located(text: str, mentions: Iterable[tuple[str, str]], by: str = "spaces") -> Located:
    """The spans of mentions that were quoted from `text`, and what is wrong with the others.

    A mention is looked for as it is, but that any white space matches any; only what begins and
    ends with a token is found ("US" is not in "USA"). Of several occurrences it takes the first
    that is free after the mention before it, or else the first that is free: mentions are best
    quoted in the order of the text, each as often as it is meant. An earlier occurrence that is
    not meant is taken all the same, since a quotation does not say which.

    Args:
        text: Any.
        mentions: Quoted text and type, in order.
        by: See `tokens`.
    """
    places = tokens(text, by)
    starts, ends = {start for start, _ in places}, {end for _, end in places}
    spans: list[Span] = []
    problems: list[str] = []
    after = 0
    for mention, kind in mentions:
        found = _occurrences(text, mention)
        whole = [(start, end) for start, end in found if start in starts and end in ends]
        free = [p for p in whole if not any(_overlap(p, (s.start, s.end)) for s in spans)]
        if not free:
            problems.append(f"{mention!r} ({kind}) {_missing(text, found, whole, spans)}")
            continue
        start, end = next((place for place in free if place[0] >= after), free[0])
        spans.append(Span(kind, start, end))
        after = end
    return Located(tuple(sorted(spans, key=lambda span: span.start)), tuple(problems))


def _occurrences(text: str, mention: str) -> list[Place]:
    """All of them, also those that overlap one another."""
    words = r"\s+".join(map(re.escape, mention.split()))
    return [match.span(1) for match in re.finditer(f"(?=({words}))", text)] if words else []


def _missing(
    text: str, found: Sequence[Place], whole: Sequence[Place], spans: Sequence[Span]
) -> str:
    """What is wrong with a mention that stands nowhere, or nowhere free."""
    if not found:
        return "does not stand in the text"
    if not whole:
        return "stands only inside longer tokens of the text"
    start, end = whole[0]
    other = next(span for span in spans if _overlap((start, end), (span.start, span.end)))
    shown = _shown(text, other)
    if (start, end) == (other.start, other.end):
        times = f"{len(whole)} time{'s' if len(whole) > 1 else ''}"
        return f"is quoted more often than it stands in the text ({times}): {shown} has its place"
    if other.start <= start and end <= other.end:
        return f"lies inside {shown}; entities are not nested"
    if start <= other.start and other.end <= end:
        return f"has {shown} inside it; entities are not nested"
    return f"overlaps {shown}"


def _shown(text: str, span: Span) -> str:
    return f"{text[span.start : span.end]!r} ({span.type})"


def _overlap(one: Place, other: Place) -> bool:
    return one[0] < other[1] and other[0] < one[1]
