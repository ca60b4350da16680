"""Questions answered by an explanation, a step a line, and a last line `Answer: LABEL`.

The grammar of the target and its parser stand side by side:

    Question: Could a llama give birth twice during the War in Vietnam?
    --- target ---
    The War in Vietnam lasted about twenty years.
    The gestation period of a llama is eleven months.
    Answer: yes

Several answer lines: the last one counts. Text after it is ignored. No answer line, or an answer
outside a closed set: `answer` is None and the attempt is graded wrong.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from elad_exp.protocols import Splits
from elad_exp.types import Explanation, GoldBook, Sample

YES_NO = ("yes", "no")
_ANSWER = re.compile(r"^\s*answer\s*:\s*(.*)$", re.IGNORECASE)
_EDGES = " \t.,;:!?()[]{}\"'*`"
# A comma is part of a number only where it sets off thousands: "1,2" is not 12.
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")


def one_line(text: str) -> str:
    """`text` with every run of white space replaced by one space: a step is one line."""
    return " ".join(text.split())


class ReasoningTask:
    """Prompt, target, parser and grader of one dataset; subclasses load it.

    Args:
        name: Name in configuration, results and reports.
        answers: `yes_no`, `choice` (the labels of a sample's choices), or `open`.
        instruction: Line between question and explanation, for students that know how to follow
            instructions. Empty for students trained from scratch.
    """

    def __init__(self, *, name: str, answers: str, instruction: str = "") -> None:
        self.name = name
        self.answers = answers
        self.instruction = instruction

    def load(self) -> Splits:
        """Load and split. Overridden by each dataset."""
        raise TypeError(f"{type(self).__name__} does not say how to load its data")

    def prompt(self, sample: Sample) -> str:
        """Question, choices if any, and the instruction; ends with a newline."""
        lines = [f"Question: {one_line(sample.question)}"]
        lines += [f"({c.label}) {one_line(c.text)}" for c in sample.choices]
        if self.instruction:
            lines.append(self.instruction)
        return "\n".join(lines) + "\n"

    def target(self, sample: Sample, explanation: Explanation) -> str:
        """One line a step, then the answer. Raises ValueError when there is no answer."""
        if explanation.answer is None:
            raise ValueError(f"sample {sample.id}: an explanation without an answer is no target")
        steps = [one_line(text) for text in explanation.texts]
        return "\n".join([*(s for s in steps if s), f"Answer: {one_line(explanation.answer)}"])

    def parse(self, sample: Sample, text: str) -> Explanation:
        """Inverse of `target`; total on arbitrary text."""
        lines = text.splitlines()
        marks = [(i, m) for i, line in enumerate(lines) if (m := _ANSWER.match(line))]
        if not marks:
            return Explanation.of(_steps(lines), None, raw=text)
        last, match = marks[-1]
        steps = _steps(line for line in lines[:last] if not _ANSWER.match(line))
        return Explanation.of(steps, self.read_answer(sample, match.group(1)), raw=text)

    def read_answer(self, sample: Sample, text: str) -> str | None:
        """The canonical answer that `text` gives, or None."""
        labels = self.labels(sample)
        if labels is None:
            return _bare(text) or None
        bare = one_line(text).strip(_EDGES)
        first = re.split(r"[\s.,;:)]", bare, maxsplit=1)[0].strip(_EDGES)
        return next((lab for lab in labels if first.casefold() == lab.casefold()), None)

    def labels(self, sample: Sample) -> tuple[str, ...] | None:
        if sample.choices:
            return tuple(choice.label for choice in sample.choices)
        return YES_NO if self.answers == "yes_no" else None

    def grade(self, sample: Sample, answer: str | None, gold: GoldBook) -> bool:
        """Equality of canonical answers; open answers compare as numbers where both are."""
        right = gold[sample.id].answer
        if answer is None:
            return False
        if self.labels(sample) is not None:
            return answer == right
        return _comparable(answer) == _comparable(right)

    def vocabulary(self) -> tuple[str, ...]:
        return ()

    def teacher_context(self, sample: Sample) -> str | None:
        return None


def _steps(lines: Iterable[str]) -> list[str]:
    return [one_line(line) for line in lines if line.strip()]


def _bare(text: str) -> str:
    """An open answer without the punctuation around it; `_bare` of the result is the result."""
    line = one_line(text)
    # ".5" is a number and must not become "5"; an answer that is all punctuation stays.
    number = line.lstrip(_EDGES.replace(".", "")).rstrip(_EDGES)
    return number if _number(number) is not None else line.strip(_EDGES) or line


def _number(text: str) -> float | None:
    """The finite number that `text` is, or None; a dollar or percent sign does not matter."""
    plain = _THOUSANDS.sub(lambda match: match.group().replace(",", ""), text, count=1)
    try:
        value = float(plain.removeprefix("$").removesuffix("%"))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _comparable(text: str) -> float | str:
    bare = _bare(text)
    number = _number(bare)
    return bare.casefold() if number is None else number
