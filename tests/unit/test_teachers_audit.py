"""What is said of the teacher itself, and on which items."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elad_exp.callbacks.loggers import metric_row
from elad_exp.metrics import pooled, proportion
from elad_exp.record import summarise
from elad_exp.tasks.almanac import AlmanacTask
from elad_exp.teachers.audit import RATES, audit_of_rounds, audit_teacher
from elad_exp.teachers.oracle import OracleTeacher
from elad_exp.teachers.revise import revise
from elad_exp.types import (
    GIVEN,
    Annotation,
    Explanation,
    GoldBook,
    Query,
    QueryItem,
    Status,
    StepVerdict,
)
from tests.fakes import EvenTask, make_splits
from tests.unit.teacher_toys import TASK, gold_of, metered, open_store
from tests.unit.test_rounds import make, run

SAMPLES = [TASK.sample(n, 1, 1) for n in range(8)]  # the answer is yes for even n
GOLD = gold_of(TASK, *SAMPLES)


def steps(i):
    return TASK.complete(SAMPLES[i], ())[0]


def tried(i, answer, *texts, audit=True):
    return QueryItem(SAMPLES[i], Explanation.of(texts or steps(i), answer), audit=audit)


def revised(i, answer, first_error, *, status=Status.OK):
    n = first_error or 2
    verdicts = tuple(StepVerdict(j, j != first_error) for j in range(1, n + 1))
    explanation = Explanation.of(steps(i), answer)
    return Annotation(SAMPLES[i], explanation, status, "t", verdicts, first_error)


def explained(i, answer, **changes):
    return Annotation(SAMPLES[i], Explanation.of(steps(i), answer), Status.OK, "t", **changes)


def counts(found):
    """Rates as (hits, of how many)."""
    return {name: (round(m["value"] * m["n"]), m["n"]) for name, m in found.items()}


def test_the_three_rates_by_hand():
    query = Query(
        1,
        (
            tried(0, "yes"),  # right, and accepted
            tried(1, "no"),  # right, but the teacher strikes step 2 and changes the answer
            tried(2, "yes", "nonsense"),  # wrong step 1, found
            tried(3, "yes", steps(3)[0], "nonsense"),  # wrong step 2, but step 1 is blamed
            tried(4, "no"),  # a wrong answer after right steps, accepted
            tried(5, "no"),  # right; the reply could not be read
            tried(6, "no", audit=False),  # selected
        ),
    )
    annotations = [
        revised(0, "yes", None),
        revised(1, "yes", 2),
        revised(2, "yes", 1),
        revised(3, "no", 1),
        revised(4, "no", None),
        revised(5, "yes", 1, status=Status.UNPARSED),
        revised(6, "no", None),
    ]
    found = audit_teacher(query, annotations, TASK, GOLD)
    assert counts(found) == {
        "answer_accuracy": (3, 5),  # 0, 2, 3
        "right_to_wrong": (1, 3),  # 1, of 0, 1, 2
        "first_error_accuracy": (2, 5),  # 0, 2
    }
    assert found["answer_accuracy"] == proportion(3, 5).to_dict()


def test_the_initial_query_counts_apart_and_as_a_whole():
    query = Query(0, tuple(QueryItem(s) for s in SAMPLES[:3]), note="initial")
    annotations = [explained(0, "yes"), explained(1, "no"), explained(2, "no")]
    found = audit_teacher(query, annotations, TASK, GOLD)
    assert counts(found) == {"answer_accuracy_round0": (2, 3)}


def test_examples_that_came_with_their_labels_say_nothing_of_the_teacher():
    query = Query(0, tuple(QueryItem(s) for s in SAMPLES[:3]), note="initial")
    annotations = [replace(explained(n, "yes"), teacher=GIVEN) for n in range(3)]
    assert audit_teacher(query, annotations, TASK, GOLD) == {}


def test_a_teacher_that_judges_no_step_has_answers_alone():
    query = Query(1, (tried(0, "yes"), tried(1, "no")))
    annotations = [explained(0, "yes"), explained(1, "yes")]
    assert counts(audit_teacher(query, annotations, TASK, GOLD)) == {"answer_accuracy": (1, 2)}


def test_steps_that_no_program_checks_have_no_first_error():
    splits, task = make_splits(), EvenTask()
    sample = splits.pool[0]
    query = Query(1, (QueryItem(sample, Explanation.of(["a"], "yes"), audit=True),))
    verdict = StepVerdict(1, False, "b")
    annotation = Annotation(sample, Explanation.of(["b"], "no"), Status.OK, "t", (verdict,), 1)
    found = audit_teacher(query, [annotation], task, splits.gold)
    assert counts(found) == {"answer_accuracy": (0, 1), "right_to_wrong": (1, 1)}


def test_what_cannot_be_said_is_absent():
    query = Query(1, (tried(0, "no", "nonsense"), tried(1, "no", audit=False)))
    found = audit_teacher(query, [revised(0, "yes", 1)], TASK, GOLD)
    assert set(found) == {"answer_accuracy", "first_error_accuracy"}  # no attempt was right
    assert audit_teacher(query, [], TASK, GOLD) == {}  # the budget covered nothing
    assert audit_teacher(query, [revised(1, "no", None)], TASK, GOLD) == {}  # selected
    assert audit_teacher(query, [revised(0, "yes", 1)], TASK, GoldBook({})) == {}


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(["right", "wrong"]), max_size=3),
            st.sampled_from(["yes", "no", None]),
            st.booleans(),
        ),
        min_size=1,
        max_size=len(SAMPLES),
    ),
    st.sampled_from([0.0, 0.5]),
)
def test_selected_items_never_count_and_a_perfect_oracle_is_perfect(attempts, error_rate):
    items = []
    for i, (marks, answer, audit) in enumerate(attempts):
        own = (*steps(i), "too much")
        texts = [own[j] if mark == "right" else "nonsense" for j, mark in enumerate(marks)]
        items.append(QueryItem(SAMPLES[i], Explanation.of(texts, answer), audit=audit))
    teacher = OracleTeacher(TASK, error_rate=error_rate)
    annotations = [teacher.write(item)[0] for item in items]
    found = audit_teacher(Query(1, tuple(items)), annotations, TASK, GOLD)
    alone = Query(1, tuple(item for item in items if item.audit))
    assert found == audit_teacher(alone, annotations, TASK, GOLD)
    n_audit = len(alone.items)
    assert all(m["n"] <= n_audit for m in found.values())
    if not error_rate and n_audit:
        n_right = sum(GOLD[i.sample.id].answer == i.attempt.answer for i in alone.items)
        expected = {"answer_accuracy": (n_audit, n_audit), "right_to_wrong": (0, n_right)}
        expected["first_error_accuracy"] = (n_audit, n_audit)
        assert counts(found) == {name: k for name, k in expected.items() if k[1]}


# -- on the almanac ------------------------------------------------------------------------------


@pytest.mark.parametrize("error_rate", [0.0, 0.4])
def test_an_oracle_that_errs_on_the_almanac_is_found_out(tmp_path, error_rate):
    task = AlmanacTask(n_pool=90, n_dev=5, n_test=5)
    splits = task.load()
    items, firsts = [], {}
    for i, sample in enumerate(splits.pool):
        texts, answer = list(splits.gold[sample.id].explanation), splits.gold[sample.id].answer
        first = None
        if i % 3 == 1:  # a wrong step before a right answer
            at = i % len(texts)
            texts[at], first = "The moon is made of cheese.", at + 1
        elif i % 3 == 2:  # a wrong answer after right steps
            answer = next(label for label in task.labels(sample) if label != answer)
            first = len(texts) + 1
        firsts[sample.id] = first
        items.append(QueryItem(sample, Explanation.of(texts, answer), audit=i % 2 == 0))
    with open_store(tmp_path) as store:
        teacher = metered(store, OracleTeacher(task, error_rate=error_rate))
        annotations = teacher.annotate(Query(1, tuple(items)))
    right = answered_wrong = made_wrong = exact = 0
    audit = [pair for pair in zip(items, annotations, strict=True) if pair[0].audit]
    for item, annotation in audit:
        answer = splits.gold[item.sample.id].answer
        right += item.attempt.answer == answer
        answered_wrong += annotation.explanation.answer != answer
        made_wrong += item.attempt.answer == answer != annotation.explanation.answer
        exact += annotation.first_error == firsts[item.sample.id]
        assert revise(task, item.sample, item.attempt).first_error == firsts[item.sample.id]
    found = audit_teacher(Query(1, tuple(items)), annotations, task, splits.gold)
    assert counts(found) == {
        "answer_accuracy": (45 - answered_wrong, 45),
        "right_to_wrong": (made_wrong, right),
        "first_error_accuracy": (exact, 45),
    }
    assert right == 30
    if error_rate:
        assert 0 < made_wrong < answered_wrong < 45 - exact < 45
    else:
        assert (answered_wrong, made_wrong, exact) == (0, 0, 45)


# -- over rounds ---------------------------------------------------------------------------------


@given(
    st.lists(
        st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
        min_size=1,
        max_size=20,
    )
)
def test_pooled_counts_are_exact(groups):
    whole = proportion(sum(k for k, _ in groups), sum(n for _, n in groups))
    assert pooled([proportion(k, n) for k, n in groups]) == whole


def test_pooling_nothing_is_an_error():
    with pytest.raises(ValueError, match="n must be positive"):
        pooled([])


def test_rounds_add_up_and_lines_without_an_audit_are_left_out():
    lines = [
        {"bought": {"teacher": {"answer_accuracy_round0": proportion(7, 8).to_dict()}}},
        {"bought": {"teacher": {"answer_accuracy": proportion(1, 3).to_dict()}}},
        {"bought": {"teacher": {}}},
        {"bought": {}},  # a run of an earlier version
        {"bought": {"teacher": {"answer_accuracy": proportion(2, 4).to_dict()}}},
        {"bought": None},
    ]
    found = audit_of_rounds(lines)
    assert counts(found) == {"answer_accuracy_round0": (7, 8), "answer_accuracy": (3, 7)}
    assert list(found) == [name for name in RATES if name in found]


def test_the_loop_writes_rates_that_sum_to_those_of_the_result():
    rounds = make(rounds=4, audit_fraction=0.3)
    run(rounds)
    items = {i.sample.id: (q.round, i) for q in rounds.teacher.asked for i in q.items}
    gold = rounds.splits.gold
    audit = [i for _, i in items.values() if i.audit]
    right = [i for i in audit if i.attempt.answer == gold[i.sample.id].answer]
    first = [i for round_, i in items.values() if round_ == 0]
    # The teacher of this test always answers yes.
    yes = {
        name: proportion(sum(gold[i.sample.id].answer == "yes" for i in group), len(group))
        for name, group in (("all", audit), ("right", right), ("first", first))
    }
    metrics = summarise(rounds.journal.rounds, rounds.splits)
    assert len(audit) == 9
    assert metrics["teacher/answer_accuracy"] == yes["all"].to_dict()
    assert metrics["teacher/answer_accuracy_round0"] == yes["first"].to_dict()
    assert metrics["teacher/right_to_wrong"]["value"] == pytest.approx(1 - yes["right"].value)
    assert metrics["teacher/right_to_wrong"]["n"] == len(right)
    assert "teacher/first_error_accuracy" not in metrics
    rows = [metric_row(line) for line in rounds.journal.rounds]
    assert "teacher/answer_accuracy_round0" in rows[0]
    assert "teacher/answer_accuracy" in rows[1]
    assert not [key for key in rows[-1] if key.startswith("teacher/")]  # nothing was bought
