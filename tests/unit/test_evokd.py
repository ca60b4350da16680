"""Lessons: studied, written, labelled, sifted and paid for."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elad_exp.budget.store import Store
from elad_exp.errors import ConfigError
from elad_exp.rng import generator
from elad_exp.tasks.bulletin.entities import BulletinEntitiesTask
from elad_exp.tasks.bulletin.task import BulletinTask
from elad_exp.teachers.annotator import Lesson, LessonAnnotator, shown_attempts
from elad_exp.teachers.calling import Billed, CallFailed
from elad_exp.teachers.lessons.eda import EDATeacher
from elad_exp.teachers.lessons.evokd import EvoKDTeacher
from elad_exp.teachers.lessons.grammar import GrammarSpeaker
from elad_exp.teachers.lessons.made import evokd_oracle
from elad_exp.teachers.lessons.steps import BYTES_A_TOKEN, SCHEMAS, prompt_of
from elad_exp.types import (
    GIVEN,
    Annotation,
    Answer,
    Explanation,
    Query,
    QueryItem,
    Request,
    Sample,
    Status,
    sample_id,
)
from tests.unit.label_toys import LabelToy, sample
from tests.unit.lesson_toys import Described, Script, bulletin, direct, metered


class Scripted(EvoKDTeacher):
    """EvoKD by a script."""

    def __init__(self, *replies: Any, **options: Any) -> None:
        task = Described()
        self.script = Script(*replies)
        super().__init__(task, task.load().gold, self.script, name="scripted", **options)

    @property
    def asked(self) -> list[tuple[str, str]]:
        return self.script.asked

    def study_now(self, query: Query) -> list[Lesson]:
        return list(asyncio.run(self.study(query, direct)))

    def write_now(self, lesson: Lesson) -> list[Annotation]:
        return asyncio.run(self.write(lesson, direct))


def studied(*pairs: tuple[str, str | None]) -> Query:
    items = [
        QueryItem(sample(f"notice {n}"), Explanation((), said), known=known)
        for n, (known, said) in enumerate(pairs)
    ]
    return Query(2, tuple(items))


QUERY = studied(("concert", "market"), ("market", "market"), ("market", None))
IDS = [item.sample.id for item in QUERY.items]
ANALYSIS = {
    "confused": [{"right": "concert", "predicted": "market", "evidence": [1, "1", "[3]", 7, "x"]}],
    "missing": [{"phenomenon": "irony", "evidence": []}],
    "text": "It shops.",
}


def test_the_first_examples_are_given_and_nothing_is_asked() -> None:
    teacher = Scripted()
    pool = Described().load().pool[:3]
    [lesson] = teacher.study_now(Query(0, tuple(QueryItem(s) for s in pool)))
    assert lesson.size == 0
    found = teacher.write_now(lesson)
    assert [a.sample for a in found] == list(pool)
    assert [a.explanation.answer for a in found] == [teacher.gold[s.id].answer for s in pool]
    assert teacher.asked == []


def test_lessons_are_aimed_at_what_was_studied() -> None:
    teacher = Scripted(ANALYSIS, texts=25, lesson_size=10, easy_fraction=0.4)
    lessons = teacher.study_now(QUERY)
    [(step, prompt)] = teacher.asked
    assert step == "analyse"
    for number, item in enumerate(QUERY.items, 1):
        assert f"\n{number}. right: " in prompt
        assert item.sample.question in prompt
        assert item.sample.id not in prompt
    assert "right: concert | said: market" in prompt
    assert "right: market | said: ?" in prompt
    assert [lesson.size for lesson in lessons] == [10, 10, 5]
    assert sum(lesson.plan["easy"] for lesson in lessons) == 10
    assert len({lesson.name for lesson in lessons}) == 3
    [confused] = lessons[0].plan["analysis"]["confused"]
    assert confused["evidence"] == [IDS[0], IDS[2]]
    assert json.loads(json.dumps(lessons[0].plan)) == lessons[0].plan


def test_right_predictions_can_be_left_out() -> None:
    teacher = Scripted(ANALYSIS, show_right=False)
    teacher.study_now(QUERY)
    [(_, prompt)] = teacher.asked
    assert "notice 0" in prompt
    assert "notice 1" not in prompt
    nothing_wrong = Scripted(show_right=False)
    lessons = nothing_wrong.study_now(studied(("market", "market")))
    assert nothing_wrong.asked == []
    assert lessons[0].plan["analysis"] is None


def given_annotations(n: int) -> list[Annotation]:
    splits = Described().load()
    return [
        Annotation(s, Explanation((), splits.gold[s.id].answer), Status.OK, GIVEN)
        for s in splits.pool[:n]
    ]


def test_the_first_rounds_can_be_paraphrases_whatever_is_studied() -> None:
    examples = given_annotations(6)
    own = Annotation(sample("Its own."), Explanation((), "market"), Status.OK, "scripted")
    teacher = Scripted(init="auggpt", init_rounds=2, texts=4)
    teacher.labelled = lambda: [own, *examples]
    rounds = []
    for number in (1, 2):
        lessons = teacher.study_now(replace(QUERY, round=number))
        assert [(lesson.size, lesson.name) for lesson in lessons] == [
            (1, f"paraphrases-{number}-{n}") for n in range(4)
        ]
        assert sorted(lesson.plan["known"] for lesson in lessons) == [
            *("concert", "concert", "market", "market"),
        ]
        rounds.append([lesson.plan["source"]["id"] for lesson in lessons])
    assert set(rounds[0]) | set(rounds[1]) <= {a.sample.id for a in examples}
    assert rounds[0] != rounds[1]
    assert teacher.asked == []
    teacher.script.replies.append(ANALYSIS)
    assert teacher.study_now(replace(QUERY, round=3))[0].plan["analysis"]


def test_who_looks_at_predictions() -> None:
    assert shown_attempts(Scripted())
    assert not shown_attempts(Scripted(analyse=False))
    assert not shown_attempts(EDATeacher(Described(), Described().load().gold))


@pytest.mark.parametrize("reply", ["no idea", {"confused": 3}, ""])
def test_without_a_usable_analysis_lessons_are_unaimed(reply: Any, caplog: Any) -> None:
    lessons = Scripted(reply).study_now(QUERY)
    assert lessons[0].plan["analysis"] is None
    assert "the analysis cannot be used" in caplog.text
    static = Scripted(analyse=False)
    assert static.study_now(QUERY)[0].plan["analysis"] is None
    assert static.asked == []


def lesson(easy: int = 1, hard: int = 2, analysis: Any = ANALYSIS) -> Lesson:
    plan = {"round": 2, "number": 0, "easy": easy, "hard": hard, "examples": ["notice 0"]}
    plan |= {"parents": IDS, "analysis": analysis}
    return Lesson("lesson-2-0", easy + hard, plan)


TEXTS = {"easy": ["Fresh fish."], "hard": ["No fish, but\na fiddle.", "Ada sings of fish."]}


def test_texts_are_written_without_answers_and_then_labelled() -> None:
    teacher = Scripted(TEXTS, {"answers": ["market", "Concert.", "concert"]})
    found = teacher.write_now(lesson())
    (first, written), (second, labelled) = teacher.asked
    assert (first, second) == ("write", "label")
    assert "it takes concert for market" in written
    assert "irony" in written
    assert "Write 1 easy and 2 hard" in written
    assert "2. No fish, but a fiddle." in labelled
    assert "irony" not in labelled
    texts = ["Fresh fish.", "No fish, but a fiddle.", "Ada sings of fish."]
    assert [a.sample for a in found] == [
        Sample(sample_id(t), t, (), "synthetic", tuple(IDS)) for t in texts
    ]
    assert [a.explanation.answer for a in found if a.explanation] == [
        "market",
        "concert",
        "concert",
    ]
    assert [a.aim for a in found] == ["easy", "hard", "hard"]


def reasons(*replies: Any, **options: Any) -> list[str]:
    found = Scripted(*replies, **options).write_now(lesson())
    for a in found:
        assert (a.status is Status.OK) == (not a.reason) == (a.explanation is not None)
    return [a.reason for a in found]


def test_what_cannot_be_used_says_why() -> None:
    right = {"answers": ["market", "concert", "concert"]}
    assert reasons(TEXTS, right) == ["", "", ""]
    assert reasons(TEXTS, {"answers": ["opera", "concert", "concert"]}) == [
        "the answer cannot be used: 'opera'",
        "",
        "",
    ]
    assert reasons("sorry") == []
    other = {"answers": ["market", "market", "concert"]}
    assert reasons(TEXTS, right, other, votes=2) == [
        "",
        "a second look gave another answer: concert and market",
        "",
    ]
    empty = {"easy": [" "], "hard": ["Ada sings."]}
    assert reasons(empty, {"answers": ["concert"]}) == ["an empty text", ""]
    longest = "x" * (BYTES_A_TOKEN * 64)
    longer = {"easy": [longest + "x"], "hard": [longest]}
    assert reasons(longer, {"answers": ["concert"]}) == [
        "longer than teacher.text_tokens allows: 513 bytes, more than 512",
        "",
    ]


def test_texts_can_come_with_their_answers() -> None:
    both = TEXTS | {"answers": ["market", "concert", "opera"]}
    assert reasons(both, one_call=True) == ["", "", "the answer cannot be used: 'opera'"]


def test_what_was_said_before_is_sifted_out() -> None:
    def made(*texts: str) -> list[Annotation]:
        answer = Explanation((), "market")
        return [Annotation(sample(t), answer, Status.OK, "scripted") for t in texts]

    earlier = [sample("Fresh herring in the harbour of Sundry until noon on Friday.")]
    texts = made(
        "fresh herring in the harbour of Sundry until noon on Friday.",
        "Fresh herring in the harbour of Sundry until noon, on Friday!",
        "A fiddle and a drum at the mill.",
        "A fiddle and a drum at the mill.",
    )
    found = Scripted().sift(texts, earlier)
    assert [a.status is Status.OK for a in found] == [False, False, True, False]
    assert found[0].reason == "the same as an earlier text"
    assert found[1].reason.startswith(f"nearly the same as an earlier text: {earlier[0].id} (")
    assert found[3].reason == "the same as another of this round"
    kept = Scripted(near_duplicates=False).sift(texts, earlier)
    assert [a.status is Status.OK for a in kept] == [False, True, True, False]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"texts": 0}, "teacher.texts=0: must be at least 1"),
        ({"votes": 0, "lesson_size": 0}, r"lesson_size=0: .*; teacher\.votes=0"),
        ({"easy_fraction": 1.5}, "easy_fraction=1.5: must be 0 to 1"),
    ],
)
def test_values_out_of_range_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Scripted(**options)


def test_other_tasks_are_refused() -> None:
    toy = LabelToy()
    gold = toy.load().gold
    with pytest.raises(ConfigError, match="no program writes the texts of task 'label toy'"):
        evokd_oracle(toy, gold)


# Changing a prompt changes its version, and with it every request key: do it on purpose.
VERSIONS = {
    "analyse": "fa64f0641a35",
    "write": "e6d6261ece2e",
    "write_labelled": "b16172b6146e",
    "label": "17cc357128f4",
    "rephrase": "733790951d35",
    "imagine": "1f88e8ce98ac",
    "rewrite": "92cdbf4a1825",
    "name": "c3f158a5ca92",
}


def test_every_step_has_a_prompt() -> None:
    assert VERSIONS.keys() == SCHEMAS.keys()


@pytest.mark.parametrize("step", VERSIONS)
def test_prompts_have_a_version(step: str) -> None:
    assert prompt_of(step).version == VERSIONS[step]


# -- the program that wrote the bulletin ---------------------------------------------------------


def predictions(kind: type, n: int = 24) -> Query:
    """All of the second label are taken for the first one's."""
    _, splits = bulletin(kind)
    pool = splits.pool[:n]
    gold = [splits.gold[s.id].answer for s in pool]
    said = ["[]"] * n if kind is BulletinEntitiesTask else [gold[0]] * n
    items = (
        QueryItem(s, Explanation((), p), known=g) for s, p, g in zip(pool, said, gold, strict=True)
    )
    return Query(1, tuple(items))


