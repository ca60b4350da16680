"""Reading a notice by the grammar: its class, its entities, and what makes it hard.

Nothing is looked up by id: any text made of the world's frames, cues and names can be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from elad_exp.entities import Span
from elad_exp.tasks.bulletin.frames import DECIDING, FRAMES, LEAD, PHENOMENA
from elad_exp.tasks.bulletin.words import ACTS
from elad_exp.tasks.bulletin.world import MONTHS, WEEKDAYS, Cue, World


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text says: its class, its entities in order, and the phenomena in it."""

    label: str
    spans: tuple[Span, ...]
    phenomena: frozenset[str]

    @property
    def difficulty(self) -> str:
        return "hard" if self.phenomena else "easy"


class _Form(NamedTuple):
    key: str
    """The table of `FRAMES` it stands in, or the class of an act."""
    pattern: re.Pattern[str]


class _Sentence(NamedTuple):
    role: str
    cues: tuple[Cue, ...]
    """Those that decide."""
    spans: tuple[Span, ...]


def _alternatives(words: tuple[str, ...]) -> str:
    return "(?:" + "|".join((*words, *(word[:3] for word in words))) + ")"


_DAY = rf"\d{{1,2}} {_alternatives(MONTHS)}"
_SLOTS = {
    "DATE": rf"{_alternatives(WEEKDAYS)} {_DAY}|{_alternatives(WEEKDAYS)}|{_DAY}",
    **dict.fromkeys(("ORG", "PERSON", "PLACE", "PRODUCT"), "[A-Z].*?"),
    **dict.fromkeys(("cue", "act", "other", "other_act"), "[^.]+?"),
}
# No name, cue or act has a full stop inside.
_SENTENCE = re.compile(r"\S.*?[.](?= |$)")


def _form(key: str, frame: str) -> _Form:
    parts = re.split(r"\{(\w+)\}", frame)
    parts[::2] = [re.escape(part) for part in parts[::2]]
    parts[1::2] = [f"(?P<{slot}>{_SLOTS[slot]})" for slot in parts[1::2]]
    return _Form(key, re.compile("".join(parts)))


_FORMS = [_form(role, frame) for role, frames in FRAMES.items() for frame in frames]
_ACTS = [_form(label, act) for label, acts in ACTS.items() for act in acts]


class Grammar:
    """The grammar of a world's notices."""

    def __init__(self, world: World) -> None:
        self._cues = world.cues
        self._names = {kind: frozenset(names) for kind, names in world.names.items()}

    def read(self, text: str) -> Reading | None:
        """What the text says, or None where it is not of the grammar. Never raises.

        A text is outside the grammar also when its sentences decide for two classes, or for none.
        """
        sentences: list[_Sentence] = []
        end = 0
        for match in _SENTENCE.finditer(text):
            if text[end : match.start()] != (" " if sentences else ""):
                return None
            found = list(self._sentences(match.group(), match.start()))
            if len(found) != 1:
                return None
            sentences.append(found[0])
            end = match.end()
        labels = {cue.label for sentence in sentences for cue in sentence.cues}
        if end != len(text) or len(labels) != 1:
            return None
        spans = tuple(span for sentence in sentences for span in sentence.spans)
        return Reading(labels.pop(), spans, _phenomena(sentences))

    def _sentences(self, text: str, offset: int) -> Iterator[_Sentence]:
        """Every way to read one sentence that begins at `offset`."""
        for form in _FORMS:
            match = form.pattern.fullmatch(text)
            read = self._slots(match, offset) if match else None
            if read is not None:
                yield _Sentence(form.key, *read)

    def _slots(
        self, match: re.Match[str], offset: int
    ) -> tuple[tuple[Cue, ...], tuple[Span, ...]] | None:
        """The cues that decide and the entities of a form, or None if a slot holds neither."""
        cues: list[Cue] = []
        spans: list[Span] = []
        for slot, value in match.groupdict().items():
            start = offset + match.start(slot)
            if slot.isupper():
                if slot != "DATE" and value not in self._names[slot]:
                    return None
                spans.append(Span(slot, start, start + len(value)))
                continue
            found = self._act(value, start) if slot.endswith("act") else self._cue(value)
            if found is None:
                return None
            spans += found[1]
            if slot in DECIDING:
                cues.append(found[0])
        return tuple(cues), tuple(sorted(spans, key=lambda span: span.start))

    def _cue(self, phrase: str) -> tuple[Cue, tuple[Span, ...]] | None:
        cue = self._cues.get(phrase)
        return cue and (cue, ())

    def _act(self, phrase: str, offset: int) -> tuple[Cue, tuple[Span, ...]] | None:
        for form in _ACTS:
            match = form.pattern.fullmatch(phrase)
            read = self._slots(match, offset) if match else None
            if read is not None:
                return Cue(form.key, "common"), read[1]
        return None


def _phenomena(sentences: list[_Sentence]) -> frozenset[str]:
    found = {sentence.role for sentence in sentences}
    found |= {cue.wording for sentence in sentences for cue in sentence.cues}
    if next(i for i, sentence in enumerate(sentences) if sentence.cues) >= LEAD:
        found.add("long_lead_in")
    return frozenset(found & set(PHENOMENA))
