"""Questions answered by an explanation, a step a line, and a last line `Answer: ANSWER`.

The grammar of the target and its parser stand side by side:

    Question: Could a llama give birth twice during the War in Vietnam?
    --- target ---
    The War in Vietnam lasted about twenty years.
    The gestation period of a llama is eleven months.
    Answer: yes

What may follow `Answer:` is up to the family of the answers (`yes_no`, `choice`, `number`, `nli`,
`free_text`, each in its module). An answer line may carry marks of Markdown: `**Answer:** yes`.

Several answer lines: the last one counts, and none of them is a step. Text after it is ignored.
No answer line, or one that gives no answer or two: `answer` is None and the attempt is graded
wrong.

A step is one line, its white space collapsed; an empty one is left out. A step that would be read
as an answer line gets an article: `Answer: 21` is rendered `The answer: 21`. What is rendered is
parsed as it was rendered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from elad_exp.protocols import Splits
from elad_exp.tasks.answers import Answers, one_line
from elad_exp.tasks.families import CHOICE, check_answers, family
from elad_exp.types import Explanation, GoldBook, Sample

_ANSWER = re.compile(r"^[\s*_#>`]*answer[\s*_`]*[:：](.*)$", re.IGNORECASE)


class ReasoningTask:
    """Prompt, target, parser and grader of one dataset; subclasses load it.

    Args:
        name: Name in configuration, results and reports.
        answers: The family of the answers: `yes_no`, `choice` (the labels of a sample's choices),
            `number`, `nli`, or `open`; or the family itself. Whatever it is, a question with
            choices is answered by one of them.
        instruction: Line between question and explanation, for students that know how to follow
            instructions. Empty for students trained from scratch.

    Raises:
        ConfigError: `answers` is unknown.
    """

    def __init__(self, *, name: str, answers: str | Answers, instruction: str = "") -> None:
        check_answers(answers)
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
        steps = [rendered_step(text) for text in explanation.texts]
        answer = self.write_answer(sample, explanation.answer)
        return "\n".join([*filter(None, steps), f"Answer: {answer}"])

    def parse(self, sample: Sample, text: str) -> Explanation:
        """Inverse of `target`; total on arbitrary text."""
        lines = text.splitlines()
        marks = [(i, m) for i, line in enumerate(lines) if (m := _ANSWER.match(line))]
        if not marks:
            return Explanation.of(_steps(lines), None, raw=text)
        last, match = marks[-1]
        steps = _steps(line for line in lines[:last] if not _ANSWER.match(line))
        return Explanation.of(steps, self.read_answer(sample, match.group(1)), raw=text)

    def family(self, sample: Sample) -> Answers:
        """The family of the sample's answers.

        Raises:
            ConfigError: `answers=auto` and nothing was loaded yet.
        """
        own = family(self.answers)
        return CHOICE if sample.choices and not own.of_choices else own

    def kind(self, sample: Sample) -> str:
        """The name of that family."""
        return self.family(sample).kind

    def write_answer(self, sample: Sample, answer: str) -> str:
        """The canonical `answer` as it stands after `Answer:`; `read_answer` reads it back."""
        return one_line(answer)

    def read_answer(self, sample: Sample, text: str) -> str | None:
        """The canonical answer that `text` gives, or None."""
        return self.family(sample).read(sample, text)

    def labels(self, sample: Sample) -> tuple[str, ...] | None:
        return self.family(sample).labels(sample)

    def grade(self, sample: Sample, answer: str | None, gold: GoldBook) -> bool:
        """Whether the canonical `answer` is the same as the gold one, by its family."""
        right = gold[sample.id].answer
        return answer is not None and self.same_answer(sample, answer, right)

    def same_answer(self, sample: Sample, one: str, other: str) -> bool:
        """Whether two canonical answers mean the same, by their family."""
        return self.family(sample).same(sample, one, other)

    def vocabulary(self) -> tuple[str, ...]:
        return ()

    def teacher_context(self, sample: Sample) -> str | None:
        return None


def rendered_step(text: str) -> str:
    """A step as it stands in a target: one line that is no answer line; empty if it has no text."""
    line = one_line(text)
    match = _ANSWER.match(line)
    return one_line(f"The answer: {match.group(1)}") if match else line


def _steps(lines: Iterable[str]) -> list[str]:
    return [one_line(line) for line in lines if line.strip()]
