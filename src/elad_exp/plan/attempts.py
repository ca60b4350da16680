"""Attempts of a student that has not made any yet."""

from __future__ import annotations

from elad_exp.data.collate import Encoded, encode, prompt_ids, target_ids
from elad_exp.protocols import Splits, Task
from elad_exp.selectors.query import draw_uniform
from elad_exp.student.build import BuiltStudent
from elad_exp.types import Explanation, Sample

SAMPLED = 100
_STEP = "The first of these is known to be larger than the second."


class Attempts:
    """Attempts of a likely length, and of the largest length that the student can write.

    The likely ones are the dataset's own explanations: only their length goes into the plan; no
    teacher, prompt or selector of a run sees them.
    """

    def __init__(self, task: Task, splits: Splits, student: BuiltStudent, *, shown: bool) -> None:
        self.task, self.gold, self.student, self.shown = task, splits.gold, student, shown
        self.some = draw_uniform(
            splits.pool, min(SAMPLED, len(splits.pool)), seed=0, purpose=("plan",)
        )
        tokenizer = student.tokenizer
        decoded = tokenizer.batch_decode([[i] for i in range(len(tokenizer))])
        widest = max(len(text.encode("utf-8")) for text in decoded)
        # A token may end a line, so each may be a step of its own.
        self.longest = Explanation.of(["x" * widest] * student.max_new_tokens, "x" * widest)
        targets = target_ids(tokenizer, [task.target(s, self.likely(s)) for s in self.some])
        written = sum(map(len, targets)) / len(self.some)
        self.target_tokens = min(written, student.max_new_tokens)
        prompts = prompt_ids(tokenizer, [student.render(task.prompt(s)) for s in self.some])
        self.whole_tokens = self.target_tokens + sum(map(len, prompts)) / len(self.some)

    def likely(self, sample: Sample) -> Explanation:
        """An explanation of the length that an attempt may have."""
        gold = self.gold.get(sample.id)
        answer = gold.answer if gold else "unknown"
        return Explanation.of((gold.explanation if gold else ()) or [_STEP] * 3, answer)

    def examples(self) -> list[tuple[Sample, Encoded]]:
        """Training examples, to measure speed with."""
        found = []
        for sample in self.some:
            row = encode(
                self.student.tokenizer,
                self.student.render(self.task.prompt(sample)),
                self.task.target(sample, self.likely(sample)),
                max_length=self.student.max_length,
            )
            if row is not None:
                found.append((sample, row))
        return found
