"""The almanac's step grammar: what is right, what is wrong, what is missing."""

from __future__ import annotations

import string
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elad_exp.protocols import Splits
from elad_exp.tasks.almanac import AlmanacTask
from elad_exp.tasks.almanac.grammar import FACTS, INFERENCES, Claim, claim_of, parse, state
from elad_exp.types import Sample


@cache
def made() -> tuple[AlmanacTask, Splits]:
    task = AlmanacTask(condition="uniform", n_pool=600, n_dev=100, n_test=200)
    return task, task.load()


def of_family(*families: str) -> list[Sample]:
    splits = made()[1]
    return [s for s in splits.pool if splits.gold[s.id].meta["family"] in families]


pool_samples = st.integers(0, 599).map(lambda i: made()[1].pool[i])


def gold_of(sample: Sample) -> tuple[str, ...]:
    return made()[1].gold[sample.id].explanation


def test_gold_steps_are_right_one_after_the_other_and_complete() -> None:
    task, splits = made()
    for sample in (*splits.pool, *splits.dev, *splits.test):
        gold = splits.gold[sample.id]
        for i, step in enumerate(gold.explanation):
            assert task.check_step(sample, gold.explanation[:i], step)
        assert task.complete(sample, ()) == (gold.explanation, gold.answer)
        assert task.complete(sample, gold.explanation) == ((), gold.answer)


@settings(deadline=None)
@given(pool_samples, st.randoms(use_true_random=False), st.data())
def test_facts_may_come_in_any_order_and_complete_adds_the_rest(
    sample: Sample, random: object, data: st.DataObject
) -> None:
    task, splits = made()
    n = len(task.plan(sample).facts)
    facts, inferences = gold_of(sample)[:n], gold_of(sample)[n:]
    earlier = tuple(data.draw(st.permutations(facts))[: data.draw(st.integers(0, n))])
    for i, step in enumerate(earlier):
        assert task.check_step(sample, earlier[:i], step)
    rest, answer = task.complete(sample, earlier)
    assert sorted((*earlier, *rest)) == sorted(gold_of(sample))
    assert rest[len(rest) - len(inferences) :] == inferences
    assert answer == splits.gold[sample.id].answer
    for i, step in enumerate(rest):
        assert task.check_step(sample, (*earlier, *rest[:i]), step)


@settings(deadline=None)
@given(pool_samples, st.data())
def test_a_changed_number_is_wrong(sample: Sample, data: st.DataObject) -> None:
    task = made()[0]
    gold = gold_of(sample)
    place = data.draw(st.integers(0, len(gold) - 1))
    tokens = gold[place].split()
    numbers = [i for i, token in enumerate(tokens) if token.rstrip(".").isdigit()]
    if not numbers:
        return
    i = data.draw(st.sampled_from(numbers))
    old = tokens[i]
    new = data.draw(st.integers(10, 99).map(str).filter(lambda n: n != old.rstrip(".")))
    tokens[i] = new + "." * old.endswith(".")
    changed = " ".join(tokens)
    optional = {step.claim for step in task.plan(sample).optional}
    if parse(changed) not in optional:  # e.g. the other of two true comparisons
        assert not task.check_step(sample, gold[:place], changed)


@settings(deadline=None)
@given(pool_samples, st.data())
def test_another_entity_is_wrong_also_when_the_fact_is_true(
    sample: Sample, data: st.DataObject
) -> None:
    task = made()[0]
    facts = task.plan(sample).facts
    claim = data.draw(st.sampled_from(facts))
    used = {fact.args[0] for fact in facts}
    own = (n for n, known in task.world.facts.items() if claim.kind in known)
    other = data.draw(st.sampled_from([name for name in own if name not in used]))
    assert not task.check_step(sample, (), state(task.world.claim(other, claim.kind)).text)
    assert not task.check_step(sample, (), state(Claim(claim.kind, (other, claim.args[1]))).text)


@settings(deadline=None)
@given(pool_samples, st.data())
def test_true_facts_that_the_question_does_not_need_are_wrong(
    sample: Sample, data: st.DataObject
) -> None:
    task = made()[0]
    facts = task.plan(sample).facts
    entity = data.draw(st.sampled_from([fact.args[0] for fact in facts]))
    for attribute in task.world.facts[entity]:
        claim = task.world.claim(entity, attribute)
        assert task.check_step(sample, (), state(claim).text) == (claim in facts)


@settings(deadline=None)
@given(pool_samples)
def test_repetition_is_wrong(sample: Sample) -> None:
    gold = gold_of(sample)
    for i, step in enumerate(gold):
        assert not made()[0].check_step(sample, gold[: i + 1], step)


