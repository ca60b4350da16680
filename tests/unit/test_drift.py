"""Figures of a round's new texts, worked out by hand."""

from __future__ import annotations

from math import log, sqrt
from typing import Any

import pytest

from elad_exp import drift
from elad_exp.data.pool import Pool
from elad_exp.drift import Drift, drift_of, measured, words
from elad_exp.entities import Span, to_answer
from elad_exp.types import Annotation, Explanation, Query, QueryItem, Sample, Status
from tests.fakes import EvenTask
from tests.unit.label_toys import EntityToy, LabelToy, sample


def written(text: str, answer: str | None = "market", *, ok: bool = True) -> Annotation:
    made = Sample(sample(text).id, text, (), "synthetic", ("parent",))
    status = Status.OK if ok else Status.UNPARSED
    return Annotation(made, Explanation((), answer) if ok else None, status, "toy")


def found(*texts: str, seeds: tuple[str, ...] = (), earlier: tuple[str, ...] = ()) -> Drift:
    given = [sample(text) for text in seeds]
    before = [*given, *(sample(text) for text in earlier)]
    return measured(LabelToy(), [written(t) for t in texts], earlier=before, seeds=given)


SEEDS = ("Red fish.", "Blue fish!")


def test_an_example_by_hand() -> None:
    given = found("red bird", "A red BIRD sings", seeds=SEEDS, earlier=("A song sings.",))
    # Of two seed texts one has "red", and none has any of the other words.
    red, other = log(3 / 2) + 1, log(3 / 1) + 1
    fish = log(3 / 3) + 1
    seed, first = sqrt(red**2 + fish**2), sqrt(red**2 + other**2)
    second = sqrt(red**2 + 3 * other**2)
    to_seed = (red**2 / (first * seed) + red**2 / (second * seed)) / 2
    to_each_other = (red**2 + other**2) / (first * second)
    assert given == Drift(
        texts=2,
        classes={"concert": 0.0, "market": 1.0},
        words=4,
        new_words=0.25,  # "bird": "a" and "sings" came before
        seed_distance=round(1 - to_seed, 4),
        self_similarity=round(to_each_other, 4),
    )


def test_copies_are_near_and_strangers_far() -> None:
    copies = found("red fish", "RED FISH", seeds=SEEDS)
    assert (copies.seed_distance, copies.self_similarity, copies.new_words) == (0.0, 1.0, 0.0)
    strangers = found("one two", "three four", seeds=SEEDS)
    assert (strangers.seed_distance, strangers.self_similarity) == (1.0, 0.0)
    assert strangers.new_words == 1.0


def test_what_cannot_be_said_is_none() -> None:
    alone = found("red fish")
    assert (alone.seed_distance, alone.self_similarity) == (None, None)
    assert found("red fish", "red bird").self_similarity == 0.5  # without seeds words weigh alike
    wordless = found("!", "?!", seeds=SEEDS)
    assert (wordless.words, wordless.new_words, wordless.seed_distance) == (0, None, None)
    one_has_none = found("!", "red fish", seeds=SEEDS)
    assert (one_has_none.seed_distance, one_has_none.self_similarity) == (0.5, 0.0)


def test_words_of_writing_without_spaces_are_characters() -> None:
    assert words("Ice-cream, 2 SCOOPS") == ["ice", "cream", "2", "scoops"]
    assert words("我爱Python编程3次。") == ["我", "爱", "python", "编", "程", "3", "次"]
    assert words("はい、カメラ") == ["は", "い", "カ", "メ", "ラ"]
    assert words("한국어 문장") == words("한국어, 문장!")
    assert len(words("한국어 문장")) == 2
    chinese = found("天气很好", "天气不好", seeds=("今天天气",))
    assert chinese.words == 5
    assert chinese.new_words == 0.6
    assert 0 < chinese.seed_distance < 1


def test_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"red {n % 3} bird {n}" for n in range(7)]
    whole = found(*texts, seeds=SEEDS)
    monkeypatch.setattr(drift, "_BATCH", 3)
    assert found(*texts, seeds=SEEDS) == whole


def test_shares_of_entity_types_are_over_all_entities() -> None:
    task = EntityToy()
    both = to_answer([Span("PERSON", 0, 3), Span("PERSON", 4, 8)])
    new = [written("Ada Vale sleeps.", both), written("Nobody.", "[]")]
    assert measured(task, new, earlier=(), seeds=()).classes == {"PERSON": 1.0, "TOWN": 0.0}
    nothing = measured(task, new[1:], earlier=(), seeds=())
    assert nothing.classes == {}


def test_free_answers_have_no_classes() -> None:
    free = LabelToy(labels=None)
    assert measured(free, [written("a b", "so")], earlier=(), seeds=()).classes == {}


def annotated(text: str) -> Annotation:
    return Annotation(sample(text), Explanation((), "yes"), Status.OK, "toy")


def closed(pool: Pool, round_: int, *bought: Annotation) -> dict[str, Any]:
    pool.open(Query(round_, (QueryItem(sample(f"asked {round_}"), known="yes"),)))
    pool.close(bought)
    return drift_of(EvenTask(), pool, bought)


def test_of_a_purchase_the_usable_new_texts_count() -> None:
    pool = Pool([sample("unlabelled")])
    assert closed(pool, 0, annotated("red fish"), written("not usable", ok=False)) == {}
    new = written("red bird", "yes"), written("never", ok=False), annotated("a bird")
    found = closed(pool, 1, *new)
    assert found["texts"] == 1
    assert found["classes"] == {"yes": 1.0, "no": 0.0}
    assert found["new_words"] == 0.0  # "bird" came with what was bought beside it


def test_all_that_came_in_lessons_is_new() -> None:
    pool = Pool([sample("unlabelled")])
    closed(pool, 0, annotated("red fish"))
    served = annotated("red bird")
    pool.open(Query(1, ()))
    pool.close([served])
    assert drift_of(EvenTask(), pool, [served]) == {}
    found = drift_of(EvenTask(), pool, [served], lessons=True)
    assert (found["texts"], found["new_words"]) == (1, 0.5)
    assert 0 < found["seed_distance"] < 1


def test_seed_texts_are_those_given_in_round_0() -> None:
    pool = Pool([sample("unlabelled")])
    first = closed(pool, 0, annotated("red fish"), written("blue sky", "yes"))
    assert first["seed_distance"] == 1.0
    closed(pool, 1, annotated("a bird"), written("a song", "yes"))
    distances = [
        closed(pool, n, written(text, "no"))["seed_distance"]
        for n, text in enumerate(("blue sky!", "a bird!", "a song!", "red fish!"), 2)
    ]
    assert distances == [1.0, 1.0, 1.0, 0.0]
