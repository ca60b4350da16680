"""Families of yes/no questions: each draws a question and the plan that answers it.

No wording, threshold or option place tells the answer: they are drawn first, the answer by a coin
independent of them, and then entities are redrawn until they fit.
"""

from __future__ import annotations

from itertools import product

from elad_exp.tasks.almanac import phrases
from elad_exp.tasks.almanac.grammar import Claim, infer
from elad_exp.tasks.almanac.parts import (
    Draft,
    Subject,
    comparison,
    comparisons,
    described,
    kind_of,
    named,
    number,
    plain,
    related,
    relation,
    threshold,
    yes_no,
)
from elad_exp.tasks.almanac.world import AMOUNTS, CATEGORIES, NUMERIC, Picker, World


def fact(world: World, pick: Picker) -> Draft:
    """One attribute against a threshold: 1 fact, 1 inference."""
    attribute = pick.draw.pick(NUMERIC)
    return threshold(world, pick, attribute, subject=lambda: plain(pick, attribute))


def compare(world: World, pick: Picker) -> Draft:
    """Two entities by one attribute: 2 facts, 1 inference."""
    attribute = pick.draw.pick(NUMERIC)

    def subject() -> Subject:
        return plain(pick, attribute)

    return comparison(world, pick, attribute, first=subject, second=subject)


def hop(world: World, pick: Picker) -> Draft:
    """A described city against a threshold or a named city: 2 or 3 facts, 1 inference."""
    attribute = pick.draw.pick(("city.founded", "city.population"))

    def subject() -> Subject:
        return described(world, pick, "city")

    if pick.draw.coin():
        return threshold(world, pick, attribute, subject=subject)
    return comparison(world, pick, attribute, first=subject, second=lambda: plain(pick, attribute))


def category(world: World, pick: Picker) -> Draft:
    """An entity's realm or guild against a threshold or another's: 2 or 4 facts, 1 inference."""
    attribute = pick.draw.pick(CATEGORIES)

    def subject() -> Subject:
        return described(world, pick, kind_of(attribute))

    if pick.draw.coin():
        return threshold(world, pick, attribute, subject=subject)
    return comparison(world, pick, attribute, first=subject, second=subject)


def total(world: World, pick: Picker) -> Draft:
    """The sum of two amounts against a threshold: 2 facts, 2 inferences."""
    draw = pick.draw
    attribute, want = draw.pick(AMOUNTS), draw.coin()
    limit = draw.pick(world.totals[attribute])
    words = draw.pick(phrases.SUM[attribute])

    def added(pair: tuple[str, ...]) -> int:
        return sum(world.value(name, attribute) for name in pair)

    pair = draw.until(
        lambda: pick.entities(kind_of(attribute), 2),
        lambda pair: added(pair) != limit and (added(pair) > limit) == want,
        what=f"two {attribute} whose sum is beside {limit}",
    )
    facts = [world.claim(name, attribute) for name in pair]
    adding = infer("sum", *(claim.args[1] for claim in facts), added(pair), premises=facts)
    last = relation(attribute, added(pair), limit, premises=[adding.claim])
    question = words.format(*(named(attribute, name) for name in pair), limit)
    return yes_no(question, facts, [adding, last], answer=want)


def overlap(world: World, pick: Picker) -> Draft:
    """Whether two lives overlap: 4 facts, 1 inference (the later birth, the earlier death)."""
    draw = pick.draw
    want, words = draw.coin(), draw.pick(phrases.OVERLAP)

    def bounds(pair: tuple[str, ...]) -> tuple[Claim, Claim]:
        births = [world.claim(person, "person.born") for person in pair]
        deaths = [world.claim(person, "person.died") for person in pair]
        return max(births, key=number), min(deaths, key=number)

    def fits(pair: tuple[str, ...]) -> bool:
        birth, death = map(number, bounds(pair))
        return birth != death and (birth < death) == want

    pair = draw.until(lambda: pick.entities("person", 2), fits, what="two such lives")
    lives = [(world.claim(p, "person.born"), world.claim(p, "person.died")) for p in pair]
    return yes_no(
        words.format(*pair),
        [claim for life in lives for claim in life],
        [related(*bounds(pair))],
        answer=want,
        optional=comparisons(product(lives[0], lives[1])),
    )


def event(world: World, pick: Picker) -> Draft:
    """Whether an event fell into a life: 3 facts, 1 or 2 inferences."""
    draw = pick.draw
    attribute, want = draw.pick(tuple(phrases.EVENT)), draw.coin()
    words = draw.pick(phrases.EVENT[attribute])

    def claims(pair: tuple[str, str]) -> tuple[Claim, Claim, Claim]:
        person, thing = pair
        life = (world.claim(person, "person.born"), world.claim(person, "person.died"))
        return (*life, world.claim(thing, attribute))

    def fits(pair: tuple[str, str]) -> bool:
        born, died, year = map(number, claims(pair))
        return year not in (born, died) and (born < year < died) == want

    pair = draw.until(
        lambda: (pick.entity("person"), pick.entity(kind_of(attribute))), fits, what="such a life"
    )
    born, died, when = claims(pair)
    beside_birth, beside_death = related(born, when), related(when, died)
    if number(when) < number(born):
        needed = [beside_birth]
    elif number(when) > number(died):
        needed = [beside_death]
    else:
        needed = [beside_birth, beside_death]
    return yes_no(
        words.format(pair[0], named(attribute, pair[1])),
        [born, died, when],
        needed,
        answer=want,
        optional=(beside_birth, beside_death),
    )
