"""Records in the columns of the hub become rows of our schema; the questions are made up."""

from __future__ import annotations

from typing import Any

import pytest

from elad_exp.data import ecqa
from elad_exp.data.layouts import LAYOUTS, mapped, recognised
from elad_exp.data.rows import Problems, Row, parse_row
from elad_exp.errors import ConfigError, DataError
from elad_exp.types import Choice

GSM8K = {
    "question": "Ann has 3 bags of 400 nuts. How many nuts has she?\n",
    "answer": "She has 3*400=<<3*400=1200>>1200 nuts.\nThat is all.\n#### 1,200",
}
AQUA = {
    "question": "What is 7 times 3?",
    "options": ["A)21", "B) 20 ", "c)2(1)", "D)-1", "E)none"],
    "rationale": "7 * 3\n\n = 21\nAnswer: A",
    "correct": "A",
}
CSQA = {
    "id": "x1",
    "question": "Where is money kept?",
    "question_concept": "money",
    "choices": {"label": ["A", "B"], "text": ["bank", " sea "]},
    "answerKey": "A",
}
ARC = {
    "id": "M_1",
    "question": "What is hot?",
    "choices": {"text": ["ice", "fire", "snow"], "label": ["1", "2", "3"]},
    "answerKey": "2",
}
ANLI = {"uid": "u1", "premise": "A man eats.", "hypothesis": "He sleeps.", "label": 2, "reason": ""}
ESNLI = {
    "premise": "A man eats.",
    "hypothesis": "A person eats.",
    "label": 0,
    "explanation_1": "A man is a person.",
    "explanation_2": "",
    "explanation_3": "Same act.",
}
RECORDS: dict[str, dict[str, Any]] = {
    "gsm8k": GSM8K,
    "aqua": AQUA,
    "commonsenseqa": CSQA,
    "arc": ARC,
    "anli": ANLI,
    "esnli": ESNLI,
}


def row(name: str, **change: Any) -> Row:
    return parse_row(LAYOUTS[name].row(RECORDS[name] | change), "f row 1")


def test_gsm8k_lines_are_steps_without_notes_and_the_result_without_commas() -> None:
    got = row("gsm8k")
    assert got.question == "Ann has 3 bags of 400 nuts. How many nuts has she?"
    assert got.explanation == ("She has 3*400=1200 nuts.", "That is all.")
    assert (got.answer, got.choices) == ("1200", ())
    assert got.meta == {"calculator": [["3*400=1200"], []], "raw_answer": "1,200"}


def test_aqua_options_lose_their_letters_and_lines_are_steps() -> None:
    got = row("aqua")
    texts = [(c.label, c.text) for c in got.choices]
    assert texts == [("A", "21"), ("B", "20"), ("C", "2(1)"), ("D", "-1"), ("E", "none")]
    assert (got.answer, got.explanation) == ("A", ("7 * 3", "= 21", "Answer: A"))


def test_commonsenseqa_reads_both_forms_of_choices() -> None:
    want = (Choice("A", "bank"), Choice("B", "sea"))
    listed = [{"label": "A", "text": "bank"}, {"label": "B", "text": "sea"}]
    assert row("commonsenseqa").choices == row("commonsenseqa", choices=listed).choices == want
    assert (row("commonsenseqa").source_id, row("commonsenseqa").answer) == ("x1", "A")
    assert row("commonsenseqa").meta == {"concept": "money"}


def test_arc_labels_are_letters_by_position() -> None:
    got = row("arc")
    assert [c.label for c in got.choices] == ["A", "B", "C"]
    assert got.choices[1].text == "fire"
    assert (got.answer, got.explanation) == ("B", ())


def test_nli_pairs_are_questions_with_three_choices() -> None:
    got = row("anli")
    ask = "Does the premise entail the hypothesis, contradict it, or neither?"
    assert got.question == f"Premise: A man eats.\nHypothesis: He sleeps.\n{ask}"
    assert [c.text for c in got.choices] == ["entailment", "neutral", "contradiction"]
    assert (got.answer, got.explanation, got.source_id) == ("C", (), "u1")
    assert row("anli", label="neutral", reason="Who knows?").explanation == ("Who knows?",)
    got = row("esnli")
    assert (got.answer, got.explanation) == ("A", ("A man is a person.",))
    assert got.meta["explanations"] == ["A man is a person.", "Same act."]


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("gsm8k", {"answer": "12"}, "its last line, and no other, must begin with ####"),
        ("gsm8k", {"answer": "#### 1\nmore"}, "must begin with ####"),
        ("gsm8k", {"answer": "a\n#### "}, "answer is empty"),
        ("gsm8k", {"question": None}, "question: a string is expected, not NoneType"),
        ("aqua", {"options": "A)1"}, "options: a list is expected, not str"),
        ("aqua", {"options": ["A)1", "2"]}, "option 2: '2' does not begin with a letter and )"),
        ("aqua", {"options": ["A)1", "B)"]}, "choice 2, text is empty"),
        ("aqua", {"correct": "F"}, "answer 'F' is not among the choices A, B, C, D, E"),
        ("commonsenseqa", {"answerKey": ""}, "this split has no public answers"),
        ("commonsenseqa", {"choices": ["a", "b"]}, "labels and texts are expected"),
        ("commonsenseqa", {"choices": {"label": ["A"], "text": []}}, "lists of one length"),
        ("commonsenseqa", {"choices": [{"text": "a"}, {"text": "b"}]}, "choice 1, label: a string"),
        ("arc", {"answerKey": "4"}, "answerKey '4' is not among the choices 1, 2, 3"),
        ("arc", {"answerKey": ""}, "this split has no public answers"),
        ("anli", {"label": -1}, "label -1 is none of 0, 1, 2, entailment, neutral, contradiction"),
        ("anli", {"label": True}, "label True is none of"),
        ("esnli", {"label": [0]}, r"label \[0\] is none of"),
        ("esnli", {"hypothesis": " "}, "hypothesis is empty"),
    ],
)
def test_what_is_wrong_is_named(name: str, change: dict[str, Any], reason: str) -> None:
    with pytest.raises(DataError, match=reason.replace(")", r"\)").replace("(", r"\(")):
        row(name, **change)


