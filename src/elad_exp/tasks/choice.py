"""Answers that are the label of one of a question's choices.

With the choices (A) 18, (B) 21, (C) a bank:

    Answer: B                      B
    Answer: (b)                    B
    Answer: B) 21                  B
    Answer: the answer is option B B
    Answer: 21.                    B: the text of exactly one choice
    Answer: a bank                 C: a whole text comes before a label that begins like it
    Answer: A) 21                  A: where label and text disagree, the label decides
    Answer: A 21                   None: without a mark after it, "A" may be an article ...
    Answer: A big bank             None
    Answer: B is right             B: ... but for words that can only follow a label
    Answer: B because 7 * 3 is it  B
    Answer: B is not the answer    None: that leaves the others
    Answer: (B) is wrong           None
    Answer: B. No, wait: C         None: two labels
    Answer: A or B                 None
    Answer: 18 or 21               None: neither a label nor the text of one choice

A label that is a number does not begin a longer one: 1.75 and 1,000 are not the choice 1.

A label is named a second time where it stands at the end, before punctuation, or after words such
as "or" and "option". Texts are compared without regard to case, white space and the punctuation
around them, and with regard to it if that makes two choices equal: "Tt" is not "TT".
"""

from __future__ import annotations

import re

from elad_exp.tasks.answers import EDGES, Asked, first_word, one_line, spoken
from elad_exp.types import Choice, normalise

_CLAIM = re.compile(
    r"\s+(?:[-:：=(（\u2013\u2014]|(?:because|since)\b"
    r"|is\s+(?:the\s+)?(?:(?:right|correct|best)\b|(?:answer|option|choice)\b))"
)
_VERB = r"(?:is|was|can|could|would|will|may|must|seems|looks)"
_DENIAL = re.compile(
    rf"\W*(?:{_VERB}\s+(?:not|never)\b|(?:is|was|ca|could|would|wo)n['\u2019]t\b|cannot\b"
    rf"|(?:{_VERB}\s+(?:be\s+)?)?(?:wrong|incorrect)\b|{_VERB}\s+false\b"
    r"|not\s+(?:(?:the|an?)\s+)?(?:right|correct|true|answer|it)\b|not\W*$"
    r"|(?:是|这)*(?:错|不对|不正确|不是\W*$))"
)
_LONGER = re.compile(r"[.,:．，：][0-9]")


class OneChoice:
    """The label of a choice; see the module for what is read as which."""

    kind = "choice"
    of_choices = True

    def labels(self, asked: Asked) -> tuple[str, ...]:
        return tuple(choice.label for choice in asked.choices)

    def read(self, asked: Asked, text: str) -> str | None:
        said = spoken(text)
        if label := _label(asked, text.strip(EDGES)) or _label(asked, said):
            return label
        return by_text(asked, text) or by_text(asked, said) or _labelled(asked, said)

    def same(self, asked: Asked, answer: str, right: str) -> bool:
        return answer == right

    def check(self, asked: Asked, answer: str) -> str | None:
        labels = self.labels(asked)
        fits = answer in labels
        return None if fits else f"answer {answer!r} is not among the choices {', '.join(labels)}"


def by_text(asked: Asked, text: str) -> str | None:
    """The label of the one choice whose text `text` is."""
    for form in (one_line, normalise, _loose):
        wanted = form(text)
        same = [choice.label for choice in asked.choices if form(choice.text) == wanted]
        if wanted and len(same) == 1:
            return same[0]
    return None


def _loose(text: str) -> str:
    # ".5" must not become "5".
    return normalise(one_line(text).lstrip(EDGES.replace(".", "")).rstrip(EDGES))


def _label(asked: Asked, word: str) -> str | None:
    wanted = word.casefold()
    return next((c.label for c in asked.choices if c.label.casefold() == wanted), None)


def _labelled(asked: Asked, said: str) -> str | None:
    """The label that `said` begins with, if it is one and no other is named."""
    word, rest = first_word(said)
    label = _label(asked, word)
    if label is None:
        return None
    own = next(choice for choice in asked.choices if choice.label == label)
    if _loose(own.text) in (_loose(rest), _loose(rest.strip(EDGES))):
        return label
    if _sentence(word, rest, own) or denied(rest) or _longer(word, rest):
        return None
    others = (other for other in asked.choices if other.label != label)
    return None if any(_named(other.label, rest) for other in others) else label


def denied(rest: str) -> bool:
    """Whether what follows an answer says that it is none: `is not right`, `: wrong`."""
    return _DENIAL.match(rest) is not None


def _sentence(word: str, rest: str, own: Choice) -> bool:
    """Whether a label that only a space follows may be the beginning of a sentence instead."""
    if len(own.label) != 1 or not rest[:1].isspace():
        return False
    return word != own.label or _CLAIM.match(rest) is None


def _longer(word: str, rest: str) -> bool:
    """Whether the label is but the beginning of a number: `1.75`, `1,000`."""
    return word[-1:].isdecimal() and _LONGER.match(rest) is not None


def _named(label: str, text: str) -> bool:
    name = re.escape(label)
    after = rf"\b(?:or|and|not|but|is|to|option|choice|answer)\s+\(?{name}(?!\w|\.\d)"
    alone = rf"(?<!\w){name}\s*(?:[,;:!?)\]}}*/。，、；：！？）］】｝]|\.(?!\d)|$)"
    return re.search(f"{after}|{alone}", text) is not None
