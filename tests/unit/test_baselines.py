"""What EvoKD is compared with: EDA, AugGPT, ZeroGen, LLM-DA."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from elad_exp.budget.store import Store
from elad_exp.entities import from_answer, mentions, problem_of, tokens
from elad_exp.errors import ConfigError, DataError
from elad_exp.tasks.bulletin.entities import BulletinEntitiesTask
from elad_exp.teachers.annotator import Lesson
from elad_exp.teachers.lessons.auggpt import AugGPTTeacher
from elad_exp.teachers.lessons.base import LessonTeacher
from elad_exp.teachers.lessons.eda import EDATeacher
from elad_exp.teachers.lessons.llm_da import LLMDATeacher
from elad_exp.teachers.lessons.names import found_again, usable_names
from elad_exp.teachers.lessons.zerogen import ZeroGenTeacher
from elad_exp.types import Annotation, Query, QueryItem, Sample, Status
from tests.unit.label_toys import sample
from tests.unit.lesson_toys import (
    Described,
    DescribedEntities,
    Script,
    bulletin,
    labelled,
    metered,
    study,
    write,
)

TASK, ENTITIES = Described(), DescribedEntities()


def scripted(method: Any, *replies: Any, task: Any = TASK, **options: Any) -> Any:
    return method(task, task.load().gold, Script(*replies), **options)


def asked(teacher: LessonTeacher) -> list[tuple[str, str]]:
    return teacher.speaker.asked  # type: ignore[attr-defined]


def reasons(annotations: list[Annotation]) -> list[str]:
    for a in annotations:
        assert (a.status is Status.OK) == (not a.reason) == (a.explanation is not None)
        assert a.sample.origin == "synthetic"
    return [a.reason for a in annotations]


# -- those that make new texts of given ones -----------------------------------------------------


@pytest.mark.parametrize(
    ("method", "task"), [(EDATeacher, TASK), (AugGPTTeacher, TASK), (LLMDATeacher, ENTITIES)]
)
def test_the_first_examples_are_given_and_their_new_texts_shared_out(
    method: Any, task: Any
) -> None:
    options = {"rewrite_fraction": 1.0} if method is LLMDATeacher else {}
    speaker = () if method is EDATeacher else (Script(),)
    teacher = method(task, task.load().gold, *speaker, texts=7, **options)
    [first] = study(teacher, labelled(task, 3, round_=0))
    assert first.size == 0
    assert len(write(teacher, first)) == 3
    query = labelled(task, 3)
    lessons = study(teacher, query)
    assert [lesson.size for lesson in lessons] == [3, 2, 2]
    assert len({lesson.name for lesson in lessons}) == 3
    assert [lesson.plan["source"]["id"] for lesson in lessons] == [i.sample.id for i in query.items]
    assert json.loads(json.dumps(lessons[0].plan)) == lessons[0].plan
    written = QueryItem(Sample("x", "Its own.", (), "synthetic"), known="market")
    assert study(teacher, Query(1, (*query.items, written))) == lessons
    assert len(study(teacher, labelled(task, 30))) == 7
    with pytest.raises(ConfigError, match=r"selection\.among=annotated and selector=given"):
        study(teacher, Query(1, (QueryItem(sample("unknown")),)))


def test_paraphrases_keep_the_label_of_what_they_say_anew() -> None:
    texts = {"texts": ["A song by\nMira.", "", "x" * 600, "Mira sings.", "...", "Too many."]}
    teacher = scripted(AugGPTTeacher, texts, texts=5)
    query = labelled(TASK, 1)
    [lesson] = study(teacher, query)
    found = write(teacher, lesson)
    [(step, prompt)] = asked(teacher)
    assert step == "rephrase"
    assert f"whose right answer is concert:\n{query.items[0].sample.question}\n" in prompt
    assert "Write 5 new texts" in prompt
    assert reasons(found) == [
        "",
        "an empty text",
        "longer than teacher.text_tokens allows: 600 bytes, more than 512",
        "",
        "an empty text",
    ]
    assert [a.sample.question for a in found if not a.reason] == ["A song by Mira.", "Mira sings."]
    assert {a.explanation.answer for a in found if a.explanation} == {"concert"}
    assert {a.sample.parents for a in found} == {(query.items[0].sample.id,)}


@pytest.mark.parametrize("reply", ["no idea", "", {"texts": 3}, {"easy": []}, {"texts": []}])
def test_a_reply_without_texts_is_an_empty_lesson(reply: Any) -> None:
    for method, task in ((AugGPTTeacher, TASK), (ZeroGenTeacher, TASK), (LLMDATeacher, ENTITIES)):
        teacher = scripted(method, reply, task=task, texts=2)
        [lesson, *_] = study_only(teacher, labelled(task, 1))
        assert write(teacher, lesson) == []


def study_only(teacher: LessonTeacher, query: Query) -> list[Lesson]:
    """Lessons of a teacher whose script is for `write`."""
    if isinstance(teacher, LLMDATeacher):
        teacher.rewrite_fraction = 1.0
    return study(teacher, query)


# -- EDA -----------------------------------------------------------------------------------------


def eda(task: Any, **options: Any) -> EDATeacher:
    return EDATeacher(task, task.load().gold, **options)


def test_edits_keep_the_label_and_ask_nobody(tmp_path: Path) -> None:
    teacher = eda(TASK, texts=12, seed=3)
    query = labelled(TASK, 4)
    with Store(tmp_path / "store.sqlite") as store:
        bought = metered(store, teacher, max_calls=0, max_tokens=0)
        found = bought.annotate(query)
        assert bought.spent().tokens == bought.spent().annotations == 0
        assert metered(store, teacher).annotate(query) == found
    assert reasons(found) == [""] * 12
    known = {item.sample.id: item for item in query.items}
    for a in found:
        source = known[a.sample.parents[0]]
        assert a.explanation is not None
        assert a.explanation.answer == source.known
        assert a.sample.question != source.sample.question
    other = eda(TASK, texts=12, seed=4)
    assert [a for lesson in study(other, query) for a in write(other, lesson)] != found
    later = study(teacher, labelled(TASK, 4, round_=2))
    assert [a for lesson in later for a in write(teacher, lesson)] != found


@pytest.mark.parametrize("generated", [False, True])
def test_edits_leave_entities_alone(generated: bool) -> None:
    task = bulletin(BulletinEntitiesTask)[0] if generated else ENTITIES
    query = labelled(task, 10)
    teacher = eda(task, texts=60, alpha=0.4)
    found = [a for lesson in study(teacher, query) for a in write(teacher, lesson)]
    assert len(found) > 50
    assert set(reasons(found)) == {""}
    known = {item.sample.id: item for item in query.items}
    for a in found:
        source = known[a.sample.parents[0]]
        spans = from_answer(a.explanation.answer)
        assert problem_of(a.sample.question, spans, "marks") == ""
        assert mentions(a.sample.question, spans) == mentions(
            source.sample.question, from_answer(source.known)
        )


def test_what_shapes_the_edits_is_in_the_results(tmp_path: Path) -> None:
    path = tmp_path / "synonyms.txt"
    path.write_text("sings, plays\n")
    teacher = eda(TASK, synonyms=str(path), alpha=0.2, texts=9)
    found = teacher.info["lessons"]
    assert len(found.pop("synonyms")) == 12
    assert found == {"texts": 9, "alpha": 0.2, "near_duplicates": False}
    assert eda(TASK).info["lessons"]["synonyms"] is None
    assert str(tmp_path) not in json.dumps(teacher.info)
    texts = [
        a.sample.question
        for lesson in study(teacher, labelled(TASK, 1))
        for a in write(teacher, lesson)
    ]
    assert any("plays" in text for text in texts)


@pytest.mark.parametrize("alpha", [0, -0.1, 1.1])
def test_rates_out_of_range_are_refused(alpha: float) -> None:
    with pytest.raises(ConfigError, match=f"teacher.alpha={alpha}: must be above 0"):
        eda(TASK, alpha=alpha, texts=0)
    with pytest.raises(DataError, match="no such file"):
        eda(TASK, synonyms="nowhere.txt")


# -- ZeroGen -------------------------------------------------------------------------------------


def test_texts_of_each_class_are_asked_for_by_its_name_alone() -> None:
    replies = [{"texts": [f"Text {n} of {i}." for n in range(2)]} for i in range(4)]
    teacher = scripted(ZeroGenTeacher, *replies, texts=7, lesson_size=2)
    query = labelled(TASK, 3, round_=0)
    lessons = study(teacher, query)
    assert [(x.plan["label"], x.size) for x in lessons] == [
        ("concert", 2),
        ("market", 2),
        ("concert", 2),
        ("market", 1),
    ]
    found = [write(teacher, lesson) for lesson in lessons]
    for (step, prompt), lesson in zip(asked(teacher), lessons, strict=True):
        assert step == "imagine"
        assert f"The class: {lesson.plan['label']}\n" in prompt
        assert f"Write {lesson.size} texts" in prompt
        shown = ("music", "goods", *(item.sample.question for item in query.items))
        assert not [text for text in shown if text in prompt]
    assert [len(own) for own in found] == [2, 2, 2, 1]
    for own, lesson in zip(found, lessons, strict=True):
        assert {a.explanation.answer for a in own} == {lesson.plan["label"]}
    assert not {i.sample.id for i in query.items} & {a.sample.id for own in found for a in own}


def test_what_is_left_over_goes_to_classes_in_turn() -> None:
    counts: Counter[str] = Counter()
    teacher = scripted(ZeroGenTeacher, texts=7)
    for round_ in range(4):
        lessons = study(teacher, labelled(TASK, 1, round_=round_))
        assert sum(lesson.size for lesson in lessons) == 7
        counts.update({lesson.plan["label"]: lesson.size for lesson in lessons})
    assert counts == {"concert": 14, "market": 14}
    assert [x.size for x in study(scripted(ZeroGenTeacher, texts=1), labelled(TASK, 1))] == [1]


def test_the_description_can_be_shown() -> None:
    teacher = scripted(ZeroGenTeacher, {"texts": ["A."]}, texts=1, describe=True)
    write(teacher, study(teacher, labelled(TASK, 1))[0])
    [(_, prompt)] = asked(teacher)
    assert "The class: market: goods\n" in prompt or "The class: concert: music\n" in prompt
    assert teacher.info["lessons"]["describe"] is True


# -- LLM-DA --------------------------------------------------------------------------------------

NAMES = {
    "entities": [
        {"type": " town", "names": ["Port Ely", "port  ely", "Brackmoor", "?", "Y" * 129, "Ash"]},
        {"type": "PERSON", "names": ["Lea Dorn"]},
        {"type": "RIVER", "names": ["Wey"]},
    ]
}


def test_a_text_is_rewritten_around_its_entities() -> None:
    query = labelled(ENTITIES, 1)
    text = query.items[0].sample.question
    assert "Mira Solent" in text
    assert "Brackmoor" in text
    texts = [
        "In Brackmoor\nthere sings Mira Solent.",
        "In Brackmoor, Brackmoor! Mira Solent, who is Mira.",
        "In Brackmoor sings mira solent.",
        "Mira Solent sings in Brackmoors.",
        " ",
        "Too many.",
    ]
    teacher = scripted(LLMDATeacher, {"texts": texts}, task=ENTITIES, texts=5, rewrite_fraction=1.0)
    [lesson] = study(teacher, query)
    found = write(teacher, lesson)
    [(step, prompt)] = asked(teacher)
    assert step == "rewrite"
    assert f"The text:\n{text}\n" in prompt
    assert "PERSON: Mira Solent; TOWN: Brackmoor\n" in prompt
    assert reasons(found) == [
        "",
        "",
        "an entity does not stand in it by itself: 'Mira Solent' (PERSON)",
        "an entity does not stand in it by itself: 'Brackmoor' (TOWN)",
        "an empty text",
    ]
    assert [
        mentions(a.sample.question, from_answer(a.explanation.answer))
        for a in found
        if a.explanation
    ] == [
        [("Brackmoor", "TOWN"), ("Mira Solent", "PERSON")],
        [("Brackmoor", "TOWN"), ("Brackmoor", "TOWN"), ("Mira Solent", "PERSON")],
    ]
    assert {a.sample.parents for a in found} == {(query.items[0].sample.id,)}


def test_entities_are_replaced_by_new_ones_of_their_type() -> None:
    query = labelled(ENTITIES, 2)
    teacher = scripted(LLMDATeacher, NAMES, task=ENTITIES, texts=6, rewrite_fraction=0, new_names=2)
    lessons = study(teacher, query)
    [(step, prompt)] = asked(teacher)
    assert step == "name"
    assert "Name 2 new entities of each type" in prompt
    assert "- PERSON: Mira Solent\n- TOWN: Brackmoor\n" in prompt
    found = [write(teacher, lesson) for lesson in lessons]
    assert len(asked(teacher)) == 1
    assert [len(own) for own in found] == [3, 3]
    for own, item in zip(found, query.items, strict=True):
        assert reasons(own) == [""] * 3
        texts = [a.sample.question for a in own]
        frame = item.sample.question.replace("Mira Solent", "Lea Dorn")
        places = {frame.replace("Brackmoor", town) for town in ("Port Ely", "Ash")}
        assert set(texts[:2]) == places
        assert texts[2] == texts[0]  # there are no more names
        for a in own:
            kinds = [
                kind for _, kind in mentions(a.sample.question, from_answer(a.explanation.answer))
            ]
            assert kinds == ["PERSON", "TOWN"]
    sifted = teacher.sift([a for own in found for a in own], [i.sample for i in query.items])
    assert reasons(sifted).count("the same as another of this round") == 2


def test_shares_and_replies_without_names(caplog: pytest.LogCaptureFixture) -> None:
    query = labelled(ENTITIES, 2)
    both = scripted(LLMDATeacher, NAMES, task=ENTITIES, texts=6, rewrite_fraction=0.5)
    kinds = ["names" in lesson.plan for lesson in study(both, query) for _ in range(lesson.size)]
    assert kinds == [False] * 3 + [True] * 3
    for reply in ("no idea", {"entities": [{"type": "PERSON", "names": "Lea"}]}):
        none = scripted(LLMDATeacher, reply, task=ENTITIES, texts=6)
        assert sum(lesson.size for lesson in study(none, query)) == 3
        assert "the new entities cannot be used" in caplog.text
        caplog.clear()
    bare = QueryItem(sample("Nobody sings."), known="[]")
    nothing = scripted(LLMDATeacher, task=ENTITIES)
    assert study(nothing, Query(1, (bare,))) == []
    assert "no text that is labelled has an entity" in caplog.text


def test_names_that_can_be_used() -> None:
    said = [(part["type"], name) for part in NAMES["entities"] for name in part["names"]]
    known = {"PERSON": ["Mira Solent"], "TOWN": ["brackmoor"]}
    assert usable_names(said, known, most=2) == {
        "TOWN": ["Port Ely", "Ash"],
        "PERSON": ["Lea Dorn"],
    }
    assert usable_names(said, known, most=1) == {"TOWN": ["Port Ely"], "PERSON": ["Lea Dorn"]}


KELDS = [("Keld", "A"), ("Upper Keld", "B")]


@pytest.mark.parametrize(
    ("text", "quoted", "expected"),
    [
        ("Keld is in Upper Keld.", KELDS, KELDS),
        ("It is in Upper Keld.", KELDS, "'Keld' (A)"),
        ("Ash met Ash.", [("Ash", "A"), ("Ash", "B")], "'Ash' (B)"),
        ("A (b) c", [("(b)", "A")], [("(b)", "A")]),
        ("Nothing.", [], []),
    ],
)
def test_entities_are_found_again(text: str, quoted: Any, expected: Any) -> None:
    spans, missing = found_again(text, quoted, tokens(text, "marks"))
    if isinstance(expected, str):
        assert (spans, missing) == ((), f"an entity does not stand in it by itself: {expected}")
    else:
        assert (mentions(text, spans), missing) == (expected, "")


# -- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "task", "options", "told"),
    [
        (AugGPTTeacher, ENTITIES, {}, r"teacher=auggpt: .* choose teacher=llm_da"),
        (ZeroGenTeacher, ENTITIES, {}, r"teacher=zerogen writes texts of a class.*llm_da"),
        (LLMDATeacher, TASK, {}, r"teacher=llm_da: .*has no entities; choose teacher=auggpt"),
        (
            LLMDATeacher,
            ENTITIES,
            {"rewrite_fraction": 1.2},
            r"rewrite_fraction=1\.2: must be 0 to 1",
        ),
        (
            LLMDATeacher,
            ENTITIES,
            {"rewrite_fraction": -1, "new_names": 0, "texts": 0},
            "texts=0: .*rewrite_fraction=-1: .*; teacher.new_names=0: must be at least 1",
        ),
    ],
)
def test_tasks_and_values_that_do_not_fit_are_refused(
    method: Any, task: Any, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        scripted(method, task=task, **options)


def test_settings_make_the_same_teacher_again() -> None:
    for method, task in ((AugGPTTeacher, TASK), (ZeroGenTeacher, TASK), (LLMDATeacher, ENTITIES)):
        teacher = scripted(method, task=task, texts=5)
        own = teacher.settings
        assert json.loads(json.dumps(own)) == own
        assert scripted(method, task=task, **own).settings == own
