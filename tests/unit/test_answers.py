"""The families of closed answers: what is read as which answer, and what as none."""

from __future__ import annotations

import inspect
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elad_exp.errors import ConfigError
from elad_exp.tasks import choice, nli, number, yes_no
from elad_exp.tasks.families import FAMILIES, family
from elad_exp.tasks.reasoning import ReasoningTask
from elad_exp.types import Choice, Sample


def asked(*texts: str, labels: str = "ABCDE") -> Sample:
    choices = tuple(Choice(label, text) for label, text in zip(labels, texts, strict=False))
    return Sample("s", "What is it?", choices)


SAMPLES = {
    "yes_no": asked(),
    "choice": asked("18", "21", "a bank"),
    "number": asked(),
    "nli": asked("entailment", "neutral", "contradiction"),
    "open": asked(),
}
MODULES = {"yes_no": yes_no, "choice": choice, "number": number, "nli": nli}


def documented(kind: str) -> list[tuple[str, str | None]]:
    """The worked examples of a family's docstring: `Answer: TEXT   CANONICAL: remark`."""
    text = inspect.getdoc(MODULES[kind]) or ""
    found = re.findall(r"^\s*Answer: (.+?)(?:\s{2,}| (?=[ABC]$))(.+?)(?::\s.*)?$", text, re.M)
    return [(answer, None if wanted == "None" else wanted) for answer, wanted in found]


@pytest.mark.parametrize("kind", MODULES)
def test_the_examples_in_the_documentation_are_read_as_it_says(kind: str) -> None:
    examples = documented(kind)
    assert len(examples) >= 7
    for text, wanted in examples:
        assert FAMILIES[kind].read(SAMPLES[kind], text) == wanted, text


@pytest.mark.parametrize(
    ("kind", "text", "wanted"),
    [
        *(("yes_no", "yes。", "yes"), ("yes_no", "no，因为", "no"), ("yes_no", "“no” idea", None)),
        *(("choice", "（B）", "B"), ("choice", "B：21", "B"), ("choice", "B。", "B")),
        *(("choice", "21。", "B"), ("choice", "B。C。", None), ("choice", "B，这不对", None)),
        *(("choice", "B，不是：C", None), ("nli", "neutral。", "B"), ("nli", "B，不是。", None)),
    ],
)
def test_full_width_marks_are_read_as_the_others(kind: str, text: str, wanted: str | None) -> None:
    assert FAMILIES[kind].read(SAMPLES[kind], text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        *(("YES!", "yes"), ("(no)", "no"), ('"Yes"', "yes"), ("`no`", "no"), ("FALSE", "no")),
        *(("yes - as said", "yes"), ("so the answer is no.", "no"), ("yes, that is true", "yes")),
        *(("yes and no", None), ("no: true", None), ("yesterday", None), ("not yes", None)),
        *(("No idea", None), ("No answer", None), ("no one knows", None), ("No clue.", None)),
        *(("no information is given", None), ("No way to tell", None), ("no, one cannot", "no")),
        *(("No. Nobody did", "no"), ("no because llamas live longer", "no"), ("no they do", "no")),
        *(("**No** idea", None), ("no-one knows", None), ("no doubt", None), ("no problem", None)),
        *(
            ("yes it is", "yes"),
            ("", None),
            ("?", None),
            ("maybe", None),
            ("yes/no", None),
            ("1", None),
        ),
    ],
)
def test_yes_and_no(text: str, wanted: str | None) -> None:
    assert FAMILIES["yes_no"].read(SAMPLES["yes_no"], text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        *(("B", "B"), ("(B)", "B"), ("B)", "B"), ("b.", "B"), ("**B**", "B"), ("[b]", "B")),
        *(("option B", "B"), ("Option (B)", "B"), ("The correct answer is: B.", "B")),
        *(("B. 21", "B"), ("B: because 7 * 3 is it", "B"), ("B 21", "B"), ("B since", "B")),
        *(("18", "A"), (" 18. ", "A"), ("A  BANK", "C"), ("a bank", "C"), ("C) a bank", "C")),
        *(("a) 21", "A"), ("A. 21", "A"), ("B. not A, as one may think", None)),
        *(("B, no: A", None), ("A/B", None), ("B. Or is it option C after all?", None)),
        *(("a 21", None), ("A bank", "C"), ("19", None), ("E", None), ("", None)),
        *(("neither", None), ("A and B", None), ("AB", None), ("c is it", None)),
    ],
)
def test_choices(text: str, wanted: str | None) -> None:
    assert FAMILIES["choice"].read(SAMPLES["choice"], text) == wanted


