from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elad_exp.errors import ConfigError
from elad_exp.teachers.annotator import Annotator
from elad_exp.teachers.oracle import OracleTeacher
from elad_exp.teachers.tokens import count_tokens
from elad_exp.types import Explanation, QueryItem, Status, StepVerdict, Usage
from tests.fakes import EvenTask
from tests.unit.teacher_toys import SAMPLE, STEPS, TASK, Chain, item


def ask(asked, **options):
    annotation, _ = OracleTeacher(TASK, **options).answer(asked)
    assert annotation.status is Status.OK
    return annotation


def right(*indices):
    return tuple(StepVerdict(i, ok=True) for i in indices)


def test_a_right_attempt_is_accepted_unchanged():
    annotation = ask(item(*STEPS))
    assert annotation.accepted
    assert annotation.first_error is None
    assert annotation.verdicts == right(1, 2)
    assert annotation.explanation == Explanation.of(STEPS, "no")


@pytest.mark.parametrize(
    ("steps", "first", "correction"),
    [
        (("2 + 3 = 6", "6 + 4 = 10"), 1, STEPS[0]),
        ((STEPS[0], "5 + 4 = 8"), 2, STEPS[1]),
        ((STEPS[0], STEPS[0]), 2, STEPS[1]),
        ((*STEPS, "9 is odd"), 3, None),
    ],
)
def test_the_first_wrong_step_is_found_and_the_rest_replaced(steps, first, correction):
    annotation = ask(item(*steps))
    assert annotation.first_error == first
    assert annotation.verdicts[:-1] == right(*range(1, first))
    last = annotation.verdicts[-1]
    assert (last.index, last.ok, last.correction) == (first, False, correction)
    assert annotation.explanation == Explanation.of(STEPS, "no")
    assert annotation.checked
    assert not annotation.accepted


@pytest.mark.parametrize(
    ("steps", "answer", "correction"),
    [
        (STEPS, "yes", "no"),
        (STEPS, None, "no"),
        (STEPS[:1], "no", STEPS[1]),
        ((), "no", STEPS[0]),
    ],
)
def test_a_gap_or_a_wrong_answer_is_the_error_after_the_last_step(steps, answer, correction):
    annotation = ask(item(*steps, answer=answer))
    n = len(steps)
    assert annotation.first_error == n + 1
    assert annotation.verdicts == (*right(*range(1, n + 1)), StepVerdict(n + 1, False, correction))
    assert annotation.checked
    assert annotation.explanation == Explanation.of(STEPS, "no")


@given(
    st.lists(st.integers(0, 9), min_size=2, max_size=5),
    st.lists(st.sampled_from([*STEPS, "1 + 1 = 2", "nonsense"]), max_size=4),
    st.sampled_from(["yes", "no", None]),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.integers(0, 5),
)
@settings(deadline=None)
def test_answers_are_never_contradictory(numbers, steps, answer, error_rate, keep):
    sample = TASK.sample(*numbers)
    own = TASK.complete(sample, ())[0][:keep]
    attempt = Explanation.of([*own, *steps], answer)
    annotation = ask(QueryItem(sample, attempt), error_rate=error_rate)
    texts, first, found = attempt.texts, annotation.first_error, annotation.explanation
    assert [v.index for v in annotation.verdicts] == list(range(1, len(annotation.verdicts) + 1))
    assert found.answer in ("yes", "no")
    if first is None:
        assert (found.texts, found.answer) == (texts, answer)
        assert all(v.ok for v in annotation.verdicts)
        return
    assert len(annotation.verdicts) == first <= len(texts) + 1
    assert [v.ok for v in annotation.verdicts] == [True] * (first - 1) + [False]
    assert found.texts[: first - 1] == texts[: first - 1]
    if first <= len(texts):
        assert found.texts[first - 1 : first] != texts[first - 1 : first]
        assert annotation.verdicts[-1].correction == next(iter(found.texts[first - 1 :]), None)
    else:
        assert (found.texts, found.answer) != (texts, answer)
    if not error_rate:
        assert (found.texts, found.answer) == TASK.complete(sample, ())


@pytest.mark.parametrize(
    ("asked", "options"),
    [(QueryItem(SAMPLE), {}), (item("nonsense"), {"mode": "explain"})],
)
def test_without_attempt_or_in_mode_explain_it_explains(asked, options):
    annotation = ask(asked, **options)
    assert annotation.explanation == Explanation.of(STEPS, "no")
    assert (annotation.verdicts, annotation.first_error) == ((), None)
    assert not annotation.checked
    assert annotation.raw == "2 + 3 = 5\n5 + 4 = 9\nAnswer: no"


