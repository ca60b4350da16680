"""The fictional world: invented names, and what the almanac says about each.

Four kinds of entities (cities, rivers, ships, people) with three or four attributes each, so that
120 entities make some 390 facts that recur across questions. All numbers have two digits: years
and amounts share their tokens, and a tiny student can learn to compare them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from elad_exp.errors import ConfigError
from elad_exp.tasks.almanac.draw import Draw, running
from elad_exp.tasks.almanac.grammar import Claim

KINDS = ("city", "river", "ship", "person")
CATEGORIES = ("realm.founded", "guild.founded")
TIMES = ("city.founded", "ship.launched", "person.born", "person.died")
AMOUNTS = ("city.population", "river.length", "ship.crew")
NUMERIC = (*TIMES, *AMOUNTS)
YEARS = (*TIMES, *CATEGORIES)


@dataclass(frozen=True, slots=True)
class World:
    """Entities by kind, most frequent first under a long tail, and the facts about them.

    `facts[entity][attribute]` is a word of the almanac's grammar: a number, a name, a category.
    `limits` and `totals` are, by attribute, the thresholds that questions may name for one entity
    and for the sum of two.
    """

    names: dict[str, tuple[str, ...]]
    facts: dict[str, dict[str, str]]
    realms: tuple[str, ...]
    guilds: tuple[str, ...]
    years: tuple[int, ...]
    amounts: tuple[int, ...]
    limits: dict[str, tuple[int, ...]]
    totals: dict[str, tuple[int, ...]]

    def claim(self, entity: str, attribute: str) -> Claim:
        """The true fact, as the grammar states it."""
        return Claim(attribute, (entity, self.facts[entity][attribute]))

    def value(self, entity: str, attribute: str) -> int:
        return int(self.facts[entity][attribute])


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


def thresholds(scale: Sequence[int], values: Sequence[int]) -> tuple[int, ...]:
    """The numbers of the scale between the quartiles of `values`, where questions are hardest."""
    ordered = sorted(values)
    low, high = ordered[len(ordered) // 4], ordered[-1 - len(ordered) // 4]
    # Strictly inside the extremes, or one of the two answers would be impossible.
    inside = tuple(n for n in scale if low <= n <= high and ordered[0] < n < ordered[-1])
    if not inside:
        raise ConfigError(f"almanac: no threshold divides {ordered}; use more entities or numbers")
    return inside
