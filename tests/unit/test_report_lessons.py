"""The report's section on what a teacher studied and wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from elad_exp.reporting.lessons import CLASSES, class_table, lesson_rounds
from elad_exp.rundir import read_lines
from tests.helpers_runs import write_lines, write_run
from tests.unit.test_report_html import ALLOWED_TAGS, HOSTILE, report

TITLE = "What the teacher studied and wrote"


def notes(text: str = "") -> dict[str, Any]:
    return {
        "studied": 24,
        "wrong": 9,
        "analysis": {
            "confused": [{"right": text or "concert", "predicted": text or "market"}
                         | {"evidence": ["a", "b", "c"], "score": 0.5}],
            "missing": [{"phenomenon": text or "irony", "evidence": ["a"], "score": 0.2}],
            "text": text or "It shops.",
        },
        "lessons": [
            {"name": "lesson-1-0", "asked": 10, "came": 10, "usable": 7, "why": ""}
            | {"dropped": {text or "nearly the same as an earlier text": 2, "an empty text": 1}},
            {"name": "lesson-1-1", "asked": 10, "came": 0, "usable": 0}
            | {"dropped": {"did not come": 10}, "why": text or "no such model"},
        ],
    }  # fmt: skip


DRIFT = {
    "texts": 7,
    "classes": {"concert": 0.7143, "market": 0.2857},
    "words": 1234,
    "new_words": 0.125,
    "seed_distance": 0.654,
    "self_similarity": None,
}


def lesson_run(path: Path, *, text: str | None = None, bought: dict[str, Any]) -> Path:
    """A run whose round 1 bought texts of the teacher's own."""
    run = write_run(path, rounds=3, text=text)
    rounds = read_lines(run / "rounds.jsonl")
    rounds[1]["bought"] |= bought
    write_lines(run / "rounds.jsonl", rounds)
    annotations = read_lines(run / "annotations.jsonl")
    for n, line in enumerate(a for a in annotations if a["round"] == 1):
        line |= {"parents": ["a"], "aim": text or ("easy" if n < 20 else "hard"), "attempt": None}
        line |= {"question": text or f"notice {n}", "verdicts": [], "first_error": None}
    write_lines(run / "annotations.jsonl", annotations)
    return run


def test_what_was_studied_and_what_came_of_it_are_shown(tmp_path: Path) -> None:
    run = lesson_run(tmp_path / "run", bought={"notes": notes(), "drift": DRIFT})
    _, page = report(run)
    section = page.text[page.text.index(TITLE) : page.text.index("Spending")]
    assert "24 predictions studied, 9 of them wrong; 7 of 20 texts usable" in section
    assert "takes concert for market (3 predictions)" in section
    assert "does not understand: irony (1 prediction)" in section
    assert "In its own words: It shops." in section
    assert "10 did not come; 2 nearly the same as an earlier text; 1 an empty text" in section
    assert "lesson-1-1 did not come: no such model" in section
    for figure in ("1,234", "12 %", "0.65", "71 %", "29 %"):
        assert figure in section
    assert "notice 0" in section  # an easy one
    assert "notice 20" in section  # a hard one


def test_runs_of_other_methods_have_no_such_section(tmp_path: Path) -> None:
    _, page = report(write_run(tmp_path / "run"))
    assert TITLE not in page.text


def test_texts_of_a_method_that_studies_nothing_are_measured_all_the_same(tmp_path: Path) -> None:
    run = lesson_run(tmp_path / "run", bought={"drift": DRIFT})
    _, page = report(run)
    section = page.text[page.text.index(TITLE) : page.text.index("Spending")]
    assert "0.65" in section
    assert "predictions studied" not in section
    assert "No weakness" not in section


def test_a_round_without_an_analysis_or_a_usable_text_says_why(tmp_path: Path) -> None:
    unaimed = {"no_analysis": "switched off (teacher.analyse=false)", "lessons": []}
    run = lesson_run(tmp_path / "run", bought={"notes": unaimed})
    assert "No weakness is named: switched off (teacher.analyse=false)." in report(run)[1].text
    nothing = notes() | {"analysis": {"confused": [], "missing": [], "text": ""}}
    run = lesson_run(tmp_path / "other", bought={"notes": nothing})
    assert "The teacher sees no weakness." in report(run)[1].text


def test_hostile_notes_stay_text(tmp_path: Path) -> None:
    hostile = {"notes": notes(HOSTILE), "drift": DRIFT | {"classes": {HOSTILE: 1.0}}}
    run = lesson_run(tmp_path / "run", text=HOSTILE, bought=hostile)
    source, page = report(run)
    assert TITLE in page.text
    assert set(page.tags) <= ALLOWED_TAGS
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "\x1b" not in source
    assert "\u202e" not in source


def test_of_many_classes_the_frequent_ones_have_a_column() -> None:
    shares = {f"class {n}": n / 210 for n in range(21)}
    bought = {"drift": DRIFT | {"classes": shares}, "asked": 7}
    lines = [{"round": r, "bought": bought} for r in (1, 2)]
    table = class_table(lesson_rounds(lines, []))
    assert table is not None
    assert len(table["names"]) == CLASSES
    assert table["names"][0] == "class 20"
    assert table["names"][-1] == "(others)"
    for row in table["rows"]:
        assert abs(sum(row["shares"]) - 1) < 1e-9
        assert len(row["shares"]) == CLASSES
    assert class_table([]) is None


def test_examples_alternate_between_easy_and_hard() -> None:
    def line(n: int, aim: str | None, status: str = "ok") -> dict[str, Any]:
        return {"round": 1, "question": f"q{n}", "answer": "a", "parents": [], "aim": aim} | {
            "status": status
        }

    rounds = [{"round": 1, "bought": {"drift": DRIFT, "asked": 3}}]
    aims = ["easy", "easy", "hard", "hard"]
    lines = [line(9, "easy", "unparsed"), *(line(n, aim) for n, aim in enumerate(aims))]
    [row] = lesson_rounds(rounds, lines)
    assert [e.text for e in row.examples] == ["q0", "q2", "q1"]
    [unknown] = lesson_rounds(rounds, [line(n, None) for n in range(5)])
    assert [e.text for e in unknown.examples] == ["q0", "q1", "q2"]
    assert json.dumps(row.examples[0].aim) == '"easy"'
