"""Answers that are `yes` or `no`.

    Answer: yes                        yes
    Answer: **No.**                    no
    Answer: The answer is yes.         yes
    Answer: True                       yes: true and false are other words for yes and no
    Answer: no, llamas live longer     no: what follows the first word is a remark ...
    Answer: yes, or rather no          None: ... unless it names the other answer
    Answer: probably yes               None: the answer is not the first word
    Answer: no one knows               None: a word right after "no" may belong to it ...
    Answer: No idea                    None
    Answer: no they do not             no: ... but for pronouns, articles and "because"

Gold answers are `yes` or `no` in any case, not true or false.
"""

from __future__ import annotations

import re

from elad_exp.tasks.answers import Asked, first_word, spoken

YES_NO = ("yes", "no")
_MEANING = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}
# No mark between, but for the end of an emphasis or a quotation.
_NO_WHAT = re.compile(
    r"[*_`\"'”’＂＇」』]*\s+(?!(?:because|since|as|i|you|he|she|it|we|they|this|that|these|those|there"
    r"|the|an?)\b)\w"
)
_WORD = re.compile(r"[^\W\d_]+")


class YesNo:
    """`yes` or `no`; see the module for what is read as which."""

    kind = "yes_no"
    of_choices = False

    def labels(self, asked: Asked) -> tuple[str, ...]:
        return YES_NO

    def read(self, asked: Asked, text: str) -> str | None:
        if text in YES_NO:  # of the rows of a file, nearly all
            return text
        said = spoken(text).casefold()
        word, rest = first_word(said)
        answer = None if word == "no" and _NO_WHAT.match(rest) else _MEANING.get(word)
        named = {_MEANING[word] for word in _WORD.findall(said) if word in _MEANING}
        return answer if named == {answer} else None

    def same(self, asked: Asked, answer: str, right: str) -> bool:
        return answer == right

    def check(self, asked: Asked, answer: str) -> str | None:
        fits = answer.casefold() in YES_NO
        return None if fits else f"answer {answer!r} is neither yes nor no"