@pytest.mark.parametrize("kind", [BulletinTask, BulletinEntitiesTask])
@pytest.mark.parametrize("one_call", [False, True])
def test_the_program_s_lessons_are_right_and_new(
    kind: type, one_call: bool, tmp_path: Path
) -> None:
    task, splits = bulletin(kind)
    teacher = evokd_oracle(task, splits.gold, texts=12, lesson_size=5, one_call=one_call)
    assert isinstance(teacher, LessonAnnotator)
    with Store(tmp_path / "store.sqlite") as store:
        bought = metered(store, teacher)
        found = bought.annotate(predictions(kind))
        assert len(found) == 12
        fine = [a for a in found if a.status is Status.OK]
        assert len(fine) >= 10
        known = {s.id for s in (*splits.pool, *splits.dev, *splits.test)}
        assert not known & {a.sample.id for a in found}
        assert all(a.explanation.answer == task.right(a.sample.question) for a in fine)
        difficulties = [task.difficulty(a.sample.question) for a in found]
        assert difficulties.count("easy") == 6
        spent = bought.spent()
        assert spent.annotations == 12
        assert spent.calls == (4 if one_call else 7)
        shares = sum(bought.costs(a)["tokens"] for a in found)
        study = next(store.calls("run"))
        assert shares == pytest.approx(spent.tokens - study["spent"]["tokens"], abs=0.5)
        again = metered(store, teacher).annotate(predictions(kind))
        assert again == found
        assert bought.spent() == spent


