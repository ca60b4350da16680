"""What every teacher of `conf/teacher` has to keep, before metering and under it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("litellm", reason="litellm is not installed (extra `litellm`)")

from elad_exp.budget.budget import Limits
from elad_exp.building import complete
from elad_exp.config import compose_config, config_dir
from elad_exp.teachers import litellm
from elad_exp.teachers.annotator import Annotator
from elad_exp.teachers.keys import request_key
from elad_exp.types import Explanation, Query, QueryItem, Status
from tests.unit.teacher_toys import SAMPLE, STEPS, TASK, gold_of, metered, open_store

# Those that write lessons annotate no items of a query: see tests/unit/test_evokd.py.
OPTIONS = sorted(
    path.stem
    for path in (config_dir() / "teacher").glob("*.yaml")
    if ".lessons." not in path.read_text() and not path.stem.startswith("evokd")
)
MODEL = ["teacher.model=openai/gpt-4o-mini"]
ITEM = QueryItem(SAMPLE, Explanation.of(("2 + 3 = 6", *STEPS[1:]), "yes"))
REPLIES = {
    "Revision": {
        "verdicts": [{"step": 1, "ok": False, "reason": "wrong sum"}],
        "first_error": 1,
        "steps": list(STEPS),
        "answer": "no",
    },
    "Check": {"ok": False, "reason": "wrong sum"},
    "Written": {"steps": list(STEPS), "answer": "no"},
}


def modes(option: str) -> list[str | None]:
    text = (config_dir() / "teacher" / f"{option}.yaml").read_text()
    target = yaml.safe_load(text).get("_target_", "")
    llm = "llm" in target or option.startswith("litellm")
    return ["single", "sequential", "explain"] if llm else [None]


@pytest.fixture(params=[(o, m) for o in OPTIONS for m in modes(o)], ids=lambda p: f"{p[0]}-{p[1]}")
def teacher(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Annotator:
    option, mode = request.param
    overrides = [f"teacher={option}", *(MODEL if option == "litellm" else [])]
    if mode:
        overrides.append(f"teacher.mode={mode}")
    if option == "recorded":
        row = {"id": SAMPLE.id, "rationale": list(STEPS), "teacher_answer": "no", "raw": "no"}
        (tmp_path / "recording.jsonl").write_text(json.dumps(row) + "\n")
        overrides.append(f"teacher.path={tmp_path / 'recording.jsonl'}")

    async def call(*args: Any, schema: Any, **options: Any) -> litellm.Reply:
        return litellm.Reply(json.dumps(REPLIES[schema.__name__]), Status.OK, 100, 10)

    monkeypatch.setattr(litellm, "call", call)
    config = compose_config(["+experiment=quickstart", *overrides])
    made: Annotator = complete(config.teacher, task=TASK, gold=gold_of(TASK, SAMPLE), seed=0)
    made.check_price(Limits())
    return made


def test_requests_are_bounded_and_can_be_written_down(teacher: Annotator) -> None:
    for item in (ITEM, QueryItem(SAMPLE)):
        asked = teacher.requests(item)
        assert asked
        for request, chance in asked:
            assert 0 < chance <= 1
            assert request.expected.tokens <= request.bound.tokens
            assert math.isfinite(request.bound.usd)
            assert json.loads(json.dumps(request.fields)) == request.fields
        keys = [request_key(teacher, request) for request, _ in asked]
        assert keys == [request_key(teacher, request) for request, _ in teacher.requests(item)]
        # The first holds what the others may cost.
        first, *others = (request for request, _ in asked)
        assert first.ahead_calls == len(others)
        assert first.ahead.tokens == sum(request.bound.tokens for request in others)


def test_an_annotation_is_of_its_sample_and_names_its_calls(
    teacher: Annotator, tmp_path: Path
) -> None:
    with open_store(tmp_path) as store:
        bought = metered(store, teacher).annotate(Query(0, (ITEM,)))
        assert [a.sample for a in bought] == [SAMPLE]
        (annotation,) = bought
        assert annotation.status is Status.OK
        assert annotation.explanation is not None
        assert (annotation.explanation.texts, annotation.explanation.answer) == (STEPS, "no")
        assert annotation.first_error in (None, 1)
        assert annotation.checked == (annotation.first_error == 1)
        calls = {line["id"]: line for line in store.calls("run")}
        assert set(annotation.call_ids) == set(calls)
        assert all(line["excess"] is False for line in calls.values())
        again = metered(store, teacher, max_calls=0).annotate(Query(0, (ITEM,)))
        assert again == bought


def test_it_says_what_it_is_in_primitives(teacher: Annotator) -> None:
    assert teacher.name
    assert teacher.model
    assert teacher.mode
    assert json.loads(json.dumps(teacher.info)) == teacher.info
    teacher.calling.to_dict()
