import pytest

from elad_exp.errors import DataError
from elad_exp.teachers.gold import GoldTeacher, answer_agreement
from elad_exp.types import Explanation, Gold, GoldBook, QueryItem, Status
from tests.unit.teacher_toys import SAMPLE, STEPS, TASK, gold_of, item

GOLD = gold_of(TASK, SAMPLE)


def test_the_human_explanation_replaces_the_attempt_without_verdicts():
    teacher = GoldTeacher(TASK, GOLD)
    annotation, usage = teacher.answer(item("nonsense", answer="yes"))
    assert annotation.status is Status.OK
    assert annotation.explanation == Explanation.of(STEPS, "no")
    assert (annotation.verdicts, annotation.first_error) == ((), None)
    assert not annotation.checked
    assert usage.usd == 0
    assert 0 < usage.tokens <= teacher.bound(item()).tokens


def test_its_request_holds_neither_attempt_nor_gold():
    gold = GoldBook({SAMPLE.id: Gold("no", ("gold canary",), {"k": "meta canary"})})
    prompt = GoldTeacher(TASK, gold).request(item("attempt canary"))["prompt"]
    assert SAMPLE.question in prompt
    assert "canary" not in prompt


def test_without_explanation_the_answer_alone_is_used():
    gold = GoldBook({SAMPLE.id: Gold("yes")})
    annotation, _ = GoldTeacher(TASK, gold).answer(QueryItem(SAMPLE))
    assert annotation.status is Status.OK
    assert annotation.explanation == Explanation.of((), "yes")


def test_a_sample_without_gold_is_refused_before_anything_is_bought():
    with pytest.raises(DataError, match=f"sample {SAMPLE.id} has no gold"):
        GoldTeacher(TASK, GoldBook({})).request(QueryItem(SAMPLE))


def test_an_explanation_beyond_the_maximum_is_truncated():
    annotation, usage = GoldTeacher(TASK, GOLD, max_completion_tokens=3).answer(item())
    assert annotation.status is Status.TRUNCATED
    assert usage.completion_tokens == 3


def test_answer_agreement_is_a_share_of_all_attempts():
    attempts = [
        (SAMPLE, Explanation.of(["wrong step"], "no")),
        (SAMPLE, Explanation.of(STEPS, "yes")),
        (SAMPLE, Explanation.of(STEPS, None)),
        (SAMPLE, None),
    ]
    assert answer_agreement(attempts, task=TASK, gold=GOLD) == 0.25
    with pytest.raises(ValueError, match="no attempts"):
        answer_agreement([], task=TASK, gold=GOLD)
