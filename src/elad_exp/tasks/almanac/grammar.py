"""What a step may say, and when it is right.

A step is a *claim*: a fact of the almanac, or an inference from claims made before. Sentences and
claims translate both ways, and claims that say the same in two ways are equal:

    "Settlers founded Bendale in 47."   Claim("city.founded", ("Bendale", "47"))
    "So 47 is before 60."          Claim("before", ("47", "60"))
    "So 60 is after 47."           Claim("before", ("47", "60"))

A question's *plan* lists the facts that it needs and the inferences that lead to its answer. A
step is right when it parses, its claim stands in the plan, its premises were claimed earlier, and
it was not claimed yet. Facts may come in any order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Every sentence begins with a plain word: subword tokenizers give a name or number at the start of
# a line another token than the one it has after a space, and a small student would learn it twice.
FACTS = {
    "city.founded": "Settlers founded {0} in {1}.",
    "city.population": "In {0} live {1} thousand people.",
    "city.realm": "Maps show {0} in {1}.",
    "river.length": "The {0} is {1} leagues long.",
    "river.city": "The {0} flows past {1}.",
    "ship.launched": "The {0} was launched in {1}.",
    "ship.crew": "The {0} carries {1} sailors.",
    "ship.city": "The {0} sails from {1}.",
    "person.born": "Citizen {0} was born in {1}.",
    "person.died": "Citizen {0} died in {1}.",
    "person.guild": "Citizen {0} is one of the {1}.",
    "person.city": "Citizen {0} comes from {1}.",
    "realm.founded": "Heralds proclaimed {0} in {1}.",
    "guild.founded": "Dukes chartered the {0} in {1}.",
}
INFERENCES = {
    "before": "So {0} is before {1}.",
    "after": "So {0} is after {1}.",
    "less": "So {0} is less than {1}.",
    "more": "So {0} is more than {1}.",
    "sum": "So {0} and {1} make {2}.",
}
_MIRROR = {"after": "before", "more": "less"}


@dataclass(frozen=True, slots=True)
class Claim:
    """What a sentence asserts, in a form where equal meanings are equal values."""

    kind: str
    args: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A sentence, its claim, and the claims that must stand before it (none for a fact)."""

    text: str
    claim: Claim
    premises: frozenset[Claim] = frozenset()


@dataclass(frozen=True, slots=True)
class Plan:
    """The gold steps of a question, its answer, and inferences that are right but not needed."""

    steps: tuple[PlannedStep, ...]
    answer: str
    optional: tuple[PlannedStep, ...] = ()

    @property
    def facts(self) -> tuple[Claim, ...]:
        """The facts needed: the gold steps without premises."""
        return tuple(step.claim for step in self.steps if not step.premises)

    @property
    def claims(self) -> frozenset[Claim]:
        """What the gold steps claim."""
        return frozenset(step.claim for step in self.steps)

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(step.text for step in self.steps)


def claim_of(kind: str, *args: str) -> Claim:
    """The claim of a template's name and arguments in the order of its sentence."""
    if kind in _MIRROR:
        return Claim(_MIRROR[kind], args[::-1])
    if kind == "sum":
        return Claim(kind, (*sorted(args[:2]), args[2]))
    return Claim(kind, args)


def state(claim: Claim) -> PlannedStep:
    """The step that states a fact."""
    return PlannedStep(FACTS[claim.kind].format(*claim.args), claim)


def infer(kind: str, *args: str | int, premises: Iterable[Claim]) -> PlannedStep:
    """The step that draws an inference."""
    words = tuple(str(arg) for arg in args)
    text = INFERENCES[kind].format(*words)
    return PlannedStep(text, claim_of(kind, *words), frozenset(premises))


def _pattern(template: str) -> re.Pattern[str]:
    words = (r"(\S+)" if re.fullmatch(r"\{\d\}", w) else re.escape(w) for w in _bare(template))
    return re.compile(" ".join(words))


def _bare(sentence: str) -> list[str]:
    # A tokenizer may set the full stop apart or drop it; it carries no meaning here.
    return sentence.strip().rstrip(".").split()


_PATTERNS = [(kind, _pattern(text)) for kind, text in (FACTS | INFERENCES).items()]


def parse(step: str) -> Claim | None:
    """The claim of a sentence, or None if the grammar has no such sentence. Never raises."""
    sentence = " ".join(_bare(step))
    for kind, pattern in _PATTERNS:
        if match := pattern.fullmatch(sentence):
            return claim_of(kind, *match.groups())
    return None


def is_right(plan: Plan, earlier: Sequence[str], step: str) -> bool:
    """Whether `step` is right after the right steps `earlier`."""
    claim = parse(step)
    made = {parse(text) for text in earlier}
    if claim is None or claim in made:
        return False
    return any(
        planned.claim == claim and planned.premises <= made
        for planned in (*plan.steps, *plan.optional)
    )


def missing(plan: Plan, earlier: Sequence[str]) -> tuple[str, ...]:
    """The gold steps that `earlier` does not claim yet, in their order."""
    made = {parse(text) for text in earlier}
    return tuple(step.text for step in plan.steps if step.claim not in made)
