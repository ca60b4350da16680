"""Every fault of a teacher's server, through litellm, a real store and a real purchase.

`TABLE` is what the documentation says of faults.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest

pytest.importorskip("litellm", reason="litellm is not installed (extra `litellm`)")

from elad_exp.budget.store import Store
from elad_exp.errors import RunStopped
from elad_exp.types import Explanation, Query, Status
from tests.helpers_faults import ITEMS, SAMPLES, agree, states, take_in, teacher_for
from tests.helpers_litellm import QUIET
from tests.helpers_openai import Fault, Server
from tests.unit.teacher_toys import TASK

pytestmark = QUIET

GOOD = {
    "verdicts": [{"step": 1, "ok": True, "reason": ""}, {"step": 2, "ok": False, "reason": "no"}],
    "first_error": 2,
    "steps": ["9 is what 5 and 4 add up to"],
    "answer": "no",
}
CHAT = {"id": "1", "object": "chat.completion", "created": 1, "model": "scripted"}


def says(**changes: Any) -> Fault:
    """An answer of the right form, but for `changes`."""
    return Fault(content=json.dumps(GOOD | changes))


@dataclass(frozen=True)
class Row:
    """What a fault that lasts makes of a call (`states` of its two attempts), of the annotation
    and of the run: `goes on` with the next item, or `stops` resumably.
    """

    name: str
    fault: Fault | None
    states: str
    status: str
    reason: str
    run: str = "goes on"


SMALL = {"prompt_tokens": 50, "completion_tokens": 300, "total_tokens": 350}
DOWN = None  # nobody listens
TWICE_RELEASED, TWICE_UNKNOWN = "released released", "unknown unknown"
TABLE = [
    Row("429", Fault(status=429), TWICE_RELEASED, "failed", "as scripted"),
    Row(
        "429 with retry-after",
        Fault(status=429, headers={"Retry-After": "0.01"}),
        TWICE_RELEASED,
        "failed",
        "as scripted",
    ),
    Row("503", Fault(status=503), TWICE_RELEASED, "failed", "as scripted"),
    Row("500", Fault(status=500), TWICE_UNKNOWN, "failed", "as scripted"),
    Row("502", Fault(status=502), TWICE_UNKNOWN, "failed", "as scripted"),
    Row("504", Fault(status=504), TWICE_UNKNOWN, "failed", "as scripted"),
    Row("408", Fault(status=408), TWICE_UNKNOWN, "failed", "as scripted"),
    Row("409", Fault(status=409), TWICE_RELEASED, "failed", "as scripted"),
    Row("400", Fault(status=400), "released", "failed", "as scripted"),
    Row("413", Fault(status=413), "released", "failed", "as scripted"),
    Row("302 to nowhere", Fault(status=302), "released", "failed", "as scripted"),
    Row(
        "401",
        Fault(status=401),
        "released",
        "",
        r"down: 401 \(is the key.*\): as scripted",
        "stops",
    ),
    Row("402", Fault(status=402), "released", "", "turns calls down.*as scripted", "stops"),
    Row("403", Fault(status=403), "released", "", "turns calls down.*as scripted", "stops"),
    Row("404", Fault(status=404), "released", "", r"begin a new.*\): as scripted", "stops"),
    Row("connection refused", DOWN, TWICE_RELEASED, "failed", "cannot be reached"),
    Row("reset before the answer", Fault(reset="before"), TWICE_UNKNOWN, "failed", "no answer: "),
    Row("reset in mid-answer", Fault(reset="during"), TWICE_UNKNOWN, "failed", "no answer: "),
    Row("hang", Fault(hang_s=3.0), TWICE_UNKNOWN, "failed", "no answer within"),
    Row("slow drip", Fault(drip_s=0.02), TWICE_UNKNOWN, "failed", "no answer within"),
    Row("a page in place of JSON", Fault(body="<html>"), TWICE_UNKNOWN, "failed", "no answer: "),
    Row("an empty body", Fault(body=""), TWICE_UNKNOWN, "failed", "no answer: "),
    Row("half a body", Fault(body='{"id": "1", "cho'), TWICE_UNKNOWN, "failed", "no answer: "),
    Row(
        "no choice in the answer",
        Fault(body=json.dumps(CHAT | {"choices": []})),
        TWICE_UNKNOWN,
        "failed",
        "no answer: ",
    ),
    Row(
        "an error under status 200",
        Fault(body='{"error": {"message": "busy", "code": 503}}'),
        TWICE_UNKNOWN,
        "failed",
        "no answer: ",
    ),
    Row("empty content", Fault(content=""), "settled", "unparsed", "empty"),
    Row("blank content", Fault(content=" \n"), "settled", "unparsed", "empty"),
    Row("malformed JSON", Fault(content="{}}{ 'verd"), "settled", "unparsed", "JSON|Field"),
    Row("no JSON", Fault(content="I think so."), "settled", "unparsed", "not one JSON object"),
    Row("another language", Fault(content="我认为第一步是对的。"), "settled", "unparsed", "JSON"),
    Row("brackets", Fault(content="[" * 5000, usage=SMALL), "settled", "unparsed", "brackets"),
    Row("braces", Fault(content='{"a":' * 9000, usage=SMALL), "settled", "unparsed", "brackets"),
    Row("half a character", Fault(content="\ud83d"), "settled", "unparsed", "JSON"),
    Row("wrong schema", says(steps="none"), "settled", "unparsed", "steps: "),
    Row("missing field", Fault(content='{"answer": "no"}'), "settled", "unparsed", "Field req"),
    Row("error out of range", says(first_error=9), "settled", "unparsed", r"none of 1\.\.3"),
    Row(
        "verdict out of range",
        says(verdicts=[{"step": 7, "ok": True, "reason": ""}]),
        "settled",
        "unparsed",
        "step 7",
    ),
    Row("contradictory verdicts", says(first_error=1), "settled", "unparsed", "contradicts"),
    Row(
        "accepted but changed",
        says(verdicts=[], first_error=None),
        "settled",
        "unparsed",
        "something was changed",
    ),
    Row("an answer that is none", says(answer="maybe"), "settled", "unparsed", "none of: "),
    Row("no step left", says(verdicts=[], first_error=1, steps=[]), "settled", "unparsed", "no st"),
    Row("length", Fault(finish="length"), "settled", "truncated", "max_completion_tokens=300"),
    Row("content filter", Fault(finish="content_filter"), "settled", "refused", "filter"),
    Row("refusal", Fault(refusal="I will not."), "settled", "refused", "refused"),
    Row(
        "content policy",
        Fault(status=400, message="invalid_request_error: content_policy_violation"),
        "settled",
        "refused",
        "refused",
    ),
    Row(
        "10 MB",
        Fault(content="x" * 10_000_000, usage=SMALL),
        "settled",
        "unparsed",
        "10000000 characters",
    ),
    Row("code fence", Fault(fence=True), "settled", "ok", ""),
    Row("prose around it", Fault(prose=True), "settled", "ok", ""),
    Row("no usage", Fault(usage={}), "settled", "ok", ""),
    Row("half of the usage", Fault(usage={"prompt_tokens": 9}), "settled", "ok", ""),
    Row(
        "negative usage",
        Fault(usage={"prompt_tokens": -9, "completion_tokens": 3}),
        "settled",
        "ok",
        "",
    ),
    Row(
        "absurd usage",
        Fault(usage={"prompt_tokens": 10**25, "completion_tokens": 3}),
        "settled",
        "ok",
        "",
    ),
    Row(
        "usage above its bound",
        Fault(usage={"prompt_tokens": 50, "completion_tokens": 20_000}),
        "settled",
        "ok",
        "",
        "buys no more",
    ),
]
CHARGED_AT_BOUND = (
    "content policy",
    "no usage",
    "half of the usage",
    "negative usage",
    "absurd usage",
)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_fault_that_lasts(server: Server, store: Store, row: Row) -> None:
    query = Query(0, tuple(ITEMS))

    def second_item(progress: Any) -> None:
        down = row.fault is None and progress.done == 1
        annotator.endpoint = nowhere if down else there

    short = row.name in ("hang", "slow drip")
    teacher = teacher_for(server, store, timeout_s=0.25 if short else 5.0, on_progress=second_item)
    annotator = teacher.annotator
    there = annotator.endpoint
    nowhere = type(there)("http://127.0.0.1:9/v1", there.identity, there.key)
    times = len(row.states.split())
    server.faults[:] = [Fault(), *([row.fault] * times if row.fault else [])]
    bad = ITEMS[1]
    if row.run == "stops":
        with pytest.raises(RunStopped, match=row.reason) as caught:
            teacher.annotate(query)
        assert (caught.value.reason, caught.value.exit_code) == ("teacher", 75)
        assert states(store, bad) == row.states
        assert states(store, ITEMS[2]) == ""
        agree(store, teacher)
        # The key is right now: what was bought is not bought again.
        n = len(server.requests)
        found = teacher_for(server, store).annotate(query)
        assert [a.status for a in found] == [Status.OK] * 3
        assert len(server.requests) == n + 2
        return
    if row.run == "buys no more":
        with pytest.raises(RunStopped, match="keeps to no limit") as caught:
            teacher.annotate(query)
        assert (caught.value.reason, caught.value.exit_code) == ("teacher_overrun", 75)
        assert states(store, bad) == row.states
        assert states(store, ITEMS[2]) == ""
        agree(store, teacher)
        found = teacher_for(server, store).annotate(query)
        assert [a.status for a in found] == [Status.OK] * 3
        assert store.call(found[1].call_ids[0])["excess"] is True
        return
    found = teacher.annotate(query)
    assert states(store, bad) == row.states
    agree(store, teacher)
    second = found[1]
    assert second.sample == bad.sample
    assert second.status == row.status
    calls = [store.call(c) for c in second.call_ids]
    assert [c["state"] for c in calls] == [s for s in row.states.split() if s != "released"]
    for call in calls:
        at_bound = call["state"] == "unknown" or row.name in CHARGED_AT_BOUND
        assert (call["spent"] == call["bound"]) is at_bound
    pool = take_in(query, found)
    assert len(found) == 3
    assert found[0].status is found[2].status is Status.OK
    if second.status is Status.OK:
        assert second.explanation == TASKS_OWN[1]
        assert pool.unlabelled == []
        return
    assert re.search(row.reason, second.reason), second.reason
    assert second.explanation is None
    assert [s.id for s in pool.unlabelled] == [bad.sample.id]


TASKS_OWN = [Explanation.of(*TASK.complete(s, ())) for s in SAMPLES]


@pytest.mark.parametrize(
    "row", [r for r in TABLE if len(r.states.split()) == 2], ids=lambda row: row.name
)
def test_a_fault_that_passes_is_tried_again(server: Server, store: Store, row: Row) -> None:
    if row.fault is None:
        pytest.skip("see the run that is resumed")
    server.faults[:] = [row.fault]
    short = row.name in ("hang", "slow drip")
    teacher = teacher_for(server, store, timeout_s=0.25 if short else 5.0)
    (found,) = teacher.annotate(Query(0, (ITEMS[0],)))
    assert found.status is Status.OK
    assert states(store, ITEMS[0]) == f"{row.states.split()[0]} settled"
    assert teacher.spent().annotations == 1
    agree(store, teacher)
