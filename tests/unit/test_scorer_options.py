"""Scoring beyond the defaults: prefixes, meaning, guiding, features, and what is scored besides."""

import math

import numpy as np
import pytest

from elad_exp.errors import ConfigError, EladError
from elad_exp.protocols import ComparingTask
from elad_exp.selectors.components import CLOSED_ONLY, COMPONENTS, SAMPLED, supported
from elad_exp.selectors.scorer import Scorer
from elad_exp.selectors.settings import check_dropout, check_needs, guided_size
from elad_exp.tasks.reasoning import ReasoningTask
from elad_exp.types import Explanation, Sample, Step
from tests.unit.scorer_toys import FakeStudent, FakeTask, samples, score

OPEN = "What number?"


class Numbers(ReasoningTask):
    def __init__(self, answers="number"):
        super().__init__(name="numbers", answers=answers)


class SaysInTurn(FakeStudent):
    """Gives the listed answers in its samples, the first one greedily."""

    def __init__(self, *answers):
        super().__init__()
        self.answers = answers

    def explain(self, samples, *, k=1, temperature=0.0, seed=0, greedy=False):
        made = [Explanation.of(["a", "b"], answer) for answer in self.answers[:k]]
        return [[made[0]] * greedy + made for _ in samples]

    def forced_answers(self, items):
        return [self.answers[-1 - len(steps)] for _, steps in items]


# -- answers that are one vote ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["inter", "self_consistency", "answer_entropy", "margin"])
def test_one_number_written_differently_is_one_vote(name):
    same = SaysInTurn("18", "18.0", "18 ", "$18")
    (found,) = score(same, samples(1, OPEN), name, task=Numbers())
    assert found.scores == {name: 0.0}
    assert found.sampled == ("18", "18.0", "18 ", "$18")
    (other,) = score(SaysInTurn("18", "18.0", "19", "x"), samples(1, OPEN), name, task=Numbers())
    assert other.scores[name] > 0


def test_a_task_that_compares_nothing_votes_by_text():
    assert not isinstance(FakeTask(), ComparingTask)
    student = SaysInTurn("18", "18.0", "18", "18.0")
    (found,) = score(student, samples(1, OPEN), "inter")
    assert found.scores["inter"] == pytest.approx(math.log(2))


def test_free_text_votes_without_regard_to_case():
    task = Numbers("open")
    (found,) = score(
        SaysInTurn("Paris", "paris", "PARIS", "1"), samples(1, OPEN), "inter", task=task
    )
    assert found.scores["inter"] == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))


# -- intra of open answers -------------------------------------------------------------------------


def test_open_intra_compares_what_is_written_after_each_prefix():
    student, seen = SaysInTurn("18", "x", "19", "18.0"), {}
    (found,) = score(student, samples(1, OPEN), "intra", task=Numbers(), on_phase=seen.__setitem__)
    # After no step 18.0, after one 19.
    assert found.scores == {"intra": 0.5}
    assert seen == {"greedy": 1, "written": 2}


def test_closed_and_open_answers_in_one_pool():
    pool = [*samples(2), Sample("z", OPEN)]
    student = FakeStudent()
    found = score(student, pool, "intra", "intra_excess")
    assert [call[0] for call in student.calls] == ["explain", "force", "write"]
    assert all(0 <= candidate.scores["intra"] <= 1 for candidate in found)


@pytest.mark.parametrize("fraction", [1.0, 0.5])
def test_closed_and_open_answers_in_one_pool_have_entropies(fraction):
    pool = [*samples(3), Sample("z", OPEN)]
    found = score(FakeStudent(), pool, "answer_entropy", "margin", guided_fraction=fraction)
    alone = score(FakeStudent(), pool[:3], "answer_entropy", "margin")
    for mixed, closed in zip(found, alone, strict=False):
        assert mixed.screened or mixed.scores.items() >= closed.scores.items()


# -- inter from prefixes ---------------------------------------------------------------------------