def test_equal_texts_of_two_choices_name_none_but_their_labels_do() -> None:
    sample = asked("home", "office", "Home.")
    read = FAMILIES["choice"].read
    assert read(sample, "the home") is None
    assert [read(sample, "home"), read(sample, "HOME."), read(sample, "'home'!")] == ["A", "C", "A"]
    assert [read(sample, "C. home"), read(sample, "office")] == ["C", "B"]
    assert read(asked("home", "home"), "home") is None


def test_texts_that_differ_in_case_or_a_point_alone_are_told_apart() -> None:
    read = FAMILIES["choice"].read
    genes = asked("Tt or tt", "TT or Tt", "TT only")
    assert [read(genes, c.text) for c in genes.choices] == ["A", "B", "C"]
    tenths = asked(".5", "5", "0.5%")
    assert [read(tenths, c.text) for c in tenths.choices] == ["A", "B", "C"]
    assert read(tenths, "A .5") == "A"


def test_a_label_comes_before_the_text_of_a_choice() -> None:
    carbon = asked("C", "H", "O")
    assert FAMILIES["choice"].read(carbon, "C") == "C"
    digits = asked("3", "1", "2", labels="123")
    assert FAMILIES["choice"].read(digits, "2") == "2"
    assert FAMILIES["choice"].read(digits, "2. It is 3.5 m long") == "2"


@pytest.mark.parametrize(
    "labels", [("A", "B", "C"), ("1", "2", "3"), ("Answer", "Option", "Choice"), ("-", "_", "~")]
)
def test_every_label_is_read_as_itself(labels: tuple[str, ...]) -> None:
    sample = Sample("s", "?", tuple(Choice(label, "text") for label in labels))
    assert [FAMILIES["choice"].read(sample, label) for label in labels] == list(labels)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        *(("A company would use it", None), ("A big dog", None), ("B is not the answer", None)),
        *(("A is wrong, C is right", None), ("B is wrong", None), ("B isn't right", None)),
        *(("(B) is incorrect", None), ("B: wrong", None), ("B, not correct", None)),
        *(("B cannot be right", None), ("B is it", None), ("I think so", None)),
        *(("B is right", "B"), ("B is the answer", "B"), ("B is correct.", "B")),
        *(("B is the correct answer", "B"), ("B because 7 * 3 is not 18", "B")),
        *(("B, since A is wrong", "B"), ("**B** is the right choice", "B"), ("B: not all go", "B")),
        *(("Option B is right because it is not small", "B"), ("A is right", "A")),
    ],
)
def test_a_letter_that_begins_a_sentence_is_no_label_unless_it_says_so(
    text: str, wanted: str | None
) -> None:
    assert FAMILIES["choice"].read(SAMPLES["choice"], text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        *(("1.75", None), ("1,000", None), ("3.0", None), ("1.5", "1"), ("30.0", None)),
        *(("2.5", "2"), ("30", "3"), ("3. 30", "3"), ("1, since it is", "1"), ("(2) 2.5", "2")),
        *(("1.", "1"), ("2,5", None), ("3.", "3"), ("1:1.5", "1")),
    ],
)
def test_a_label_that_is_a_number_does_not_begin_a_longer_one(
    text: str, wanted: str | None
) -> None:
    assert FAMILIES["choice"].read(asked("1.5", "2.5", "30", labels="123"), text) == wanted


WORDS = Sample("s", "?", tuple(Choice(name, "") for name in nli.CLASSES))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        *(("Entailment", 0), ("entails", 0), ("The premise entails the hypothesis.", 0)),
        *(("neutral", 1), ("Neither.", 1), ("neither entailment nor contradiction", 1)),
        *(("It neither contradicts nor entails it.", 1), ("neither, but a contradiction", None)),
        *(("contradictory", 2), ("a contradiction", 2), ("Contradicted", 2)),
        *(("entailment or neutral", None), ("contradiction, no: neutral", None)),
        *(("neutral, since it is not stated", 1), ("contradiction because he is not asleep", 2)),
        *(("Entailment: no other reading is possible", 0), ("it cannot be entailed", None)),
        *(("neutral is wrong", None), ("contradiction is not right", None)),
        *(("not neutral", None), ("non-neutral", None), ("no contradiction, it says so", None)),
        *(("does not contradict", None), ("isn't entailed", None), ("yes", None), ("", None)),
    ],
)
def test_inference_by_words_whatever_the_labels(text: str, wanted: int | None) -> None:
    for sample in (SAMPLES["nli"], WORDS):
        label = None if wanted is None else sample.choices[wanted].label
        assert FAMILIES["nli"].read(sample, text) == label


