"""Answers that are the entities of the text, quoted from it with their types.

Of the text "Ada Lovelace left Paris for Rome ; Paris slept .":

    Answer: PER: Ada Lovelace; LOC: Paris; LOC: Rome   [["PER",0,12],["LOC",18,23],["LOC",28,32]]
    Answer: none                                       []
    Answer: loc: "Rome".                               [["LOC",28,32]]
    Answer: LOC: Berlin                                None: not in the text
    Answer: PER: Ada Lovelace; PER: Ada                None: nested
    Answer: CITY: Rome                                 None: no such type
    Answer: Rome                                       None: of which type?

One that cannot be placed makes the whole answer none, since leaving it out would make a wrong
answer right. Which occurrence a quotation means: `elad_exp.entities.located`. A mention with `;` in
it, or with a quotation mark as its first character, is written as a JSON string. Full-width `：`
and `；` are read as the others are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from elad_exp.entities import Span, from_answer, located, mentions, problem_of, to_answer
from elad_exp.errors import DataError
from elad_exp.tasks.answers import EDGES, Asked, one_line
from elad_exp.tasks.label import by_folded

NONE = "none"
_PART = re.compile(
    r"\s*(?P<type>[^\s:：;；]+)\s*[:：]\s*"
    r"(?:(?P<quoted>\"(?:[^\"\\]|\\.)*\")[\s.。]*"
    r"|(?P<bare>[^\s;；\"](?:[^;；]*[^\s;；])?)\s*)(?:[;；]|$)"
)


class Entities:
    """Spans of the text; see the module for what is read as which.

    Args:
        types: The entity types; None where any may be: its rows are to tell.
        by: How texts are cut into tokens, see `elad_exp.entities.tokens`.
    """

    kind = "entities"
    of_choices = False

    def __init__(self, types: Sequence[str] | None = None, by: str = "spaces") -> None:
        self.types = None if types is None else tuple(types)
        self.by = by
        self._folded = by_folded(self.types or ())

    def labels(self, asked: Asked) -> None:
        return None

    def read(self, asked: Asked, text: str) -> str | None:
        line = one_line(text)
        if line.startswith("["):
            return self._canonical(asked, line)
        if line.strip(EDGES).casefold() == NONE:
            return to_answer(())
        quoted = self._quoted(asked, line)
        if quoted is None:
            return None
        found = located(asked.question, quoted, self.by)
        return None if found.problems else to_answer(found.spans)

    def write(self, asked: Asked, answer: str) -> str:
        """The canonical `answer` as a line of quotations, in the order of the text."""
        quoted = mentions(asked.question, from_answer(answer))
        return "; ".join(f"{kind}: {_written(one_line(m))}" for m, kind in quoted) or NONE

    def same(self, asked: Asked, answer: str, right: str) -> bool:
        return answer == right

    def check(self, asked: Asked, answer: str) -> str | None:
        try:
            spans = from_answer(answer)
        except DataError as error:
            return str(error)
        if reason := self._unknown(spans) or problem_of(asked.question, spans, self.by):
            return reason
        return None if answer == to_answer(spans) else f"{answer[:60]!r} is not in canonical form"

    def _unknown(self, spans: Sequence[Span]) -> str:
        for span in spans:
            if self.types is not None and span.type not in self.types:
                return f"entity type {span.type!r} is not one of {', '.join(self.types)}"
        return ""

    def _canonical(self, asked: Asked, line: str) -> str | None:
        try:
            answer = to_answer(from_answer(line))
        except DataError:
            return None
        return None if self.check(asked, answer) else answer

    def _quoted(self, asked: Asked, line: str) -> list[tuple[str, str]] | None:
        found, place = [], 0
        while place < len(line):
            part = _PART.match(line, place)
            kind = self._type(part["type"]) if part else None
            if part is None or kind is None:
                return None
            try:
                mention = json.loads(part["quoted"]) if part["quoted"] else part["bare"]
            except ValueError:
                return None
            whole = mention in one_line(asked.question)
            found.append((mention if whole else mention.strip(EDGES), kind))
            place = part.end()
        return found or None

    def _type(self, said: str) -> str | None:
        if self.types is None or said in self.types:
            return said
        return self._folded.get(said.casefold())


def _written(mention: str) -> str:
    plain = not (mention.startswith('"') or {*mention} & {*";；"})
    return mention if plain else json.dumps(mention, ensure_ascii=False)
