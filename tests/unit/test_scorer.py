import math
from dataclasses import replace

import pytest

from elad_exp.errors import ConfigError, EladError, Interrupted
from elad_exp.protocols import CheckableTask
from elad_exp.rng import derive_seed
from elad_exp.selectors.components import CLOSED_ONLY, COMPONENTS, FORCED, FORCED_PARTIAL
from elad_exp.selectors.scorer import Scorer
from elad_exp.student.steps import with_uncertainty
from elad_exp.types import Explanation, Sample, Step
from tests.unit.scorer_toys import FakeStudent, FakeTask, samples, score


class UnparsedStudent(FakeStudent):
    def _explanation(self, sample, i, seed):
        return replace(super()._explanation(sample, i, seed), answer=None)


def test_no_needs_no_student():
    student = FakeStudent()
    candidates = score(student, samples(3))
    assert student.calls == []
    assert [(c.scores, c.attempt, c.sampled) for c in candidates] == [({}, None, ())] * 3


def test_text_components_need_no_student():
    student = FakeStudent()
    labelled = [Sample("l", "is it")]
    (candidate,) = score(student, samples(1), "rare_words", "question_length", labelled=labelled)
    assert student.calls == []
    assert candidate.attempt is None
    assert candidate.scores == {"question_length": 3.0, "rare_words": pytest.approx(2 / 3)}


@pytest.mark.parametrize(
    ("needs", "passes"),
    [
        (["step_entropy"], ["greedy"]),
        (["step_entropy", "step_entropy_max", "rare_words"], ["greedy"]),
        (["direct_entropy"], ["greedy"]),
        (["answer_entropy", "margin", "least_confidence"], ["greedy"]),
        (["intra", "intra_excess"], ["greedy"]),
        (["perplexity", "attempt"], ["greedy"]),
        (["attempt"], ["greedy"]),
        (["bald"], ["greedy", "dropout"]),
        (["inter"], ["sampled"]),
        (["inter", "step_content", "self_consistency"], ["sampled"]),
        (sorted(COMPONENTS), ["sampled", "dropout"]),
    ],
)
def test_each_pass_runs_once_and_only_if_needed(needs, passes):
    student, seen = FakeStudent(), []
    candidates = score(student, samples(5), *needs, on_phase=lambda *call: seen.append(call))
    assert [name for name, _ in seen] == passes
    forced = int(bool(FORCED & set(needs)))
    assert len(student.calls) == len(passes) + forced
    assert all(c.scores.keys() == set(needs) & COMPONENTS for c in candidates)
    assert all(c.attempt is not None for c in candidates)
    assert {len(c.sampled) for c in candidates} == {4 if "sampled" in passes else 0}


def test_number_of_forced_answers():
    steps = {"id000": 3, "id001": 1, "id002": 0}
    student = FakeStudent(steps)
    score(student, samples(3), "intra", "answer_entropy", "direct_entropy")
    asked = student.calls[-1][1]
    # Prefixes 0..n, each once: the empty one serves direct_entropy, the last answer_entropy.
    assert len(asked) == 4 + 2 + 1
    assert len({(s.id, given) for s, given in asked}) == len(asked)
    assert [len(given) for s, given in asked if s.id == "id000"] == [0, 1, 2, 3]


def test_nothing_is_forced_for_unparsed_attempts():
    student, seen = UnparsedStudent(), {}
    candidates = score(student, samples(3), "intra", on_phase=seen.__setitem__)
    assert seen == {"greedy": 3}
    assert [c.scores for c in candidates] == [{"intra": 1.0}] * 3


def test_scores_against_the_definitions():
    student = FakeStudent({"id000": 2}, greedy_answer="yes")
    (got,) = score(student, samples(1), "intra", "answer_entropy", "direct_entropy", "margin")
    forced = dict(zip([0, 1, 2], student.answer_distributions(student.calls[1][1]), strict=True))
    doubt = [1 - forced[i]["yes"] for i in (0, 1)]
    p = forced[2]["yes"]
    assert got.scores["intra"] == pytest.approx(sum(doubt) / 2)
    assert got.scores["margin"] == pytest.approx(1 - abs(2 * p - 1))
    assert got.scores["answer_entropy"] == pytest.approx(
        -p * math.log(p) - (1 - p) * math.log(1 - p)
    )
    q = forced[0]["yes"]
    assert got.scores["direct_entropy"] == pytest.approx(
        -q * math.log(q) - (1 - q) * math.log(1 - q)
    )


