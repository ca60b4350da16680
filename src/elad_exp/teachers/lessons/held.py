"""Which of the texts that are held back a teacher serves: of which classes, and how hard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np

from elad_exp.entities import from_answer, rarest_types
from elad_exp.protocols import SpanTask, Task
from elad_exp.rng import seeds_for
from elad_exp.teachers.lessons.clearness import Answered, clearness
from elad_exp.teachers.lessons.steps import Analysis
from elad_exp.types import Sample

_SHARES = {0: (), 1: (1.0,), 2: (2 / 3, 1 / 3)}


@dataclass(frozen=True, slots=True)
class Text:
    """A text of the pool, its canonical gold answer, and the answer as prompts show it."""

    sample: Sample
    answer: str
    line: str


Ranked = Mapping[str, Sequence[Text]]
"""The texts of each group, from the clearest to the least clear."""


def ranked(task: Task, texts: Sequence[Text], given: Sequence[Answered], *, seed: int) -> Ranked:
    """Texts in groups: their classes. See `clearness` for the order in them; where two are equally
    clear, chance decides.

    A text with entities belongs to that of its types which the fewest texts have, and one without
    any to the group `""`, so that each belongs to one.
    """
    clear = clearness(task, given, [(text.sample, text.answer) for text in texts])
    chance = seeds_for(seed, "corpus", "ties")
    # Rounded, so that the last bits of a sum, which differ between machines, decide nothing.
    ordered = sorted(
        zip(np.round(clear, 6).tolist(), texts, _groups(task, texts), strict=True),
        key=lambda each: (-each[0], chance(each[1].sample.id)),
    )
    groups: dict[str, list[Text]] = {}
    for _, text, group in ordered:
        groups.setdefault(group, []).append(text)
    return {group: groups[group] for group in sorted(groups)}


def _groups(task: Task, texts: Sequence[Text]) -> list[str]:
    if not isinstance(task, SpanTask):
        return [text.answer for text in texts]
    return rarest_types([from_answer(text.answer) for text in texts])


def aims(analysis: Analysis | None, groups: Set[str]) -> dict[str, float]:
    """How much the named weaknesses ask for each group.

    What is taken for another class asks for texts of both, twice as many of the right one, so that
    the student learns the difference and not the class. Where one of the two is no class (an
    entity that is missed or made up), all are of the other.
    """
    found: dict[str, float] = {}
    for weakness in analysis.confused if analysis else ():
        asked = [name for name in (weakness.right, weakness.predicted) if name in groups]
        for name, share in zip(asked, _SHARES[len(asked)], strict=True):
            found[name] = found.get(name, 0.0) + share * weakness.score
    return found


def chosen(
    groups: Ranked,
    served: Set[str],
    *,
    easy: int,
    hard: int,
    asked: Mapping[str, float],
    aimed: float,
    rng: np.random.Generator,
) -> tuple[list[Text], list[Text]]:
    """Easy and hard texts, each in chance order; fewer than wanted if the corpus has no more.

    The easy ones are drawn from the clearer half of what is left of their group, the hard ones from
    the other: halves, because the clearest of thousands are all alike, and the least clear are
    like nothing else.

    Args:
        groups: The corpus.
        served: Ids of texts that are not to be had any more.
        easy: How many easy ones.
        hard: How many hard ones.
        asked: Groups with weights.
        aimed: Share of texts that are of groups by these weights; the others, or all if no group
            is asked for, are of groups as often as what is left of the corpus has them.
        rng: Draws.
    """
    left = {
        group: [text for text in texts if text.sample.id not in served]
        for group, texts in groups.items()
    }
    both = []
    for n, harder in ((easy, False), (hard, True)):
        found: list[Text] = []
        while len(found) < n and any(left.values()):
            weights = _weights(left, asked, aimed)
            for group in _spread(weights, n - len(found), rng):
                if own := left[group]:
                    place = int(rng.integers((len(own) + 1) // 2))
                    found.append(own.pop(-1 - place if harder else place))
        both.append([found[place] for place in rng.permutation(len(found))])
    return both[0], both[1]


def _weights(
    left: Mapping[str, Sequence[Text]], asked: Mapping[str, float], aimed: float
) -> dict[str, float]:
    """Of the groups that have texts left."""
    sizes = {group: len(texts) for group, texts in left.items() if texts}
    own = {group: asked.get(group, 0.0) for group in sizes}
    total, wanted = sum(sizes.values()), sum(own.values())
    share = aimed if wanted else 0.0
    return {
        group: share * own[group] / (wanted or 1.0) + (1 - share) * size / total
        for group, size in sizes.items()
    }


def _spread(weights: Mapping[str, float], n: int, rng: np.random.Generator) -> list[str]:
    """`n` names, each as often as its weight says, rounded up or down by chance (systematic
    sampling).
    """
    names = list(weights)
    ends = np.cumsum([weights[name] for name in names])
    points = (np.arange(n) + rng.random()) * ends[-1] / n
    places = np.searchsorted(ends, points, side="right")
    return [names[min(place, len(names) - 1)] for place in places.tolist()]
