"""The recording pass-through changes nothing and keeps what was reported."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.helpers_openai import Fault, serve, usage_of
from tests.helpers_proxy import record

BODY = {"model": "m", "messages": [{"role": "user", "content": "hi there, you"}]}
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(url: str) -> Any:
    data = json.dumps(BODY).encode()
    request = urllib.request.Request(f"{url}/v1/chat/completions", data)
    with DIRECT.open(request, timeout=10) as answer:
        return json.loads(answer.read())


def test_usage_is_recorded_as_the_server_reports_it() -> None:
    with serve(lambda body: "hello") as server, record(server.url.removesuffix("/v1")) as proxy:
        replies = [ask(proxy.url) for _ in range(2)]
        server.faults.append(Fault(status=429))
        with pytest.raises(urllib.error.HTTPError) as caught:
            ask(proxy.url)
        caught.value.close()
    reported = usage_of(BODY, "hello")
    assert [reply["usage"] for reply in replies] == [reported] * 2
    assert proxy.usage == [(reported["prompt_tokens"], reported["completion_tokens"])] * 2
    assert proxy.statuses == [200, 200, 429]
    assert proxy.requests == [BODY] * 3 == server.requests
