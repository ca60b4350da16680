"""Real texts that are held back, served in place of written ones."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given as examples
from hypothesis import settings
from hypothesis import strategies as st

from elad_exp.budget.store import Store
from elad_exp.entities import Span, to_answer
from elad_exp.errors import ConfigError
from elad_exp.protocols import Splits
from elad_exp.teachers.annotator import LessonAnnotator, PoolAnnotator
from elad_exp.teachers.lessons.clearness import clearness
from elad_exp.teachers.lessons.corpus import CorpusTeacher
from elad_exp.teachers.lessons.held import Text, aims, chosen, ranked
from elad_exp.teachers.lessons.steps import Analysis
from elad_exp.types import Annotation, Sample, Status, sample_id
from tests.unit.corpus_toys import (
    WORDS,
    N,
    clear,
    entity_task,
    given,
    label_task,
    labelled,
    studied,
    vague,
)
from tests.unit.label_toys import sample
from tests.unit.teacher_toys import metered, open_store

CONCERT_FOR_STORM = {"concert": "storm"}


# -- how clear texts are -------------------------------------------------------------------------


def test_a_text_is_clear_as_far_as_the_first_examples_tell_its_class(tmp_path: Path) -> None:
    task = label_task(tmp_path)
    first = [(sample(clear(label, n)), label) for label in WORDS for n in (0, 2)]
    texts = [
        (sample(clear("concert", 4)), "concert"),
        (sample(vague("concert", 5)), "concert"),
        (sample(clear("storm", 4)), "concert"),
        (sample(clear("concert", 4)), "opera"),
    ]
    found = clearness(task, first, texts)
    assert found[0] > 0.5 > found[2]
    assert found[0] > found[1] > found[2] > found[3] == 0
    assert clearness(task, first[:2], texts).tolist() == [0, 0, 0, 0]
    assert len(clearness(task, first, [])) == 0


def test_a_text_is_clear_as_far_as_the_first_examples_tell_its_entities(tmp_path: Path) -> None:
    task = entity_task(tmp_path)
    splits = task.load()
    seen = "Mira left Sundry on day 1 ."
    answer = to_answer([Span("PER", 0, 4), Span("LOC", 10, 16)])
    first = [(sample(seen), answer), (sample("Nothing happened on day 2 ."), "[]")]
    texts = [
        (sample("Mira left Sundry on day 8 ."), answer),
        (sample("Mira left Sundry on day 8 ."), "[]"),
        (sample("Nothing happened on day 8 ."), "[]"),
    ]
    found = clearness(task, first, texts)
    assert found[0] > 0.8
    assert found[2] > 0.8
    assert found[1] < found[0]
    assert clearness(task, first[1:], texts).tolist() == [0, 0, 0]
    every = [(s, splits.gold[s.id].answer) for s in splits.pool]
    assert len(clearness(task, every[:20], every * 12)) == 12 * len(every)  # in several batches


# -- which are served ----------------------------------------------------------------------------


def corpus(**sizes: int) -> dict[str, list[Text]]:
    return {
        group: [Text(Sample(f"{group}{n}", f"{group} {n}"), group, group) for n in range(size)]
        for group, size in sizes.items()
    }


def served(
    groups: Any, *, seed: int = 0, without: frozenset[str] = frozenset(), **options: Any
) -> tuple[list[str], list[str]]:
    usual: dict[str, Any] = {"easy": 4, "hard": 4, "asked": {}, "aimed": 1.0}
    rng = np.random.default_rng(seed)
    easy, hard = chosen(groups, without, rng=rng, **(usual | options))
    return [t.sample.id for t in easy], [t.sample.id for t in hard]


def test_easy_texts_are_of_the_clearer_half_and_hard_ones_of_the_other() -> None:
    easy, hard = Counter[int](), Counter[int]()
    for seed in range(200):
        one, other = served(corpus(a=20), easy=1, hard=1, seed=seed)
        easy.update(int(name[1:]) for name in one)
        hard.update(int(name[1:]) for name in other)
    assert set(easy) == set(range(10))  # not only the clearest
    assert set(hard) == set(range(10, 20))
    assert max(easy.values()) < 40
    first = served(corpus(a=20), easy=5, hard=5)
    gone = frozenset([*first[0], *first[1]])
    later = served(corpus(a=20), easy=5, hard=5, without=gone)
    assert gone | {*later[0], *later[1]} == {f"a{n}" for n in range(20)}
    assert max(int(name[1:]) for name in later[0]) < min(int(name[1:]) for name in later[1])


def test_classes_are_served_in_proportion_to_what_is_asked() -> None:
    groups = corpus(a=50, b=50, c=50)
    easy, hard = served(groups, easy=12, hard=6, asked={"a": 0.2, "c": 0.1})
    assert Counter(i[0] for i in easy) == {"a": 8, "c": 4}
    assert Counter(i[0] for i in hard) == {"a": 4, "c": 2}
    half, _ = served(groups, easy=12, asked={"a": 0.2}, aimed=0.5)
    assert Counter(i[0] for i in half) == {"a": 8, "b": 2, "c": 2}


def test_without_weaknesses_classes_come_as_the_corpus_has_them() -> None:
    groups = corpus(a=60, b=20, c=10)
    easy, _ = served(groups, easy=9, aimed=0.5)
    assert Counter(i[0] for i in easy) == {"a": 6, "b": 2, "c": 1}
    rare = Counter(i[0] for seed in range(60) for i in served(groups, easy=3, seed=seed)[0])
    assert 10 <= rare["c"] <= 30  # a class with less than one text a round is not left out


@settings(max_examples=50)
@examples(
    st.dictionaries(st.sampled_from("abcde"), st.integers(0, 6), min_size=1),
    st.integers(0, 15),
    st.integers(0, 15),
    st.dictionaries(st.sampled_from("abcde"), st.floats(0, 1)),
    st.floats(0, 1),
    st.integers(0, 5),
)
def test_nothing_is_served_twice_and_what_is_left_is_served(
    sizes: dict[str, int], easy: int, hard: int, asked: dict[str, float], aimed: float, seed: int
) -> None:
    groups = corpus(**sizes)
    own = {key: weight for key, weight in asked.items() if key in groups}
    one, other = served(groups, easy=easy, hard=hard, asked=own, aimed=aimed, seed=seed)
    total = sum(sizes.values())
    assert len(one) == min(easy, total)
    assert len(other) == min(hard, total - len(one))
    assert len({*one, *other}) == len(one) + len(other)


def test_a_confusion_asks_for_both_classes_and_a_missed_entity_for_its_type() -> None:
    def analysis(*pairs: tuple[str, str, float]) -> Analysis:
        named = [{"right": r, "predicted": p, "score": s} for r, p, s in pairs]
        return Analysis.model_validate({"confused": named, "missing": []})

    both = aims(analysis(("a", "b", 0.3), ("b", "c", 0.6)), {"a", "b", "c"})
    assert both == pytest.approx({"a": 0.2, "b": 0.1 + 0.4, "c": 0.2})
    found = aims(analysis(("PER", "none", 0.5), ("none", "LOC", 0.2)), {"", "LOC", "PER"})
    assert found == pytest.approx({"PER": 0.5, "LOC": 0.2})
    assert aims(None, {"a"}) == {}
    assert aims(analysis(("x", "y", 1.0)), {"a"}) == {}


def test_ranks_are_fixed_by_the_seed(tmp_path: Path) -> None:
    task = label_task(tmp_path)
    splits = task.load()
    texts = [Text(s, splits.gold[s.id].answer, "") for s in splits.pool]
    # Examples of one class tell nothing: chance decides, the same whatever the order.
    one, same, other = (
        [text.sample.id for text in ranked(task, order, [], seed=seed)["storm"]]
        for order, seed in ((texts, 0), (texts[::-1], 0), (texts, 1))
    )
    assert one == same != other


# -- the teacher ---------------------------------------------------------------------------------


class Toy:
    """A teacher with a corpus, and a run that begins with some of its texts."""

    def __init__(self, task: Any, *, first: int = 12, **options: Any) -> None:
        self.task = task
        self.splits: Splits = task.load()
        options = {"texts": 8, "lesson_size": 3, "text_tokens": 64} | options
        self.teacher = CorpusTeacher(task, self.splits.gold, **options)
        self.labelled = given(self.splits.pool[:first], self.splits.gold)
        self.teacher.labelled = lambda: self.labelled
        self.warnings = self.teacher.serve(self.splits.pool)

    def annotate(
        self, store: Store, said: dict[str, str], round_: int = 1, **limits: Any
    ) -> list[Annotation]:
        self.metered = metered(store, self.teacher, **limits)
        return self.metered.annotate(studied(self.labelled[:12], said, round_))

    def answers(self, annotations: Sequence[Annotation]) -> list[str | None]:
        return [a.explanation and a.explanation.answer for a in annotations]


def test_what_is_served_is_the_dataset_s_with_its_gold(tmp_path: Path) -> None:
    toy = Toy(label_task(tmp_path))
    assert isinstance(toy.teacher, LessonAnnotator)
    assert isinstance(toy.teacher, PoolAnnotator)
    assert toy.warnings == []
    with open_store(tmp_path) as store:
        found = toy.annotate(store, CONCERT_FOR_STORM)
        assert len(found) == 8
        assert all(a.status is Status.OK for a in found)
        assert all(a.sample in toy.splits.pool for a in found)
        assert toy.answers(found) == [toy.splits.gold[a.sample.id].answer for a in found]
        assert not {a.sample.id for a in found} & {a.sample.id for a in toy.labelled}
        spent = toy.metered.spent()
        assert (spent.annotations, spent.calls, spent.usd) == (8, 1 + 3 + 3, 0)


@pytest.mark.parametrize("one_call", [False, True])
def test_weak_classes_are_served_and_a_static_teacher_has_none(
    tmp_path: Path, one_call: bool
) -> None:
    task = label_task(tmp_path)
    with open_store(tmp_path) as store:
        toy = Toy(task, aimed_fraction=1.0, texts=9, easy_fraction=1.0, one_call=one_call)
        found = Counter(toy.answers(toy.annotate(store, CONCERT_FOR_STORM)))
        assert found == {"concert": 6, "storm": 3}
    with Store(tmp_path / "other.sqlite") as store:
        static = Toy(task, aimed_fraction=1.0, texts=9, analyse=False, one_call=one_call)
        others = Counter(static.answers(static.annotate(store, CONCERT_FOR_STORM)))
        assert others["market"] >= 2
        assert static.metered.spent().calls == (3 if one_call else 6)


def test_predictions_on_held_back_texts_are_studied_by_their_gold(tmp_path: Path) -> None:
    toy = Toy(label_task(tmp_path), aimed_fraction=1.0, texts=9, easy_fraction=1.0)
    held = given(toy.splits.pool[12:24], toy.splits.gold)
    query = studied(held, CONCERT_FOR_STORM)
    unknown = replace(query, items=tuple(replace(i, known=None) for i in query.items))
    with open_store(tmp_path) as store:
        toy.annotate(store, {}, 1)
        found = Counter(toy.answers(toy.metered.annotate(replace(unknown, round=2))))
    assert found == {"concert": 6, "storm": 3}


def test_no_weakness_where_nothing_is_wrong(tmp_path: Path) -> None:
    toy = Toy(label_task(tmp_path), aimed_fraction=1.0, texts=9)
    with open_store(tmp_path) as store:
        assert len(set(toy.answers(toy.annotate(store, {})))) == 3


def test_rounds_serve_other_texts_until_none_is_left(tmp_path: Path) -> None:
    toy = Toy(label_task(tmp_path), texts=25, lesson_size=10)
    everything = len(toy.splits.pool)
    assert everything == 3 * N - 6
    with open_store(tmp_path) as store:
        sizes = []
        for round_ in (1, 2, 3):
            found = toy.annotate(store, CONCERT_FOR_STORM, round_)
            sizes.append(len(found))
            toy.labelled = [*toy.labelled, *found]
        assert sizes == [25, everything - 12 - 25, 0]
        assert len({a.sample.id for a in toy.labelled}) == everything
        told = f"teacher=corpus has served all of its {everything} texts"
        assert toy.metered.last_refusal == told
        assert toy.metered.exhausted


def test_a_teacher_that_is_built_again_serves_the_same(tmp_path: Path) -> None:
    task = label_task(tmp_path)
    rounds: list[list[list[str]]] = []
    for name in ("one", "two"):
        toy, found = Toy(task, seed=3), []
        with Store(tmp_path / f"{name}.sqlite") as store:
            for round_ in (1, 2):
                if name == "two" and round_ == 2:
                    labelled_by_now = toy.labelled
                    toy = Toy(task, seed=3)
                    toy.labelled = labelled_by_now
                bought = toy.annotate(store, CONCERT_FOR_STORM, round_)
                assert toy.annotate(store, CONCERT_FOR_STORM, round_) == bought
                toy.labelled = [*toy.labelled, *bought]
                found.append([a.sample.id for a in bought])
        rounds.append(found)
    assert rounds[0] == rounds[1]
    with Store(tmp_path / "other.sqlite") as store:
        other = [a.sample.id for a in Toy(task, seed=4).annotate(store, CONCERT_FOR_STORM)]
    assert other != rounds[0][0]


@settings(max_examples=15, deadline=None)
@examples(
    st.fixed_dictionaries(
        {},
        optional={
            "max_tokens": st.integers(0, 6000),
            "max_annotations": st.integers(0, 15),
            "max_calls": st.integers(0, 9),
        },
    )
)
def test_a_budget_is_never_exceeded(limits: dict[str, int]) -> None:
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder)) as store:
        toy = Toy(label_task(Path(folder)), texts=9)
        found = toy.annotate(store, CONCERT_FOR_STORM, **limits)
        spent = toy.metered.spent()
        for unit, limit in limits.items():
            assert getattr(spent, unit.removeprefix("max_")) <= limit
        assert len(found) == spent.annotations
        assert all(a.status is Status.OK for a in found)
        assert (len(found) == 9) == (toy.metered.last_refusal is None)


def test_what_does_not_fit_is_left_out_and_counted(tmp_path: Path) -> None:
    rows = [{"id": w, "text": f"{w} " * 80, "label": "market"} for w in WORDS["market"]]
    toy = Toy(label_task(tmp_path, *rows), texts=100)
    pool = {s.id for s in toy.splits.pool}
    long = pool & {sample_id(row["text"]) for row in rows}
    assert long
    [told] = toy.warnings
    some = f"teacher=corpus: {len(long)} of {len(pool)} texts of the pool are not served"
    assert told.startswith(some)
    assert "teacher.text_tokens=64" in told
    with open_store(tmp_path) as store:
        ids = {a.sample.id for a in toy.annotate(store, {})}
    assert ids == pool - long - {a.sample.id for a in toy.labelled}
    with pytest.raises(ConfigError, match=f"none of {len(pool)} texts .*text_tokens=4"):
        Toy(toy.task, text_tokens=4)


def test_a_corpus_can_be_a_part_of_the_pool(tmp_path: Path) -> None:
    toy = Toy(label_task(tmp_path), corpus_size=20, texts=100)
    with open_store(tmp_path) as store:
        found = toy.annotate(store, {})
    first = {a.sample.id for a in toy.labelled}
    assert len(found) == len(set(toy.teacher.corpus.texts) - first)
    assert len(toy.teacher.corpus.texts) == 20


def test_entities_are_served_as_the_dataset_has_them(tmp_path: Path) -> None:
    # The second town is the entity: a quotation would mean the first.
    twice = {"id": "twice", "tokens": ["Sundry", "is", "not", "Sundry", "at", "all", "."]}
    twice["tags"] = ["O", "O", "O", "B-LOC", "O", "O", "O"]
    task = entity_task(tmp_path, twice)
    toy = Toy(task, texts=100)
    with open_store(tmp_path) as store:
        found = toy.annotate(store, {})
    assert sample_id(" ".join(twice["tokens"])) in {a.sample.id for a in (*found, *toy.labelled)}
    assert toy.answers(found) == [toy.splits.gold[a.sample.id].answer for a in found]
    assert len(found) + len(toy.labelled) == len(toy.splits.pool)


def test_texts_with_a_type_that_is_missed_are_served(tmp_path: Path) -> None:
    toy = Toy(entity_task(tmp_path), aimed_fraction=1.0, texts=9, easy_fraction=1.0)
    persons = [answer for answer in toy.answers(toy.labelled) if answer and "PER" in answer]
    missed = {answer: "[]" for answer in persons}
    with open_store(tmp_path) as store:
        found = toy.answers(toy.annotate(store, missed))
    # The towns of these texts are missed as well, beside others that are found.
    assert sum("PER" in str(answer) for answer in found) >= 5
    assert "[]" not in found


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"aimed_fraction": 1.5}, "teacher.aimed_fraction=1.5: must be 0 to 1"),
        ({"corpus_size": 0}, "teacher.corpus_size=0: must be null or at least 1"),
        ({"answer_tokens": 0}, "teacher.answer_tokens=0: must be at least 1"),
        ({"init": "auggpt"}, "teacher.init=auggpt: a corpus has no paraphrases"),
    ],
)
def test_values_out_of_range_are_refused(
    options: dict[str, Any], told: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=told):
        Toy(label_task(tmp_path), **options)


def test_the_toy_corpus_has_what_the_tests_say() -> None:
    assert Counter(row["label"] for row in labelled()) == dict.fromkeys(WORDS, N)
    assert len({row["text"] for row in labelled()}) == 3 * N