@pytest.mark.parametrize("kind", [BulletinTask, BulletinEntitiesTask])
@pytest.mark.parametrize("options", [{}, {"one_call": True}, {"votes": 2}], ids=str)
def test_a_share_of_the_program_s_labels_can_be_wrong(
    kind: type, options: dict[str, Any], tmp_path: Path
) -> None:
    task, splits = bulletin(kind)
    asked = {"texts": 100, "near_duplicates": False, **options}
    wrong, dropped = {}, {}
    for rate in (0.0, 0.3, 1.0):
        teacher = evokd_oracle(task, splits.gold, error_rate=rate, **asked)
        assert teacher.info["error_rate"] == rate
        with Store(tmp_path / f"{rate}.sqlite") as store:
            found = metered(store, teacher).annotate(predictions(kind))
            assert metered(store, teacher).annotate(predictions(kind)) == found
        fine = [a for a in found if a.explanation]
        wrong[rate] = sum(a.explanation.answer != task.right(a.sample.question) for a in fine)
        dropped[rate] = sum("a second look gave another answer" in a.reason for a in found)
        assert len(fine) + dropped[rate] > 90
    assert wrong[0.0] == dropped[0.0] == 0
    if "votes" in options:  # wrong and trained on only if both looks err alike
        assert wrong[0.3] < 10
        assert 25 < dropped[0.3] < 65
        assert dropped[1.0] > 40
    else:
        assert 15 < wrong[0.3] < 45
        assert wrong[1.0] > 90


