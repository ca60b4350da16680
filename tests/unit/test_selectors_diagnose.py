import json
import math

import pytest
from scipy.stats import spearmanr

from elad_exp.selectors.combine import ComponentSelector, RandomSelector
from elad_exp.selectors.diagnose import (
    class_shares,
    diagnose,
    diversity,
    random_overlap,
    separation,
    spearman,
    wrong_attempts,
)
from elad_exp.selectors.query import build_query
from elad_exp.types import Candidate, Explanation, Gold, GoldBook, Sample


class FakeTask:
    def grade(self, sample, answer, gold):
        return answer == gold[sample.id].answer


def candidates(scores, right, **more):
    return [
        Candidate(
            Sample(f"id{i:02}", "q"),
            scores={"inter": score},
            attempt=Explanation.of(["step"] * (1 + i % 2), "yes" if ok else "no"),
            **{name: values[i] for name, values in more.items()},
        )
        for i, (score, ok) in enumerate(zip(scores, right, strict=True))
    ]


def gold(pool):
    return GoldBook({c.sample.id: Gold("yes") for c in pool})


def query(pool, selector, n=6, audit_fraction=0.5):
    return build_query(
        round=1, candidates=pool, selector=selector, n=n, audit_fraction=audit_fraction, seed=0
    )


def found(pool, chosen, **options):
    wrong = wrong_attempts(pool, FakeTask(), gold(pool))
    return diagnose(pool, chosen, wrong=wrong, gold=gold(pool), **options)


def test_scores_of_wrong_attempts():
    pool = candidates([0.9, 0.8, 0.2, 0.1], [False, False, True, True])
    best = found(pool, query(pool, ComponentSelector("inter"), 2))
    assert (best["auroc/inter"]["value"], best["auroc/inter"]["n"]) == (1, 4)
    assert (best["auprc/inter"]["value"], best["auprc/inter"]["prevalence"]) == (1, 0.5)
    pool = candidates([0.1, 0.2, 0.8, 0.9], [False, False, True, True])
    worst = found(pool, query(pool, ComponentSelector("inter"), 2))
    assert worst["auroc/inter"]["value"] == 0
    assert worst["auprc/inter"]["value"] == pytest.approx((1 / 3 + 2 / 4) / 2)
    assert json.loads(json.dumps(worst)) == worst


def test_separation_is_undefined_where_all_attempts_are_right():
    pool = candidates([0.9, 0.8, 0.2], [True] * 3)
    chosen = found(pool, query(pool, RandomSelector(), 2))
    assert (chosen["auroc/inter"], chosen["auprc/inter"]) == (None, None)


def test_a_component_is_judged_on_the_rows_that_have_it():
    rows = [({"a": 1.0, "b": 3.0}, True), ({"a": 2.0}, False), ({"a": 0.0, "b": 1.0}, False)]
    result = separation(rows, kind="_teacher")
    assert list(result) == [
        "auroc_teacher/a",
        "auroc_teacher/b",
        "auprc_teacher/a",
        "auprc_teacher/b",
    ]
    assert [result[f"auroc_teacher/{x}"]["n"] for x in "ab"] == [3, 2]
    assert [result[f"auroc_teacher/{x}"]["value"] for x in "ab"] == [0.5, 1.0]
    assert [result[f"auprc_teacher/{x}"]["prevalence"] for x in "ab"] == [1 / 3, 0.5]


def test_without_attempts_scores_are_worth_nothing():
    pool = [Candidate(Sample(f"id{i}", "what is it")) for i in range(4)]
    assert found(pool, query(pool, RandomSelector(), 3, 0)) == {
        "spearman": {},
        "diversity": {"of": "words", "selected": 1 / 3, "candidates": None},
        "classes": {"gold": {"selected": {"yes": 1.0}, "candidates": {"yes": 1.0}}},
        "mean_steps": None,
        "mean_steps_candidates": None,
    }


def test_mean_steps_are_over_selected_items():
    pool = candidates([float(i % 2) for i in range(20)], [True] * 20)
    chosen = found(pool, query(pool, ComponentSelector("inter")))
    assert chosen["mean_steps"] == 2
    assert chosen["mean_steps_candidates"] == 1.5


