"""What a teacher studied and wrote, round by round, as a reader wants it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any

from elad_exp.reporting.text import answer_text, clipped
from elad_exp.rundir import Line

EXAMPLES = 3
CLASSES = 12
OTHERS = "(others)"


@dataclass(frozen=True, slots=True)
class Example:
    """A text of a round, its answer in words, and what it was asked for as ("" if unknown)."""

    text: str
    answer: str
    aim: str


@dataclass(frozen=True, slots=True)
class LessonRound:
    """One round.

    Attributes:
        round: Its number.
        studied: Predictions that were studied; None where that is not known.
        wrong: Of these.
        weaknesses: Each with the number of predictions that show it.
        said: What the teacher adds in its own words.
        unaimed: Why no weaknesses are named, "" if they are.
        asked: Texts.
        usable: Of these.
        dropped: Kinds of reasons with their numbers, the greatest first.
        lost: Lessons that did not come, and why.
        drift: See `elad_exp.drift.Drift`; empty without usable texts.
        examples: A few usable texts.
    """

    round: int
    studied: int | None
    wrong: int
    weaknesses: tuple[tuple[str, int], ...]
    said: str
    unaimed: str
    asked: int
    usable: int
    dropped: tuple[tuple[str, int], ...]
    lost: tuple[tuple[str, str], ...]
    drift: Mapping[str, Any]
    examples: tuple[Example, ...]


def lesson_rounds(rounds: Sequence[Line], annotations: Sequence[Line]) -> list[LessonRound]:
    """The rounds in which a teacher wrote texts, or studied in order to."""
    return [
        _round(line, [a for a in annotations if a["round"] == line["round"] and "parents" in a])
        for line in rounds
        if line["bought"] and {"notes", "drift"} & line["bought"].keys()
    ]


def class_table(shown: Sequence[LessonRound]) -> dict[str, Any] | None:
    """`names` of the classes, and a row of shares for each round; None without any.

    Of more than `CLASSES`, those that are most frequent over all rounds, and the others together.
    """
    found = [(row.round, row.drift["classes"]) for row in shown if row.drift.get("classes")]
    if not found:
        return None
    sums: dict[str, float] = {}
    for _, shares in found:
        for name, share in shares.items():
            sums[name] = sums.get(name, 0.0) + share
    names = list(sums)
    if len(names) > CLASSES:
        names = sorted(names, key=lambda name: -sums[name])[: CLASSES - 1]
    others = [OTHERS] if len(sums) > len(names) else []
    rows = []
    for number, shares in found:
        row = [shares.get(name, 0.0) for name in names]
        rest = sum(share for name, share in shares.items() if name not in names)
        rows.append({"round": number, "shares": row + [rest] * len(others)})
    return {"names": [clipped(name, 60) for name in names] + others, "rows": rows}


def _round(line: Line, written: Sequence[Line]) -> LessonRound:
    bought = line["bought"]
    notes, drift = bought.get("notes", {}), bought.get("drift", {})
    analysis = notes.get("analysis")
    lessons = notes.get("lessons", [])
    dropped: Counter[str] = Counter()
    for lesson in lessons:
        dropped.update(lesson["dropped"])
    usable = [a for a in written if a["status"] == "ok"]
    return LessonRound(
        round=line["round"],
        studied=notes.get("studied"),
        wrong=notes.get("wrong", 0),
        weaknesses=tuple(_weaknesses(analysis)) if analysis else (),
        said=clipped(analysis["text"]) if analysis else "",
        unaimed=clipped(notes.get("no_lessons") or notes.get("no_analysis", "")),
        asked=sum(x["asked"] for x in lessons) if notes else bought["asked"],
        usable=sum(x["usable"] for x in lessons) if notes else len(usable),
        dropped=tuple((clipped(kind, 200), n) for kind, n in dropped.most_common()),
        lost=tuple((x["name"], clipped(x["why"])) for x in lessons if x["why"]),
        drift=drift,
        examples=tuple(_examples(usable)),
    )


def _weaknesses(analysis: Mapping[str, Any]) -> list[tuple[str, int]]:
    """In the teacher's order, which is that of their weight."""
    named = [(f"takes {x['right']} for {x['predicted']}", x) for x in analysis["confused"]]
    named += [(f"does not understand: {x['phenomenon']}", x) for x in analysis["missing"]]
    return [(clipped(text, 300), len(x["evidence"])) for text, x in named]


def _examples(usable: Sequence[Line]) -> list[Example]:
    """A text of each aim in turn, so that easy and hard ones are shown."""
    by_aim: dict[str, list[Line]] = {}
    for line in usable:
        by_aim.setdefault(line.get("aim") or "", []).append(line)
    in_turn = chain.from_iterable(zip_longest(*by_aim.values()))
    chosen = [line for line in in_turn if line is not None][:EXAMPLES]
    return [
        Example(
            clipped(line["question"], 600),
            clipped(answer_text(line["question"], line["answer"]), 300),
            line.get("aim") or "",
        )
        for line in chosen
    ]