@pytest.mark.parametrize("rate", [-0.1, 1.1, True])
def test_error_rates_out_of_range_are_refused(rate: Any) -> None:
    task, splits = bulletin()
    with pytest.raises(ConfigError, match=f"teacher.error_rate={rate}: must be from 0 to 1"):
        evokd_oracle(task, splits.gold, error_rate=rate)


@pytest.mark.parametrize("uneven", [-0.1, 10.5, True])
def test_unevenness_out_of_range_is_refused(uneven: Any) -> None:
    task, splits = bulletin()
    with pytest.raises(ConfigError, match=f"teacher.uneven={uneven}: must be from 0 to 10"):
        evokd_oracle(task, splits.gold, uneven=uneven)


def test_an_uneven_program_writes_some_classes_most(tmp_path: Path) -> None:
    task, splits = bulletin()
    most = {}
    for uneven in (0.0, 2.0):
        teacher = evokd_oracle(
            task, splits.gold, uneven=uneven, texts=100, analyse=False, near_duplicates=False
        )
        with Store(tmp_path / f"{uneven}.sqlite") as store:
            found = metered(store, teacher).annotate(predictions(BulletinTask))
        answers = Counter(a.explanation.answer for a in found if a.explanation)
        most[uneven] = answers.most_common(1)[0][1]
    assert most[0.0] < 40 < most[2.0]


