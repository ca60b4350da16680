"""The report on files of questions."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from elad_exp.cli import main
from elad_exp.data.check import Report, check_path
from elad_exp.data.check_text import to_text
from elad_exp.data.lengths import Words
from elad_exp.errors import AssetError, ConfigError
from elad_exp.protocols import Task
from elad_exp.types import Sample
from tests.unit.test_layouts import ANLI, AQUA, ARC, GSM8K

ROWS: list[dict[str, Any]] = [
    {"question": "Is ice cold?", "answer": "yes", "explanation": ["It is frozen water."]},
    {"question": "is ICE cold?", "answer": "Yes"},
    {"question": "Is the sun a very cold star?", "answer": "no", "explanation": ["No.", "It"]},
    {"question": "How hot is it?", "answer": "6000"},
    {"answer": "no"},
]


def write(path: Path, rows: Sequence[Any]) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_reports_rows_balance_lengths_problems_and_duplicates(tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", ROWS)
    report = check_path(path)
    assert not report.ok
    assert (report.rows, report.splits) == (3, {"pool": 3})
    assert report.answers == "yes_no"
    assert report.balance == {"yes": 2, "no": 1}
    assert report.prompt is not None
    assert report.prompt.to_dict() == {"least": 3, "median": 3, "most": 7}
    assert report.target is not None
    assert report.target.to_dict() == {"least": 4, "median": 6, "most": 6}
    assert report.steps is not None
    assert (report.steps.least, report.steps.most) == (1, 2)
    assert report.without_explanation == 1
    assert sorted(report.problems) == [f"{path} line 4", f"{path} line 5"]
    assert len(report.duplicates) == 1
    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report
    text = to_text(report)
    assert f"problem: {path} line 5: no question (found: answer)" in text
    assert "answers (yes_no): yes 2 (67%), no 1 (33%)" in text
    assert text.splitlines()[-1].endswith(
        "3 usable rows, 2 problems, 1 left out as duplicates, contradictions or ungradable"
    )


def test_a_file_that_cannot_be_read_is_a_report_too(tmp_path: Path) -> None:
    report = check_path(tmp_path / "no.jsonl")
    assert (report.rows, report.ok) == (0, False)
    assert "no such file" in to_text(report)


def test_an_unknown_kind_of_answers_is_refused_like_in_the_task(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="answers='bogus' is not one of auto, yes_no"):
        check_path(tmp_path / "no.jsonl", answers="bogus")


def test_every_problem_is_printed_and_answers_are_counted(tmp_path: Path) -> None:
    good = [{"question": f"q{i}?", "answer": f"word{i}"} for i in range(25)]
    path = write(tmp_path / "f.jsonl", [*good, *({"n": i} for i in range(15))])
    text = to_text(check_path(path))
    assert "15 others" in text
    assert all(f"line {n}: no question and no answer" in text for n in range(26, 41))
    assert text.count("problem: ") == 15


BAD: list[tuple[bytes, str]] = [
    (b'{"text": "a", "class": 1}', "line 1: no question and no answer (found: text, class)"),
    (b'{"text": "a", "label": 1}', "line 1: label: a string is expected, not the number 1"),
    (b'{"text": "a", "label": "x"}', "all 1 rows have the class 'x'"),
    (
        b'{"tokens": ["a", "b"], "tags": ["O", "I-X"]}',
        "line 1: tag 2 is 'I-X' after 'O': in BIO2 it follows B-X or I-X",
    ),
    (
        b'{"tokens": ["a"], "tags": ["O"]}\n{"tokens": ["a", "b"], "tags": ["B-X", "E-X"]}',
        "line 2: tag 2 is 'E-X'; BIO2 has O, B-TYPE and I-TYPE",
    ),
    (b'{"tokens": ["a"], "tags": ["B-X", "I-X"]}', "line 1: 1 tokens have 2 tags"),
    (b'{"tokens": ["a", "b c"], "tags": ["O", "O"]}', "line 1: token 2 is 'b c'; one without"),
    (b'{"text": "", "label": "x"}', "line 1: text is empty"),
    (b'{"text": "a", "label": "x\\ny"}', "line 1: label 'x\\ny' must be one line with single"),
    (b'{"question": " ", "answer": "no"}', "line 1: question is empty"),
    (
        b'{"question": "a?", "choices": [{"label": "A", "text": "x"}, {"label": "B", "text": "y"}],'
        b' "answer": "C"}',
        "line 1: answer 'C' is not among the choices A, B",
    ),
    (
        b'{"question": "a?", "choices": ["x", "y"], "answer": "A"}',
        "line 1: choice 1: an object with label and text is expected, found a string",
    ),
    (
        b'{"question": "a?", "answer": "yes"}\n{"question": "b?", "answer": "4"}',
        "line 2: answer '4' is neither yes nor no",
    ),
    (b'{"question": "\xff?", "answer": "no"}', "line 1: not UTF-8 (byte 15)"),
    (gzip.compress(b"x" * 50_000, mtime=0)[:-20], "the gzip data is truncated or damaged"),
]


@pytest.mark.parametrize(("content", "reason"), BAD)
def test_bad_input_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes(content)
    report = check_path(path)
    assert not report.ok
    assert reason in to_text(report)


def test_a_bom_crlf_and_a_row_of_a_megabyte_are_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    rows = [{"question": "x" * 1_000_000, "answer": "no"}, {"question": "y?", "answer": "yes"}]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(map(json.dumps, rows)).encode())
    report = check_path(path)
    assert report.ok
    assert report.rows == 2


def test_two_right_labels_are_left_out_and_named(tmp_path: Path) -> None:
    choices = [{"label": label, "text": text} for label, text in zip("ABC", "xyx", strict=True)]
    rows = [{"question": f"{a}?", "choices": choices, "answer": a} for a in "ABC"]
    path = write(tmp_path / "f.jsonl", rows)
    report = check_path(path)
    assert report.ok
    assert report.rows == 1
    reason = "options A and C have the text of the right answer"
    assert report.left_out == {f"{path} line 1": reason, f"{path} line 3": reason}


def test_files_in_the_hub_s_columns_are_recognised(tmp_path: Path) -> None:
    rows = [{**ARC, "question": f"What is hot, {i}?"} for i in range(20)]
    path = write(tmp_path / "f.jsonl", [*rows, {**ARC, "answerKey": "9"}])
    report = check_path(path)
    assert report.ok
    assert (report.layout, report.answers, report.rows) == ("arc", "choice", 20)
    assert "answerKey '9' is not among" in report.left_out[f"{path} line 21"]
    assert "columns: those of arc on the hub" in to_text(report)
    many = check_path(write(tmp_path / "g.jsonl", [*rows, *[{**ARC, "answerKey": "9"}] * 5]))
    assert (len(many.problems), many.left_out) == (5, {})
    wrong = check_path(write(tmp_path / "h.jsonl", [ARC, AQUA]))
    assert "no column id, choices, answerKey (found: question, opt" in to_text(wrong)


def test_a_folder_is_checked_by_split(tmp_path: Path) -> None:
    same = "Has a quick red fox four strong legs?"
    for split, question in (("train", f"{same} Yes"), ("dev", same), ("test", f"So, {same}")):
        rows = [{"question": question, "answer": "yes"}, {"question": split, "answer": "no"}]
        write(tmp_path / "f" / f"{split}.jsonl", rows)
    report = check_path(tmp_path / "f")
    assert report.splits == {"pool": 2, "dev": 2, "test": 2}
    [pair] = report.near
    assert (pair.first, pair.second) == (
        f"{tmp_path}/f/test.jsonl line 1",
        f"{tmp_path}/f/train.jsonl line 1",
    )
    assert "nearly the same (0.80): " in to_text(report)
    (tmp_path / "empty").mkdir()
    empty = check_path(tmp_path / "empty")
    assert "is a folder without a file of the split train, validation or test" in to_text(empty)


def test_copies_are_duplicates_and_not_near_ones(tmp_path: Path) -> None:
    rows = [{"question": q, "answer": "yes"} for q in ("Is ice cold?", "is ICE cold?")]
    report = check_path(write(tmp_path / "f.jsonl", rows))
    assert (len(report.duplicates), report.near) == (1, ())


def test_a_folder_of_anli_s_rounds_is_checked(tmp_path: Path) -> None:
    for split, part in enumerate(("train", "dev", "test")):
        for n in (1, 2, 3):
            record = {**ANLI, "premise": f"A man eats {split} {n}.", "hypothesis": "He sleeps."}
            write(tmp_path / "f" / f"{part}_r{n}.jsonl", [record])
    report = check_path(tmp_path / "f")
    assert (report.ok, report.layout) == (True, "anli")
    assert report.splits == {"pool": 3, "dev": 3, "test": 3}


def test_a_missing_part_is_a_problem_like_in_the_run(tmp_path: Path) -> None:
    write(tmp_path / "f" / "train-00000-of-00002.jsonl", ROWS[:3])
    write(tmp_path / "f" / "test.jsonl", [{"question": "Is it?", "answer": "no"}])
    report = check_path(tmp_path / "f")
    assert "of 2 parts (from 0), 1 is missing" in report.problems[str(tmp_path / "f")]
    (tmp_path / "f" / "test.jsonl").unlink()
    assert "without a file" not in to_text(check_path(tmp_path / "f"))


def test_the_tenth_of_unusable_records_is_that_of_a_split(tmp_path: Path) -> None:
    good = [{**ARC, "question": f"What is hot, {i}?"} for i in range(100)]
    bad = {**ARC, "answerKey": "9"}
    write(tmp_path / "f" / "train.jsonl", good[:90])
    path = write(tmp_path / "f" / "test.jsonl", [*good[90:95], bad])
    report = check_path(tmp_path / "f")
    assert list(report.problems) == [f"{path} line 6"]
    write(tmp_path / "f" / "test.jsonl", [*good[90:], bad])
    report = check_path(tmp_path / "f")
    assert (report.ok, list(report.left_out)) == (True, [f"{path} line 11"])


def test_an_answer_of_another_kind_is_left_out_of_a_dataset_s_own_columns(tmp_path: Path) -> None:
    rows = [{**GSM8K, "question": f"How many, {i}?"} for i in range(20)]
    path = write(tmp_path / "f.jsonl", [*rows, {**GSM8K, "answer": "So.\n#### unknown"}])
    report = check_path(path)
    assert (report.ok, report.rows) == (True, 20)
    assert list(report.left_out) == [f"{path} line 21"]


def test_no_usable_row_is_a_problem(tmp_path: Path) -> None:
    choices = [{"label": label, "text": "x"} for label in "AB"]
    rows = [{"question": f"{a}?", "choices": choices, "answer": a} for a in "AB"]
    path = write(tmp_path / "f.jsonl", rows)
    [reason] = check_path(path).problems.values()
    assert reason == (
        f"no row of pool can be used; the first: {path} line 1: options A and B have the text of "
        "the right answer"
    )
    for split in ("train", "test"):
        write(tmp_path / "g" / f"{split}.jsonl", [{"question": "Is it?", "answer": "no"}])
    report = check_path(tmp_path / "g")
    assert "no row of pool can be used" in report.problems[str(tmp_path / "g")]


def test_a_question_of_another_split_with_other_choices_is_left_out(tmp_path: Path) -> None:
    def asked(question: str, *texts: str) -> dict[str, Any]:
        choices = [{"label": "AB"[i], "text": text} for i, text in enumerate(texts)]
        return {"question": question, "choices": choices, "answer": "A"}

    pool = write(
        tmp_path / "f" / "train.jsonl", [asked("Hot?", "ice", "fire"), asked("Cold?", "ice", "sun")]
    )
    write(tmp_path / "f" / "test.jsonl", [asked("Hot?", "fire", "snow")])
    report = check_path(tmp_path / "f")
    assert report.ok
    assert report.duplicates == {f"{pool} line 1": "test has the same question with other choices"}


class Letters(Words):
    unit, room, longest = "letters", 20, 12

    def prompts(self, samples: Sequence[Sample]) -> list[int]:
        return [len(sample.question) for sample in samples]


def letters(task: Task, samples: Sequence[Sample]) -> Letters:
    return Letters()


def test_what_does_not_fit_the_student_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", ROWS[:3])
    report = check_path(path, ruler=letters)
    assert report.too_long == {f"{path} line 3": "28 letters; 20 leave room for an explanation"}
    text = to_text(report)
    assert f"too long: {path} line 3: 28 letters" in text
    assert "letters in a question: 12 to 28, median 12" in text
    assert "questions of more than 20, which are skipped: 1" in text
    assert "explanations of more than 12: 0" in text


def test_the_command_counts_the_student_s_tokens(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [*ROWS[:3], {"question": "very " * 200 + "long?", "answer": "no"}]
    path = write(tmp_path / "f.jsonl", rows)
    assert main(["data", "check", str(path)]) == 0
    out = capsys.readouterr().out
    assert f"too long: {path} line 4: " in out
    assert "tokens of tiny; 96 leave room for an explanation" in out
    assert "tokens of tiny in a question: " in out
    assert "questions of more than 96, which are skipped: 1" in out
    write(path, ROWS)
    assert main(["data", "check", str(path)]) == 2


def test_the_command_counts_words_where_the_student_cannot_be_had(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*_: object, **__: object) -> None:
        raise AssetError("model X could not be had")

    monkeypatch.setattr("elad_exp.student.build.resolve_model", nowhere)
    path = write(tmp_path / "f.jsonl", ROWS[:3])
    assert main(["data", "check", str(path), "--student", "smollm2_135m"]) == 0
    captured = capsys.readouterr()
    assert "lengths are in words: model X could not be had" in captured.err
    assert "words in a question: 3 to 7" in captured.out
    assert main(["data", "check", str(path), "--student", "nobody"]) == 2
    assert "smollm2_135m, tiny" in capsys.readouterr().err


def test_a_good_file_is_ok(shared_data: Path) -> None:
    report = check_path(shared_data / "strategyqa" / "dev.jsonl")
    assert report.ok
    assert report.rows == 229
    assert sum(report.balance.values()) == 229


def test_texts_with_classes(tmp_path: Path) -> None:
    rows = [{"text": f"{w} {i}", "label": w} for i, w in enumerate(["a", "b", "a", "a"])]
    write(tmp_path / "set" / "train.jsonl", [*rows, rows[0], rows[1] | {"label": "a"}])
    write(tmp_path / "set" / "test.jsonl", [{"text": "c 1", "label": "b"}])
    report = check_path(tmp_path / "set")
    assert report.ok
    assert (report.answers, report.layout, report.rows) == ("label", "", 7)
    assert (report.balance, report.counted) == ({"a": 5, "b": 2}, 7)
    assert len(report.duplicates) == 2
    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report
    lines = to_text(report).splitlines()
    assert "classes: a 5 (71%), b 2 (29%)" in lines
    assert "words in a text: 2 to 2, median 2" in lines
    assert "texts that are near-duplicates of another: 0" in lines
    assert not any("explanation" in line for line in lines)


def test_a_text_with_two_labels_is_named_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"text": f"text {i}", "label": "ab"[i % 2]} for i in range(8)]
    path = write(tmp_path / "f.jsonl", [*rows, {"text": "Text  3", "label": "a"}])
    assert main(["data", "check", str(path), "--student", "tiny_encoder"]) == 0
    shown = capsys.readouterr().out
    assert f"different answers (a, b) in {path} line 4, {path} line 9" in shown
    assert "9 usable rows, 0 problems, 1 left out" in shown


def test_texts_are_measured_by_a_student_that_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"text": f"text {i}", "label": "ab"[i % 2]} for i in range(8)]
    path = write(tmp_path / "f.jsonl", [*rows, {"text": "text " * 200, "label": "a"}])
    check = ["data", "check", str(path), "--student", "tiny_encoder"]
    assert main(check) == 0
    shown = capsys.readouterr().out
    # The ends of a text are tokens too.
    assert f"too long: {path} line 9: 202 tokens of tiny_encoder; 128 are read at most" in shown
    assert "texts of more than 128, which are skipped: 1" in shown
    ner = [{"tokens": ["Ada", "left"], "tags": ["B-PER", "O"]}, {"tokens": ["So"], "tags": ["O"]}]
    write(path, ner)
    assert main(check) == 0
    assert "tokens of tiny_encoder in a text: 3 to 4, median 4" in capsys.readouterr().out
    write(path, ROWS[:3])
    assert main(check) == 0
    shown = capsys.readouterr().out
    assert "tokens of tiny_encoder in a question: " in shown
    assert "tokens of tiny_encoder in an explanation with its answer: " in shown


def test_what_the_student_cannot_label_is_told_and_reported_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "f.jsonl", [{"question": f"{w}?", "answer": w} for w in ("cat", "dog")])
    check = ["data", "check", str(path), "--student", "tiny_encoder"]
    assert main(check) == 2
    shown = capsys.readouterr()
    assert "lengths are in words: an encoder labels texts from a closed set" in shown.err
    assert "2 usable rows, 0 problems" in shown.out
    write(path, [{"text": f"text {i}", "label": "x"} for i in range(3)])
    assert main(check) == 2
    shown = capsys.readouterr()
    assert shown.err == ""
    assert f"problem: {path}: all 3 rows have the class 'x'" in shown.out


def test_texts_with_entities(tmp_path: Path) -> None:
    rows = [
        {"tokens": ["Ada", "B", "left", "Rome"], "tags": ["B-PER", "I-PER", "O", "B-LOC"]},
        {"tokens": ["Oslo", "slept"], "tags": ["B-LOC", "O"]},
        {"tokens": ["So", "what"], "tags": ["O", "O"]},
    ]
    report = check_path(write(tmp_path / "f.jsonl", rows))
    assert report.ok
    assert (report.answers, report.balance) == ("entities", {"LOC": 2, "PER": 1})
    assert (report.rows, report.counted, report.without_entities) == (3, 3, 1)
    lines = to_text(report).splitlines()
    assert "entities: LOC 2 (67%), PER 1 (33%)" in lines
    assert "texts without an entity: 1" in lines
    assert report.prompt is not None
    assert report.prompt.to_dict() == {"least": 2, "median": 2, "most": 4}
