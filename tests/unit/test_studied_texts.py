"""What a teacher is shown of annotated texts: which, and the predictions of when."""

from __future__ import annotations

from typing import Any

import pytest

from elad_exp.data.pool import Pool
from elad_exp.studied import Studied
from elad_exp.types import Annotation, Candidate, Explanation, Query, Sample, Status
from tests.unit.label_toys import sample


class Parrot:
    """Says what it was told to say now."""

    def __init__(self) -> None:
        self.says, self.asked = "", []

    def explain(self, samples: list[Sample], **options: Any) -> list[list[Explanation]]:
        self.asked.append([s.question for s in samples])
        return [[Explanation((), self.says)] for _ in samples]


def buy(pool: Pool, studied: Studied, parrot: Parrot, *texts: str, bad: int = 0) -> None:
    made = [Annotation(sample(t), Explanation((), "market"), Status.OK, "toy") for t in texts]
    made += [Annotation(sample(f"bad {n}"), None, Status.UNPARSED, "toy") for n in range(bad)]
    pool.open(Query(pool.round, ()))
    pool.close(made)
    studied.meet(parrot, made)


def told(studied: Studied, says: str) -> dict[str, tuple[str, str]]:
    now = [Candidate(s, attempt=Explanation((), says)) for s in studied.samples]
    return {c.sample.question: (c.known, c.attempt.answer) for c in studied.told(now)}


def test_new_texts_are_studied_with_what_was_said_before_training() -> None:
    pool, parrot = Pool([]), Parrot()
    studied = Studied("new", pool, lambda annotation: "long" not in annotation.sample.question)
    buy(pool, studied, parrot, "one", "two")
    assert told(studied, "now") == {"one": ("market", "now"), "two": ("market", "now")}
    assert parrot.asked == []  # it was not trained at all yet
    parrot.says = "before"
    buy(pool, studied, parrot, "three", "long four", bad=1)
    assert told(studied, "now") == {"three": ("market", "before")}
    again = Studied("new", pool, studied.readable)
    again.load_state_dict(studied.state_dict())
    assert told(again, "now") == told(studied, "now")
    buy(pool, studied, parrot, bad=2)  # nothing that can be used: the last ones again
    assert told(studied, "now") == {"three": ("market", "before")}
    parrot.says = "later"
    buy(pool, studied, parrot, "five")
    assert told(studied, "now") == {"five": ("market", "later")}
    assert parrot.asked == [["three"], ["five"]]


def test_all_annotated_texts_are_studied_with_what_is_said_now() -> None:
    pool, parrot = Pool([]), Parrot()
    studied = Studied("annotated", pool, lambda annotation: True)
    buy(pool, studied, parrot, "one")
    buy(pool, studied, parrot, "two")
    assert told(studied, "now") == {"one": ("market", "now"), "two": ("market", "now")}
    assert parrot.asked == []
    assert studied.state_dict() == {}


@pytest.mark.parametrize("among", ["annotated", "new"])
def test_before_the_first_purchase_there_is_nothing(among: str) -> None:
    assert Studied(among, Pool([]), lambda annotation: True).samples == []