@settings(max_examples=20, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "max_tokens": st.integers(0, 9000),
            "max_annotations": st.integers(0, 25),
            "max_calls": st.integers(0, 12),
        },
    ),
    st.sampled_from([1, 2]),
)
def test_a_budget_covers_whole_lessons_and_is_never_exceeded(
    limits: dict[str, int], votes: int
) -> None:
    task, splits = bulletin()
    teacher = evokd_oracle(task, splits.gold, texts=20, lesson_size=5, votes=votes)
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "s.sqlite") as store:
        bought = metered(store, teacher, **limits)
        found = bought.annotate(predictions(BulletinTask))
        spent = bought.spent()
        for unit, limit in limits.items():
            assert getattr(spent, unit.removeprefix("max_")) <= limit
        assert len(found) == spent.annotations
        assert len(found) % 5 == 0
        assert not [a for a in found if a.reason.startswith("no answer came for it")]
        assert (len(found) == 20) == (bought.last_refusal is None)
        assert store._select("SELECT * FROM holds") == []


@pytest.mark.parametrize(("most", "studied"), [(4, False), (5, True)])
def test_nothing_is_studied_where_annotations_do_not_cover_a_first_lesson(
    tmp_path: Path, most: int, studied: bool
) -> None:
    task, splits = bulletin()
    teacher = evokd_oracle(task, splits.gold, texts=20, lesson_size=5)
    with Store(tmp_path / "store.sqlite") as store:
        bought = metered(store, teacher, max_annotations=most)
        assert len(bought.annotate(predictions(BulletinTask))) == (5 if studied else 0)
        assert (bought.spent().calls > 0) is studied
        assert f"budget.max_annotations={most}" in (bought.last_refusal or "")


def test_lessons_differ_by_round_number_and_seed() -> None:
    task, _ = bulletin()
    plans = [(0, 1, 0), (0, 1, 1), (0, 2, 0), (1, 1, 0)]
    texts = {
        tuple(task.written(2, 2, None, generator(seed, "lesson", r, n))) for seed, r, n in plans
    }
    assert len(texts) == 4


def test_a_lesson_that_fails_costs_no_other(tmp_path: Path, monkeypatch: Any) -> None:
    task, splits = bulletin()
    teacher = evokd_oracle(task, splits.gold, texts=15, lesson_size=5)
    answer = GrammarSpeaker.answer

    async def failing(self: GrammarSpeaker, step: str, request: Request, plan: Any) -> Answer:
        if step == "label" and plan["number"] == 1:
            raise CallFailed("no such model", billed=Billed.NO, retry=False)
        return await answer(self, step, request, plan)

    monkeypatch.setattr(GrammarSpeaker, "answer", failing)
    with Store(tmp_path / "store.sqlite") as store:
        bought = metered(store, teacher)
        found = bought.annotate(predictions(BulletinTask))
        assert bought.last_refusal is None
        assert len(found) == bought.spent().annotations == 15  # its texts were written and are paid
        lost = [a.reason for a in found if a.reason.startswith("no answer came for it")]
        assert lost == ["no answer came for it: no such model"] * 5
        assert store._select("SELECT * FROM holds") == []


def test_a_study_that_fails_leaves_a_query_without_annotations(
    tmp_path: Path, monkeypatch: Any
) -> None:
    task, splits = bulletin()
    teacher = evokd_oracle(task, splits.gold)

    async def failing(self: GrammarSpeaker, *given: Any) -> Answer:
        raise CallFailed("busy", billed=Billed.NO, retry=False)

    monkeypatch.setattr(GrammarSpeaker, "answer", failing)
    with Store(tmp_path / "store.sqlite") as store:
        bought = metered(store, teacher)
        assert bought.annotate(predictions(BulletinTask)) == []
        assert bought.spent().annotations == 0