def test_raw_follows_the_prompts_grammar():
    assert ask(item(STEPS[0], "x")).raw == (
        "Step 1: right\nStep 2: wrong\nRevision:\n5 + 4 = 9\nAnswer: no"
    )
    assert ask(item(*STEPS)).raw == (
        "Step 1: right\nStep 2: right\nAnswer: right\nRevision:\nAnswer: no"
    )
    assert ask(item(*STEPS, answer="yes")).raw == (
        "Step 1: right\nStep 2: right\nAnswer: wrong\nRevision:\nAnswer: no"
    )


# -- errors --------------------------------------------------------------------------------------


def test_at_rate_one_a_wrong_attempt_is_accepted():
    annotation = ask(item("2 + 3 = 6", answer="yes"), error_rate=1.0)
    assert annotation.accepted
    assert annotation.explanation == Explanation.of(["2 + 3 = 6"], "yes")


def test_at_rate_one_a_right_attempt_loses_a_step_and_its_answer():
    annotation = ask(item(*STEPS), error_rate=1.0)
    struck = annotation.first_error
    assert struck in (1, 2)
    assert annotation.verdicts[-1].ok is False
    assert annotation.explanation.texts == STEPS[: struck - 1] + STEPS[struck:]
    assert annotation.explanation.answer == "yes"


def test_at_rate_one_an_explanation_ends_with_a_wrong_answer():
    assert ask(QueryItem(SAMPLE), error_rate=1.0).explanation == Explanation.of(STEPS, "yes")


def test_errors_follow_the_rate_the_seed_and_the_attempt():
    samples = [TASK.sample(n, 1, 1) for n in range(400)]

    def wrong(seed):
        teacher = OracleTeacher(TASK, seed=seed, error_rate=0.2)
        answers = [teacher.answer(QueryItem(s))[0].explanation.answer for s in samples]
        truth = [TASK.complete(s, ())[1] for s in samples]
        return [a != t for a, t in zip(answers, truth, strict=True)]

    assert wrong(0) == wrong(0) != wrong(1)
    assert 0.13 < Counter(wrong(0))[True] / 400 < 0.27


@pytest.mark.parametrize("value", [-0.1, 1.1, True, float("nan")])
def test_an_error_rate_is_a_share(value):
    with pytest.raises(ConfigError, match=r"teacher\.error_rate"):
        OracleTeacher(TASK, error_rate=value)


def test_errors_need_a_closed_set_of_answers():
    teacher = OracleTeacher(Chain(answers="open"), error_rate=0.5)
    with pytest.raises(ConfigError, match="closed set"):
        teacher.request(QueryItem(SAMPLE))


# -- requests and tokens -------------------------------------------------------------------------


def test_it_is_an_annotator_that_needs_a_checkable_task():
    teacher: Annotator = OracleTeacher(TASK)
    assert (teacher.name, teacher.model, teacher.mode) == ("oracle", "program", "revise")
    with pytest.raises(ConfigError, match=r"'even' is not; choose dataset=almanac"):
        OracleTeacher(EvenTask())
    with pytest.raises(ConfigError, match="choose revise or explain"):
        OracleTeacher(TASK, mode="other")


def test_the_request_holds_what_shapes_the_answer():
    teacher = OracleTeacher(TASK, seed=3, error_rate=0.25)
    request = teacher.request(item("a step"))
    assert "Step 1: a step" in request["prompt"]
    assert TASK.teacher_context(SAMPLE) in request["prompt"]
    assert (request["mode"], request["seed"], request["error_rate"]) == ("revise", 3, 0.25)
    assert len(request["prompt_version"]) == 12
    assert teacher.request(QueryItem(SAMPLE))["mode"] == "explain"


def test_usage_is_estimated_free_and_within_the_bound():
    teacher = OracleTeacher(TASK, max_completion_tokens=100)
    asked = item(STEPS[0], "x")
    annotation, usage = teacher.answer(asked)
    prompt = teacher.request(asked)["prompt"]
    assert teacher.estimated
    assert teacher.bound(asked) == Usage(count_tokens(prompt), 100, 0.0)
    assert usage == Usage(count_tokens(prompt), count_tokens(annotation.raw), 0.0)


def test_an_answer_beyond_the_maximum_is_truncated_and_billed():
    whole, usage = OracleTeacher(TASK).answer(item(*STEPS))
    enough = OracleTeacher(TASK, max_completion_tokens=usage.completion_tokens)
    assert enough.answer(item(*STEPS)) == (whole, usage)
    short = OracleTeacher(TASK, max_completion_tokens=usage.completion_tokens - 1)
    annotation, billed = short.answer(item(*STEPS))
    assert annotation.status is Status.TRUNCATED
    assert (annotation.explanation, annotation.verdicts) == (None, ())
    assert billed == short.bound(item(*STEPS))
    assert whole.raw.startswith(annotation.raw)


@pytest.mark.parametrize("value", [0, -1, 1.5, True])
def test_the_maximum_is_a_positive_count(value):
    with pytest.raises(ConfigError, match="max_completion_tokens"):
        OracleTeacher(TASK, max_completion_tokens=value)
