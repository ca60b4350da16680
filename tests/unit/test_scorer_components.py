import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elad_exp.errors import ConfigError
from elad_exp.selectors import components as c
from elad_exp.types import Choice, Explanation, Sample, Step


def sample(question, choices=()):
    return Sample(question, question, tuple(Choice(str(i), t) for i, t in enumerate(choices)))


def attempt(*entropies):
    return Explanation(
        tuple(Step(i, f"s{i}", entropy=e) for i, e in enumerate(entropies, 1)), "yes"
    )


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=6))
def test_entropy_is_bounded_and_exactly_symmetric(weights):
    p = [w / sum(weights) for w in weights]
    assert 0 <= c.entropy(p) <= math.log(len(p)) + 1e-9
    assert c.entropy(p) == c.entropy(p[::-1])


def test_entropy_of_certainty_is_zero_without_a_sign():
    assert math.copysign(1, c.entropy([1.0, 0.0])) == 1


def test_inter_counts_unparsed_as_a_symbol():
    assert c.inter(["yes"] * 4) == 0
    assert c.inter(["yes", "yes", None, None]) == pytest.approx(math.log(2))
    assert c.inter(["yes", "no", None, "x"]) == pytest.approx(math.log(4))


def test_least_confidence_and_margin():
    assert c.least_confidence([0.7, 0.2, 0.1]) == pytest.approx(0.3)
    assert c.margin([0.1, 0.7, 0.2]) == pytest.approx(0.5)
    assert c.margin([1.0]) == 0
    assert c.margin([0.5, 0.5]) == 1


@pytest.mark.parametrize(
    ("steps", "mode", "expected"),
    [
        ("abc", "truncate", [(), ("a",), ("a", "b")]),
        ("abc", "remove", [("b", "c"), ("a", "c"), ("a", "b")]),
        ("a", "remove", [()]),
        ("", "truncate", [()]),
        ("", "remove", [()]),
    ],
)
def test_partial_explanations(steps, mode, expected):
    assert c.partial_explanations(tuple(steps), mode=mode) == expected


def test_intra_is_the_mean_doubt_in_the_own_answer():
    distributions = [{"yes": 0.5, "no": 0.5}, {"yes": 0.9, "no": 0.1}]
    assert c.intra("yes", distributions) == pytest.approx(0.3)
    assert c.intra("no", distributions) == pytest.approx(0.7)
    assert c.intra(None, []) == 1
    assert c.intra("maybe", distributions) == 1


def test_intra_excess_compares_with_attempts_of_equal_length():
    excess = c.intra_excess([0.2, 0.4, 0.9, 0.5], [1, 1, 3, 2])
    assert excess == pytest.approx([-0.1, 0.1, 0.0, 0.0])


def test_step_entropy_mean_maximum_and_sum():
    assert c.step_entropy(attempt(0.2, 1.0)) == pytest.approx(0.6)
    assert c.step_entropy_max(attempt(0.2, 1.0)) == 1.0
    assert c.step_entropy_sum(attempt(0.2, 1.0)) == pytest.approx(1.2)
    assert c.step_entropy(attempt()) is None
    assert c.step_entropy_max(attempt()) is None
    assert c.step_entropy_sum(attempt()) is None


def test_step_entropy_refuses_a_student_without_entropies():
    with pytest.raises(ConfigError, match="no entropy for its steps"):
        c.step_entropy(attempt(0.2, None))


def test_undefined_scores_become_the_largest():
    assert c.fill_undefined([0.1, None, 0.7]) == [0.1, 0.7, 0.7]
    assert c.fill_undefined([None, None]) == [0.0, 0.0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The height of Ada is 1,200 m.", "Ada has a height of 1200.0 metres"),
        ("So Ada comes first.", "ADA comes first"),
        ("It is less.", "it  is less."),
        ("Ada isn't 5.", "Ada is not 5."),
    ],
)
def test_facts_agree(one, other):
    assert c.facts(one) == c.facts(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada is older than Bo.", "Bo is older than Ada."),
        ("Ada is coastal.", "Ada is not coastal."),
        ("Ada has 3.", "Ada has -3."),
        ("Ada has 3.5.", "Ada has 35."),
        ("it is less.", "it is more."),
    ],
)
def test_facts_differ(one, other):
    assert c.facts(one) != c.facts(other)


def test_step_content_aligns_steps_and_counts_the_missing():
    ada, bo = "Ada is 3.", "Bo is 4."
    agree = [Explanation.of([ada, bo], "yes")] * 2
    half = [Explanation.of([ada, bo], "yes"), Explanation.of(["Ada equals 3."], "no")]
    assert c.step_content(agree) == 0
    assert c.step_content(half) == pytest.approx(math.log(2) / 2)
    assert c.step_content(half, key=c.whole_text) == pytest.approx(math.log(2))
    assert c.step_content([Explanation.of([], "yes")] * 2) is None


def test_rare_words_counts_labelled_questions_not_occurrences():
    labelled = [sample("Is Ada Ada?"), sample("Is Bo old?")]
    new, half, known = c.rare_words(
        [sample("Cy cy!"), sample("is Cy"), sample("ada old")], labelled
    )
    assert new == 1
    assert half == pytest.approx((1 / 3 + 1) / 2)
    assert known == pytest.approx(1 / 2)
    assert c.rare_words([sample("?!")], labelled) == [0.0]


def test_words_of_choices_count():
    question = sample("Which one?", ["Ada", "Bo"])
    assert c.question_length(question) == 4
    assert c.rare_words([question], [sample("which one")]) == [pytest.approx(0.75)]


def test_unknown_component_lists_the_allowed():
    with pytest.raises(ConfigError, match=r"'intro'; allowed: .*intra.*step_entropy"):
        c.check_components(["intro", "inter"])
