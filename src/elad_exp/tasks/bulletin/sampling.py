"""Drawing the notices of each split: all from one distribution, no text twice."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from elad_exp.errors import ConfigError
from elad_exp.tasks.almanac.draw import Draw, running
from elad_exp.tasks.bulletin.composing import Composer
from elad_exp.tasks.bulletin.frames import PHENOMENA, WORDINGS
from elad_exp.tasks.bulletin.words import CLASSES
from elad_exp.tasks.bulletin.world import Picker, World
from elad_exp.types import Sample, sample_id

_REDRAWS = 1_000


@dataclass(frozen=True, slots=True)
class Mix:
    """How often what is drawn.

    Attributes:
        classes: Weight of each class.
        hard: Share of texts with a phenomenon.
        phenomena: Weight of each phenomenon among the hard ones.
        second: Share of the hard ones that have two phenomena.
        tail: Zipf exponent of names, cues and acts, 0 for uniform.

    Raises:
        ConfigError: A name is not known, or a number not possible.
    """

    classes: Mapping[str, float]
    hard: float
    phenomena: Mapping[str, float]
    second: float
    tail: float

    def __post_init__(self) -> None:
        for field, given, known in (
            ("classes", self.classes, CLASSES),
            ("phenomena", self.phenomena, PHENOMENA),
        ):
            if unknown := set(given) - set(known):
                raise ConfigError(f"bulletin: {field} {sorted(unknown)}; known: {list(known)}")
            if len(given) < 2 or min(given.values()) <= 0:
                raise ConfigError(
                    f"bulletin: {field}={dict(given)}; name two or more, with weights above 0"
                )
        for field, share in (("hard", self.hard), ("second", self.second)):
            if not 0 <= share <= 1:
                raise ConfigError(f"bulletin: {field}={share}; use a share from 0 to 1")
        if self.tail < 0:
            raise ConfigError(f"bulletin: tail={self.tail}; use 0 (uniform) or more")


def generate(
    world: World, mix: Mix, *, sizes: Mapping[str, int], seed: int
) -> dict[str, tuple[Sample, ...]]:
    """Samples by split, drawn one by one: the shares of a split are those of `mix` by chance.

    Args:
        world: Names and cues.
        mix: What is drawn how often.
        sizes: Number of texts by split.
        seed: Seed of the draws.

    Raises:
        ConfigError: The world has too few different texts.
    """
    taken: set[str] = set()
    splits: dict[str, tuple[Sample, ...]] = {}
    for split, size in sizes.items():
        draw = Draw(seed, "bulletin", "texts", split)
        composer = Composer(Picker(world, draw, tail=mix.tail))
        samples: list[Sample] = []
        for _ in range(size):
            label, phenomena, other = _draw(draw, mix)
            text = new_text(composer, label, phenomena, other, taken=taken)
            samples.append(Sample(sample_id(text), text))
        splits[split] = tuple(samples)
    return splits


def new_text(
    composer: Composer, label: str, phenomena: Collection[str], other: str, *, taken: set[str]
) -> str:
    """A text whose id is not in `taken`, where it is put.

    Raises:
        ConfigError: None was found.
    """
    for _ in range(_REDRAWS):
        text = composer.text(label, phenomena, other)
        key = sample_id(text)
        if key not in taken:
            taken.add(key)
            return text
    raise ConfigError(
        f"bulletin: no new {label!r} text with {sorted(phenomena)} in {_REDRAWS} draws beside "
        f"{len(taken)} others; use more names or smaller splits"
    )


def drawn_phenomena(draw: Draw, weights: Mapping[str, float], n: int) -> frozenset[str]:
    """`n` phenomena that can stand in one text, fewer if there are no more."""
    chosen: set[str] = set()
    while len(chosen) < n:
        left = {
            name: weight
            for name, weight in weights.items()
            if name not in chosen and not (name in WORDINGS and chosen & set(WORDINGS))
        }
        if not left:
            break
        chosen.add(draw.weighted(list(left), running(left)))
    return frozenset(chosen)


def _draw(draw: Draw, mix: Mix) -> tuple[str, frozenset[str], str]:
    label = draw.weighted(list(mix.classes), running(mix.classes))
    rest = {name: weight for name, weight in mix.classes.items() if name != label}
    other = draw.weighted(list(rest), running(rest))
    hard, both = _happens(draw, mix.hard), _happens(draw, mix.second)
    return label, drawn_phenomena(draw, mix.phenomena, hard * (1 + both)), other


def _happens(draw: Draw, share: float) -> bool:
    return draw.weighted((True, False), (share, 1.0))