def test_intra_remove_leaves_each_step_out():
    student = FakeStudent({"id000": 3}, greedy_answer="yes")
    (got,) = score(student, samples(1), "intra", intra="remove")
    a, b, d = got.attempt.texts
    assert {given for _, given in student.calls[1][1]} == {(b, d), (a, d), (a, b)}


def test_order_of_samples_does_not_matter():
    pool = samples(12)
    one = score(FakeStudent(), pool, *COMPONENTS)
    other = score(FakeStudent(), pool[::-1], *COMPONENTS)
    assert [c.sample for c in one] == pool
    assert other == one[::-1]


def test_a_component_does_not_depend_on_what_else_is_needed():
    pool = samples(12)
    together = score(FakeStudent(), pool, *COMPONENTS)
    for name in COMPONENTS:
        alone = score(FakeStudent(), pool, name)
        assert [c.scores[name] for c in alone] == [c.scores[name] for c in together]


def test_sampling_seed_derives_from_seed_and_round():
    def seeds(**options):
        student = FakeStudent()
        score(student, samples(2), "inter", **options)
        return student.calls[0][2:]

    assert seeds(k=3, temperature=0.5) == (3, 0.5, derive_seed(0, "score", 1), True)
    assert len({seeds(), seeds(round=2), seeds(seed=1)}) == 3


def test_attempt_without_steps_counts_as_the_least_certain():
    student = FakeStudent({"id000": 2, "id001": 0, "id002": 1})
    first, none, last = score(student, samples(3), "step_entropy", "step_content")
    for name in ("step_entropy", "step_content"):
        assert none.scores[name] == max(first.scores[name], last.scores[name])


def test_a_step_whose_words_the_task_has_changed_ends_no_run():
    class Markdown(FakeStudent):
        """Emphasises a word in the second attempt, which the task's `parse` takes out."""

        def _explanation(self, sample, i, seed):
            raw = "It is a *bird*.\n" if sample.id == "id001" else "It is a bird.\n"
            parsed = Explanation.of(["It is a bird."], "yes")
            told = {"logprobs": [-0.5, -0.5], "entropies": [0.2, 0.4]}
            return with_uncertainty(parsed, raw, [5, len(raw)], **told)

    components = ("step_entropy", "step_entropy_max", "step_entropy_sum")
    first, changed = score(Markdown(), samples(2), *components)
    assert first.attempt.steps[0].entropy == pytest.approx(0.3)
    assert changed.attempt.steps[0].entropy is None
    assert changed.scores == first.scores
    with pytest.raises(ConfigError, match="no entropy for any step"):
        score(Markdown(), samples(2)[1:], "step_entropy")
    assert score(Markdown(), samples(2)[1:], "perplexity")


@pytest.mark.parametrize("n_steps", [None, 0])
@pytest.mark.parametrize("kind", [FakeStudent, UnparsedStudent])
def test_scores_are_finite_numbers(kind, n_steps):
    pool = samples(8)
    student = kind(None if n_steps is None else {s.id: n_steps for s in pool})
    for candidate in score(student, pool, *COMPONENTS):
        assert candidate.scores.keys() == COMPONENTS
        assert all(math.isfinite(v) for v in candidate.scores.values())


def test_open_answers_use_the_samples():
    student, seen = FakeStudent(), {}
    pool = samples(6, "What number?")
    needs = COMPONENTS - CLOSED_ONLY - FORCED_PARTIAL
    candidates = score(student, pool, *needs, on_phase=seen.__setitem__)
    assert seen == {"sampled": 30}
    for candidate in candidates:
        assert candidate.scores["answer_entropy"] == candidate.scores["inter"]
        counts = sorted((candidate.sampled.count(a) for a in set(candidate.sampled)), reverse=True)
        assert candidate.scores["least_confidence"] == 1 - counts[0] / 4
        assert candidate.scores["self_consistency"] == 1 - counts[0] / 4


@pytest.mark.parametrize("name", sorted(CLOSED_ONLY))
def test_open_answers_refuse_forced_ones_before_any_call(name):
    student = FakeStudent()
    with pytest.raises(ConfigError, match=rf"{name}.*open answers support .*inter"):
        score(student, [*samples(2), Sample("z", "What number?")], name, "inter")
    assert student.calls == []


def test_empty_pool_calls_nobody():
    student = FakeStudent()
    assert score(student, [], *COMPONENTS) == []
    assert student.calls == []


