import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elad_exp.errors import ConfigError
from elad_exp.selectors import components as c
from elad_exp.types import Choice, Explanation, Sample, Step, normalise


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


def test_perplexity_is_per_token_and_free():
    assert c.perplexity(Explanation((), "yes", logprob=-math.log(5))) == pytest.approx(5)
    assert c.perplexity(Explanation((), None)) is None
    with pytest.raises(ConfigError, match="no log-probability"):
        c.perplexity(Explanation.of(["s"], "yes"))


def test_self_consistency_counts_the_largest_vote():
    assert c.self_consistency(["yes"] * 4) == 0
    assert c.self_consistency(["yes", "no", "yes", None]) == 0.5


def test_bald_is_high_where_sure_masks_disagree_only():
    sure, other = {"yes": 1.0, "no": 0.0}, {"yes": 0.0, "no": 1.0}
    unsure = {"yes": 0.5, "no": 0.5}
    assert c.bald([sure, other]) == pytest.approx(math.log(2))
    assert c.bald([unsure, unsure]) == 0
    assert c.bald([sure, sure]) == 0
    assert 0 < c.bald([sure, unsure]) < math.log(2)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8))
def test_bald_stays_within_its_range(probabilities):
    assert 0 <= c.bald([{"yes": p, "no": 1 - p} for p in probabilities]) <= math.log(2) + 1e-9


def test_inter_from_prefixes_is_the_mean_of_inter():
    answers = [["yes", "no"], ["yes", "yes"]]
    assert c.inter_prefixes(answers) == pytest.approx(math.log(2) / 2)
    assert c.inter_prefixes(answers[:1]) == c.inter(answers[0])


def test_open_intra_is_the_share_of_other_answers():
    def same(one, other):
        return float(one) == float(other)

    assert c.intra_open("18", ["18.0", "17", None, "18"], same) == 0.5
    assert c.intra_open(None, [], same) == 1


@given(st.permutations(["0.5", "50%", "50", "7", None, "7.0"]))
def test_one_vote_joins_what_is_connected_in_any_order(answers):
    halves = {"0.5": {"50%"}, "50%": {"0.5", "50"}, "50": {"50%"}, "7": {"7.0"}, "7.0": {"7"}}
    votes = c.one_vote(answers, lambda one, other: other in halves[one])
    by_answer = dict(zip(answers, votes, strict=True))
    assert by_answer["0.5"] == by_answer["50%"] == by_answer["50"] != by_answer["7"]
    assert by_answer["7"] == by_answer["7.0"]
    assert by_answer[None] is None


def test_a_step_without_an_entropy_leaves_the_others():
    known = attempt(0.2, None, 0.6)
    assert c.step_entropy(known) == pytest.approx(0.4)
    assert c.step_entropy_max(known) == 0.6
    assert c.step_entropy_sum(known) == pytest.approx(0.8)
    for score in (c.step_entropy, c.step_entropy_max, c.step_entropy_sum):
        assert score(attempt(None, None)) is None


def test_a_student_without_any_entropies_is_refused():
    with pytest.raises(ConfigError, match="no entropy for any step"):
        c.check_step_entropies([attempt(None), attempt(), attempt(None, None)])
    c.check_step_entropies([attempt(None), attempt(0.1)])
    c.check_step_entropies([attempt()])


def test_undefined_scores_become_the_largest():
    assert c.fill_undefined([0.1, None, 0.7]) == [0.1, 0.7, 0.7]
    assert c.fill_undefined([None, None]) == [0.0, 0.0]


def test_rare_words_counts_labelled_questions_not_occurrences():
    labelled = [sample("Is Ada Ada?"), sample("Is Bo old?")]
    new, half, known = c.rare_words(
        [sample("Cy cy!"), sample("is Cy"), sample("ada old")], labelled
    )
    assert new == 1
    assert half == pytest.approx((1 / 3 + 1) / 2)
    assert known == pytest.approx(1 / 2)
    assert c.rare_words([sample("?!")], labelled) == [0.0]


def test_characters_are_words_where_words_have_no_spaces_between_them():
    question = sample("今天GPT-4下雨了，it's 2008年。ไทย")
    own = [*"今天", "gpt", "4", *"下雨了", "it's", "2008", "年", *"ไทย"]
    assert c.words(question) == own
    assert c.question_length(question) == len(own)
    assert c.rare_words([sample("明天下雨")], [sample("今天下雨了。")]) == [pytest.approx(5 / 8)]


@given(st.text(st.characters(max_codepoint=0xDFF) | st.sampled_from("'\u2019 ab\u0301")))
def test_words_of_other_writing_are_runs_of_letters_and_digits(text):
    expected = re.findall(r"\w+(?:['\u2019]\w+)*", normalise(text))
    assert c.words(sample(text)) == expected


def test_words_of_choices_count():
    question = sample("Which one?", ["Ada", "Bo"])
    assert c.question_length(question) == 4
    assert c.rare_words([question], [sample("which one")]) == [pytest.approx(0.75)]


def test_unknown_component_lists_the_allowed():
    with pytest.raises(ConfigError, match=r"'intro'; allowed: .*intra.*step_entropy"):
        c.check_components(["intro", "inter"])


def test_what_is_supported_and_what_costs_samples():
    assert c.supported(closed=True) - c.supported(closed=False) == {"bald", "direct_entropy"}
    assert c.from_samples(c.COMPONENTS, closed=True) == c.SAMPLED
    assert c.from_samples(c.COMPONENTS, closed=False) == c.SAMPLED | c.ANSWER


def test_what_is_scored_besides():
    assert c.check_also("all") == {"all"}
    assert c.check_also(["inter", "features"]) == {"inter", "features"}
    with pytest.raises(ConfigError, match=r"unknown component 'intro'.*also_score"):
        c.check_also(["intro", "all"])
    needs = frozenset({"inter"})
    assert c.with_also(needs, frozenset({"margin"}), closed=True) == {"inter", "margin"}
    assert c.with_also(needs, frozenset({"all"}), closed=False) == c.supported(closed=False)
