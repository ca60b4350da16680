"""Near-duplicates: exact where they are reported, and next to none missed."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elad_exp.data.near import THRESHOLD, Pair, near_pairs, near_warnings
from elad_exp.protocols import Splits
from elad_exp.types import GoldBook, Sample, normalise

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


CHINESE = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑"  # 19 characters, all different


def test_texts_without_spaces_are_compared_by_pairs_of_characters() -> None:
    other = CHINESE.replace("盈", "往")
    [pair] = near_pairs([("x", "秋收冬藏闰余成岁"), ("a", CHINESE)], [("b", f"{other}。")])
    assert pair == Pair("a", "b", THRESHOLD)  # 16 of 20 pairs
    shorter = near_pairs([("a", CHINESE[:-1])], [("b", other[:-1])])
    assert shorter == []  # 15 of 19


@pytest.mark.parametrize(
    "text",
    [
        "これはとても長い日本語の文章です",
        "ร้านขายปลาสดอยู่ริมแม่น้ำเจ้าพระยา",
        "ຮ້ານຂາຍປາຢູ່ແຄມແມ່ນ້ຳຂອງ",
        "ហាងលក់ត្រីនៅក្បែរមាត់ទន្លេ",
        "ငါးဆိုင်ကမြစ်ကမ်းဘေးမှာရှိတယ်",
    ],
)
def test_a_character_more_is_no_other_text(text: str) -> None:
    [pair] = near_pairs([("a", text)], [("b", text + text[0])])
    assert THRESHOLD <= pair.similarity < 1
    assert near_pairs([("a", text)], [("b", text[::-1])]) == []


def test_numbers_and_names_in_such_a_text_are_words() -> None:
    one, other = (f"{CHINESE} Mira Solent 寄来 {n} 封信" for n in ("1.5", "1.6"))
    [pair] = near_pairs([("a", one)], [("b", other)])
    # 18 pairs, 来 joins none across a space: 寄来, 封信, mira, solent, and the number.
    assert pair.similarity == 22 / 24


@pytest.mark.parametrize(
    ("text", "word", "another"),
    [
        (NINE.replace("nine", "北京大学"), "北京大学", "北京大楼"),  # a name in an English text
        ("一乙二 三丁四 五丙六 七戊八 九己十 百庚千 万辛亿 兆壬京 垓癸秭", "垓癸秭", "垓癸穰"),
        ("하나를 둘을 셋을 넷을 다섯을 여섯을 일곱을 여덟을 아홉을", "아홉을", "아홉은"),
    ],
)
def test_where_words_are_spaced_they_stay_words(text: str, word: str, another: str) -> None:
    [pair] = near_pairs([("a", text)], [("b", text.replace(word, another))])
    assert pair.similarity == THRESHOLD  # 8 of 10 words, whatever else two words share


@given(st.text(st.sampled_from("ab é1.,;-' \n"), max_size=40))
def test_texts_of_spaced_scripts_have_the_words_that_they_had(text: str) -> None:
    words = set(re.findall(r"\w+(?:[.,]\d+)*", normalise(text)))
    found = near_pairs([("a", text)], [("b", " ".join(sorted(words)))])
    assert [(p.first, p.similarity) for p in found] == ([("a", 1.0)] if words else [])
