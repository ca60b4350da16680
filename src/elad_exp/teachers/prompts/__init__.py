"""Prompts are text files with named fields (`$field`); their version is a hash of the file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt file. `version`: the first 12 hex digits of sha256 over its text."""

    name: str
    text: str
    version: str

    @property
    def fields(self) -> frozenset[str]:
        return frozenset(Template(self.text).get_identifiers())

    def render(self, **values: str) -> str:
        """The text with each field replaced; a `$` inside a value stays as it is.

        Raises:
            ValueError: A field has no value, or a value no field.
        """
        if values.keys() != self.fields:
            raise ValueError(
                f"prompt {self.name}: has fields {sorted(self.fields)}, got {sorted(values)}"
            )
        return Template(self.text).substitute(values)


@cache
def load_prompt(name: str) -> Prompt:
    """The prompt in `NAME.txt` beside this module."""
    text = (files(__name__) / f"{name}.txt").read_text(encoding="utf-8")
    return Prompt(name, text, hashlib.sha256(text.encode("utf-8")).hexdigest()[:12])
