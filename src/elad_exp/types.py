"""The values that travel through a round. Frozen, slotted, made of primitives.

`to_dict` and `from_dict` use primitives only, because Lightning checkpoints load with
`weights_only` and JSON Lines files are the record of a run.
"""

from __future__ import annotations

import dataclasses
import hashlib
import types
import typing
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any, Self


class Record:
    """Gives dataclasses `to_dict` and `from_dict` over primitives, nested records included."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        return {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}  # type: ignore[arg-type]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        hints = _hints(cls)  # type: ignore[arg-type]
        return cls(**{name: _rebuild(hints[name], value) for name, value in data.items()})


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, StrEnum):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return value


def _rebuild(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _rebuild(next(a for a in args if a is not type(None)), value)
    if origin is tuple:
        return tuple(_rebuild(args[0], v) for v in value)
    if isinstance(hint, type) and issubclass(hint, Record):
        return hint.from_dict(value)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint(value)
    return value


SYNTHETIC = "synthetic"
"""Origin of a sample that no dataset has."""
GIVEN = "given"
"""In place of the teacher's name, where an example came with its label and nothing was asked."""


@dataclass(frozen=True, slots=True)
class Choice(Record):
    """One option of a multiple-choice question."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Sample(Record):
    """A question without its answer. Gold and source metadata live in a `GoldBook`."""

    id: str
    question: str
    choices: tuple[Choice, ...] = ()
    origin: str = "dataset"
    parents: tuple[str, ...] = ()


def normalise(text: str) -> str:
    """Case-folded NFKC text with single spaces; the form in which questions are compared."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def sample_id(question: str, choices: tuple[Choice, ...] = ()) -> str:
    """First 16 hex digits of sha256 over the normalised question and choices."""
    parts = [normalise(question), *(f"{c.label}\x1f{normalise(c.text)}" for c in choices)]
    return hashlib.sha256("\x1e".join(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Gold(Record):
    """What only grading, reporting and the teachers that *are* the gold may see."""

    answer: str
    explanation: tuple[str, ...] = ()
    meta: dict[str, Any] = field(default_factory=dict)


class GoldBook(Mapping[str, Gold]):
    """Gold by sample id."""

    def __init__(self, entries: Mapping[str, Gold]) -> None:
        self._entries = dict(entries)

    def __getitem__(self, key: str) -> Gold:
        return self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


@dataclass(frozen=True, slots=True)
class Step(Record):
    """One step of an explanation. `logprob` and `entropy` are means over its tokens, in nats."""

    index: int
    text: str
    logprob: float | None = None
    entropy: float | None = None


@dataclass(frozen=True, slots=True)
class Explanation(Record):
    """Numbered steps (from 1) and an answer; `answer` is None when none could be parsed.

    `logprob` is the mean log-probability (nats) of all tokens that the student wrote.
    """

    steps: tuple[Step, ...]
    answer: str | None
    raw: str = ""
    logprob: float | None = None

    @classmethod
    def of(cls, texts: typing.Iterable[str], answer: str | None, raw: str = "") -> Explanation:
        """An explanation from bare step texts."""
        steps = tuple(Step(i, text) for i, text in enumerate(texts, 1))
        return cls(steps, answer, raw)

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(step.text for step in self.steps)


@dataclass(frozen=True, slots=True)
class Candidate(Record):
    """What a selector sees: a sample, the student's greedy attempt if made, and its scores.

    `features` is where the question lies for the student (length 1), `near` the Euclidean
    distances there to the nearest labelled questions, nearest first. `screened`: guided scoring
    has left it out: scores that cost samples are absent, and a selector that needs them takes it
    last. `known` is the answer of its annotation, if it has one already.
    """

    sample: Sample
    scores: dict[str, float] = field(default_factory=dict)
    attempt: Explanation | None = None
    sampled: tuple[str | None, ...] = ()
    features: tuple[float, ...] = ()
    near: tuple[float, ...] = ()
    screened: bool = False
    known: str | None = None


@dataclass(frozen=True, slots=True)
class QueryItem(Record):
    """A chosen sample. `audit` items were drawn uniformly, whatever the selector. `known` is the
    answer of its annotation where it has one already, and is not asked about but studied.
    """

    sample: Sample
    attempt: Explanation | None = None
    score: float | None = None
    scores: dict[str, float] = field(default_factory=dict)
    audit: bool = False
    known: str | None = None


@dataclass(frozen=True, slots=True)
class Query(Record):
    """What is asked of the teacher in a round."""

    round: int
    items: tuple[QueryItem, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class StepVerdict(Record):
    """The teacher's judgement of one step of an attempt."""

    index: int
    ok: bool
    correction: str | None = None
    reason: str = ""


class Status(StrEnum):
    """What became of an annotation. Only `ok` is trained on; `missing`: a recording has none."""

    OK = "ok"
    UNPARSED = "unparsed"
    REFUSED = "refused"
    TRUNCATED = "truncated"
    FAILED = "failed"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Annotation(Record):
    """The teacher's answer for one sample.

    `first_error` is 1..n, n+1 (answer or a missing step), or None (accepted, or not a revision).
    `verdicts` is empty when the teacher did not check an attempt; `reason` says why the status is
    not `ok`. `replayed_by` says how a recording had it: by `key`, the answer to this very request,
    or by `sample`, an explanation from another request about it; empty where nothing is replayed.
    `shared` is how many annotations came out of the same calls. `reason` names a kind, and after a
    colon what is particular; kinds are counted. `aim` is what a text was asked for as, `easy` or
    `hard`, where a teacher wrote it and had been told.
    """

    sample: Sample
    explanation: Explanation | None
    status: Status
    teacher: str
    verdicts: tuple[StepVerdict, ...] = ()
    first_error: int | None = None
    call_ids: tuple[str, ...] = ()
    raw: str = ""
    reason: str = ""
    replayed_by: str = ""
    shared: int = 1
    aim: str = ""

    @property
    def checked(self) -> bool:
        """Whether the teacher judged an attempt (as opposed to explaining from scratch)."""
        return self.status is Status.OK and bool(self.verdicts)

    @property
    def accepted(self) -> bool:
        return self.checked and self.first_error is None


@dataclass(frozen=True, slots=True)
class Usage(Record):
    """What one call cost, or at most may cost. `usd` is in dollars."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.usd + other.usd,
        )


@dataclass(frozen=True, slots=True)
class Request(Record):
    """One call to a teacher.

    `fields` are all that shapes the answer: messages, model, sampling, prompt version. `bound` is
    the most that the call can cost, `expected` an estimate; `ahead` is the most that up to
    `ahead_calls` further calls of the same annotation can cost. `ahead_texts` is how many
    annotations the run must have room for beside, so that the call is worth its cost.
    """

    fields: dict[str, Any]
    bound: Usage
    expected: Usage = Usage()
    ahead: Usage = Usage()
    ahead_calls: int = 0
    ahead_texts: int = 0


@dataclass(frozen=True, slots=True)
class Answer(Record):
    """What came back from a call, and what was made of it.

    `reason` says why the status is not `ok`; `explanation` is what the sample's annotation is to
    say if this answer completes it.
    """

    text: str
    status: Status
    usage: Usage
    reason: str = ""
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class Spent(Record):
    """Sums over the calls of a run; annotations count once per run, cached or not."""

    annotations: int = 0
    calls: int = 0
    tokens: int = 0
    usd: float = 0.0
    wall_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Prediction(Record):
    """A graded answer of the student in one round."""

    id: str
    round: int
    split: str
    answer: str | None
    correct: bool


@dataclass(frozen=True, slots=True)
class Metric(Record):
    """A number with its sample size and 95 % interval, as every metric is reported."""

    value: float
    n: int
    ci95: tuple[float, ...]
    method: str


@dataclass(frozen=True, slots=True)
class RoundState(Record):
    """What stopping rules see after a round was measured and before anything is bought.

    `acceptance` is (accepted, checked) over the audit items of the last purchase; `refused` says
    why that purchase was cut short, if it was: by the budget, or because the teacher has nothing
    left to give (`exhausted`); `history` holds the lines of `rounds.jsonl`; `among` is
    `selection.among`: a query is chosen from the unlabelled samples if it is `pool`.
    """

    round: int
    metrics: dict[str, float]
    spent: Spent
    n_labelled: int
    n_unlabelled: int
    acceptance: tuple[int, int] = (0, 0)
    refused: str = ""
    exhausted: bool = False
    history: tuple[dict[str, Any], ...] = ()
    among: str = "pool"


@dataclass(frozen=True, slots=True)
class StopReason(Record):
    """Why a run ends before its last round. `resumable` stops exit with 75."""

    name: str
    detail: str
    resumable: bool = False
