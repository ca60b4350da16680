"""The loop without Lightning: many rounds in milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from elad_exp.budget.budget import Limits
from elad_exp.data.pool import Pool
from elad_exp.errors import ConfigError, EladError
from elad_exp.protocols import EVAL_SPLITS
from elad_exp.rounds import Rounds
from elad_exp.schedule import Schedule
from elad_exp.selectors.combine import ComponentSelector, RandomSelector
from elad_exp.selectors.scorer import Scorer
from elad_exp.selectors.studied import PredictionsSelector
from elad_exp.stopping import BudgetRule, PoolRule, RoundsRule
from elad_exp.types import (
    Annotation,
    Explanation,
    Query,
    Sample,
    Spent,
    Status,
    StopReason,
    sample_id,
)
from tests.fakes import EvenTask, FakeStudent, FakeTeacher, MemoryJournal, make_splits


def make(
    *,
    selector: Any = None,
    teacher: FakeTeacher | None = None,
    rounds: int = 10,
    seed: int = 0,
    limits: Limits | None = None,
    audit_fraction: float = 0.1,
    initial: int | str = 20,
    rules: bool = True,
    among: str = "pool",
    trainable: Callable[[Annotation], bool] = lambda annotation: True,
) -> Rounds:
    limits = limits or Limits()
    splits, student, task = make_splits(), FakeStudent(), EvenTask()
    return Rounds(
        task=task,
        splits=splits,
        student=student,
        scorer=Scorer(task, student, k=3, temperature=1.0, seed=seed),
        selector=selector or RandomSelector(),
        teacher=teacher or FakeTeacher(),
        pool=Pool(splits.pool),
        journal=MemoryJournal(),
        rules=[BudgetRule(limits), RoundsRule(rounds), PoolRule()] if rules else [],
        schedule=Schedule(rounds, initial, 10, 5),
        audit_fraction=audit_fraction,
        candidates=50,
        among=among,
        seed=seed,
        limits=asdict(limits),
        trainable=trainable,
    )


def run(rounds: Rounds) -> str:
    """What the callbacks do, in their order."""
    rounds.cold_start()
    rounds.finish_query()
    while True:
        for split in EVAL_SPLITS:
            rounds.measure(split)
        rounds.report()
        reason = rounds.stop_reason()
        if reason is not None:
            return reason.name
        rounds.select()
        rounds.finish_query()


def test_ten_rounds_buy_ten_times_and_never_on_the_last() -> None:
    rounds = make(rounds=10)
    assert run(rounds) == "rounds"
    lines = rounds.journal.rounds
    assert [x["round"] for x in lines] == list(range(11))
    assert [x["n_labelled"] for x in lines] == [0, *range(20, 111, 10)]
    assert [bool(x["bought"]) for x in lines] == [True] * 10 + [False]
    assert len(rounds.journal.lines["annotations.jsonl"]) == 110


def test_a_snapshot_shows_what_had_been_spent_when_it_was_measured() -> None:
    rounds = make(rounds=3)
    run(rounds)
    assert [x["spent"]["annotations"] for x in rounds.journal.rounds] == [0, 20, 30, 40]


def test_a_line_tells_what_the_teacher_noted_of_its_purchase_if_anything() -> None:
    rounds = make(rounds=2)
    run(rounds)
    assert {"notes", "drift"}.isdisjoint(rounds.journal.rounds[0]["bought"])
    noting = FakeTeacher()
    noting.last_notes = {"studied": 3}
    rounds = make(rounds=2, teacher=noting)
    run(rounds)
    assert rounds.journal.rounds[0]["bought"]["notes"] == {"studied": 3}


def test_the_initial_query_is_equal_for_all_selectors() -> None:
    found = []
    for selector in (RandomSelector(), ComponentSelector("step_entropy")):
        rounds = make(selector=selector, rounds=2)
        run(rounds)
        found.append([i.sample.id for i in rounds.teacher.asked[0].items])
        assert all(i.attempt is None for i in rounds.teacher.asked[0].items)
    assert found[0] == found[1]


def test_audit_items_are_equal_for_all_selectors_while_the_pools_agree() -> None:
    found = []
    for selector in (RandomSelector(), ComponentSelector("step_entropy")):
        rounds = make(selector=selector, rounds=2, audit_fraction=0.2)
        run(rounds)
        audit = [i.sample.id for i in rounds.teacher.asked[1].items if i.audit]
        assert len(audit) == 2
        found.append(audit)
    assert found[0] == found[1]


def test_chosen_items_get_attempts_when_scoring_made_none() -> None:
    rounds = make(selector=RandomSelector(), rounds=2)
    run(rounds)
    assert all(i.attempt is not None for i in rounds.teacher.asked[1].items)


def test_a_partial_purchase_is_trained_on_and_measured_before_the_budget_stops() -> None:
    rounds = make(teacher=FakeTeacher(limit=34), rounds=10)
    assert run(rounds) == "budget"
    lines = rounds.journal.rounds
    assert lines[-1]["n_labelled"] == 34
    assert lines[-2]["bought"]["asked"] == 10
    assert lines[-2]["bought"]["ok"] == 4
    assert lines[-1]["bought"] is None


def test_an_exact_budget_stops_before_the_next_query_is_chosen() -> None:
    rounds = make(teacher=FakeTeacher(), rounds=10, limits=Limits(max_annotations=30))
    assert run(rounds) == "budget"
    assert rounds.journal.rounds[-1]["n_labelled"] == 30
    assert len(rounds.teacher.asked) == 2


def test_the_pool_runs_dry() -> None:
    rounds = make(rounds=100)
    assert run(rounds) == "pool"
    assert rounds.journal.rounds[-1]["n_labelled"] == 200


def test_no_usable_annotation_in_the_first_query_is_an_error() -> None:
    teacher = FakeTeacher()
    teacher.default = Status.UNPARSED
    with pytest.raises(EladError, match=r"initial query of 20.*unparsed"):
        run(make(teacher=teacher))


def test_two_empty_queries_in_a_row_stop_resumably() -> None:
    rounds = make(rounds=10)
    rounds.cold_start()
    rounds.finish_query()
    rounds.teacher.default = Status.REFUSED
    for expected in (None, None, "no_annotations"):
        for split in EVAL_SPLITS:
            rounds.measure(split)
        rounds.report()
        reason = rounds.stop_reason()
        assert (reason.name if reason else None) == expected
        if reason:
            assert reason.resumable
            break
        rounds.select()
        rounds.finish_query()


def test_a_budget_that_ends_a_run_after_an_empty_query_is_named() -> None:
    teacher = FakeTeacher(limit=30)
    rounds = make(rounds=10, teacher=teacher)
    rounds.cold_start()
    rounds.finish_query()
    teacher.default = Status.REFUSED
    for expected in (None, None, "budget"):
        for split in EVAL_SPLITS:
            rounds.measure(split)
        rounds.report()
        reason = rounds.stop_reason()
        assert (reason.name if reason else None) == expected
        if reason is None:
            rounds.select()
            rounds.finish_query()
    assert rounds.empty_queries == 2


def test_a_kept_query_is_taken_up_instead_of_choosing_anew() -> None:
    rounds = make(rounds=3)
    rounds.cold_start()
    rounds.finish_query()
    for split in EVAL_SPLITS:
        rounds.measure(split)
    rounds.report()
    rounds.select()
    chosen = rounds.pool.open_query
    calls = len(rounds.student.calls)
    line = rounds.journal.rounds[-1]
    rounds.pool.open_query = None
    rounds.journal.put_round(line | {"select": None, "seconds": {"train": 1.0}})
    rounds.select()
    assert rounds.pool.open_query == chosen
    assert len(rounds.student.calls) == calls
    again = rounds.journal.rounds[-1]
    assert again["select"] == line["select"]
    assert again["seconds"] == {"train": 1.0, "score": line["seconds"]["score"]}


class Counting(FakeTeacher):
    """Knows what its earlier rounds cost."""

    before = 0

    def spent(self, *, before_round: int | None = None) -> Spent:
        return Spent(annotations=self.n if before_round is None else self.before)


@pytest.mark.parametrize(("bought", "again"), [(0, True), (3, False)])
@pytest.mark.parametrize("other", ["student", "settings"])
def test_a_kept_query_of_another_student_is_chosen_anew_unless_it_is_paid(
    bought: int, again: bool, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = Counting()
    rounds = make(rounds=3, teacher=teacher)
    rounds.cold_start()
    rounds.finish_query()
    for split in EVAL_SPLITS:
        rounds.measure(split)
    rounds.report()
    rounds.select()
    chosen, line = rounds.pool.open_query, rounds.journal.rounds[-1]
    rounds.pool.open_query = None
    teacher.before, teacher.n = teacher.n, teacher.n + bought
    if other == "student":
        monkeypatch.setattr(FakeStudent, "version", lambda self: "trained elsewhere")
    else:
        rounds.scorer.settings["samples"] = 9
    rounds.selector = ComponentSelector("question_length")
    rounds.select()
    assert (rounds.pool.open_query != chosen) is again
    by = rounds.journal.rounds[-1]["select"]["scored_by"]
    assert (by != line["select"]["scored_by"]) is again
    scores = rounds.journal.lines["scores.jsonl.gz"]
    assert len(scores) == len({x["id"] for x in scores}) == 50
    assert all(x["scored_by"] == by for x in scores)


def test_the_end_of_the_schedule_stops_without_a_rule() -> None:
    rounds = make(rounds=3, rules=False)
    assert run(rounds) == "rounds"
    assert rounds.pool.round == 3


@pytest.mark.parametrize(("limit", "reason"), [(34, "budget"), (60, None)])
def test_a_refusal_holds_until_a_limit_is_raised(limit: int, reason: str | None) -> None:
    rounds = make(teacher=FakeTeacher(limit=34), limits=Limits(max_annotations=34))
    assert run(rounds) == "budget"
    restored = make(limits=Limits(max_annotations=limit))
    restored.journal = rounds.journal
    restored.teacher = rounds.teacher
    restored.pool.load_state_dict(rounds.pool.state_dict())
    restored.load_state_dict(rounds.state_dict())
    assert restored.waits_to_buy
    found = restored.stop_reason()
    assert (found.name if found else None) == reason


def test_a_teacher_that_gave_nothing_is_asked_again_after_a_resume() -> None:
    rounds = make()
    state = rounds.state_dict()
    rounds.load_state_dict(state | {"empty_queries": 1})
    assert rounds.empty_queries == 1
    rounds.load_state_dict(state | {"empty_queries": 2})
    assert rounds.empty_queries == 0


def test_rank_of_gold_never_reaches_the_selector() -> None:
    class Spy(RandomSelector):
        def select(self, candidates: Any, n: int, rng: Any) -> Any:
            assert all("gold" not in str(c.to_dict()).lower() for c in candidates)
            assert all(set(c.sample.to_dict()) == SAMPLE_FIELDS for c in candidates)
            return super().select(candidates, n, rng)

    run(make(selector=Spy(), rounds=3))


SAMPLE_FIELDS = {"id", "question", "choices", "origin", "parents"}


def test_an_initial_query_larger_than_the_pool_is_refused() -> None:
    with pytest.raises(ConfigError, match="initial_size=500 exceeds the pool of 200"):
        make(initial=500)


def test_the_whole_pool_can_be_the_initial_query() -> None:
    rounds = make(initial="all", rounds=1)
    assert run(rounds) == "rounds"
    assert rounds.journal.rounds[-1]["n_labelled"] == 200
    with pytest.raises(ConfigError, match=r"all \(200 samples\) exceeds .*max_annotations=199"):
        make(initial="all", limits=Limits(max_annotations=199))
    with pytest.raises(ConfigError, match="initial_size=most: choose a whole number, all"):
        make(initial="most")


class WritingTeacher(FakeTeacher):
    """Answers the first query, and to every later one writes twelve texts of its own."""

    def annotate(self, query: Query) -> list[Annotation]:
        if query.round == 0:
            return super().annotate(query)
        self.asked.append(query)
        parents = tuple(item.sample.id for item in query.items)
        texts = [f"Is text {n} of round {query.round} even?" for n in range(12)]
        answer = Explanation.of(("A fact.",), "yes")
        return [
            Annotation(Sample(sample_id(t), t, (), "synthetic", parents), answer, Status.OK, "fake")
            for t in texts
        ]


def test_a_teacher_may_study_what_is_annotated_and_write_its_own_texts() -> None:
    teacher = WritingTeacher(mode="explain")
    rounds = make(
        selector=PredictionsSelector(),
        teacher=teacher,
        rounds=4,
        audit_fraction=0.0,
        among="annotated",
    )
    unlabelled = len(rounds.pool.unlabelled)
    assert run(rounds) == "rounds"
    assert [x["n_labelled"] for x in rounds.journal.rounds] == [0, 20, 32, 44, 56]
    assert len(rounds.pool.unlabelled) == unlabelled - 20
    labelled = {a.sample.id: a.explanation.answer for a in rounds.pool.labelled}
    for query in teacher.asked[1:]:
        assert len(query.items) == 10
        assert all(item.known == labelled[item.sample.id] for item in query.items)
        assert all(item.attempt is not None for item in query.items)
    last = {item.sample.origin for item in teacher.asked[-1].items}
    assert "synthetic" in last
    assert [x["bought"]["asked"] for x in rounds.journal.rounds[:4]] == [20, 12, 12, 12]
    again = Pool(make_splits().pool)
    again.load_state_dict(rounds.pool.state_dict())
    assert [a.sample for a in again.labelled] == [a.sample for a in rounds.pool.labelled]


@pytest.mark.parametrize("among", ["annotated", "new"])
def test_an_empty_pool_ends_no_run_whose_teacher_writes(among: str) -> None:
    rounds = make(
        selector=PredictionsSelector(),
        teacher=WritingTeacher(mode="explain"),
        rounds=3,
        audit_fraction=0.0,
        among=among,
        initial="all",
    )
    assert run(rounds) == "rounds"
    assert len(rounds.pool.unlabelled) == 0
    assert [x["n_labelled"] for x in rounds.journal.rounds] == [0, 200, 212, 224]


@pytest.mark.parametrize("among", ["annotated", "new"])
@pytest.mark.parametrize("mode", ["explain", "revise"])
def test_a_teacher_that_looks_at_predictions_gets_them_whatever_chose(
    mode: str, among: str
) -> None:
    teacher = WritingTeacher(mode=mode)
    rounds = make(
        selector=RandomSelector(), teacher=teacher, rounds=3, audit_fraction=0.0, among=among
    )
    run(rounds)
    items = [item for query in teacher.asked[1:] for item in query.items]
    assert len(items) == 20
    if mode == "revise":
        assert all(item.attempt is not None for item in items)
    else:  # what was said when new texts came is known anyhow
        assert not any(item.attempt for item in teacher.asked[1].items)


class ExhaustedTeacher(WritingTeacher):
    """Has texts for one round."""

    def annotate(self, query: Query) -> list[Annotation]:
        found = super().annotate(query) if query.round < 2 else []
        self.exhausted = query.round >= 2
        self.last_refusal = "all texts are served" if self.exhausted else None
        return found


def test_a_teacher_with_nothing_left_ends_the_run_and_that_is_no_matter_of_the_budget() -> None:
    rounds = make(
        selector=PredictionsSelector(),
        teacher=ExhaustedTeacher(mode="explain"),
        rounds=9,
        audit_fraction=0.0,
        among="annotated",
    )
    assert run(rounds) == "pool"
    assert rounds.stop_reason() == StopReason("pool", "all texts are served")
    state = rounds.state_dict()
    again = make(rounds=9)
    again.load_state_dict(state)
    assert (again.refused, again.exhausted) == ("all texts are served", True)


def test_a_text_of_the_teacher_that_is_too_long_is_neither_trained_on_nor_studied() -> None:
    teacher = WritingTeacher(mode="explain")
    rounds = make(
        selector=PredictionsSelector(),
        teacher=teacher,
        rounds=4,
        audit_fraction=0.0,
        among="annotated",
        trainable=lambda a: not a.sample.question.startswith("Is text 1"),  # 1, 10 and 11
    )
    assert run(rounds) == "rounds"
    lines = rounds.journal.lines["annotations.jsonl"]
    long = {x["id"] for x in lines if not x["trained_on"]}
    assert len(long) == 3 * 3
    told = {x["reason"] for x in lines if not x["trained_on"]}
    assert told == {"does not fit the student's context: not trained on"}
    assert not any(x["reason"] for x in lines if x["trained_on"])
    studied = {item.sample.id for query in teacher.asked[1:] for item in query.items}
    assert not studied & long
    assert "synthetic" in {item.sample.origin for item in teacher.asked[-1].items}
