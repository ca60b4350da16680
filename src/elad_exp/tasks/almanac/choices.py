"""Families of choice questions between two options (A) and (B).

The last step speaks of the first option: a student that has to find the place of an arbitrary name
among options did not learn it from thousands of examples at this size.
"""

from __future__ import annotations

from elad_exp.tasks.almanac import phrases
from elad_exp.tasks.almanac.grammar import Plan, state
from elad_exp.tasks.almanac.parts import (
    LABELS,
    Draft,
    agreement,
    kind_of,
    options,
    related,
    yes_when,
)
from elad_exp.tasks.almanac.world import CATEGORIES, NUMERIC, Picker, World


def which(world: World, pick: Picker) -> Draft:
    """Which of two options is ahead: 2 facts, 1 inference."""
    draw = pick.draw
    attribute, first = draw.pick(NUMERIC), draw.coin()
    words = draw.pick(phrases.WHICH[attribute])

    def fits(names: tuple[str, ...]) -> bool:
        left, right = (world.value(name, attribute) for name in names)
        return left != right and yes_when(attribute, left, right) == first

    kind = kind_of(attribute)
    names = draw.until(lambda: pick.entities(kind, 2), fits, what=f"two different {attribute}")
    facts = [world.claim(name, attribute) for name in names]
    steps = (*(state(claim) for claim in facts), related(*facts))
    return Draft(words, Plan(steps, LABELS[0 if first else 1]), options(names))


def category(world: World, pick: Picker) -> Draft:
    """Which of two options is of a category: 2 facts, 1 inference about the first option."""
    draw = pick.draw
    attribute, first = draw.pick(CATEGORIES), draw.coin()
    asked = draw.pick(world.countries if attribute == "city.country" else world.guilds)
    words = draw.pick(phrases.CATEGORY[attribute]).format(asked)

    def fits(names: tuple[str, ...]) -> bool:
        left, right = (world.facts[name][attribute] == asked for name in names)
        return left == first and right != first

    kind = kind_of(attribute)
    names = draw.until(lambda: pick.entities(kind, 2), fits, what=f"one of two in {asked}")
    facts = [world.claim(name, attribute) for name in names]
    last, other = (agreement(claim.args[1], asked, premises=[claim]) for claim in facts)
    steps = (*(state(claim) for claim in facts), last)
    return Draft(words, Plan(steps, LABELS[0 if first else 1], (other,)), options(names))
