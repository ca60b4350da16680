"""Inventing a world: names, and facts dealt so that every value is equally common."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from elad_exp.errors import ConfigError
from elad_exp.tasks.almanac.draw import Draw
from elad_exp.tasks.almanac.world import AMOUNTS, KINDS, YEARS, World, thresholds

GUILDS = ("bakers", "coopers", "masons", "potters", "tanners", "weavers")
MAX_CATEGORIES = len(GUILDS)
_ONSETS = ("b", "br", "d", "dr", "f", "g", "gr", "k", "kl", "l", "m", "n", "p", "pr", "r", "s", "t")
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ou")
_CODAS = ("l", "m", "n", "r", "s", "th", "v", "nd", "rn", "lk")
_ENDINGS = {
    "city": ("ale", "ock", "ona", "ury"),
    "river": ("we", "et", "isk", "oy"),
    "ship": ("ara", "ius", "elle", "on"),
    "person": ("o", "an", "in", "ez"),
    "realm": ("ia", "mark"),
}


def invent_world(
    *,
    entities: int,
    years: Sequence[int],
    amounts: Sequence[int],
    categories: int,
    lifespan: Sequence[int],
    seed: int,
) -> World:
    """Invent a world. `years` and `amounts` are (first, last, step); `lifespan` (least, most)."""
    if entities < 4 * len(KINDS):
        raise ConfigError(f"almanac: entities={entities}; use at least {4 * len(KINDS)}")
    if not 3 <= categories <= MAX_CATEGORIES:
        raise ConfigError(f"almanac: categories={categories}; use 3 to {MAX_CATEGORIES}")
    time, size = _scale("years", years), _scale("amounts", amounts)
    lives = [(a, b) for a in time for b in time if lifespan[0] <= b - a <= lifespan[1]]
    if not lives:
        raise ConfigError(f"almanac: no lifespan {list(lifespan)} fits years {list(years)}")
    taken = set(GUILDS)
    names = {
        kind: _names(kind, entities // len(KINDS) + (i < entities % len(KINDS)), taken, seed)
        for i, kind in enumerate(KINDS)
    }
    realms = tuple(sorted(_names("realm", categories, taken, seed)))
    guilds = GUILDS[:categories]
    sources: dict[str, Sequence[object]] = {
        "city.founded": time,
        "city.population": size,
        "city.realm": realms,
        "river.length": size,
        "river.city": names["city"],
        "ship.launched": time,
        "ship.crew": size,
        "ship.city": names["city"],
        "realm.founded": time,
        "guild.founded": time,
        "person.life": lives,
        "person.guild": guilds,
        "person.city": names["city"],
    }
    owners = names | {"realm": realms, "guild": guilds}
    facts: dict[str, dict[str, str]] = {name: {} for own in owners.values() for name in own}
    for attribute, values in sources.items():
        owned = owners[attribute.partition(".")[0]]
        draw = Draw(seed, "almanac", "facts", attribute)
        for name, value in zip(owned, _dealt(values, len(owned), draw), strict=True):
            if isinstance(value, tuple):
                facts[name] |= {"person.born": str(value[0]), "person.died": str(value[1])}
            else:
                facts[name][attribute] = str(value)
    numbers = {
        key: [int(own[key]) for own in facts.values() if key in own] for key in (*YEARS, *AMOUNTS)
    }
    sums = sorted({a + b for a in size for b in size})
    return World(
        names=names,
        facts=facts,
        realms=realms,
        guilds=guilds,
        years=time,
        amounts=size,
        limits={key: thresholds(time if key in YEARS else size, numbers[key]) for key in numbers},
        totals={
            key: thresholds(sums, [a + b for a, b in combinations(numbers[key], 2)])
            for key in AMOUNTS
        },
    )


def _dealt(values: Sequence[object], n: int, draw: Draw) -> list[object]:
    """`n` of the values in random order, each as often as any other, give or take one."""
    packs = [draw.shuffled(values) for _ in range(-(-n // len(values)))]
    return draw.shuffled([value for pack in packs for value in pack][:n])


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