def test_inferences_need_their_premises() -> None:
    task, splits = made()
    checked = 0
    for sample in splits.pool:
        facts = task.plan(sample).facts
        for step in gold_of(sample)[len(facts) :]:
            checked += 1
            assert not task.check_step(sample, (), step)
    assert checked > 400


OPPOSITE = {"before": "after", "after": "before", "more": "less", "less": "more"}


def test_an_inference_may_be_said_from_either_side_but_not_reversed() -> None:
    task = made()[0]
    for sample in of_family("fact", "compare"):
        *facts, last = gold_of(sample)
        _, left, _, word, *than, right = last.rstrip(".").split()
        mirrored = " ".join(["So", right, "is", OPPOSITE[word], *than, left])
        reversed_ = " ".join(["So", left, "is", OPPOSITE[word], *than, right])
        assert task.check_step(sample, facts, mirrored)
        assert task.complete(sample, (*facts, mirrored))[0] == ()
        assert not task.check_step(sample, (*facts, last), mirrored)  # a repetition
        assert not task.check_step(sample, facts, reversed_)


def test_sums_may_be_said_in_either_order() -> None:
    task = made()[0]
    for sample in of_family("sum"):
        first, second, adding, _ = gold_of(sample)
        _, a, _, b, _, c = adding.rstrip(".").split()
        assert task.check_step(sample, [second, first], f"So {b} and {a} make {c}.")
        assert not task.check_step(sample, [first], f"So {b} and {a} make {c}.")


def test_right_but_unneeded_comparisons_are_accepted_and_replace_nothing() -> None:
    task = made()[0]
    extras = 0
    for sample in of_family("overlap", "event"):
        plan = task.plan(sample)
        facts = plan.texts[: len(plan.facts)]
        needed = {step.claim for step in plan.steps}
        for step in plan.optional:
            if step.claim in needed:
                continue
            extras += 1
            assert task.check_step(sample, facts, step.text)
            assert not task.check_step(sample, (), step.text)
            assert task.complete(sample, (*facts, step.text))[0] == plan.texts[len(facts) :]
    assert extras > 50


@settings(deadline=None)
@given(pool_samples, st.text(alphabet=string.printable, max_size=60))
def test_gibberish_is_wrong_and_never_raises(sample: Sample, text: str) -> None:
    if parse(text) is None:
        assert not made()[0].check_step(sample, (), text)
        assert made()[0].complete(sample, (text,))[0] == gold_of(sample)


word = st.from_regex(r"[A-Z][a-z]{2,8}|[1-9][0-9]", fullmatch=True)


@given(st.sampled_from(sorted(FACTS)), word, word)
def test_a_stated_fact_parses_back(kind: str, left: str, right: str) -> None:
    assert parse(FACTS[kind].format(left, right)) == Claim(kind, (left, right))


@given(st.sampled_from(sorted(INFERENCES)), st.lists(word, min_size=3, max_size=3))
def test_a_stated_inference_parses_back(kind: str, args: list[str]) -> None:
    used = args[: INFERENCES[kind].count("{")]
    assert parse(INFERENCES[kind].format(*args)) == claim_of(kind, *used)


@pytest.mark.parametrize(
    "text",
    [
        "Settlers founded Bendale in 47",
        "  Settlers founded  Bendale in 47 .",
        "Settlers founded Bendale in 47.",
    ],
)
def test_spaces_and_the_full_stop_carry_no_meaning(text: str) -> None:
    assert parse(text) == Claim("city.founded", ("Bendale", "47"))


def test_every_true_fact_of_the_world_survives_rendering() -> None:
    world = made()[0].world
    claims = [world.claim(name, key) for name, own in world.facts.items() for key in own]
    assert len(claims) > 300
    assert all(parse(state(claim).text) == claim for claim in claims)


def test_teacher_context_holds_needed_entries_and_five_others() -> None:
    task, splits = made()
    orders = set()
    for sample in splits.test:
        lines = task.teacher_context(sample).splitlines()
        facts = task.plan(sample).facts
        needed = {claim.args[0] for claim in facts}
        assert len(lines) == len(needed) + 5
        assert all(any(state(claim).text in line for line in lines) for claim in facts)
        assert task.teacher_context(sample) == "\n".join(lines)
        places = [i for i, line in enumerate(lines) if needed & set(line.split())]
        assert len(places) >= len(needed)
        orders.add(tuple(places))
    assert len(orders) > 20
