"""Entities by their names: which new ones can be used, and where known ones stand in a new text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from elad_exp.entities import Place, Span
from elad_exp.teachers.lessons.steps import BYTES_A_TOKEN
from elad_exp.types import normalise

NAME = 16
"""Tokens of a new name in a reply, at most."""


def usable_names(
    said: Iterable[tuple[str, str]], known: Mapping[str, Iterable[str]], *, most: int
) -> dict[str, list[str]]:
    """Type -> new names of it, in their order.

    Left out is what is known, said twice, longer than asked for, no words, or of another type.

    Args:
        said: Type and name.
        known: Type -> names that are not new; all types.
        most: Names of a type.
    """
    kinds = {kind.casefold(): kind for kind in known}
    seen = {kind: {normalise(name) for name in own} for kind, own in known.items()}
    found: dict[str, list[str]] = {}
    for type_, name in said:
        kind, name = kinds.get(type_.strip().casefold()), " ".join(name.split())
        if kind is None or normalise(name) in seen[kind] or not any(map(str.isalnum, name)):
            continue
        if len(name.encode()) > BYTES_A_TOKEN * NAME or len(found.get(kind, ())) == most:
            continue
        seen[kind].add(normalise(name))
        found.setdefault(kind, []).append(name)
    return found


def found_again(
    text: str, quoted: Sequence[tuple[str, str]], places: Sequence[Place]
) -> tuple[tuple[Span, ...], str]:
    """Every place in `text` where the words of an entity stand, and why they are not all there.

    Longer entities go first, so that "Keld" is not found inside "Upper Keld". Words that are
    entities of two types in one text are not told apart.

    Args:
        text: New.
        quoted: Words and type of the entities that it shall have.
        places: Of its tokens, with which an entity begins and ends.

    Returns:
        The spans in order; and "", or what is wrong, and then there are no spans.
    """
    starts, ends = {start for start, _ in places}, {end for _, end in places}
    spans: list[Span] = []
    wanted = dict.fromkeys((" ".join(words.split()), kind) for words, kind in quoted)
    for words, kind in sorted(wanted, key=lambda own: -len(own[0])):
        own = [
            Span(kind, *match.span())
            for match in re.finditer(re.escape(words), text)
            if match.start() in starts
            and match.end() in ends
            and all(match.end() <= s.start or s.end <= match.start() for s in spans)
        ]
        if not own:
            return (), f"an entity does not stand in it by itself: {words!r} ({kind})"
        spans += own
    return tuple(sorted(spans, key=lambda span: span.start)), ""
