"""Reading, checking, de-duplicating and splitting files of questions."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elad_exp.data.rows import Problems, Row, answer_kind, read_rows
from elad_exp.data.sources import collect, content_sha256, hash_split, make_splits
from elad_exp.errors import DataError
from elad_exp.types import Choice, Sample, normalise, sample_id

GOOD = {"id": "a", "question": "Is ice cold?", "choices": [], "answer": "yes", "explanation": []}
INFO = {"name": "x", "source": "file", "revision": ""}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def reasons(path: Path) -> list[str]:
    problems = Problems()
    read_rows(path, problems)
    return [f"{where}: {reason}" for where, reason in problems.items]


def read(path: Path) -> list[Row]:
    problems = Problems()
    rows = read_rows(path, problems)
    problems.check()
    return rows


def test_reads_a_row_with_choices(tmp_path: Path) -> None:
    choices = [{"label": "A", "text": " hot "}, {"label": "B", "text": "cold"}]
    row = {"id": 7, "question": " Ice is? ", "choices": choices, "answer": "B", "meta": {"m": 1}}
    [got] = read(write(tmp_path / "f.jsonl", {**row, "explanation": ["It is frozen."]}))
    assert (got.source_id, got.question, got.answer) == ("7", "Ice is?", "B")
    assert [(c.label, c.text) for c in got.choices] == [("A", "hot"), ("B", "cold")]
    assert got.explanation == ("It is frozen.",)
    assert got.meta == {"m": 1}
    assert got.where.endswith("f.jsonl line 1")


def test_tolerates_bom_crlf_blank_lines_and_a_missing_last_newline(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    line = json.dumps(GOOD).encode()
    path.write_bytes(b"\xef\xbb\xbf" + line + b"\r\n\r\n" + line.replace(b"ice", b"fire"))
    assert [row.question for row in read(path)] == ["Is ice cold?", "Is fire cold?"]


def test_reads_gzip_whatever_its_name(tmp_path: Path) -> None:
    for name in ("f.jsonl.gz", "f.jsonl"):
        (tmp_path / name).write_bytes(gzip.compress(json.dumps(GOOD).encode()))
        assert len(read(tmp_path / name)) == 1


def test_a_line_separator_inside_a_string_does_not_end_the_line(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    row = json.dumps({**GOOD, "question": "a\u2028b\u0085c?"}, ensure_ascii=False)
    path.write_text(row, encoding="utf-8")
    assert len(read(path)) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"question": "  "}, "question is empty"),
        ({"question": 3}, "question: a string is expected, not the number 3"),
        ({"question": "\ud800 what"}, "surrogate"),
        ({"answer": True}, 'write "yes" or "no"'),
        ({"answer": None}, "answer: a string is expected, not null"),
        ({"choices": "A"}, "choices: a list is expected, not a string"),
        ({"choices": [{"label": "A"}]}, "choice 1: an object with label and text"),
        ({"choices": [{"label": "A", "text": "x"}]}, "one choice only"),
        (
            {"choices": [{"label": "A", "text": "x"}, {"label": "a", "text": "y"}]},
            "two choices have one label",
        ),
        (
            {"choices": [{"label": "A", "text": "x"}, {"label": "B", "text": "y"}]},
            "answer 'yes' is not among the choices A, B",
        ),
        ({"choices": [{"label": "A.", "text": "x"}]}, "label 'A.' must be one word"),
        ({"explanation": "It is."}, "explanation: a list is expected, not a string"),
        ({"explanation": ["ok", ""]}, "explanation step 2 is empty"),
        ({"meta": [1]}, "meta: an object is expected"),
        ({"id": []}, "id: a string is expected"),
    ],
)
def test_names_line_and_reason(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    [problem] = reasons(write(tmp_path / "f.jsonl", GOOD, {**GOOD, **change}))
    assert "f.jsonl line 2: " in problem
    assert reason in problem


def test_missing_fields_are_named_with_what_was_found(tmp_path: Path) -> None:
    [problem] = reasons(write(tmp_path / "f.jsonl", {"text": "a", "label": 1}))
    assert problem.endswith("line 1: no question and no answer (found: text, label)")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b'{"question": "a"\n', "line 1: malformed JSON"),
        (b"[\n{}]", "line 1: malformed JSON"),
        (b"[1]", "a JSON object is expected, not a list"),
        (b"[" * 100_000, "malformed JSON"),
        (b'{"question": "\xff"}', "line 1: not UTF-8 (byte 15)"),
        (b'\xef\xbb\xbf  {"question": "\xff"}', "line 1: not UTF-8 (byte 20)"),
        ("{}".encode("utf-16"), "is UTF-16"),
        (gzip.compress(b"x" * 50_000, mtime=0)[:-20], "truncated or damaged"),
        (b"\x1f\x8bnonsense", "truncated or damaged"),
    ],
)
def test_unusable_files(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes(content)
    assert reason in reasons(path)[0]


def test_a_truncated_gzip_is_refused_though_its_first_lines_are_fine(tmp_path: Path) -> None:
    rng = random.Random(0)
    lines = [json.dumps({**GOOD, "question": f"{rng.random()}?"}) for _ in range(3000)]
    path = tmp_path / "f.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode())[:-9000])
    with pytest.raises(DataError, match=r"after line \d+: the gzip data is truncated"):
        read(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    assert reasons(tmp_path / "no.jsonl") == [f"{tmp_path / 'no.jsonl'}: no such file"]
    assert "is a folder" in reasons(tmp_path)[0]


def test_ten_problems_are_shown_and_the_rest_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", *({"n": i} for i in range(1234)))
    with pytest.raises(DataError) as caught:
        read(path)
    lines = str(caught.value).splitlines()
    assert lines[0] == "1,234 problems in the data"
    assert lines[-1].strip() == "and 1,224 more"
    assert len(lines) == 12


def rows(*pairs: tuple[str, str]) -> list[Row]:
    return [Row(f"f line {i}", str(i), q, a) for i, (q, a) in enumerate(pairs, 1)]


def test_answer_kind_is_inferred_and_yes_no_lowered() -> None:
    kind, got = answer_kind(rows(("a?", "Yes"), ("b?", "NO")), "auto", Problems())
    assert (kind, [row.answer for row in got]) == ("yes_no", ["yes", "no"])
    assert answer_kind(rows(("a?", "4"), ("b?", "5")), "auto", Problems())[0] == "number"
    assert answer_kind(rows(("a?", "4"), ("b?", "five")), "auto", Problems())[0] == "open"


def with_choices(*texts: str, answer: str = "A") -> Row:
    choices = tuple(map(Choice, "ABC", texts))
    return Row(f"f line {texts}", "1", "What?", answer, choices)


CLASSES = ("entailment", "neutral", "contradiction")


@pytest.mark.parametrize(
    ("given_", "kind"),
    [
        ([with_choices(*CLASSES), with_choices(*reversed(CLASSES))], "nli"),
        ([with_choices(*CLASSES), with_choices("a", "b")], "choice"),
        (rows(("a?", "$1,000"), ("b?", "1/2"), ("c?", "50%")), "number"),
        (rows(("a?", "18 km"), ("b?", "5")), "open"),
        (rows(("a?", "18"), ("b?", "No")), "yes_no"),
    ],
)
def test_the_family_is_inferred_from_all_rows(given_: list[Row], kind: str) -> None:
    assert answer_kind(given_, "auto", Problems())[0] == kind


def test_a_family_that_is_named_is_kept_and_what_does_not_fit_is_reported() -> None:
    problems = Problems()
    found, kept = answer_kind(
        rows(("a?", "18 km"), ("b?", "2 pi"), ("c?", "six")), "number", problems
    )
    assert (found, [row.answer for row in kept]) == ("number", ["18 km", "2 pi"])
    assert problems.items == [("f line 3", "answer 'six' is not one number (answers=number)")]
    assert answer_kind([with_choices(*CLASSES)], "choice", Problems())[0] == "choice"
    problems = Problems()
    assert answer_kind([with_choices("a", "b")], "nli", problems) == ("nli", [])
    [(_, reason)] = problems.items
    assert reason.startswith("its choices are not entailment, neutral, contradiction, but (A) a")


def test_mixed_answers_are_named_unless_the_kind_is_given() -> None:
    mixed = rows(("a?", "yes"), ("b?", "4"))
    problems = Problems()
    answer_kind(mixed, "auto", problems)
    assert problems.items[0][0] == "f line 2"
    assert "answer '4' is neither yes nor no" in problems.items[0][1]
    assert "set answers=" in problems.items[0][1]
    problems = Problems()
    assert answer_kind(mixed, "open", problems)[1] == mixed
    problems.check()


def test_equal_questions_with_one_answer_are_kept_once_whatever_the_order() -> None:
    a = Row("f line 1", "1", "Is  ice COLD?", "yes", explanation=("b",))
    b = Row("f line 2", "2", "is ice cold?", "yes", explanation=("a",))
    for order in ([a, b], [b, a]):
        found = collect({"pool": order})
        assert [s.question for s in found.samples["pool"]] == ["is ice cold?"]
        assert found.skipped == {"f line 1": "same question as f line 2"}
        assert found.gold[sample_id("is ice cold?")].meta == {"source_id": "2"}


def test_a_question_with_different_answers_is_dropped_in_all_copies(
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = collect({"pool": rows(("a?", "yes"), ("a?", "no"), ("b?", "no"))})
    assert [s.question for s in found.samples["pool"]] == ["b?"]
    assert "different answers (no, yes) in f line 1, f line 2" in found.skipped[sample_id("a?")]
    assert "left out 1" in caplog.text


def test_a_test_question_never_stays_in_the_pool() -> None:
    found = collect({"pool": rows(("a?", "4"), ("b?", "5")), "test": rows(("A?", "4"))})
    assert [s.question for s in found.samples["pool"]] == ["b?"]
    assert [s.question for s in found.samples["test"]] == ["A?"]


def samples(n: int) -> list[Sample]:
    return [Sample(sample_id(f"q{i}?"), f"q{i}?") for i in range(n)]


@given(st.permutations(range(30)), st.integers(1, 10), st.integers(1, 10), st.integers(0, 5))
def test_hash_split_is_a_partition_independent_of_order(
    order: list[int], dev: int, test: int, seed: int
) -> None:
    given_ = samples(30)
    split = hash_split(given_, dev=dev, test=test, split_seed=seed)
    assert split == hash_split([given_[i] for i in order], dev=dev, test=test, split_seed=seed)
    assert [len(part) for part in split] == [30 - dev - test, dev, test]
    assert {s.id for part in split for s in part} == {s.id for s in given_}


def test_a_larger_test_contains_the_smaller_and_leaves_dev() -> None:
    _, dev, test = hash_split(samples(50), dev=5, test=10, split_seed=0)
    _, dev2, test2 = hash_split(samples(50), dev=5, test=20, split_seed=0)
    assert test2[:10] == test
    assert dev2 == dev
    assert hash_split(samples(50), dev=5, test=10, split_seed=1)[2] != test


def test_a_split_that_leaves_no_pool_is_refused() -> None:
    with pytest.raises(DataError, match="leave nothing for the pool: there are 10"):
        hash_split(samples(10), dev=5, test=5, split_seed=0)


def test_official_splits_are_kept_and_limited_by_hash() -> None:
    data = {
        "pool": rows(*((f"p{i}?", "4") for i in range(20))),
        "test": rows(*((f"t{i}?", "4") for i in range(10))),
    }
    got = make_splits(data, n_dev=4, n_test=3, split_seed=0, info=INFO)
    assert {s.question[0] for s in got.test} == {"t"}
    assert {s.question[0] for s in got.pool + got.dev} == {"p"}
    assert [len(got.pool), len(got.dev), len(got.test)] == [16, 4, 3]
    assert got.info["unused"] == {"test": 7}
    back = {split: group[::-1] for split, group in data.items()}
    again = make_splits(back, n_dev=4, n_test=3, split_seed=0, info=INFO)
    assert (again.pool, again.dev, again.test) == (got.pool, got.dev, got.test)
    assert again.info["sha256"] == got.info["sha256"]
    with pytest.raises(DataError, match="n_test=11, but test has 10"):
        make_splits(data, n_dev=4, n_test=11, split_seed=0, info=INFO)


def test_default_sizes_and_too_few_rows() -> None:
    got = make_splits(
        {"pool": rows(*((f"p{i}?", "4") for i in range(50)))},
        n_dev=None,
        n_test=None,
        split_seed=0,
        info=INFO,
    )
    assert [len(got.pool), len(got.dev), len(got.test)] == [35, 5, 10]
    with pytest.raises(DataError, match="too few"):
        make_splits({"pool": rows(("a?", "4"))}, n_dev=None, n_test=None, split_seed=0, info=INFO)


def test_what_is_left_out_becomes_a_warning() -> None:
    data = {"pool": rows(*((f"p{i}?", "4") for i in range(20)), ("a?", "yes"), ("a?", "no"))}
    info = {**INFO, "warnings": ["an earlier one"]}
    got = make_splits(data, n_dev=2, n_test=2, split_seed=0, info=info)
    earlier, warning = got.info["warnings"]
    assert earlier == "an earlier one"
    assert warning.startswith("left out 1 duplicates or contradictions of 22 rows; the first: ")
    assert "different answers (no, yes)" in warning
    del data["pool"][-2:]
    assert make_splits(data, n_dev=2, n_test=2, split_seed=0, info=INFO).info["warnings"] == []


def test_a_pool_made_of_copies_of_dev_and_test_is_said_plainly() -> None:
    data = {
        "pool": rows(("a?", "4"), ("b?", "4")),
        "dev": rows(("a?", "4")),
        "test": rows(("B?", "4")),
    }
    for n in (None, 1):
        with pytest.raises(DataError, match="none of the 2 rows of the pool is left") as caught:
            make_splits(data, n_dev=n, n_test=n, split_seed=0, info=INFO)
        assert "the first: f line 2: same question as f line 1" in str(caught.value)
        assert "n_dev=" not in str(caught.value)


def test_content_hash_changes_with_answer_and_explanation() -> None:
    def digest(answer: str, *steps: str) -> str:
        return content_sha256(collect({"pool": [Row("f", "1", "a?", answer, (), steps)]}).gold)

    assert len({digest("4"), digest("5"), digest("4", "x"), digest("4", "y")}) == 4
    assert digest("4", "x") == digest("4", "x")


def test_no_split_asks_a_question_of_another_whatever_the_choices() -> None:
    def row(n: int, question: str, *options: str) -> Row:
        choices = tuple(Choice(label, text) for label, text in zip("AB", options, strict=True))
        return Row(f"f line {n}", str(n), question, "A", choices)

    pool = [row(n, f"Which one, {n}?", "this", "that") for n in range(40)]
    again = [row(90, " which ONE, 3?", "yes", "no"), row(91, "Which one, 4?", "yes", "no")]
    official = make_splits(
        {"pool": pool, "dev": [again[0], row(92, "What else?", "x", "y")], "test": again[1:]},
        n_dev=None,
        n_test=None,
        split_seed=0,
        info={"name": "x"},
    )
    assert len(official.pool) == 38
    assert "2 questions that another split asks with other choices" in official.info["warnings"][0]
    assert sorted(official.info["skipped"].values()) == [
        "dev has the same question with other choices",
        "test has the same question with other choices",
    ]
    splits = make_splits(
        {"pool": [*pool, *again]}, n_dev=5, n_test=10, split_seed=0, info={"name": "x"}
    )
    asked = [
        {normalise(s.question) for s in part} for part in (splits.pool, splits.dev, splits.test)
    ]
    assert not asked[0] & asked[1]
    assert not asked[0] & asked[2]
    assert not asked[1] & asked[2]
