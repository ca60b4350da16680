"""Says what is in files of questions before anything is trained on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from elad_exp.data.check_files import Found, read_files
from elad_exp.data.lengths import Lengths, MakeRuler, words
from elad_exp.data.near import Pair, near_pairs
from elad_exp.data.rows import Problems, Row, answer_kind
from elad_exp.data.sources import apart, collect
from elad_exp.data.usable import gradable
from elad_exp.entities import from_answer
from elad_exp.tasks.answers import Answers
from elad_exp.tasks.families import check_answers
from elad_exp.tasks.reasoning import ReasoningTask
from elad_exp.tasks.texts import EntityTask, TextClassificationTask
from elad_exp.types import Explanation, Record, Sample


@dataclass(frozen=True, slots=True)
class Report(Record):
    """What files hold.

    Attributes:
        path: The file or folder.
        layout: The dataset whose columns the first file has; "" for our own schemas.
        splits: Usable rows by split; a single file is `pool`.
        rows: Rows that can be used, duplicates included.
        problems: Place and reason of everything that stops a run.
        left_out: Place -> reason, of rows that a run would leave out.
        answers: The family of the answers, see `elad_exp.tasks.families`.
        balance: Answer -> number of rows, the most frequent first; at most ten. Of texts with
            entities: type -> number of entities.
        distinct_answers: Number of different answers, or entity types.
        counted: What the numbers of `balance` are shares of.
        without_entities: Texts with none; None of anything else.
        unit: What lengths are counted in.
        prompt: Lengths of the questions as the student reads them.
        target: Lengths of the explanations with their answers.
        steps: Steps in the explanations that are not empty; None without any.
        without_explanation: Rows without one.
        room: Longest question that this student reads; None where none is named.
        longest: Longest explanation with its answer that it writes; None where none is named.
        too_long: Place -> why the question would be skipped.
        long_targets: Rows whose explanation is longer.
        duplicates: Place or id -> why it would be left out.
        near: Near-duplicates by place: between test and pool, or within a single file.
    """

    path: str
    layout: str
    splits: dict[str, int]
    rows: int
    problems: dict[str, str]
    left_out: dict[str, str]
    answers: str
    balance: dict[str, int]
    distinct_answers: int
    counted: int
    without_entities: int | None = None
    unit: str = "words"
    prompt: Lengths | None = None
    target: Lengths | None = None
    steps: Lengths | None = None
    without_explanation: int = 0
    room: int | None = None
    longest: int | None = None
    too_long: dict[str, str] = field(default_factory=dict)
    long_targets: int = 0
    duplicates: dict[str, str] = field(default_factory=dict)
    near: tuple[Pair, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether a run could use the rows. It also needs enough of them for its splits."""
        return not self.problems


def check_path(
    path: Path, *, answers: str = "auto", ruler: MakeRuler = words, instruction: str = ""
) -> Report:
    """Reads a file or folder like the tasks do and reports everything; raises nothing about rows.

    Args:
        path: A file in one of our schemas (`data.rows`, `data.layouts.texts`) or in a known
            dataset's columns, or a folder with files named after splits, or after ANLI's rounds of
            them.
        answers: Family of answers in our schema of questions, see `JsonlTask`.
        ruler: Makes what lengths are measured with.
        instruction: Line between question and explanation, see `ReasoningTask`.

    Raises:
        ConfigError: `answers` is unknown.
    """
    check_answers(answers)
    found = read_files(path)
    every = [row for group in found.rows.values() for row in group]
    layout, problems = found.layout, found.problems
    kind, places = _fitting(found, every, layout.answers if layout else answers)
    left_out: dict[str, str] = {}
    for reading in found.readings.values():
        reading.settle()
        problems.items += reading.problems.items
        left_out |= reading.left_out
    usable = {
        split: list(gradable((places[r.where] for r in group if r.where in places), left_out))
        for split, group in found.rows.items()
    }
    rows = [row for group in usable.values() for row in group]
    counts, duplicates = _without_copies(usable)
    if not problems.items:
        _name_empty(path, counts, left_out | duplicates, problems)
    name = kind if isinstance(kind, str) else kind.kind
    balance = _balance(rows, name)
    alone = name == "label" and len(balance) == 1
    if alone and not problems.items:
        problems.add(str(path), f"all {len(rows):,} rows have the class {next(iter(balance))!r}")
    report = Report(
        path=str(path),
        layout=layout.name if layout and not layout.own else "",
        splits={split: len(group) for split, group in usable.items()},
        rows=len(rows),
        problems=_joined(problems),
        left_out=left_out,
        answers=name if every else "",
        balance=dict(balance.most_common(10)),
        distinct_answers=len(balance),
        counted=balance.total(),
        without_entities=sum(row.answer == "[]" for row in rows) if name == "entities" else None,
        duplicates=duplicates,
    )
    if not rows:
        return report
    task = _task(path, kind, instruction, sorted(balance))
    return _measured(report, usable, task, words if alone else ruler)


