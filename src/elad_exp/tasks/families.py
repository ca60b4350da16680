"""The families of answers by name, as configuration names them."""

from __future__ import annotations

from elad_exp.errors import ConfigError
from elad_exp.tasks.answers import Answers
from elad_exp.tasks.choice import OneChoice
from elad_exp.tasks.free_text import FreeText
from elad_exp.tasks.nli import Inference
from elad_exp.tasks.number import Number
from elad_exp.tasks.yes_no import YesNo

AUTO = "auto"
FAMILIES: dict[str, Answers] = {
    family.kind: family for family in (YesNo(), OneChoice(), Number(), Inference(), FreeText())
}
CHOICE = FAMILIES["choice"]


def check_answers(answers: str | Answers) -> None:
    """Raises ConfigError unless `answers` is or names a family, or is `auto`."""
    if isinstance(answers, str) and answers not in FAMILIES and answers != AUTO:
        raise ConfigError(f"answers={answers!r} is not one of {', '.join((AUTO, *FAMILIES))}")


def family(answers: str | Answers) -> Answers:
    """The family named `answers`, or `answers` itself: one that only its task knows has no name
    here, as the classes of a dataset.

    Raises:
        ConfigError: There is none, or it is `auto` and nothing was loaded yet to infer it from.
    """
    if not isinstance(answers, str):
        return answers
    check_answers(answers)
    if answers == AUTO:
        raise ConfigError(
            f"answers={AUTO}: known when the data is loaded; name one of {', '.join(FAMILIES)}"
        )
    return FAMILIES[answers]
