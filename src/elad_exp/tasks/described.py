"""Names with descriptions: the classes of texts, or the types of entities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from elad_exp.errors import ConfigError
from elad_exp.tasks.answers import one_line

Named = Mapping[str, str | None] | Sequence[str] | None
"""Name -> description, names alone, or None for those that the files have."""


@dataclass(frozen=True, slots=True)
class Described:
    """What the option `dataset.OPTION` says.

    Attributes:
        option: Its name, `labels` or `types`.
        names: In the given order; None where the files are to tell.
        texts: Name -> description; empty where none were given.
    """

    option: str
    names: tuple[str, ...] | None
    texts: Mapping[str, str]

    def of(self, names: Sequence[str]) -> dict[str, str]:
        """The description of each of `names`: where none were given, the name itself."""
        return {name: self.texts.get(name, name) for name in names}

    @property
    def warnings(self) -> list[str]:
        """Says for people that there are no descriptions, if so."""
        if self.texts:
            return []
        return [
            f"dataset.{self.option} describes none: each is described by its name alone, which is "
            f"all that a teacher will know about it; set dataset.{self.option}="
            "{NAME: 'one sentence', ...}"
        ]


def described(option: str, given: Named) -> Described:
    """`given` after checks.

    Raises:
        ConfigError: A name is no line of text or stands there twice, or one of them has no
            description while `given` has descriptions; all such names at once.
    """
    if given is None:
        return Described(option, None, {})
    if isinstance(given, str) or not isinstance(given, (Mapping, Sequence)):
        raise ConfigError(f"dataset.{option}={given!r}: a mapping or a list of names is expected")
    names = tuple(given)
    if bad := [n for n in names if not isinstance(n, str) or not n or n != one_line(n)]:
        raise ConfigError(
            f"dataset.{option}: {', '.join(map(repr, bad))}: a name is one line of text without "
            "spaces around it; put it into quotation marks"
        )
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise ConfigError(f"dataset.{option} names {', '.join(twice)} more than once")
    if not names:
        raise ConfigError(f"dataset.{option} is empty: name some, or null for those of the files")
    if not isinstance(given, Mapping):
        return Described(option, names, {})
    texts = {name: one_line(text) for name, text in given.items() if isinstance(text, str)}
    if missing := [name for name in names if not texts.get(name)]:
        raise ConfigError(
            f"dataset.{option}: no description of {', '.join(missing)}; each needs a sentence, or "
            f"give dataset.{option} as a list of names to go without any"
        )
    return Described(option, names, texts)
