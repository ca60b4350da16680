"""The fictional world: invented names, and what the almanac says about each.

Four kinds of entities (cities, rivers, ships, people) with three or four attributes each, so that
120 entities make some 390 facts that recur across questions. All numbers have two digits: years
and amounts share their tokens, and a tiny student can learn to compare them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from elad_exp.errors import ConfigError
from elad_exp.tasks.almanac.draw import Draw, running
from elad_exp.tasks.almanac.grammar import Claim

KINDS = ("city", "river", "ship", "person")
YEARS = ("city.founded", "ship.launched", "person.born", "person.died")
AMOUNTS = ("city.population", "river.length", "ship.crew")
NUMERIC = (*YEARS, *AMOUNTS)
GUILDS = ("masons", "weavers", "bakers", "tanners", "coopers", "potters", "dyers", "smiths")
MAX_CATEGORIES = len(GUILDS)

_ONSETS = ("b", "br", "d", "dr", "f", "g", "gr", "k", "kl", "l", "m", "n", "p", "pr", "r", "s", "t")
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ou")
_CODAS = ("l", "m", "n", "r", "s", "th", "v", "nd", "rn", "lk")
_ENDINGS = {
    "city": ("ale", "ock", "ona", "ury"),
    "river": ("we", "et", "isk", "oy"),
    "ship": ("ara", "ius", "elle", "on"),
    "person": ("o", "an", "in", "ez"),
    "country": ("ia", "mark"),
}


@dataclass(frozen=True, slots=True)
class World:
    """Entities by kind, most frequent first under a long tail, and the facts about them.

    `facts[entity][attribute]` is a word of the almanac's grammar: a number, a name, a category.
    """

    names: dict[str, tuple[str, ...]]
    facts: dict[str, dict[str, str]]
    countries: tuple[str, ...]
    guilds: tuple[str, ...]
    years: tuple[int, ...]
    amounts: tuple[int, ...]

    def claim(self, entity: str, attribute: str) -> Claim:
        """The true fact, as the grammar states it."""
        return Claim(attribute, (entity, self.facts[entity][attribute]))

    def value(self, entity: str, attribute: str) -> int:
        return int(self.facts[entity][attribute])

    def limits(self, attribute: str) -> tuple[int, ...]:
        """Thresholds that a question may name: between the attribute's quartiles."""
        return _between_quartiles(
            self.years if attribute in YEARS else self.amounts, self._values(attribute)
        )

    def totals(self, attribute: str) -> tuple[int, ...]:
        """Thresholds for the sum of two amounts, between the quartiles of such sums."""
        pairs = combinations(self._values(attribute), 2)
        return _between_quartiles(self.sums(), [a + b for a, b in pairs])

    def sums(self) -> tuple[int, ...]:
        """What two amounts can add up to."""
        return tuple(sorted({a + b for a in self.amounts for b in self.amounts}))

    def _values(self, attribute: str) -> list[int]:
        return [int(own[attribute]) for own in self.facts.values() if attribute in own]


class Picker:
    """Draws entities of a kind, uniformly or with Zipf frequencies (weight of rank r: r^-tail)."""

    def __init__(self, world: World, draw: Draw, *, tail: float) -> None:
        self.draw = draw
        self._names = world.names
        self._sums = {
            kind: running([rank**-tail for rank in range(1, len(names) + 1)])
            for kind, names in world.names.items()
        }

    def entity(self, kind: str) -> str:
        return self.draw.weighted(self._names[kind], self._sums[kind])

    def entities(self, kind: str, n: int) -> tuple[str, ...]:
        """`n` different entities."""
        chosen: list[str] = []
        while len(chosen) < n:
            name = self.entity(kind)
            if name not in chosen:
                chosen.append(name)
        return tuple(chosen)


def build_world(
    *,
    entities: int,
    years: Sequence[int],
    amounts: Sequence[int],
    categories: int,
    lifespan: Sequence[int],
    seed: int,
) -> World:
    """Invent a world. `years` and `amounts` are (first, last, step); `lifespan` (least, most)."""
    scale = {"years": _scale("years", years), "amounts": _scale("amounts", amounts)}
    if entities < 4 * len(KINDS):
        raise ConfigError(f"almanac: entities={entities}; use at least {4 * len(KINDS)}")
    if not 3 <= categories <= MAX_CATEGORIES:
        raise ConfigError(f"almanac: categories={categories}; use 3 to {MAX_CATEGORIES}")
    taken: set[str] = set(GUILDS)
    counts = {k: entities // len(KINDS) + (i < entities % len(KINDS)) for i, k in enumerate(KINDS)}
    names = {kind: _names(kind, n, taken, seed) for kind, n in counts.items()}
    countries = _names("country", categories, taken, seed)
    guilds = GUILDS[:categories]
    lives = [
        (born, died)
        for born in scale["years"]
        for died in scale["years"]
        if lifespan[0] <= died - born <= lifespan[1]
    ]
    if not lives:
        raise ConfigError(f"almanac: no lifespan {tuple(lifespan)} fits years {tuple(years)}")
    draw = Draw(seed, "almanac", "facts")
    facts: dict[str, dict[str, str]] = {}

    def number(which: str) -> str:
        return str(draw.pick(scale[which]))

    for city in names["city"]:
        facts[city] = {
            "city.founded": number("years"),
            "city.population": number("amounts"),
            "city.country": draw.pick(countries),
        }
    for river in names["river"]:
        facts[river] = {"river.length": number("amounts"), "river.city": draw.pick(names["city"])}
    for ship in names["ship"]:
        facts[ship] = {
            "ship.launched": number("years"),
            "ship.crew": number("amounts"),
            "ship.city": draw.pick(names["city"]),
        }
    for person in names["person"]:
        born, died = draw.pick(lives)
        facts[person] = {
            "person.born": str(born),
            "person.died": str(died),
            "person.guild": draw.pick(guilds),
            "person.city": draw.pick(names["city"]),
        }
    return World(names, facts, countries, guilds, scale["years"], scale["amounts"])


def _between_quartiles(scale: Sequence[int], values: Sequence[int]) -> tuple[int, ...]:
    ordered = sorted(values)
    low, high = ordered[len(ordered) // 4], ordered[-1 - len(ordered) // 4]
    # Strictly inside the extremes, or one of the two answers would be impossible.
    inside = [n for n in scale if low <= n <= high and ordered[0] < n < ordered[-1]]
    if not (limits := tuple(inside)):
        raise ConfigError(f"almanac: no threshold divides {ordered}; use another world_seed")
    return limits


def _scale(name: str, spec: Sequence[int]) -> tuple[int, ...]:
    first, last, step = spec
    scale = tuple(range(first, last + 1, step)) if step > 0 else ()
    if len(scale) < 6 or first < 1:
        raise ConfigError(f"almanac: {name}={list(spec)} (first, last, step) gives under 6 numbers")
    return scale


def _names(kind: str, n: int, taken: set[str], seed: int) -> tuple[str, ...]:
    draw = Draw(seed, "almanac", "names", kind)
    names: list[str] = []

    def invent() -> str:
        stem = draw.pick(_ONSETS) + draw.pick(_VOWELS) + draw.pick(_CODAS)
        return (stem + draw.pick(_ENDINGS[kind])).capitalize()

    for _ in range(n):
        name = draw.until(invent, lambda name: name not in taken, what=f"new {kind} name")
        taken.add(name)
        names.append(name)
    return tuple(names)
