"""What a run would cost, from its real prompts and pool; nothing is called and nothing is written.

The initial query is known exactly, so are its prompts. What later rounds will ask about is not, and
neither are the student's attempts: their prompts are those of a uniform part of the pool, with
attempts as long as the explanations that the dataset has. `expected` builds on estimated tokens.
`most` is a bound: every call at what would be reserved for it, with attempts as long as the student
can write them. Neither counts calls that fail and are made again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields

from omegaconf import DictConfig

from elad_exp.assemble import build, complete
from elad_exp.budget.budget import UNITS, Limits
from elad_exp.console import Console
from elad_exp.data.collate import Encoded, encode, prompt_ids, target_ids
from elad_exp.data.fitting import drop_too_long
from elad_exp.protocols import EVAL_SPLITS, Splits, Task
from elad_exp.selectors import components
from elad_exp.selectors.query import draw_uniform, initial_query
from elad_exp.student.build import BuiltStudent
from elad_exp.student.speed import Speeds, measure
from elad_exp.teachers.annotator import Annotator
from elad_exp.types import Explanation, QueryItem, Sample, Usage

SECONDS_A_CALL = 3.0
"""Assumed of a language model; providers and models differ."""
SAMPLED = 100
HEADER = (
    *("round", "asked", "calls", "at most", "prompt tok", "reply tok", "at most", "usd"),
    *("at most", "written tok", "trained tok", "seconds"),
)
_ROW = "{:>5}  {:>6}  {:>6}  {:>7}  {:>10}  {:>9}  {:>9}  {:>7}  {:>7}  {:>11}  {:>11}  {:>7}"
_STEP = "The first of these is known to be larger than the second."


@dataclass
class Cost:
    """Calls and their tokens and dollars."""

    calls: float = 0.0
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0
    usd: float = 0.0

    def add(self, usage: Usage, weight: float = 1.0) -> None:
        """Count a call that is made with a probability of `weight`."""
        self.calls += weight
        self.prompt_tokens += weight * usage.prompt_tokens
        self.completion_tokens += weight * usage.completion_tokens
        self.usd += weight * usage.usd

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def times(self, factor: float) -> Cost:
        """So many times this."""
        return Cost(*(factor * getattr(self, f.name) for f in fields(self)))

    @property
    def tokens(self) -> float:
        return self.prompt_tokens + self.completion_tokens


@dataclass
class RoundPlan:
    """One round: measured and scored by the student, bought, trained on."""

    round: int
    annotations: int = 0
    expected: Cost = field(default_factory=Cost)
    most: Cost = field(default_factory=Cost)
    generated: float = 0.0
    trained: float = 0.0
    seconds: float = 0.0


def plan(config: DictConfig, *, console: Console) -> list[RoundPlan]:
    """Build everything but the calls, add up, and print it.

    Raises:
        ConfigError: What a run would refuse as well, but for a missing key or server.
    """
    limits = Limits(**config.budget)
    task: Task = build(config.dataset)
    splits = task.load()
    annotator: Annotator = complete(config.teacher, task=task, gold=splits.gold, seed=config.seed)
    annotator.check_price(limits)
    needs = build(config.selector).needs
    maker = build(config.student)
    if getattr(maker, "exercises", 0):
        maker.exercises = 0  # speed and length of texts do not depend on what it has learnt
    student: BuiltStudent = maker.build(task, splits, seed=config.seed)
    engine = student.engine(task)
    splits, _ = drop_too_long(splits, engine.fits)
    attempts = Attempts(task, splits, student, shown=annotator.mode != "explain")
    console.say(
        f"plan      {config.name}: {annotator.name} ({annotator.model}, {annotator.mode}); no call "
        "is made, no run is begun"
    )
    rounds = teacher_side(config, splits, annotator, attempts)
    speeds = measure(engine, student.model, attempts.examples(), batch_size=config.optim.batch_size)
    student_side(config, rounds, splits, needs, attempts, speeds)
    add_waiting(rounds, annotator)
    for line in told(rounds, limits, annotator, speeds):
        console.say(line)
    return rounds


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


def teacher_side(
    config: DictConfig, splits: Splits, annotator: Annotator, attempts: Attempts
) -> list[RoundPlan]:
    """Rounds with what their queries cost; the last only trains and measures."""
    schedule = config.schedule
    first = initial_query(splits.pool, schedule.initial_size, config.seed)
    rounds = [RoundPlan(0, len(first.items), *_costs(annotator, first.items, first.items))]
    left = len(splits.pool) - len(first.items)
    some = attempts.some
    likely = [QueryItem(s, attempts.likely(s)) for s in some]
    longest = [QueryItem(s, attempts.longest) for s in some]
    expected, most = _costs(annotator, likely, longest)
    for number in range(1, schedule.rounds):
        n = min(schedule.query_size, left)
        left -= n
        share = n / len(some)
        rounds.append(RoundPlan(number, n, expected.times(share), most.times(share)))
    return [*rounds, RoundPlan(schedule.rounds)]


def _costs(
    annotator: Annotator, likely: Iterable[QueryItem], longest: Iterable[QueryItem]
) -> tuple[Cost, Cost]:
    expected, most = Cost(), Cost()
    for item in likely:
        for request, chance in annotator.requests(item):
            expected.add(request.expected, chance)
    for item in longest:
        for request, _ in annotator.requests(item):
            most.add(request.bound)
    return expected, most


def student_side(
    config: DictConfig,
    rounds: Sequence[RoundPlan],
    splits: Splits,
    needs: frozenset[str],
    attempts: Attempts,
    speeds: Speeds,
) -> None:
    """Add the tokens that the student reads in training and writes elsewhere, and its seconds."""
    student, selection = attempts.student, config.selection
    measured = sum(len(getattr(splits, name)) for name in EVAL_SPLITS)
    target, whole = attempts.target_tokens, attempts.whole_tokens
    left = len(splits.pool)
    for part in rounds:
        # Before it has learnt to end, a student writes until it must.
        part.generated = measured * (target if part.round else student.max_new_tokens)
        if part.round:
            part.trained = config.schedule.steps_per_round * config.optim.batch_size * whole
        if 0 < part.round < len(rounds) - 1:
            scored = min(selection.candidates or left, left)
            shown = part.annotations if attempts.shown else 0
            greedy = scored if needs - components.TEXT else shown
            k = selection.samples if needs & components.SAMPLED else 0
            part.generated += target * (greedy + k * scored)
        left -= part.annotations
        part.seconds = part.generated / speeds.generate + part.trained / speeds.train


def add_waiting(rounds: Sequence[RoundPlan], annotator: Annotator) -> None:
    """Add the seconds that a language model is waited for."""
    if not annotator.shares_cache:  # a program or a file answers at once
        return
    calling = annotator.calling
    for part in rounds:
        calls = part.expected.calls
        waits = [calls * SECONDS_A_CALL / calling.concurrency]
        if calling.requests_per_minute:
            waits.append(60 * calls / calling.requests_per_minute)
        if calling.tokens_per_minute:
            waits.append(60 * part.expected.tokens / calling.tokens_per_minute)
        part.seconds += max(waits)


def told(
    rounds: Sequence[RoundPlan], limits: Limits, annotator: Annotator, speeds: Speeds
) -> Iterator[str]:
    """The table and what follows from it, for reading."""
    yield _ROW.format(*HEADER)
    for part in rounds:
        yield _row(str(part.round), part)
    total = RoundPlan(
        0,
        sum(part.annotations for part in rounds),
        sum((part.expected for part in rounds), Cost()),
        sum((part.most for part in rounds), Cost()),
        sum(part.generated for part in rounds),
        sum(part.trained for part in rounds),
        sum(part.seconds for part in rounds),
    )
    yield _row("all", total)
    yield (
        "at most   every call at the worst case that is reserved for it, attempts as long as the "
        "student can write"
    )
    for unit in UNITS[:-1]:
        limit = getattr(limits, f"max_{unit}")
        if limit is not None:
            yield f"budget    max_{unit}={limit}: {_reached(rounds, unit, limit)}"
    yield (
        f"time      about {_duration(total.seconds)} on this machine (student: "
        f"{speeds.generate:.0f} tokens/s written, {speeds.train:.0f} tokens/s trained on, measured "
        "just now"
        + (f"; {SECONDS_A_CALL:g} s a call assumed" if annotator.shares_cache else "")
        + ")"
    )


def _reached(rounds: Sequence[RoundPlan], unit: str, limit: float) -> str:
    """Where a limit is expected to end the run."""
    spent = 0.0
    for part in rounds:
        spent += part.annotations if unit == "annotations" else getattr(part.expected, unit)
        if spent > limit:
            return f"expected to be used up in round {part.round}, which is then cut short"
    return f"expected to suffice ({_figure(spent)} of {_figure(limit)})"


def _row(name: str, part: RoundPlan) -> str:
    expected, most = part.expected, part.most
    return _ROW.format(
        name,
        part.annotations,
        f"{expected.calls:.0f}",
        f"{most.calls:.0f}",
        f"{expected.prompt_tokens:.0f}",
        f"{expected.completion_tokens:.0f}",
        f"{most.tokens:.0f}",
        _figure(expected.usd),
        _figure(most.usd),
        f"{part.generated:.0f}",
        f"{part.trained:.0f}",
        f"{part.seconds:.0f}",
    )


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _figure(value: float) -> str:
    if value == int(value):
        return f"{value:.0f}"
    return f"{value:.3g}" if value < 1 else f"{value:.2f}"
