"""A world: invented names of entities, dates, and which rare cues are in use.

The same stems serve people, firms, places and products ("Dovan", "Dovan Ltd", "Port Dovan"), so
that a name alone does not tell its type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from elad_exp.errors import ConfigError
from elad_exp.tasks.almanac.draw import Draw, running
from elad_exp.tasks.bulletin.words import ACTS, CLASSES, COMMON, RARE, SHORT

TYPES = {
    "ORG": "The name of a firm, an office, or another organisation.",
    "PERSON": "The name of a person.",
    "PLACE": "The name of a town, a street, or a part of the country.",
    "DATE": "A day of the week or of the year.",
    "PRODUCT": "The name of something that is made and sold.",
}
NAMED = ("ORG", "PERSON", "PLACE", "PRODUCT")
MAX_RARE = min(map(len, RARE.values()))

_ONSETS = ("B", "Br", "D", "Dr", "F", "G", "Gr", "K", "Kl", "L", "M", "N", "P", "R", "S", "T", "V")
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ou")
_MIDDLES = ("l", "m", "n", "r", "s", "th", "v", "nd", "rn", "lk", "st")
_STEM_ENDS = ("an", "ock", "ury", "isk", "elm", "ow", "ard", "eth")
_GIVEN_ENDS = ("a", "i", "o", "in", "el")
# Half of the names are bare stems: then only the sentence tells the type.
_SHAPES = {
    "ORG": ("{0} Ltd", "{0} Group", "{0} and Sons", "{0}", "{0}", "{0}"),
    "PERSON": ("{1} {0}", "{0}"),
    "PLACE": ("Port {0}", "Upper {0}", "{0} Hill", "{0}", "{0}", "{0}"),
    "PRODUCT": ("{0} 300", "{0} Pro", "{0} X2", "{0}", "{0}", "{0}"),
}
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


class Cue(NamedTuple):
    """Whose cue a phrase is; `wording` is `common`, `rare_cue` or `abbreviation`."""

    label: str
    wording: str


@dataclass(frozen=True, slots=True)
class World:
    """Names by type and cues by class and wording, the most frequent first under a long tail."""

    names: Mapping[str, tuple[str, ...]]
    phrases: Mapping[Cue, tuple[str, ...]]

    @property
    def cues(self) -> dict[str, Cue]:
        """The cue that each phrase is."""
        return {phrase: cue for cue, phrases in self.phrases.items() for phrase in phrases}


def invent_world(*, names: int, rare_cues: int, seed: int) -> World:
    """A world with `names` names of each type and `rare_cues` rare cues of each class.

    Raises:
        ConfigError: A number is too small or too large.
    """
    if not 12 <= names <= 400:
        raise ConfigError(f"bulletin: names={names}; use 12 to 400")
    if not 1 <= rare_cues <= MAX_RARE:
        raise ConfigError(f"bulletin: rare_cues={rare_cues}; use 1 to {MAX_RARE}")
    draw = Draw(seed, "bulletin", "names")
    stems = _words(draw, _STEM_ENDS, names, taken=set())
    given = _words(draw, _GIVEN_ENDS, names, taken=set(stems))
    phrases: dict[Cue, tuple[str, ...]] = {}
    for label in CLASSES:
        order = Draw(seed, "bulletin", "cues", label)
        phrases[Cue(label, "common")] = tuple(order.shuffled(COMMON[label]))
        phrases[Cue(label, "rare_cue")] = tuple(order.shuffled(RARE[label])[:rare_cues])
        phrases[Cue(label, "abbreviation")] = tuple(order.shuffled(SHORT[label]))
    return World({kind: _names(seed, kind, stems, given) for kind in NAMED}, phrases)


class Picker:
    """Draws names, dates, cues and acts: uniformly, or with Zipf frequencies (r^-tail)."""

    def __init__(self, world: World, draw: Draw, *, tail: float) -> None:
        self.world, self.draw, self._tail = world, draw, tail
        self._sums: dict[int, list[float]] = {}

    def name(self, kind: str) -> str:
        return self._ranked(self.world.names[kind])

    def date(self, *, short: bool) -> str:
        """A weekday, a day of the year, or both, equally often."""
        day, month = self.draw.pick(WEEKDAYS), self.draw.pick(MONTHS)
        if short:
            day, month = day[:3], month[:3]
        numbered = f"{self.draw.below(28) + 1} {month}"
        return self.draw.pick((day, numbered, f"{day} {numbered}"))

    def cue(self, label: str, wording: str = "common") -> str:
        return self._ranked(self.world.phrases[Cue(label, wording)])

    def act(self, label: str) -> str:
        """An act with its slots for entities."""
        return self._ranked(ACTS[label])

    def _ranked(self, items: Sequence[str]) -> str:
        n = len(items)
        if n not in self._sums:
            self._sums[n] = running([rank**-self._tail for rank in range(1, n + 1)])
        return self.draw.weighted(items, self._sums[n])


def _words(draw: Draw, ends: Sequence[str], n: int, *, taken: set[str]) -> tuple[str, ...]:
    words: list[str] = []
    while len(words) < n:
        word = "".join(draw.pick(part) for part in (_ONSETS, _VOWELS, _MIDDLES, ends))
        if word not in taken:
            taken.add(word)
            words.append(word)
    return tuple(words)


def _names(seed: int, kind: str, stems: Sequence[str], given: Sequence[str]) -> tuple[str, ...]:
    draw = Draw(seed, "bulletin", "names", kind)
    first = draw.shuffled(given)
    shapes = _SHAPES[kind]
    return tuple(
        draw.pick(shapes).format(stem, first[i]) for i, stem in enumerate(draw.shuffled(stems))
    )