def test_inter_goes_on_after_each_proper_prefix():
    steps = {"id000": 3, "id001": 1, "id002": 0}
    student, seen = FakeStudent(steps), {}
    found = score(
        student, samples(3), "inter", inter_from="prefixes", k=3, on_phase=seen.__setitem__
    )
    assert seen == {"sampled": 3 * 4, "continued": 2 * 3}
    asked = student.calls[1][1]
    assert [(s.id, len(given)) for s, given in asked] == [("id000", 1), ("id000", 2)]
    root = score(FakeStudent(steps), samples(3), "inter", k=3)
    # With one step or none the only proper prefix is the empty one.
    assert [c.scores for c in found[1:]] == [c.scores for c in root[1:]]
    assert [c.sampled for c in found] == [c.sampled for c in root]


def test_prefixes_that_exceed_the_context_leave_inter_undefined(caplog):
    class Full(FakeStudent):
        def explain_from(self, items, **drawn):
            return [[] for _ in items]

    steps = {"id000": 2, "id001": 1}
    one, other = score(Full(steps), samples(2), "inter", inter_from="prefixes")
    assert one.scores == other.scores
    assert "1 of 1 continued explanations" in caplog.text


# -- steps by meaning ------------------------------------------------------------------------------


class Paraphrases(FakeStudent):
    def explain(self, samples, *, k=1, temperature=0.0, seed=0, greedy=False):
        texts = ("it is heavy", "it weighs much", "it is light", "it weighs little")
        return [[Explanation.of([t], "yes") for t in texts[:1] * greedy + texts] for _ in samples]

    def embed(self, texts):
        self.calls.append(("embed", list(texts)))
        heavy = [text in ("it is heavy", "it weighs much") for text in texts]
        return np.array([[h, not h] for h in heavy], np.float32)


def test_content_by_cluster_asks_where_the_steps_lie_once():
    student, seen = Paraphrases(), {}
    found = score(
        student,
        samples(2),
        *("step_content", "step_content_sum"),
        content="cluster",
        on_phase=seen.__setitem__,
    )
    assert [c.scores["step_content"] for c in found] == [pytest.approx(math.log(2))] * 2
    assert seen == {"sampled": 10, "steps": 4}
    (by_text,) = score(Paraphrases(), samples(1), "step_content", content="text")
    assert by_text.scores["step_content"] == pytest.approx(math.log(4))


def test_a_sentence_encoder_says_where_steps_lie_in_place_of_the_student():
    def by_length(texts):
        return np.array([[len(t) == 14, len(t) != 14] for t in texts], np.float32)

    by_encoder = {"content": "cluster", "content_encoder": "minilm"}
    student = Paraphrases()
    (found,) = score(student, samples(1), "step_content", **by_encoder, encoder=by_length)
    apart = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert found.scores["step_content"] == pytest.approx(apart)
    assert "embed" not in [call[0] for call in student.calls]
    with pytest.raises(ValueError, match="without an encoder"):
        score(student, samples(1), **by_encoder)


def test_each_encoder_has_its_own_cut():
    def settings(**options):
        return Scorer(FakeTask(), FakeStudent(), seed=0, content="cluster", **options).settings

    minilm = {"content_encoder": "minilm", "encoder": FakeStudent().embed}
    assert settings()["cluster_distance"] == 0.15
    assert settings(**minilm)["cluster_distance"] == 0.25
    assert settings(**minilm, cluster_distance=0.1)["cluster_distance"] == 0.1


def test_explanations_without_steps_lie_nowhere():
    student = FakeStudent({"id000": 0})
    (found,) = score(student, samples(1), "step_content", content="cluster")
    assert found.scores == {"step_content": 0.0}


# -- dropout ---------------------------------------------------------------------------------------


def test_bald_asks_each_mask_for_the_answer_after_the_attempt():
    student = FakeStudent()
    (found,) = score(student, samples(1), "bald", dropout_passes=3)
    _, items, passes, _ = student.calls[-1]
    assert [steps for _, steps in items] == [found.attempt.texts]
    assert passes == 3
    assert 0 < found.scores["bald"] < math.log(2)


