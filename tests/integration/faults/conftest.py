"""A scripted server, a store and short pauses for every test of faults."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from elad_exp.budget.store import Store
from elad_exp.teachers import calling
from tests.helpers_faults import MADE, SAMPLES
from tests.helpers_openai import Server, serve
from tests.scripted_teacher import ScriptedTeacher
from tests.unit.teacher_toys import TASK, open_store


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve(ScriptedTeacher(TASK, SimpleNamespace(pool=SAMPLES))) as running:
        yield running


@pytest.fixture
def store(tmp_path: Any) -> Iterator[Store]:
    with open_store(tmp_path) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch, server: Server) -> Iterator[None]:
    monkeypatch.setattr(calling, "FIRST_PAUSE_S", 0.01)
    server.reset()
    yield
    while MADE:
        MADE.pop().close()
