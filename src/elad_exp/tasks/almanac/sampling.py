"""Drawing the questions of each split: new ones, in the right split, with balanced answers."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate

from elad_exp.errors import ConfigError
from elad_exp.rng import derive_seed
from elad_exp.tasks.almanac import choices, questions
from elad_exp.tasks.almanac.draw import Draw, running
from elad_exp.tasks.almanac.grammar import Plan
from elad_exp.tasks.almanac.parts import Draft
from elad_exp.tasks.almanac.world import Picker, World
from elad_exp.tasks.yes_no import YES_NO
from elad_exp.types import Sample, sample_id

FAMILIES: dict[str, Callable[[World, Picker], Draft]] = {
    "fact": questions.fact,
    "compare": questions.compare,
    "sum": questions.total,
    "event": questions.event,
    "hop": questions.hop,
    "category": questions.category,
    "overlap": questions.overlap,
    "which": choices.which,
    "whose": choices.whose,
}
# Less of the families with few different questions, and of the choice questions.
MIX: dict[str, float] = {
    **dict.fromkeys(("fact", "compare", "sum", "event", "hop", "category"), 1.0),
    **dict.fromkeys(("overlap", "which", "whose"), 0.5),
}
_REDRAWS = 20_000


@dataclass(frozen=True, slots=True)
class Item:
    """A generated question with the plan that answers it."""

    sample: Sample
    plan: Plan
    family: str


def generate(
    world: World,
    *,
    sizes: Mapping[str, int],
    tails: Mapping[str, float],
    families: Mapping[str, float],
    seed: int,
) -> dict[str, list[Item]]:
    """Questions by split.

    A question's split does not depend on the tails, see `split_of`; within a split no question
    comes twice, and within a family the answers take turns.

    Args:
        world: The world asked about.
        sizes: Number of questions by split.
        tails: Zipf exponent of the entities' frequencies by split, 0 for uniform.
        families: Weight of each family.
        seed: Seed of draws and of the hash.

    Raises:
        ConfigError: The world has too few different questions of a family.
    """
    found: dict[str, list[Item]] = {}
    for split, size in sizes.items():
        draw = Draw(seed, "almanac", "questions", split)
        pick = Picker(world, draw, tail=tails[split])
        taken: set[str] = set()
        answers: dict[str, Counter[str]] = {name: Counter() for name in families}
        found[split] = []
        for _ in range(size):
            family = draw.weighted(list(families), running(families))
            for _ in range(_REDRAWS):
                draft = FAMILIES[family](world, pick)
                if not _in_turn(draft, answers[family]):
                    continue
                key = sample_id(draft.question, draft.choices)
                if key not in taken and split_of(draft.plan, sizes=sizes, seed=seed) == split:
                    break
            else:
                raise ConfigError(
                    f"almanac: {len(taken)} of {size} {split} questions made, then no new one of "
                    f"family {family!r} in {_REDRAWS} draws; use more entities, smaller splits, "
                    "or a lower weight for that family"
                )
            taken.add(key)
            answers[family][draft.plan.answer] += 1
            sample = Sample(key, draft.question, draft.choices)
            found[split].append(Item(sample, draft.plan, family))
    return found


def split_of(plan: Plan, *, sizes: Mapping[str, int], seed: int) -> str:
    """The split of a question, by a hash of what its steps claim: shares follow the sizes.

    Paraphrases and mirror images ("is A older than B", "is B older than A") share their split.
    """
    claims = sorted(" ".join((claim.kind, *claim.args)) for claim in plan.claims)
    bounds = list(accumulate(sizes.values()))
    place = derive_seed(seed, "almanac", "split", *claims) % bounds[-1]
    return list(sizes)[bisect_right(bounds, place)]


def _in_turn(draft: Draft, answers: Counter[str]) -> bool:
    # Dropping duplicates would tilt a family whose rarer answer runs out of new questions.
    labels = [choice.label for choice in draft.choices] or YES_NO
    return answers[draft.plan.answer] <= min(answers[label] for label in labels)