def test_inference_by_label() -> None:
    read, sample = FAMILIES["nli"].read, SAMPLES["nli"]
    assert [read(sample, x) for x in ("b", "(C)", "A. entailment")] == ["B", "C", "A"]
    assert [read(sample, x) for x in ("B. No, wait: C", "A or B: neutral")] == [None, None]


def test_inference_with_the_classes_in_another_order() -> None:
    sample = asked("contradiction", "Entailment", "neutral")
    assert FAMILIES["nli"].read(sample, "it entails") == "B"


@pytest.mark.parametrize(
    ("kind", "answer", "reason"),
    [
        ("yes_no", "No", None),
        ("yes_no", "true", "answer 'true' is neither yes nor no"),
        ("choice", "B", None),
        ("choice", "b", "answer 'b' is not among the choices A, B, C"),
        ("number", "$1,000", None),
        ("number", "2 pi", None),
        ("number", "five", "answer 'five' is not one number"),
        ("number", "1/0", "answer '1/0' is not one number"),
        ("nli", "C", None),
        ("nli", "neutral", "answer 'neutral' is not among the choices A, B, C"),
        ("open", "anything", None),
    ],
)
def test_gold_answers_that_do_not_fit_say_why(kind: str, answer: str, reason: str | None) -> None:
    assert FAMILIES[kind].check(SAMPLES[kind], answer) == reason


def test_inference_needs_its_three_classes() -> None:
    reason = FAMILIES["nli"].check(asked("entailment", "neutral"), "A")
    assert reason is not None
    assert reason.endswith("contradiction, but (A) entailment, (B) neutral")


def test_labels_are_the_closed_set() -> None:
    found = {kind: FAMILIES[kind].labels(sample) for kind, sample in SAMPLES.items()}
    letters = ("A", "B", "C")
    assert found == {
        "yes_no": ("yes", "no"),
        "choice": letters,
        "number": None,
        "nli": letters,
        "open": None,
    }


def test_a_question_with_choices_is_answered_by_one_whatever_the_family_of_the_others() -> None:
    task = ReasoningTask(name="t", answers="yes_no")
    assert [task.kind(SAMPLES["choice"]), task.kind(SAMPLES["yes_no"])] == ["choice", "yes_no"]
    assert task.labels(SAMPLES["choice"]) == ("A", "B", "C")
    assert ReasoningTask(name="t", answers="nli").kind(SAMPLES["nli"]) == "nli"


def test_unknown_families_and_those_not_known_yet_are_refused() -> None:
    with pytest.raises(ConfigError, match="answers='yesno' is not one of auto, yes_no, choice"):
        ReasoningTask(name="t", answers="yesno")
    task = ReasoningTask(name="t", answers="auto")
    with pytest.raises(ConfigError, match="known when the data is loaded"):
        task.labels(SAMPLES["yes_no"])
    assert family("open").kind == "open"


WORDS_AND_MARKS = (
    "yes no true A B (C) ) . , : option or not the answer is neither entails nor contradiction "
    "neutral 18 21 a bank ** \\boxed{ } $ 1/2 % - ="
)
PIECES = st.sampled_from([*WORDS_AND_MARKS.split(), "\n"])
TEXTS = st.text(max_size=40) | st.lists(PIECES, max_size=8).map(" ".join)


@pytest.mark.parametrize("kind", FAMILIES)
@given(text=TEXTS)
def test_reading_never_fails_and_what_it_gives_is_read_as_itself(kind: str, text: str) -> None:
    kind_of, sample = FAMILIES[kind], SAMPLES[kind]
    answer = kind_of.read(sample, text)
    if answer is None:
        return
    labels = kind_of.labels(sample)
    assert labels is None or answer in labels
    assert kind_of.read(sample, answer) == answer
    assert kind_of.read(sample, f" {answer}\n") == answer
    if labels is not None:
        assert [kind_of.same(sample, answer, right) for right in labels].count(True) == 1