def test_unknown_component_and_repeated_sample_are_refused():
    with pytest.raises(ConfigError, match="unknown component 'entropy'"):
        score(FakeStudent(), samples(1), "entropy")
    with pytest.raises(ValueError, match="twice"):
        score(FakeStudent(), samples(1) * 2, "inter")


class TooLong(FakeStudent):
    """Cannot be forced to answer after two steps or more, nor at all for the last sample."""

    def answer_distributions(self, items):
        made = super().answer_distributions(items)
        return [
            {} if len(given) > 1 or s.id == "id003" else p
            for p, (s, given) in zip(made, items, strict=True)
        ]


def test_answers_that_cannot_be_forced_count_as_the_least_certain(caplog):
    steps = {"id000": 1, "id001": 3, "id002": 1, "id003": 1}
    needs = ["intra", "intra_excess", "answer_entropy", "least_confidence", "margin"]
    needs.append("direct_entropy")
    with caplog.at_level("INFO"):
        found = score(TooLong(steps, "yes"), samples(4), *needs)
    expected = score(FakeStudent(steps, "yes"), [samples(4)[0], samples(4)[2]], *needs)
    for name in needs:
        values = [candidate.scores[name] for candidate in found]
        assert [values[0], values[2]] == [candidate.scores[name] for candidate in expected]
        assert values[3] == max(values[:3])
        assert name == "direct_entropy" or values[1] == max(values)
    # After 0..n steps: 2 + 4 + 2 + 2 of them, of which 2 and 2 are too long.
    assert "4 of 10 forced answers" in caplog.text
    assert "intra_excess: undefined for 2 of 4 attempts" in caplog.text


def test_where_nothing_can_be_forced_scores_are_zero():
    class Never(FakeStudent):
        def answer_distributions(self, items):
            return [{} for _ in items]

    for candidate in score(Never(), samples(3), "answer_entropy", "direct_entropy"):
        assert candidate.scores == {"answer_entropy": 0.0, "direct_entropy": 0.0}


@pytest.mark.parametrize("p", [math.nan, 0.1])
def test_broken_probabilities_are_an_error_not_certainty(p):
    class Broken(FakeStudent):
        def answer_distributions(self, items):
            return [{"yes": p, "no": p} for _ in items]

    with pytest.raises(EladError, match="do not sum to 1"):
        score(Broken(), samples(2), "direct_entropy")


def test_nan_entropy_of_a_step_is_an_error():
    class Diverged(FakeStudent):
        def _explanation(self, sample, i, seed):
            return Explanation((Step(1, "s", entropy=math.nan),), "yes")

    with pytest.raises(EladError, match="step_entropy of sample id000 is nan"):
        score(Diverged(), samples(1), "step_entropy")


def test_hook_may_stop_before_a_pass():
    def stop(phase, items):
        if phase == "dropout":
            raise Interrupted(15)

    student = FakeStudent()
    with pytest.raises(Interrupted):
        score(student, samples(2), "intra", "bald", on_phase=stop)
    assert [call[0] for call in student.calls] == ["explain", "force"]


@pytest.mark.parametrize(
    "bad",
    [
        {"k": 1},
        {"temperature": 0.0},
        {"temperature": math.inf},
        {"intra": "x"},
        {"inter_from": "x"},
        {"content": "x"},
        {"cluster_distance": 2.1},
        {"content": "cluster", "content_encoder": "x"},
        {"content_encoder": "minilm"},
        {"dropout_passes": 1},
        {"guided_fraction": 0.0},
        {"guided_fraction": 1.1},
        {"also": ["x"]},
    ],
)
def test_bad_options_are_refused(bad):
    name = list(bad)[-1]
    told = {"also": "component 'x'", "k": "samples"}.get(name, name)
    with pytest.raises(ConfigError, match=told):
        Scorer(FakeTask(), FakeStudent(), seed=0, **bad)


def test_content_follows_the_task():
    def scorer(task, **options):
        return Scorer(task, FakeStudent(), seed=0, **options).content

    methods = [name for name in dir(CheckableTask) if not name.startswith("_")]
    checkable = type("Checkable", (), dict.fromkeys(methods, FakeTask.labels) | {"name": "x"})()
    assert isinstance(checkable, CheckableTask)
    assert scorer(checkable) == "text"
    assert scorer(checkable, content="facts") == "facts"
    assert scorer(FakeTask()) == "facts"
