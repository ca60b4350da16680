"""Attempts of a student that has not made any yet, and the tokens that they cost it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from omegaconf import DictConfig

from elad_exp.data.collate import Encoded, encode, prompt_ids, target_ids
from elad_exp.protocols import Splits, Task
from elad_exp.selectors.components import FEATURES, TEXT, from_samples
from elad_exp.selectors.query import draw_uniform
from elad_exp.student.build import BuiltStudent
from elad_exp.types import Explanation, Sample

SAMPLED = 100
_STEP = "The first of these is known to be larger than the second."


@dataclass(frozen=True)
class Scoring:
    """What a round scores: so many candidates, some of them with samples, for these components.

    `shown` attempts go to the teacher; `labelled` samples are annotated by then; `guided`: those
    with samples are chosen by what is scored first; `closed`: answers are of closed sets.
    """

    candidates: int
    sampled: int
    shown: int
    labelled: int
    wanted: frozenset[str]
    guided: bool
    closed: bool

    @property
    def attempts(self) -> int:
        """Greedy attempts."""
        return self.candidates if self.wanted - TEXT - FEATURES else self.shown


class Attempts(ABC):
    """Attempts of a likely length, and of the largest length that the student can make.

    The likely ones are the dataset's own answers: only their length goes into the plan; no teacher,
    prompt or selector of a run sees them. Tokens are those that the student writes outside of
    training, or reads where it writes none.

    Attributes:
        some: Samples that stand for all.
        first_tokens: Of an attempt before the student has learnt anything.
        attempt_tokens: Of one later.
        example_tokens: Read of a training example.
    """

    some: list[Sample]
    first_tokens: float
    attempt_tokens: float
    example_tokens: float

    def __init__(self, task: Task, splits: Splits, *, shown: bool) -> None:
        self.task, self.gold, self.shown = task, splits.gold, shown
        self.some = draw_uniform(
            splits.pool, min(SAMPLED, len(splits.pool)), seed=0, purpose=("plan",)
        )

    @abstractmethod
    def likely(self, sample: Sample) -> Explanation:
        """An explanation of the length that an attempt may have."""

    @abstractmethod
    def longest(self, sample: Sample) -> Explanation:
        """The longest attempt that the student can make."""

    @abstractmethod
    def examples(self) -> list[tuple[Sample, Encoded]]:
        """Training examples, to measure speed with."""

    @abstractmethod
    def scored_tokens(self, scoring: Scoring, selection: DictConfig) -> float:
        """Tokens of a round's scores."""


class Written(Attempts):
    """Attempts of a student that writes its explanations."""

    def __init__(self, task: Task, splits: Splits, student: BuiltStudent, *, shown: bool) -> None:
        super().__init__(task, splits, shown=shown)
        self.student = student
        tokenizer = student.tokenizer
        decoded = tokenizer.batch_decode([[i] for i in range(len(tokenizer))])
        widest = max(len(text.encode("utf-8")) for text in decoded)
        # A token may end a line, so each may be a step of its own.
        self._longest = Explanation.of(["x" * widest] * student.max_new_tokens, "x" * widest)
        targets = target_ids(tokenizer, [task.target(s, self.likely(s)) for s in self.some])
        written = sum(map(len, targets)) / len(self.some)
        # Before it has learnt to end, a student writes until it must.
        self.first_tokens = student.max_new_tokens
        self.attempt_tokens = min(written, student.max_new_tokens)
        prompts = prompt_ids(tokenizer, [student.render(task.prompt(s)) for s in self.some])
        self.example_tokens = self.attempt_tokens + sum(map(len, prompts)) / len(self.some)

    def likely(self, sample: Sample) -> Explanation:
        """The dataset's explanation, or one of three steps."""
        gold = self.gold.get(sample.id)
        answer = gold.answer if gold else "unknown"
        return Explanation.of((gold.explanation if gold else ()) or [_STEP] * 3, answer)

    def longest(self, sample: Sample) -> Explanation:
        """As many of the widest token as the student may write."""
        return self._longest

    def examples(self) -> list[tuple[Sample, Encoded]]:
        """Those that fit the student's context."""
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

    def scored_tokens(self, scoring: Scoring, selection: DictConfig) -> float:
        """Of greedy attempts and sampled explanations; what is forced is not written."""
        drawn = scoring.sampled * self._explanations(scoring, selection)
        return self.attempt_tokens * (scoring.attempts + drawn)

    def _explanations(self, scoring: Scoring, selection: DictConfig) -> float:
        """How many explanations are sampled about a candidate; part of one counts as that part."""
        wanted = scoring.wanted
        if not from_samples(wanted, closed=scoring.closed):
            return 0.0
        steps = [len(self.likely(sample).steps) for sample in self.some]
        goes_on = "inter" in wanted and selection.inter_from == "prefixes"
        # After i of n steps, the rest of them: 1/n + ... + (n-1)/n.
        more = sum(max(n - 1, 0) for n in steps) / (2 * len(steps)) if goes_on else 0.0
        return float(selection.samples * (1 + more))
