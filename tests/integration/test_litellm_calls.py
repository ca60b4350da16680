"""One call through the real litellm to a loopback server: every fault by its name."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from email.utils import formatdate
from typing import Any

import pytest

pytest.importorskip("litellm", reason="litellm is not installed (extra `litellm`)")

from elad_exp.teachers.calling import Billed, CallFailed
from elad_exp.teachers.endpoint import Endpoint
from elad_exp.teachers.litellm import Reply, call, close
from elad_exp.teachers.replies import Written
from elad_exp.types import Status
from tests.helpers_litellm import QUIET
from tests.helpers_openai import Fault, Server, serve

pytestmark = QUIET


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve(lambda body: "hello") as running:
        yield running


def ask(server: Server, *faults: Fault, url: str = "", **options: Any) -> Reply:
    server.faults[:] = faults
    server.requests.clear()

    async def once() -> Reply:
        try:
            return await call(
                [{"role": "user", "content": "hi"}],
                model=options.pop("model", "openai/scripted"),
                endpoint=Endpoint(url or server.url, key="canary-91c2"),
                max_completion_tokens=20,
                timeout_s=options.pop("timeout_s", 10.0),
                **options,
            )
        finally:
            await close()  # its sockets would be found open in another test

    return asyncio.run(once())


def test_an_answer_comes_with_its_usage(server: Server) -> None:
    assert ask(server) == Reply("hello", Status.OK, 1, 2)
    (sent,) = server.requests
    assert sent["messages"] == [{"role": "user", "content": "hi"}]
    assert sent.get("max_completion_tokens", sent.get("max_tokens")) == 20


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(content=""), Reply("", Status.OK, 1, 1)),
        (Fault(finish="length"), Reply("hello", Status.TRUNCATED, 1, 2)),
        (Fault(finish="content_filter"), Reply("hello", Status.REFUSED, 1, 2)),
        (Fault(refusal="I will not."), Reply("I will not.", Status.REFUSED, 1, 2)),
        (Fault(usage={}), Reply("hello", Status.OK, None, None)),
        (
            Fault(usage={"prompt_tokens": 900, "completion_tokens": 800, "total_tokens": 1700}),
            Reply("hello", Status.OK, 900, 800),
        ),
    ],
    ids=["empty", "length", "filter", "refusal", "no usage", "large usage"],
)
def test_what_became_of_an_answer(server: Server, fault: Fault, expected: Reply) -> None:
    assert ask(server, fault) == expected


@pytest.mark.parametrize(
    ("fault", "billed", "retry", "fatal"),
    [
        (Fault(status=429), "no", True, False),
        (Fault(status=500), "unknown", True, False),
        (Fault(status=502), "unknown", True, False),
        (Fault(status=503), "no", True, False),
        (Fault(status=529), "no", True, False),
        (Fault(status=400), "no", False, False),
        (Fault(status=413), "no", False, False),
        (Fault(status=422), "no", False, False),
        (Fault(status=401), "no", False, True),
        (Fault(status=403), "no", False, True),
        (Fault(status=404), "no", False, True),
        (Fault(reset="before"), "unknown", True, False),
        (Fault(reset="during"), "unknown", True, False),
    ],
    ids=lambda value: (value.reset or str(value.status)) if isinstance(value, Fault) else None,
)
def test_failures_say_whether_they_are_billed_and_worth_another_try(
    server: Server, fault: Fault, billed: str, retry: bool, fatal: bool
) -> None:
    with pytest.raises(CallFailed) as caught:
        ask(server, fault)
    error = caught.value
    assert (error.billed, error.retry, error.fatal) == (Billed(billed), retry, fatal)
    assert len(server.requests) == 1  # litellm and its clients do not try again by themselves
    if fault.status != 200:
        assert "as scripted" in str(error)
    assert "canary" not in str(error)


def test_a_server_that_is_not_there_was_never_sent_anything() -> None:
    with serve(lambda body: "") as gone:
        url = gone.url
    with pytest.raises(CallFailed, match="cannot be reached") as caught:
        ask(gone, url=url)
    assert (caught.value.billed, caught.value.retry) == (Billed.NO, True)


@pytest.mark.parametrize(
    "fault", [Fault(hang_s=5.0), Fault(drip_s=0.05)], ids=["hang", "slow drip"]
)
def test_the_whole_call_has_a_limit(server: Server, fault: Fault) -> None:
    start = time.perf_counter()
    with pytest.raises(CallFailed, match=r"no answer within 0\.4 s") as caught:
        ask(server, fault, timeout_s=0.4)
    assert time.perf_counter() - start < 4.0
    assert (caught.value.billed, caught.value.retry) == (Billed.UNKNOWN, True)


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [("7", 7, 7), ("0.5", 0.5, 0.5), ("-1", 0, 0), ("date", 1, 30), ("soon", None, None)],
)
def test_what_the_provider_asks_to_wait(
    server: Server, value: str, least: float | None, most: float | None
) -> None:
    header = formatdate(time.time() + 30, usegmt=True) if value == "date" else value
    with pytest.raises(CallFailed) as caught:
        ask(server, Fault(status=429, headers={"Retry-After": header}))
    after = caught.value.after_s
    if least is None or most is None:
        assert after is None
    else:
        assert after is not None
        assert least <= after <= most


def test_a_schema_goes_along_where_the_model_supports_it(server: Server) -> None:
    ask(server, model="openai/gpt-4o-mini", schema=Written)
    assert server.requests[0]["response_format"]["json_schema"]["schema"]["required"] == [
        "steps",
        "answer",
    ]
    ask(server, schema=Written)  # an unknown model
    assert "response_format" not in server.requests[0]


def test_a_large_answer_arrives(server: Server) -> None:
    assert len(ask(server, Fault(content="x" * 10_000_000)).text) == 10_000_000
