import json

import pytest

from elad_exp.selectors.combine import ComponentSelector, RandomSelector
from elad_exp.selectors.diagnose import diagnose, random_overlap
from elad_exp.selectors.query import build_query
from elad_exp.types import Candidate, Explanation, Gold, GoldBook, Sample


class FakeTask:
    def grade(self, sample, answer, gold):
        return answer == gold[sample.id].answer


def candidates(scores, right):
    return [
        Candidate(
            Sample(f"id{i:02}", "q"),
            scores={"inter": score},
            attempt=Explanation.of(["step"] * (1 + i % 2), "yes" if ok else "no"),
        )
        for i, (score, ok) in enumerate(zip(scores, right, strict=True))
    ]


def gold(pool):
    return GoldBook({c.sample.id: Gold("yes") for c in pool})


def query(pool, selector, n=6, audit_fraction=0.5):
    return build_query(
        round=1, candidates=pool, selector=selector, n=n, audit_fraction=audit_fraction, seed=0
    )


def test_auroc_of_wrong_attempts():
    pool = candidates([0.9, 0.8, 0.2, 0.1], [False, False, True, True])
    found = diagnose(pool, query(pool, ComponentSelector("inter"), 2), FakeTask(), gold(pool))
    assert found["auroc"]["inter"]["value"] == 1
    assert found["auroc"]["inter"]["n"] == 4
    worst = candidates([0.1, 0.2, 0.8, 0.9], [False, False, True, True])
    found = diagnose(worst, query(worst, ComponentSelector("inter"), 2), FakeTask(), gold(worst))
    assert found["auroc"]["inter"]["value"] == 0
    assert json.loads(json.dumps(found)) == found


def test_auroc_is_none_where_all_attempts_are_right():
    pool = candidates([0.9, 0.8, 0.2], [True] * 3)
    found = diagnose(pool, query(pool, RandomSelector(), 2), FakeTask(), gold(pool))
    assert found["auroc"] == {"inter": None}


def test_without_attempts_there_is_nothing_to_say():
    pool = [Candidate(Sample(f"id{i}", "q")) for i in range(4)]
    found = diagnose(pool, query(pool, RandomSelector(), 2), FakeTask(), gold(pool))
    assert found == {"auroc": {}, "mean_steps": None, "mean_steps_candidates": None}


def test_mean_steps_are_over_selected_items():
    pool = candidates([float(i % 2) for i in range(20)], [True] * 20)
    chosen = query(pool, ComponentSelector("inter"))
    found = diagnose(pool, chosen, FakeTask(), gold(pool))
    assert found["mean_steps"] == 2
    assert found["mean_steps_candidates"] == 1.5


@pytest.mark.parametrize("selector", [RandomSelector(), ComponentSelector("inter")])
def test_scores_that_say_nothing_overlap_with_random_entirely(selector):
    pool = candidates([0.5] * 20, [True] * 20)
    chosen = query(pool, selector)
    assert random_overlap(chosen, pool, seed=0) == (1.0, 3 / 17)


def test_scores_that_decide_overlap_by_chance_only():
    pool = candidates([float(i) for i in range(200)], [True] * 200)
    chosen = query(pool, ComponentSelector("inter"), n=40, audit_fraction=0)
    found = diagnose(pool, chosen, FakeTask(), gold(pool), seed=0)
    assert found["chance_overlap"] == 0.2
    assert found["random_overlap"] < 0.5


def test_overlap_of_a_pure_audit_is_undefined():
    pool = candidates([0.5] * 4, [True] * 4)
    chosen = query(pool, RandomSelector(), n=2, audit_fraction=1)
    assert random_overlap(chosen, pool, seed=0) == (None, None)
