"""The report on a file of questions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from elad_exp.data.check import Report, check_file, to_text
from elad_exp.errors import ConfigError


def test_reports_rows_balance_lengths_problems_and_duplicates(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    rows = [
        {"question": "Is ice cold?", "answer": "yes", "explanation": ["It is frozen water."]},
        {"question": "is ICE cold?", "answer": "Yes"},
        {"question": "Is the sun a very cold star?", "answer": "no", "explanation": ["No.", "It"]},
        {"question": "How hot is it?", "answer": "6000"},
        {"answer": "no"},
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    report = check_file(path)
    assert not report.ok
    assert report.rows == 3
    assert report.answers == "yes_no"
    assert report.balance == {"yes": 2, "no": 1}
    assert report.question_words is not None
    assert report.question_words.to_dict() == {"least": 3, "median": 3, "most": 7}
    assert report.steps is not None
    assert (report.steps.least, report.steps.most) == (1, 2)
    assert report.without_explanation == 1
    assert sorted(report.problems) == [f"{path} line 4", f"{path} line 5"]
    assert len(report.duplicates) == 1
    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report
    text = to_text(report)
    assert "3 usable rows, 2 problems, 1 duplicates" in text
    assert "answers (yes_no): yes 2 (67%), no 1 (33%)" in text
    assert f"problem: {path} line 5: no question (found: answer)" in text


def test_a_file_that_cannot_be_read_is_a_report_too(tmp_path: Path) -> None:
    report = check_file(tmp_path / "no.jsonl")
    assert (report.rows, report.ok) == (0, False)
    assert "no such file" in to_text(report)


def test_an_unknown_kind_of_answers_is_refused_like_in_the_task(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="answers='bogus' is not one of auto, yes_no"):
        check_file(tmp_path / "no.jsonl", answers="bogus")


def test_many_answers_and_problems_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    good = [{"question": f"q{i}?", "answer": str(i)} for i in range(25)]
    path.write_text("\n".join(map(json.dumps, [*good, *({"n": i} for i in range(15))])))
    text = to_text(check_file(path))
    assert "15 others" in text
    assert "problem: and 5 more" in text


def test_a_good_file_is_ok(shared_data: Path) -> None:
    report = check_file(shared_data / "strategyqa" / "dev.jsonl")
    assert report.ok
    assert report.rows == 229
    assert sum(report.balance.values()) == 229