def test_components_are_correlated_where_both_are_known():
    columns = {"a": [1, 2, 3, 4, 4], "b": [2, 1, 4, 3, 5], "flat": [7] * 5}
    pool = [
        Candidate(Sample(f"id{i}", "q"), {name: values[i] for name, values in columns.items()})
        for i in range(5)
    ]
    pool.append(Candidate(Sample("id9", "q"), {"a": -50.0}, screened=True))
    expected = spearmanr(columns["a"], columns["b"]).statistic
    assert spearman(pool) == {"a~b": round(expected, 4), "a~flat": None, "b~flat": None}


def test_diversity_is_the_mean_cosine_distance_of_two():
    angles = [0.0, 0.5, 2.0]
    pool = candidates([1, 2, 3], [True] * 3, features=[(math.cos(a), math.sin(a)) for a in angles])
    pairs = [1 - math.cos(a - b) for a, b in [(0, 0.5), (0, 2), (0.5, 2)]]
    assert diversity(pool) == ("features", pytest.approx(sum(pairs) / 3))
    chosen = found(pool, query(pool, ComponentSelector("inter"), 2, 0))["diversity"]
    assert chosen["of"] == "features"
    assert chosen["selected"] == pytest.approx(pairs[2])
    assert chosen["candidates"] == pytest.approx(sum(pairs) / 3)


def test_diversity_without_features_counts_words_once_a_question():
    texts = ["is Ada old", "is is Bo old", "why"]
    pool = [Candidate(Sample(f"id{i}", text)) for i, text in enumerate(texts)]
    assert diversity(pool) == ("words", 5 / 7)
    assert diversity(pool[:1]) is None
    assert diversity([Candidate(Sample("a", "")), Candidate(Sample("b", ""))]) is None


def test_class_shares_of_what_was_selected():
    assert class_shares(["yes", None], ["yes", "yes", "no", None]) == {
        "selected": {"(unparsed)": 0.5, "no": 0.0, "yes": 0.5},
        "candidates": {"(unparsed)": 0.25, "no": 0.25, "yes": 0.5},
    }


def test_rare_classes_are_told_together():
    answers = [str(i) for i in range(20) for _ in range(20 - i)]
    told = class_shares(["19", "0"], answers)
    assert sorted(told["candidates"]) == ["(others)", *map(str, range(10))]
    assert told["selected"]["(others)"] == told["selected"]["0"] == 0.5
    assert sum(told["candidates"].values()) == pytest.approx(1)


def test_classes_of_a_round_are_answers_and_gold():
    pool = candidates([3, 2, 1, 0], [False, True, True, True])
    told = found(pool, query(pool, ComponentSelector("inter"), 2, 0))["classes"]
    assert told["answer"]["selected"] == {"no": 0.5, "yes": 0.5}
    assert told["answer"]["candidates"] == {"no": 0.25, "yes": 0.75}
    assert told["gold"]["selected"] == {"yes": 1.0}


@pytest.mark.parametrize("selector", [RandomSelector(), ComponentSelector("inter")])
def test_scores_that_say_nothing_overlap_with_random_entirely(selector):
    pool = candidates([0.5] * 20, [True] * 20)
    chosen = query(pool, selector)
    assert random_overlap(chosen, pool, seed=0) == (1.0, 3 / 17)


def test_scores_that_decide_overlap_by_chance_only():
    pool = candidates([float(i) for i in range(200)], [True] * 200)
    chosen = found(pool, query(pool, ComponentSelector("inter"), n=40, audit_fraction=0), seed=0)
    assert chosen["chance_overlap"] == 0.2
    assert chosen["random_overlap"] < 0.5


def test_overlap_of_a_pure_audit_is_undefined():
    pool = candidates([0.5] * 4, [True] * 4)
    chosen = query(pool, RandomSelector(), n=2, audit_fraction=1)
    assert random_overlap(chosen, pool, seed=0) == (None, None)
