"""Questions about other worlds with the same names: language and arithmetic, but no facts.

Each batch has a world of its own, so what its facts say holds for that batch only. A student that
learns from them learns to read a question, to look facts up in its explanation, to compare and to
add; which value belongs to which name it can only guess.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from elad_exp.tasks.almanac.draw import Draw
from elad_exp.tasks.almanac.invent import invent_world
from elad_exp.tasks.almanac.sampling import Item, generate
from elad_exp.tasks.almanac.world import World


def exercises(
    world: World,
    *,
    shape: Mapping[str, Any],
    families: Mapping[str, float],
    seed: int,
    batches: int,
    size: int,
    known: Collection[str],
) -> Iterator[list[Item]]:
    """Batches of at most `size` questions with their plans, each about a world of its own.

    Args:
        world: Gives the names, and nothing else.
        shape: Arguments of `invent_world` without its seed.
        families: Weight of each family.
        seed: Of the worlds and their questions.
        batches: Number of batches.
        size: Questions drawn for a batch.
        known: Ids of questions to leave out.
    """
    for number in range(batches):
        draw = Draw(seed, "almanac", "exercises", number)
        other = renamed(invent_world(**shape, seed=draw.below(2**31)), world, draw)
        drawn = generate(
            other,
            sizes={"exercise": size},
            tails={"exercise": 0.0},
            families=families,
            seed=draw.below(2**31),
        )
        yield [item for item in drawn["exercise"] if item.sample.id not in known]


def renamed(other: World, world: World, draw: Draw) -> World:
    """`other` with the names of `world`, each kind's in random order. Both have one shape."""
    old = {**other.names, "realm": other.realms, "guild": other.guilds}
    own = {**world.names, "realm": world.realms, "guild": world.guilds}
    new = {
        name: given
        for kind, names in old.items()
        for name, given in zip(names, draw.shuffled(own[kind]), strict=True)
    }
    return dataclasses.replace(
        other,
        names={kind: tuple(new[name] for name in names) for kind, names in other.names.items()},
        facts={
            new[name]: {key: new.get(value, value) for key, value in facts.items()}
            for name, facts in other.facts.items()
        },
        realms=tuple(new[name] for name in other.realms),
        guilds=tuple(new[name] for name in other.guilds),
    )