class NoDropout(FakeStudent):
    def dropout_distributions(self, items, *, passes, seed):
        raise ConfigError("no dropout here")


def test_a_student_without_dropout_has_no_bald(caplog):
    caplog.set_level("INFO")
    with pytest.raises(ConfigError, match="no dropout here"):
        score(NoDropout(), samples(2), "bald")
    with pytest.raises(ConfigError, match="no dropout here"):
        score(NoDropout(), samples(2), also=["all", "bald"])
    (found,) = score(NoDropout(), samples(1), also="all")
    assert found.scores.keys() == COMPONENTS - {"bald"}
    assert "leaves out bald: no dropout here" in caplog.text


def test_that_bald_is_left_out_is_told_at_the_start():
    def told(needs=(), also=(), student=None, question="Is it?", task=None):
        (sample,) = samples(1, question)
        sets = {"needs": frozenset(needs), "also": frozenset(also)}
        return check_dropout(student or NoDropout(), task or FakeTask(), sample, **sets)

    assert told(also=["all"]) == ["selection.also_score=all leaves out bald: no dropout here"]
    assert told(also=["all"], student=FakeStudent()) == []
    assert told(also=["all"], question=OPEN) == []  # where it is not asked for
    assert told(also=["inter"]) == []
    for named in ({"needs": ["bald"]}, {"also": ["bald", "all"]}):
        assert told(**named, student=FakeStudent()) == []
        with pytest.raises(ConfigError, match="no dropout here"):
            told(**named)


# -- features --------------------------------------------------------------------------------------


def test_features_are_a_need_and_no_score():
    student, seen = FakeStudent(), {}
    labelled = [Sample(f"l{i}", f"Was it? {i}") for i in range(12)]
    pool = samples(3)
    found = score(student, pool, "features", labelled=labelled, on_phase=seen.__setitem__)
    assert seen == {"features": 15}
    ((_, texts),) = student.calls
    assert texts == [f"Question: {s.question}\n" for s in [*pool, *labelled]]
    vectors = student.embed(texts)
    for candidate, vector in zip(found, vectors, strict=False):
        assert (candidate.scores, candidate.attempt) == ({}, None)
        assert candidate.features == pytest.approx(vector, abs=1e-3)
        far = np.linalg.norm(vectors[3:] - vector, axis=1)
        assert candidate.near == pytest.approx(sorted(far)[:10], abs=1e-6)


def test_fewer_labelled_questions_give_fewer_distances():
    pool = samples(2)
    assert [c.near for c in score(FakeStudent(), pool, "features")] == [(), ()]
    found = score(FakeStudent(), pool, "features", labelled=[Sample("l", pool[0].question)])
    assert found[0].near == (pytest.approx(0, abs=1e-6),)


def test_hidden_states_that_are_not_finite_are_an_error():
    class Diverged(FakeStudent):
        def embed(self, texts):
            return np.full((len(texts), 2), np.nan, np.float32)

    with pytest.raises(EladError, match="not finite"):
        score(Diverged(), samples(2), "features")


# -- guided scoring --------------------------------------------------------------------------------


def test_guided_scoring_samples_the_most_uncertain_only():
    pool, seen = samples(10), {}
    needs = ["intra", "step_entropy", "inter", "step_content"]
    student = FakeStudent()
    found = score(student, pool, *needs, guided_fraction=0.25, on_phase=seen.__setitem__)
    assert (seen["greedy"], seen["sampled"]) == (10, 3 * 4)
    kept = [c for c in found if not c.screened]
    assert len(kept) == 3
    assert all(c.scores.keys() == set(needs) for c in kept)
    assert all(c.scores.keys() == {"intra", "step_entropy"} for c in found if c.screened)
    assert all(c.attempt is not None for c in found)
    assert all(c.sampled == () for c in found if c.screened)
    mean_rank = {
        c.sample.id: sum(
            sum(other.scores[name] < c.scores[name] for other in found)
            for name in ("intra", "step_entropy")
        )
        for c in found
    }
    highest = sorted(mean_rank, key=lambda i: -mean_rank[i])[:3]
    assert {c.sample.id for c in kept} == set(highest)