def test_missing_columns_are_named_with_what_was_found() -> None:
    with pytest.raises(DataError, match=r"no column options, rationale, correct \(found: question"):
        LAYOUTS["aqua"].row(GSM8K)
    with pytest.raises(DataError, match="a record with columns is expected, not list"):
        LAYOUTS["aqua"].row([])


def test_a_layout_is_recognised_by_its_columns() -> None:
    for name, record in RECORDS.items():
        found = recognised(record)
        assert found is not None
        assert found.name == name
    own = {"question": "a?", "answer": "4"}
    assert recognised(own) is None
    assert recognised({**GSM8K, "explanation": []}) is None
    assert recognised({"text": "a"}) is None
    # Our schema needs both of its columns: more columns do not make a record ours.
    for name in ("aqua", "arc", "anli"):
        found = recognised({**RECORDS[name], "meta": {}, "explanation": ""})
        assert found is LAYOUTS[name]


def test_an_option_without_a_letter_is_refused() -> None:
    labels = [str(i) for i in range(27)]
    with pytest.raises(DataError, match="27 choices; at most 26 can be"):
        row("arc", choices={"label": labels, "text": labels})


def columns(record: dict[str, Any], **names: str) -> dict[str, Any]:
    return mapped({"question": "q", "answer": "a"} | names).row(record)


@pytest.mark.parametrize(
    ("answer", "choices", "want"),
    [
        ("B", ["x", "y"], "B"),
        (1, ["x", "y"], "B"),
        ("y", ["x", "y"], "B"),
        ("2", {"label": ["1", "2"], "text": ["x", "y"]}, "2"),
        (2, {"label": ["1", "2"], "text": ["x", "y"]}, "2"),
        (True, None, "yes"),
        (3.5, None, "3.5"),
        ("open", [], "open"),
    ],
)
def test_mapped_answers(answer: Any, choices: Any, want: str) -> None:
    assert columns({"q": "?", "a": answer, "c": choices}, choices="c")["answer"] == want


def test_mapped_columns_and_steps() -> None:
    record = {"q": "Is ice cold?", "a": False, "e": "It is. It melts.\nSo no.", "n": 7}
    got = parse_row(columns(record, explanation="e", id="n"), "f row 1")
    assert (got.answer, got.source_id) == ("no", "7")
    assert got.explanation == ("It is. It melts.", "So no.")
    for written in ("It is. It melts.", "1. It is.\n2. It melts.", "- It is.\n- It melts."):
        got = parse_row(columns(record | {"e": written}, explanation="e", id="n"), "f row 1")
        assert got.explanation == ("It is.", "It melts.")
    assert columns(record | {"e": ["a. b.", ""]}, explanation="e")["explanation"] == ["a. b."]


@pytest.mark.parametrize(
    ("answer", "choices", "reason"),
    [
        (2, ["x", "y"], r"answer 2 is no position among 2 choices \(from 0\)"),
        ("z", ["x", "y"], "answer 'z' is neither a label nor the text of exactly one choice"),
        ("x", ["x", "x"], "nor the text of exactly one choice"),
        ("x", 3, "labels and texts are expected"),
        (
            0,
            {"label": ["1", "2", "3"], "text": ["x", "y", "z"]},
            "answer 0 is none of the labels 1, 2, 3",
        ),
    ],
)
def test_mapped_answers_that_mean_nothing(answer: Any, choices: Any, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        columns({"q": "?", "a": answer, "c": choices}, choices="c")


def test_a_mapping_of_columns_is_checked() -> None:
    with pytest.raises(ConfigError, match=r"dataset\.columns\.answer is not set"):
        mapped({"question": "q", "answer": None})
    with pytest.raises(ConfigError, match=r"dataset\.columns: quest is not one of question, ans"):
        mapped({"question": "q", "answer": "a", "quest": "b"})


ECQA = {
    "q_text": "Where is  money kept?",
    **{f"q_op{i}": text for i, text in enumerate(["Sea", "bank", "c", "d", "e"], 1)},
    "q_ans": "bank",
    "taskB": "A bank is safe. Money is kept there.\nSo it is.",
}


def test_ecqa_is_joined_by_question_options_and_answer() -> None:
    texts = ["bank", "sea", "c", "d", "e"]
    choices = tuple(Choice(label, text) for label, text in zip("ABCDE", texts, strict=True))
    mine = Row("f", "1", "where is money kept?", "A", choices)
    problems = Problems()
    known = ecqa.explanations([("f row 1", ECQA)], problems)
    problems.check()
    steps = ("A bank is safe.", "Money is kept there.", "So it is.")
    assert ecqa.explained(mine, known).explanation == steps
    other = Row("f", "1", "where is money kept?", "B", choices)
    assert ecqa.explained(other, known) == other
    ecqa.explanations([("f row 7", {"q_text": "a", "taskB": "b"}), ("f row 8", 3)], problems)
    with pytest.raises(DataError, match=r"row 7: ECQA: no column q_op1, .* \(found: q_text, taskB"):
        problems.check()
    assert problems.items[1][0] == "f row 8"
