"""Building blocks of question families: subjects, relations between claims, drafts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from elad_exp.tasks.almanac import phrases
from elad_exp.tasks.almanac.grammar import Claim, Plan, PlannedStep, infer, state
from elad_exp.tasks.almanac.world import YEARS, Picker, World
from elad_exp.types import Choice

LABELS = ("A", "B")


@dataclass(frozen=True, slots=True)
class Draft:
    """A question with its plan, before it has an id."""

    question: str
    plan: Plan
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """What a question talks about: its wording, the entity meant, the facts that lead there."""

    phrase: str
    entity: str
    hops: tuple[Claim, ...] = ()


def kind_of(attribute: str) -> str:
    """The kind of entity that has the attribute."""
    return attribute.partition(".")[0]


def named(attribute: str, entity: str) -> str:
    """The entity with the article that its kind takes."""
    return phrases.ARTICLE[kind_of(attribute)] + entity


def plain(pick: Picker, attribute: str) -> Subject:
    """An entity called by its name."""
    entity = pick.entity(kind_of(attribute))
    return Subject(named(attribute, entity), entity)


def described(world: World, pick: Picker, kind: str) -> Subject:
    """A city, realm or guild called by an entity that leads to it."""
    attribute = pick.draw.pick(tuple(phrases.VIA[kind]))
    via = pick.entity(kind_of(attribute))
    words = phrases.VIA[kind][attribute].format(via)
    return Subject(words, world.facts[via][attribute], (world.claim(via, attribute),))


def number(claim: Claim) -> int:
    """The number that a fact states."""
    return int(claim.args[1])


def yes_when(attribute: str, left: int, right: int) -> bool:
    """Whether `left` comes before `right` (years) or exceeds it (amounts)."""
    return left < right if attribute in YEARS else left > right


def relation(attribute: str, left: int, right: int, *, premises: Iterable[Claim]) -> PlannedStep:
    """The true comparison of two different numbers, said of `left`."""
    words = ("before", "after") if attribute in YEARS else ("less", "more")
    return infer(words[left > right], left, right, premises=premises)


def related(left: Claim, right: Claim) -> PlannedStep:
    """The comparison of the numbers of two facts."""
    return relation(left.kind, number(left), number(right), premises=(left, right))


def comparisons(pairs: Iterable[tuple[Claim, Claim]]) -> tuple[PlannedStep, ...]:
    """The comparisons of those pairs whose numbers differ."""
    return tuple(related(a, b) for a, b in pairs if number(a) != number(b))


def options(texts: Sequence[str]) -> tuple[Choice, ...]:
    return tuple(Choice(label, text) for label, text in zip(LABELS, texts, strict=True))


def yes_no(
    question: str,
    facts: Sequence[Claim],
    inferences: Sequence[PlannedStep],
    *,
    answer: bool,
    optional: tuple[PlannedStep, ...] = (),
) -> Draft:
    """A yes/no question whose plan states the facts, then draws the inferences."""
    steps = (*(state(claim) for claim in facts), *inferences)
    return Draft(question, Plan(steps, "yes" if answer else "no", optional))


def threshold(
    world: World, pick: Picker, attribute: str, *, subject: Callable[[], Subject]
) -> Draft:
    """Whether a subject's number comes before, or exceeds, a threshold."""
    draw = pick.draw
    want, limit = draw.coin(), draw.pick(world.limits[attribute])
    words = draw.pick(phrases.THRESHOLD[attribute])

    def fits(s: Subject) -> bool:
        value = world.value(s.entity, attribute)
        return value != limit and yes_when(attribute, value, limit) == want

    s = draw.until(subject, fits, what=f"{attribute} beside {limit}")
    end = world.claim(s.entity, attribute)
    last = relation(attribute, number(end), limit, premises=[end])
    return yes_no(words.format(s.phrase, limit), [*s.hops, end], [last], answer=want)


def comparison(
    world: World,
    pick: Picker,
    attribute: str,
    *,
    first: Callable[[], Subject],
    second: Callable[[], Subject],
) -> Draft:
    """Whether the first subject's number comes before, or exceeds, that of the second."""
    draw = pick.draw
    want, words = draw.coin(), draw.pick(phrases.COMPARE[attribute])

    def fits(pair: tuple[Subject, Subject]) -> bool:
        left, right = (world.value(s.entity, attribute) for s in pair)
        return left != right and yes_when(attribute, left, right) == want

    a, b = draw.until(lambda: (first(), second()), fits, what=f"two different {attribute}")
    left, right = (world.claim(s.entity, attribute) for s in (a, b))
    question = words.format(a.phrase, b.phrase)
    facts = [*a.hops, left, *b.hops, right]
    return yes_no(question, facts, [related(left, right)], answer=want)