def _balance(rows: list[Row], kind: str) -> Counter[str]:
    """Rows by answer, or entities by type."""
    if kind != "entities":
        return Counter(row.answer for row in rows)
    return Counter(span.type for row in rows for span in from_answer(row.answer))


def _task(path: Path, kind: str | Answers, instruction: str, names: Sequence[str]) -> ReasoningTask:
    """The task whose prompts are measured; it loads nothing. `names`: answers or entity types."""
    if isinstance(kind, str):
        return ReasoningTask(name=path.name, answers=kind, instruction=instruction)
    if kind.kind == "label":
        return TextClassificationTask(path=str(path), labels=names if len(names) > 1 else None)
    return EntityTask(path=str(path), types=names or None)


def _fitting(
    found: Found, every: list[Row], answers: str | Answers
) -> tuple[str | Answers, dict[str, Row]]:
    """The kind of answers, and by place the rows that are of it."""
    misfits = Problems()
    kind, canonical = answer_kind(every, answers, misfits)
    for where, reason in misfits.items:
        if where in found.foreign:
            found.foreign[where].left_out[where] = reason
        else:
            found.problems.add(where, reason)
    return kind, {row.where: row for row in canonical}


def _without_copies(usable: Mapping[str, list[Row]]) -> tuple[dict[str, int], dict[str, str]]:
    """Rows of each split that a run keeps, and place or id -> why it leaves one out."""
    if not any(usable.values()):
        return dict.fromkeys(usable, 0), {}
    collected = collect(usable)
    kept, asked = apart(collected.samples)
    places = {row.key: row.where for group in usable.values() for row in group} if asked else {}
    duplicates = collected.skipped | {places[key]: reason for key, reason in asked.items()}
    return {split: len(kept[split]) for split in usable}, duplicates


def _name_empty(
    path: Path, counts: Mapping[str, int], left_out: Mapping[str, str], problems: Problems
) -> None:
    empty = [split for split, n in counts.items() if not n]
    if empty:
        where, reason = next(iter(left_out.items()))
        problems.add(
            str(path),
            f"no row of {' and '.join(empty)} can be used; the first: {where}: {reason}",
        )


def _joined(problems: Problems) -> dict[str, str]:
    """Place -> reasons; a place may have several."""
    found: dict[str, str] = {}
    for where, reason in problems.items:
        found[where] = f"{found[where]}; {reason}" if where in found else reason
    return found


def _measured(
    report: Report, usable: Mapping[str, list[Row]], task: ReasoningTask, make_ruler: MakeRuler
) -> Report:
    """`report` with lengths, what does not fit, and copies."""
    rows = [row for group in usable.values() for row in group]
    samples = [Sample(row.key, row.question, row.choices) for row in rows]
    ruler = make_ruler(task, samples[: len(usable.get("pool", ())) or None])
    fits = "are read at most" if ruler.longest is None else "leave room for an explanation"
    prompts = ruler.prompts(samples)
    pairs = [(s, row) for s, row in zip(samples, rows, strict=True) if row.explanation]
    targets = ruler.targets(
        [task.target(s, Explanation.of(row.explanation, row.answer)) for s, row in pairs]
    )
    return replace(
        report,
        unit=ruler.unit,
        prompt=Lengths.of(prompts),
        target=Lengths.of(targets),
        steps=Lengths.of(len(row.explanation) for _, row in pairs),
        without_explanation=len(rows) - len(pairs),
        room=ruler.room,
        longest=ruler.longest,
        too_long={
            row.where: f"{n} {ruler.unit}; {ruler.room} {fits}"
            for row, n in zip(rows, prompts, strict=True)
            if ruler.room is not None and n > ruler.room
        },
        long_targets=sum(ruler.longest is not None and n > ruler.longest for n in targets),
        near=tuple(_near(usable)),
    )


def _near(usable: Mapping[str, list[Row]]) -> list[Pair]:
    """By place; not what is the same question, which is among the duplicates."""
    pool, test = (
        [(row.where, row.question) for row in usable.get(split, ())] for split in ("pool", "test")
    )
    keys = {row.where: row.key for group in usable.values() for row in group}
    pairs = near_pairs(test, pool) if test else near_pairs(pool)
    return [pair for pair in pairs if keys[pair.first] != keys[pair.second]]
