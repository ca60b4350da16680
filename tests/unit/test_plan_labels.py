"""What a plan says of students that label, beside what they read."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest

from elad_exp.entities import from_answer
from elad_exp.plan.attempts import Scoring
from elad_exp.plan.labels import Labels
from elad_exp.selectors.components import from_samples, with_also
from elad_exp.selectors.scorer import Scorer
from elad_exp.selectors.settings import guided_size
from elad_exp.student import speed
from elad_exp.student.build_encoder import BuiltEncoder, TinyEncoder
from tests.unit.label_toys import EntityToy, LabelToy

SELECTION = SimpleNamespace(dropout_passes=3)


@cache
def made(kind: type[LabelToy]) -> tuple[LabelToy, BuiltEncoder, Labels]:
    task = kind()
    maker = TinyEncoder(
        d_model=16, layers=1, heads=2, vocab_size=300, level="word", max_length=40, dropout=0.1
    )
    splits = task.load()
    built = maker.build(task, splits, seed=0)
    return task, built, Labels(task, splits, built, shown=False)


@pytest.mark.parametrize(
    ("kind", "needs", "guided"),
    [
        (LabelToy, set(), 1.0),
        (LabelToy, {"question_length"}, 1.0),
        (LabelToy, {"attempt"}, 1.0),
        (LabelToy, {"margin", "answer_entropy"}, 1.0),
        (LabelToy, {"direct_entropy"}, 1.0),
        (LabelToy, {"inter"}, 1.0),
        (LabelToy, {"inter"}, 0.25),
        (LabelToy, {"bald"}, 1.0),
        (LabelToy, {"bald", "margin", "self_consistency"}, 1.0),
        (EntityToy, {"attempt"}, 1.0),
        (EntityToy, {"margin"}, 1.0),
    ],
    ids=lambda own: "+".join(sorted(own)) if isinstance(own, set) else str(own),
)
def test_scoring_reads_what_is_planned(
    kind: type[LabelToy], needs: set[str], guided: float
) -> None:
    task, built, labels = made(kind)
    pool = labels.some  # all of it
    engine = built.engine(task)
    scorer = Scorer(task, engine, seed=0, k=3, dropout_passes=3, guided_fraction=guided)
    scorer.score(pool, frozenset(needs), labelled=[], round=1)
    closed = kind is LabelToy
    wanted = with_also(frozenset(needs), frozenset(), closed=closed)
    scoring = Scoring(
        candidates=len(pool),
        sampled=guided_size(len(pool), guided),
        shown=0,
        labelled=0,
        wanted=wanted,
        guided=guided < 1,
        closed=closed,
    )
    assert bool(from_samples(wanted, closed=closed)) == (
        bool(needs & {"inter", "self_consistency"}) or (not closed and "margin" in needs)
    )
    planned = labels.scored_tokens(scoring, SELECTION)
    read = engine.speeds["forced"].tokens
    assert (planned > 0) == (needs not in (set(), {"question_length"}))
    # Which candidates are guided to is not known, and their texts differ in length.
    assert planned == pytest.approx(read, rel=0.05 if guided < 1 else 1e-9)


def test_hidden_states_are_a_pass_over_what_is_labelled_as_well() -> None:
    _, _, labels = made(LabelToy)
    scoring = Scoring(10, 10, 0, 5, frozenset({"features"}), guided=False, closed=True)
    assert labels.scored_tokens(scoring, SELECTION) == pytest.approx(15 * labels.attempt_tokens)


@pytest.mark.parametrize("kind", [LabelToy, EntityToy])
def test_speeds_are_measured_on_examples_of_the_right_length(
    kind: type[LabelToy], monkeypatch: pytest.MonkeyPatch
) -> None:
    task, built, labels = made(kind)
    examples = labels.examples()
    mean = sum(len(row) for _, row in examples) / len(examples)
    assert mean == pytest.approx(labels.example_tokens)
    monkeypatch.setattr(speed, "SMALL_S", 0.02)
    found = speed.measure(built, built.engine(task), examples, batch_size=4)
    assert found.answer > 0
    assert found.train > 0


def test_the_longest_answer_is_as_long_as_any() -> None:
    _, _, labels = made(LabelToy)
    sample = labels.some[0]
    assert labels.longest(sample).answer == "concert"
    assert not labels.likely(sample).steps
    task, _, entities = made(EntityToy)
    answer: Any = entities.longest(sample).answer
    assert len(from_answer(answer)) == len(task.tokens(sample.question))  # type: ignore[attr-defined]
