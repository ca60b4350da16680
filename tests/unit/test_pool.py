"""Pool invariants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elad_exp.data.pool import Pool
from elad_exp.types import Annotation, Explanation, Query, QueryItem, Sample, Status


def sample(i: int) -> Sample:
    return Sample(f"id{i}", f"question {i}")


def query(round_: int, samples: list[Sample]) -> Query:
    return Query(round_, tuple(QueryItem(s) for s in samples))


def annotation(s: Sample, status: Status = Status.OK) -> Annotation:
    return Annotation(s, Explanation.of(["a"], "yes"), status, "t")


@given(st.lists(st.sampled_from(list(Status)), min_size=1, max_size=40), st.integers(1, 3))
def test_every_sample_is_labelled_unlabelled_or_ignored(
    statuses: list[Status], max_attempts: int
) -> None:
    pool = Pool([sample(i) for i in range(8)], max_attempts=max_attempts)
    for i, status in enumerate(statuses):
        free = pool.unlabelled
        if not free:
            break
        chosen = free[i % len(free)]
        pool.open(query(pool.round, [chosen]))
        pool.close([annotation(chosen, status)])
        labelled = {a.sample.id for a in pool.labelled}
        unlabelled = {s.id for s in pool.unlabelled}
        groups = [labelled, unlabelled, set(pool.ignored)]
        assert set().union(*groups) == {f"id{j}" for j in range(8)}
        assert sum(map(len, groups)) == 8
        assert (chosen.id in labelled) == (status is Status.OK)
        again = Pool([sample(j) for j in range(8)], max_attempts=max_attempts)
        again.load_state_dict(pool.state_dict())
        assert again.labelled == pool.labelled
        assert again.unlabelled == pool.unlabelled
        assert again.round == pool.round


def test_an_annotation_names_its_sample_even_a_synthetic_one() -> None:
    pool = Pool([sample(0)])
    pool.open(query(0, [sample(0)]))
    made = Sample("new", "written by the teacher", origin="synthetic")
    pool.close([annotation(made)])
    assert [a.sample for a in pool.labelled] == [made]
    assert pool.unlabelled == [sample(0)]


def test_what_was_not_bought_returns_to_the_pool() -> None:
    pool = Pool([sample(0), sample(1)])
    pool.open(query(0, [sample(0), sample(1)]))
    pool.close([annotation(sample(0))])
    assert pool.unlabelled == [sample(1)]


def test_open_refuses_a_second_query_repeats_and_labelled_samples() -> None:
    pool = Pool([sample(0), sample(1)])
    with pytest.raises(ValueError, match="twice"):
        pool.open(query(0, [sample(0), sample(0)]))
    pool.open(query(0, [sample(0)]))
    with pytest.raises(ValueError, match="still open"):
        pool.open(query(0, [sample(1)]))
    pool.close([annotation(sample(0))])
    with pytest.raises(ValueError, match="not in the pool any more"):
        pool.open(query(1, [sample(0)]))


def test_state_holds_the_open_query_and_only_primitives() -> None:
    pool = Pool([sample(0), sample(1)])
    pool.open(query(0, [sample(1)]))
    state = pool.state_dict()
    again = Pool([sample(0), sample(1)])
    again.load_state_dict(state)
    assert again.open_query == pool.open_query

    def primitive(value: object) -> bool:
        if isinstance(value, dict):
            return all(primitive(v) for v in value.values())
        if isinstance(value, list):
            return all(primitive(v) for v in value)
        return value is None or type(value) in (int, float, str, bool)

    assert primitive(state)
