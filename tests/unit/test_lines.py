"""Figures that stand in the lines of a run."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from elad_exp.lines import (
    bought,
    packed,
    score_line,
    score_lines,
    stored_candidate,
    teacher_separation,
    unpacked,
)
from elad_exp.types import (
    Annotation,
    Candidate,
    Explanation,
    Query,
    QueryItem,
    Sample,
    Status,
    StepVerdict,
)


def item(i: int, *, audit: bool, score: float) -> QueryItem:
    attempt = Explanation.of(["a"], "yes")
    return QueryItem(Sample(f"s{i}", "q"), attempt, None, {"inter": score}, audit)


def judged(i: int, *, accepted: bool) -> Annotation:
    verdict = StepVerdict(1, accepted, None if accepted else "b")
    return Annotation(
        Sample(f"s{i}", "q"),
        Explanation.of(["b"], "yes"),
        Status.OK,
        "t",
        (verdict,),
        None if accepted else 1,
    )


def test_teacher_separation_and_acceptance_use_audit_items_only() -> None:
    query = Query(
        1,
        (
            item(0, audit=True, score=0.9),
            item(1, audit=True, score=0.1),
            item(2, audit=False, score=0.0),
        ),
    )
    annotations = [judged(0, accepted=False), judged(1, accepted=True), judged(2, accepted=False)]
    found = teacher_separation(query, annotations)
    assert found["auroc_teacher/inter"]["value"] == 1.0
    assert found["auprc_teacher/inter"]["value"] == 1.0
    assert found["auprc_teacher/inter"]["prevalence"] == 0.5
    line = bought(query, annotations)
    assert (line["acceptance_audit"]["value"], line["acceptance_audit"]["n"]) == (0.5, 2)
    assert (line["acceptance_selected"]["value"], line["acceptance_selected"]["n"]) == (0.0, 1)


def test_teacher_separation_is_undefined_when_all_are_accepted_or_none_was_checked() -> None:
    query = Query(1, (item(0, audit=True, score=0.9),))
    assert teacher_separation(query, [judged(0, accepted=True)]) == {
        "auroc_teacher/inter": None,
        "auprc_teacher/inter": None,
    }
    assert teacher_separation(query, []) == {}


def test_a_score_line_holds_what_ranking_again_takes() -> None:
    attempt = Explanation.of(["a", "b"], "yes")
    features = (0.5, -0.25, 0.125)
    found = Candidate(
        Sample("s", "q"), {"inter": 1 / 3}, attempt, ("yes", None), features, (0.1,), screened=True
    )
    line = json.loads(json.dumps(score_line(2, found)))
    assert line.pop("features") == packed(features)
    assert line == {
        "round": 2,
        "id": "s",
        "scores": {"inter": 1 / 3},
        "answers": ["yes", None],
        "attempt_answer": "yes",
        "attempt_steps": 2,
        "screened": True,
        "near": [0.1],
    }
    bare = score_line(1, Candidate(Sample("s", "q")))
    assert {"features", "near"}.isdisjoint(bare)
    assert (bare["attempt_answer"], bare["attempt_steps"], bare["screened"]) == (None, None, False)


def test_lines_of_a_round_say_who_scored_and_what_was_wrong() -> None:
    candidates = [Candidate(Sample(i, "q"), {"inter": 0.5}) for i in ("a", "b")]
    by = {"student": "0a", "settings": {"samples": 4}}
    lines = score_lines(2, candidates, wrong={"a": True}, by=by)
    assert [(x["id"], x["attempt_wrong"], x["scored_by"]) for x in lines] == [
        ("a", True, by),
        ("b", None, by),
    ]


def test_of_lessons_what_was_asked_for_counts_and_not_what_was_studied() -> None:
    query = Query(0, (item(0, audit=False, score=0.9), item(1, audit=False, score=0.1)))
    assert bought(query, [])["asked"] == 2
    lessons = [{"asked": 4}, {"asked": 3}, {"asked": 0}]
    assert bought(query, [], {"notes": {"lessons": lessons}})["asked"] == 7
    assert bought(query, [], {"notes": {"no_lessons": "busy", "lessons": []}})["asked"] == 0


@given(st.lists(st.floats(-1, 1, width=16), max_size=20))
def test_features_are_stored_exactly(features: list[float]) -> None:
    assert unpacked(packed(features)) == tuple(features)


def test_a_candidate_is_read_back_without_its_texts() -> None:
    attempt = Explanation.of(["a", "b"], "yes")
    written = Candidate(
        Sample("s", "q"), {"inter": 1 / 3}, attempt, ("no",), (0.5, 0.25), (0.1,), screened=True
    )
    bare = Candidate(Sample("s", "q"))
    for candidate in (written, bare):
        line = json.loads(json.dumps(score_line(2, candidate)))
        told = stored_candidate(line)
        steps = Explanation.of(["", ""], "yes") if candidate.attempt else None
        assert told == replace(candidate, sample=Sample("s", ""), attempt=steps)


def test_a_line_of_an_earlier_version_has_no_attempt() -> None:
    line = {"round": 1, "id": "s", "scores": {}, "answers": [], "attempt_answer": "yes"}
    assert stored_candidate(line) == Candidate(Sample("s", ""))