def test_where_nothing_else_is_needed_the_sum_of_step_entropies_guides():
    found = score(FakeStudent(), samples(8), "inter", guided_fraction=0.5)
    assert all("step_entropy_sum" in c.scores for c in found)
    by_entropy = sorted(found, key=lambda c: -c.scores["step_entropy_sum"])
    assert [c.screened for c in by_entropy] == [False] * 4 + [True] * 4


def test_guiding_leaves_a_query_and_changes_nothing_where_all_are_needed():
    def shown(**options):
        return score(FakeStudent({s.id: 1 for s in samples(6)}), samples(6), "inter", **options)

    assert sum(not c.screened for c in shown(guided_fraction=0.1, at_least=4)) == 4
    assert not any(c.screened for c in shown(guided_fraction=0.1, at_least=9))


def test_ties_are_screened_by_a_draw_that_the_order_of_samples_does_not_change():
    class Equal(FakeStudent):
        def explain(self, samples, *, k=1, **drawn):
            return [[Explanation((Step(1, "s", entropy=0.5),), "yes")] * k for _ in samples]

    def kept(pool, **options):
        found = score(Equal(), pool, "inter", guided_fraction=0.2, **options)
        return {c.sample.id for c in found if not c.screened}

    pool = samples(20)
    assert kept(pool) == kept(pool[::-1])
    assert len({frozenset(kept(pool, round=r)) for r in range(4)}) == 4


def test_selectors_that_need_no_samples_are_not_guided():
    found = score(FakeStudent(), samples(5), "intra", guided_fraction=0.2, also="all")
    assert not any(c.screened for c in found)
    assert all(c.scores.keys() == COMPONENTS for c in found)


def test_what_is_scored_besides_does_not_decide_who_is_screened():
    def screened(**options):
        needs = ("inter", "step_entropy")
        found = score(FakeStudent(), samples(9), *needs, guided_fraction=0.4, **options)
        return [c.screened for c in found]

    assert screened() == screened(also="all")


@pytest.mark.parametrize(("n", "fraction", "size"), [(100, 0.07, 7), (10, 0.25, 3), (5, 1.0, 5)])
def test_guided_size_rounds_up(n, fraction, size):
    assert guided_size(n, fraction) == size


# -- scored besides --------------------------------------------------------------------------------


def test_all_is_what_the_answers_support():
    (closed,) = score(FakeStudent(), samples(1), also="all")
    assert closed.scores.keys() == supported(closed=True) & COMPONENTS
    assert closed.features
    (opened,) = score(FakeStudent(), samples(1, OPEN), also=["all"])
    assert opened.scores.keys() == COMPONENTS - CLOSED_ONLY


def test_what_is_scored_besides_leaves_the_needed_as_it_is():
    pool = samples(6)
    alone = score(FakeStudent(), pool, "step_entropy", "inter")
    besides = score(FakeStudent(), pool, "step_entropy", "inter", also="all")
    for one, other in zip(alone, besides, strict=True):
        assert one.scores.items() <= other.scores.items()
    assert besides[0].scores.keys() >= SAMPLED


# -- before anything is bought ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("needs", "also", "message"),
    [
        ({"direct_entropy"}, [], "direct_entropy: not available for open answers.*step_entropy"),
        (set(), ["bald"], "bald: not available"),
        ({"nope"}, "all", "unknown component 'nope'"),
    ],
)
def test_what_the_answers_do_not_allow_is_refused_at_the_start(needs, also, message):
    with pytest.raises(ConfigError, match=message):
        check_needs(frozenset(needs), also, Numbers(), samples(1, OPEN)[0])
    check_needs(frozenset({"inter"}), "all", Numbers(), samples(1, OPEN)[0])
