"""Answers of texts: a class, or quoted entities."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elad_exp.entities import from_answer, mentions, problem_of, to_answer
from elad_exp.tasks.entity_answers import Entities
from elad_exp.tasks.label import OneLabel
from elad_exp.types import Sample
from tests.unit.test_entities import TEXTS, marked

CLASSES = ("sports", "science/technology", "oos", "oos in scope", "C++", "not a topic")
ANY = Sample("s", "Ada Lovelace left Paris for Rome ; Paris slept .")
TYPES = ("PER", "LOC")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        *(("sports", "sports"), ("**Sports.**", "sports"), ("the answer is sports", "sports")),
        *((" Science/Technology ", "science/technology"), ("C++", "C++"), ("c++", "C++")),
        *(("not a topic", "not a topic"), ("oos", "oos"), ("oos in scope", "oos in scope")),
        *(("sports, it is about a match", "sports"), ("sports (a match)", "sports")),
        *(("sports because of the match", "sports"), ("oos in scope: so", "oos in scope")),
        *(("sports, or oos", None), ("sports or oos", None), ("sports is wrong", None)),
        *(("probably sports", None), ("sportsmen", None), ("sports news", None), ("", None)),
        *(("politics", None), ("not sports", None)),
    ],
)
def test_classes(text: str, wanted: str | None) -> None:
    assert OneLabel(CLASSES).read(ANY, text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        *(("天气。", "天气"), ("“天气”", "天气"), ("「天气」！", "天气"), ("【天气】", "天气")),
        *(("天气，因为下雨了", "天气"), ("天气：下雨了", "天气"), ("天气（下雨）", "天气")),
        *(("the answer is：天气", "天气"), ("天气预报；明天", "天气预报"), ("oos。", "oos")),
        *(("天气，或者交通", None), ("天气，不是交通", None), ("天气，不对", None)),
        *(("天气。这是错的", None), ("天气员", None), ("大概天气", None), ("。", None)),
    ],
)
def test_classes_between_full_width_marks(text: str, wanted: str | None) -> None:
    assert OneLabel(("天气", "天气预报", "交通", "oos")).read(ANY, text) == wanted


@given(st.lists(st.text(st.sampled_from("aAb.;: -+ß：天。"), min_size=1), unique=True), TEXTS)
def test_every_class_is_read_as_itself_and_any_text_as_a_class_or_none(
    names: list[str], text: str
) -> None:
    classes = [name for name in names if name == " ".join(name.split())]
    labels = OneLabel(classes)
    assert [labels.read(ANY, name) for name in classes] == classes
    assert labels.read(ANY, text) in (*classes, None)
    assert all(labels.check(ANY, name) is None for name in classes)


def test_classes_that_differ_in_case_alone_are_told_apart() -> None:
    labels = OneLabel(["US", "us", "other"])
    assert [labels.read(ANY, text) for text in ("US", "us", "Us", "OTHER")] == [
        "US",
        "us",
        None,
        "other",
    ]


def test_an_unknown_class_is_named_with_the_known_ones() -> None:
    assert OneLabel(["a", "b"]).check(ANY, "c") == "label 'c' is not one of a, b"
    assert OneLabel([str(i) for i in range(12)]).check(ANY, "c") == (
        "label 'c' is not one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"
    )
    assert OneLabel().check(ANY, "c") is None
    assert "one line" in str(OneLabel().check(ANY, "a\nb"))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "PER: Ada Lovelace; LOC: Paris; LOC: Rome",
            '[["PER",0,12],["LOC",18,23],["LOC",28,32]]',
        ),
        ("LOC:Rome;PER:Ada Lovelace;", '[["PER",0,12],["LOC",28,32]]'),
        *(("none", "[]"), ("None.", "[]"), ('loc: "Rome".', '[["LOC",28,32]]')),
        *(("LOC: Rome.", '[["LOC",28,32]]'), ('[["LOC",28,32]]', '[["LOC",28,32]]')),
        ('LOC: "Rome ; Paris"', '[["LOC",28,40]]'),
        *(("LOC: Berlin", None), ("PER: Ada Lovelace; PER: Ada", None), ("CITY: Rome", None)),
        *(("Rome", None), ("", None), (";", None), ("LOC:", None), ('LOC: "Rome', None)),
        *(("LOC: Rome; oh", None), ('LOC: "\\x"', None), ("[[1]]", None), ('[["LOC",0,2]]', None)),
    ],
)
def test_entities(text: str, wanted: str | None) -> None:
    assert Entities(TYPES).read(ANY, text) == wanted


BEIJING = Sample("s", "李明离开北京；“到了”上海了。")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("PER：李明；LOC：北京；LOC：上海。", '[["PER",0,2],["LOC",4,6],["LOC",11,13]]'),
        ("LOC：“北京”。", '[["LOC",4,6]]'),
        ('LOC："北京"。；loc: 「上海」', '[["LOC",4,6],["LOC",11,13]]'),
        ('LOC: "北京；“到了”"', '[["LOC",4,11]]'),
        *(("none。", "[]"), ("LOC：广州", None), ("LOC：；", None), ("北京", None)),
    ],
)
def test_entities_between_full_width_marks(text: str, wanted: str | None) -> None:
    family = Entities(TYPES, "characters")
    assert family.read(BEIJING, text) == wanted
    if wanted is not None:
        assert family.read(BEIJING, family.write(BEIJING, wanted)) == wanted


@given(marked())
def test_what_is_written_is_read_with_the_same_texts_and_types(
    case: tuple[str, str, tuple[object, ...]],
) -> None:
    text, by, spans = case
    sample, family = Sample("s", text), Entities(TYPES, by)
    answer = to_answer(spans)  # type: ignore[arg-type]
    assert family.check(sample, answer) is None
    assert family.read(sample, answer) == answer
    read = family.read(sample, family.write(sample, answer))
    if read is not None:  # an occurrence that is not meant may take the place of one that is
        found = from_answer(read)
        assert problem_of(text, found, by) == ""
        want = [(m.split(), k) for m, k in mentions(text, from_answer(answer))]
        assert sorted((m.split(), k) for m, k in mentions(text, found)) == sorted(want)


@given(TEXTS, TEXTS)
def test_any_answer_about_any_text_is_read(text: str, answer: str) -> None:
    sample = Sample("s", text)
    for said in (answer, f"A: {answer}", f'A: "{answer}"; A: {text}'):
        read = Entities(("A",)).read(sample, said)
        assert read is None or Entities(("A",)).check(sample, read) is None


def test_gold_that_is_no_answer_is_named() -> None:
    family = Entities(("PER",))
    assert "no list of" in str(family.check(ANY, "PER"))
    assert family.check(ANY, '[["LOC",28,32]]') == "entity type 'LOC' is not one of PER"
    assert "does not begin and end with a token" in str(family.check(ANY, '[["PER",0,2]]'))
    assert "not in canonical form" in str(family.check(ANY, '[["PER", 0, 3]]'))
