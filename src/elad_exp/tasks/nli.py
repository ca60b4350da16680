"""Natural language inference: does the premise entail the hypothesis, contradict it, or neither?

The question has three choices, labelled in any way, that are `entailment`, `neutral` and
`contradiction`: their texts are these words, or else their labels are. With the choices
(A) entailment, (B) neutral, (C) contradiction:

    Answer: B                              B
    Answer: (B) neutral                    B
    Answer: Neutral.                       B
    Answer: It contradicts the premise.    C
    Answer: neither                        B
    Answer: neither entails nor contradicts B
    Answer: A) neutral                     A: where label and word disagree, the label decides
    Answer: neutral or contradiction       None: two answers
    Answer: it does not entail             None: that leaves two
    Answer: neutral, since it is not said  B: what is denied after the class is a remark ...
    Answer: neutral is wrong               None: ... unless it is the class
    Answer: A contradiction                None: label or article?
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from elad_exp.tasks.answers import Asked, first_word, spoken
from elad_exp.tasks.choice import OneChoice, denied

CLASSES = ("entailment", "neutral", "contradiction")
_FORMS = {
    "entailment": r"entail(?:ment|s|ed)?",
    "neutral": r"neutral|neither",
    "contradiction": r"contradict(?:ion|s|ed|ory)?",
}
_CLASS = re.compile("|".join(rf"\b(?P<{name}>{form})\b" for name, form in _FORMS.items()))
_NEITHER = re.compile(r"\bneither\s+(?:an?\s+)?(?:entail|contradict)\w*\s+nor\s+(?:an?\s+)?\w+")
_NEGATION = re.compile(r"\b(?:not?|non|never|cannot)\b|n['\u2019]t\b")


class Inference:
    """The label of one of three classes; see the module for what is read as which."""

    kind = "nli"
    of_choices = True

    def labels(self, asked: Asked) -> tuple[str, ...]:
        return _CHOICE.labels(asked)

    def read(self, asked: Asked, text: str) -> str | None:
        label = _CHOICE.read(asked, text)
        if label or first_word(spoken(text))[0] in self.labels(asked):
            return label  # None: a second label follows the first
        said = _NEITHER.sub("neither", spoken(text).casefold())
        named = list(_CLASS.finditer(said))
        if len({match.lastgroup for match in named}) != 1:
            return None
        first = named[0]
        if _NEGATION.search(said[: first.start()]) or denied(said[first.end() :]):
            return None
        return classes(asked).get(str(first.lastgroup))

    def same(self, asked: Asked, answer: str, right: str) -> bool:
        return answer == right

    def check(self, asked: Asked, answer: str) -> str | None:
        if set(classes(asked)) != set(CLASSES) or len(asked.choices) != len(CLASSES):
            shown = ", ".join(f"({c.label}) {c.text}" for c in asked.choices) or "none"
            return f"its choices are not {', '.join(CLASSES)}, but {shown}"
        return _CHOICE.check(asked, answer)


_CHOICE = OneChoice()


def classes(asked: Asked) -> Mapping[str, str]:
    """Label by class, of the choices that are one."""
    texts = {c.text.strip().casefold(): c.label for c in asked.choices}
    labels = {c.label.casefold(): c.label for c in asked.choices}
    found = texts if set(CLASSES) <= texts.keys() else labels
    return {name: found[name] for name in CLASSES if name in found}
