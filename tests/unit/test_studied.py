"""Which predictions a teacher is shown."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from elad_exp.entities import Span, to_answer
from elad_exp.errors import ConfigError
from elad_exp.selectors.studied import GivenSelector, PredictionsSelector, groups
from elad_exp.types import Candidate, Explanation
from tests.unit.label_toys import sample


def candidate(n: int, known: str, predicted: str | None) -> Candidate:
    return Candidate(sample(f"text {n}"), attempt=Explanation((), predicted), known=known)


RIGHT = [candidate(n, "ab"[n % 2], "ab"[n % 2]) for n in range(20)]
WRONG = [candidate(100 + n, "aab"[n % 3], "c") for n in range(12)]


def chosen(n: int, right: float = 0.5, pool: list[Candidate] | None = None) -> list[tuple]:
    selector = PredictionsSelector(right_fraction=right)
    items = selector.select(pool or RIGHT + WRONG, n, np.random.default_rng(0))
    assert len({item.sample.id for item in items}) == n
    return [(item.known, item.attempt.answer) for item in items]


@pytest.mark.parametrize(("right", "expected"), [(0.5, 5), (0.0, 0), (1.0, 10), (0.3, 3)])
def test_right_ones_have_their_share(right: float, expected: int) -> None:
    found = chosen(10, right)
    assert sum(known == predicted for known, predicted in found) == expected


def test_answers_take_turns() -> None:
    wrong = [known for known, predicted in chosen(16, 0.5) if known != predicted]
    assert sorted(wrong) == ["a"] * 4 + ["b"] * 4  # though of the wrong ones two thirds are "a"


def test_entity_types_take_turns() -> None:
    def entities(n: int, *types: str) -> Candidate:
        spans = (Span(kind, 10 * i + n, 10 * i + n + 3) for i, kind in enumerate(types))
        return candidate(n, to_answer(spans), "[]")

    wrong = [
        *(entities(n, "PER", "LOC") for n in range(20)),
        *(entities(n, "PER", "ORG") for n in range(20, 24)),
        *(candidate(n, "[]", to_answer([Span("PER", 0, 1)])) for n in range(24, 28)),
    ]
    group = dict(zip((c.sample.id for c in wrong), groups(wrong), strict=True))
    assert Counter(group.values()) == {"LOC": 20, "ORG": 4, "": 4}  # PER: the most frequent one
    for n in (3, 12):
        chosen = PredictionsSelector().select(wrong, n, np.random.default_rng(0))
        found = Counter(group[item.sample.id] for item in chosen)
        assert found == dict.fromkeys(("LOC", "ORG", ""), n // 3)


def test_what_one_kind_lacks_the_other_has() -> None:
    assert sum(known == predicted for known, predicted in chosen(30, 0.0)) == 18
    assert sum(known == predicted for known, predicted in chosen(30, 1.0)) == 20


def test_a_prediction_that_cannot_be_read_is_wrong() -> None:
    [(_, answer)] = chosen(1, 0.0, [*RIGHT, candidate(200, "a", None)])
    assert answer is None


@pytest.mark.parametrize("fraction", [-0.1, 1.1])
def test_shares_are_shares(fraction: float) -> None:
    with pytest.raises(ConfigError, match=f"right_fraction={fraction}: must be 0 to 1"):
        PredictionsSelector(right_fraction=fraction)


def test_examples_of_the_dataset_come_before_a_teacher_s_own() -> None:
    def of(origin: str, n: int, known: str) -> Candidate:
        return Candidate(replace(sample(f"notice {n}"), origin=origin), known=known)

    own = [of("dataset", n, "concert" if n else "market") for n in range(4)]
    written = [of("synthetic", n + 4, "market") for n in range(6)]
    candidates = [*written, *own]
    for n in (1, 2, 4, 7):
        chosen = GivenSelector().select(candidates, n, np.random.default_rng(0))
        origins = [item.sample.origin for item in chosen]
        assert origins == (["dataset"] * 4 + ["synthetic"] * 6)[:n]
    assert {item.known for item in chosen[:2]} == {"concert", "market"}
