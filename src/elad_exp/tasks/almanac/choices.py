"""Families of choice questions between two options (A) and (B).

The last step speaks of the first option, so that the label follows from it: a student that had to
find the place of a name among options did not learn to, from thousands of examples, at this size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from elad_exp.tasks.almanac import phrases
from elad_exp.tasks.almanac.grammar import Claim, Plan, state
from elad_exp.tasks.almanac.parts import LABELS, Draft, kind_of, number, options, related, yes_when
from elad_exp.tasks.almanac.world import CATEGORIES, NUMERIC, Picker, World

_OWNERS = {"realm": ("city", "city.realm"), "guild": ("person", "person.guild")}


def which(world: World, pick: Picker) -> Draft:
    """Which of two options is ahead: 2 facts, 1 inference."""
    attribute = pick.draw.pick(NUMERIC)
    return _between(
        pick,
        attribute,
        words=pick.draw.pick(phrases.WHICH[attribute]),
        kind=kind_of(attribute),
        facts=lambda name: [world.claim(name, attribute)],
    )


def whose(world: World, pick: Picker) -> Draft:
    """Which of two options belongs to the older realm or guild: 4 facts, 1 inference."""
    attribute = pick.draw.pick(CATEGORIES)
    kind, membership = _OWNERS[kind_of(attribute)]

    def facts(name: str) -> list[Claim]:
        belongs = world.claim(name, membership)
        return [belongs, world.claim(belongs.args[1], attribute)]

    words = pick.draw.pick(phrases.CATEGORY_OPTIONS[attribute])
    return _between(pick, attribute, words=words, kind=kind, facts=facts)


def _between(
    pick: Picker,
    attribute: str,
    *,
    words: str,
    kind: str,
    facts: Callable[[str], Sequence[Claim]],
) -> Draft:
    """The last of an option's facts gives the number by which the options are compared."""
    first = pick.draw.coin()

    def fits(names: tuple[str, ...]) -> bool:
        left, right = (number(facts(name)[-1]) for name in names)
        return left != right and yes_when(attribute, left, right) == first

    names = pick.draw.until(lambda: pick.entities(kind, 2), fits, what=f"two different {attribute}")
    left, right = map(facts, names)
    steps = (*(state(claim) for claim in (*left, *right)), related(left[-1], right[-1]))
    return Draft(words, Plan(steps, LABELS[0 if first else 1]), options(names))
