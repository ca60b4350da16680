"""When two steps assert the same."""

import math

import numpy as np
import pytest

from elad_exp.selectors.content import by_facts, by_meaning, by_text, step_content
from elad_exp.types import Choice, Explanation, Sample

QUESTION = Sample("q", "Is Ada older than Bo?")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The height of Ada is 1,200 m.", "Ada has a height of 1200.0 metres"),
        ("So Ada comes first.", "ADA comes first"),
        ("It is less.", "it  is less."),
        ("Ada isn't 5.", "Ada is not 5."),
    ],
)
def test_facts_agree(one, other):
    assert len(set(by_facts(QUESTION, [one, other])([one, other]))) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada is older than Bo.", "Bo is older than Ada."),
        ("Ada is coastal.", "Ada is not coastal."),
        ("Ada has 3.", "Ada has -3."),
        ("Ada has 3.5.", "Ada has 35."),
        ("it is less.", "it is more."),
    ],
)
def test_facts_differ(one, other):
    assert len(set(by_facts(QUESTION, [one, other])([one, other]))) == 2


def test_a_capital_that_opens_a_sentence_is_no_fact_by_itself():
    def apart(*texts, asked="Is it so?", more=()):
        return len(set(by_facts(Sample("q", asked), [*texts, *more])(texts)))

    assert apart("People need water.", "People need food.") == 2
    # A name, if it stands capitalised inside a sentence of the question or of another step ...
    assert apart("Ada lives.", "Ada is not dead. Ada lives", asked="Is Ada dead?") == 2
    assert apart("Ada is alive.", "Ada lives.", asked="Is Ada alive?") == 1
    assert apart("Ada is alive.", "Ada lives.", more=["So Ada wins"]) == 1
    # ... no name, if it stands there in lower case ...
    assert apart("Legs: 3.", "It has 3 legs.") == 1
    # ... else it tells apart what other facts do not.
    assert apart("Ada has 3.", "Bo has 3.") == 2


def test_step_content_aligns_steps_and_counts_the_missing():
    ada, bo = "Ada is 3.", "Bo is 4."
    agree = [Explanation.of([ada, bo], "yes")] * 2
    half = [Explanation.of([ada, bo], "yes"), Explanation.of(["Ada equals 3."], "no")]
    group = by_facts(QUESTION, [ada, bo, "Ada equals 3."])
    assert step_content(agree, group) == 0
    assert step_content(half, group) == pytest.approx(math.log(2) / 2)
    assert step_content(half, by_text) == pytest.approx(math.log(2))
    assert step_content([Explanation.of([], "yes")] * 2, by_text) is None


def at(degrees):
    return np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))], np.float32)


def groups(vectors, *, sample=QUESTION, distance=0.15):
    """Which of the texts share a symbol, by the index of the first that has it."""
    symbols = list(by_meaning(sample, vectors, distance=distance)(list(vectors)))
    return [symbols.index(symbol) for symbol in symbols]


def test_near_texts_without_facts_share_a_group():
    vectors = {"it is heavy": at(0), "it weighs much": at(20), "it is light": at(90)}
    assert groups(vectors) == [0, 0, 2]
    assert groups(vectors, distance=0.01) == [0, 1, 2]
    assert groups(vectors, distance=2) == [0, 0, 0]


def test_linkage_is_average():
    # 1 - cos: 0.13 between neighbours, 0.5 between the ends; the mean to the pair is 0.32.
    vectors = {"a": at(0), "b": at(30), "c": at(60.1)}
    assert groups(vectors, distance=0.3) == [0, 0, 2]
    assert groups(vectors, distance=0.35) == [0, 0, 0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("it has 3 legs", "it has 4 legs"),
        ("it is so", "it is not so"),
        ("then Ada wins", "then Bo wins"),
        ("Ada wins", "Bo wins"),
        ("so Ada beats Bo", "so Bo beats Ada"),
    ],
)
def test_texts_of_different_facts_never_share_a_group(one, other):
    assert groups({one: at(0), other: at(0)}, distance=2) == [0, 1]


def test_a_capital_that_opens_a_sentence_makes_no_name():
    assert groups({"Llamas carry a year": at(0), "A llama does so a year": at(1)}) == [0, 0]
    # ... unless the word is a name elsewhere: in the question, its choices, or another text.
    of_choices = Sample("q", "Which?", (Choice("A", "the Llamas"), Choice("B", "none")))
    split = {"Llamas win": at(0), "A llama wins": at(1)}
    assert groups(split, sample=of_choices) == [0, 1]
    assert groups(split | {"see the Llamas": at(90)}) == [0, 1, 2]


def test_repeated_texts_count_once_in_the_linkage():
    vectors = {"a": at(0), "b": at(30)}
    group = by_meaning(QUESTION, vectors, distance=0.15)
    first, *others, last = group(["a", "a", "a", "b"])
    assert {first, *others, last} == {first}


def test_step_content_by_meaning():
    vectors = {"it is heavy": at(0), "it weighs much": at(20), "it is light": at(90)}
    said = [Explanation.of([text], "yes") for text in vectors]
    group = by_meaning(QUESTION, vectors, distance=0.15)
    assert step_content(said[:2], group) == 0
    assert step_content(said[1:], group) == pytest.approx(math.log(2))
