"""Real explanations of CommonsenseQA, by PaLM 540B, as a teacher that costs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from elad_exp.budget.budget import Limits
from elad_exp.budget.store import Store
from elad_exp.protocols import Splits
from elad_exp.tasks.jsonl import JsonlTask
from elad_exp.teachers.metered import MeteredTeacher
from elad_exp.teachers.recorded import RecordedTeacher
from elad_exp.types import Annotation, Answer, Query, QueryItem, Request, Status

N = 300


@pytest.mark.slow
def test_every_question_is_found_and_answered_as_well_as_palm_did(
    tmp_path: Path, shared_data: Path
) -> None:
    folder = shared_data / "commonsenseqa"
    if not folder.is_dir():
        pytest.skip("commonsenseqa is not at hand")
    task = JsonlTask(str(folder / "train.jsonl.gz"))
    splits = task.load()
    teacher = RecordedTeacher(task, path=str(folder / "palm_rationales_train.jsonl"), model="palm")
    teacher.check(Limits())
    known = teacher.recording.entries
    assert all(row in known for row in task.source_ids.values())

    # The order of the pool is that of a hash, so its beginning is a random part.
    query = Query(0, tuple(QueryItem(sample) for sample in splits.pool[:N]))
    with Store(tmp_path / "store.sqlite") as store:
        metered = MeteredTeacher(
            teacher, store=store, limits=Limits(), run_id="r", wall_clock=lambda: 0.0
        )
        found = metered.annotate(query)
        spent, paid = metered.spent(), metered.paid()
    assert len(found) == N
    assert {a.replayed_by for a in found} == {"sample"}
    assert (spent.annotations, spent.usd, paid.calls) == (N, 0.0, 0)

    found = asyncio.run(everything(teacher, splits))
    usable = [a for a in found if a.status is Status.OK]
    assert len(usable) >= 0.999 * len(splits.pool)  # three rows of the whole file have no answer
    right = sum(
        task.grade(a.sample, a.explanation and a.explanation.answer, splits.gold) for a in usable
    )
    # 0.760 over all of train; the pool is seven tenths of it.
    assert right / len(usable) == pytest.approx(0.760, abs=0.005)


async def everything(teacher: RecordedTeacher, splits: Splits) -> list[Annotation]:
    """The whole pool, without a store, which would take seconds."""

    async def ask(
        request: Request,
        call: Callable[[], Awaitable[Answer]],
        recorded: Callable[[int], Answer] | None = None,
    ) -> Answer:
        assert recorded is not None
        return recorded(0)

    return [await teacher.annotate(QueryItem(sample), ask) for sample in splits.pool]
