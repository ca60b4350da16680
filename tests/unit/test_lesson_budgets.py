"""Lessons by a language model, whatever it replies: a budget is never exceeded."""

from __future__ import annotations

import itertools
import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("litellm", reason="litellm is not installed (extra `litellm`)")

from elad_exp.budget.budget import Limits
from elad_exp.budget.store import Store
from elad_exp.teachers import litellm
from elad_exp.teachers.calling import Billed, CallFailed
from elad_exp.teachers.lessons.made import BY_MODEL, auggpt, evokd, llm_da, zerogen
from elad_exp.teachers.litellm import Reply
from elad_exp.types import Status
from tests.unit.lesson_toys import Described, DescribedEntities, labelled, metered

TASK, ENTITIES = Described(), DescribedEntities()
MADE = {
    "evokd": (evokd, TASK),
    "auggpt": (auggpt, TASK),
    "zerogen": (zerogen, TASK),
    "llm_da": (llm_da, ENTITIES),
}
MODEL = {
    "model": "openai/scripted",
    "prompt_usd": 1e-6,
    "completion_usd": 2e-6,
    "max_completion_tokens": 400,
    "concurrency": 3,
    "attempts": 1,
    "give_up_after": 1000,
}
STATUSES = {
    "refused": Status.REFUSED,
    "truncated": Status.TRUNCATED,
}


class Model:
    """In place of `litellm.call`: replies by what kind it is told, and as long as it may."""

    def __init__(self, kinds: Sequence[str]) -> None:
        self.kinds, self.calls = itertools.cycle(kinds), 0

    async def __call__(self, messages: Any, *, max_completion_tokens: int, **given: Any) -> Reply:
        kind, self.calls = next(self.kinds), self.calls + 1
        prompt = messages[-1]["content"]
        read, most = len(prompt.encode()), max_completion_tokens
        if kind == "fails":
            raise CallFailed("as told", billed=Billed.UNKNOWN, retry=False)
        if kind == "uncounted":
            return Reply(self.fine(prompt), Status.OK)
        if kind == "garbage":
            return Reply("no JSON [", Status.OK, read, most)
        return Reply(self.fine(prompt), STATUSES.get(kind, Status.OK), read, most)

    def fine(self, prompt: str) -> str:
        """What fits any step."""
        found = re.search(r"The text:\n(.*)", prompt)
        texts = [f"Text {k} of {self.calls}. {found[1] if found else ''}" for k in range(12)]
        entities = [{"type": "TOWN", "names": [f"Town {k}" for k in range(4)]}]
        asked = re.findall(r"^\d+\. ", prompt.partition("each with its number:")[2], re.MULTILINE)
        answers = (["market", "concert", "opera"] * 4)[: len(asked)]
        return json.dumps({"texts": texts, "entities": entities, "easy": texts, "answers": answers})


def test_every_method_is_tried() -> None:
    assert MADE.keys() == BY_MODEL.keys()


@given(
    st.sampled_from(sorted(MADE)),
    st.lists(
        st.sampled_from(["fine", "garbage", "refused", "truncated", "uncounted", "fails"]),
        min_size=1,
        max_size=5,
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "max_tokens": st.integers(0, 12_000),
            "max_annotations": st.integers(0, 12),
            "max_calls": st.integers(0, 8),
            "max_usd": st.floats(0, 0.01),
        },
    ),
)
def test_a_budget_is_never_exceeded(method: str, kinds: list[str], limits: dict[str, Any]) -> None:
    make, task = MADE[method]
    teacher = make(task, task.load().gold, texts=10, **MODEL)
    teacher.check_price(Limits())
    folder = tempfile.TemporaryDirectory()
    with (
        folder as place,
        Store(Path(place) / "s.sqlite") as store,
        patch.object(litellm, "call", model := Model(kinds)),
    ):
        bought = metered(store, teacher, **limits)
        found = bought.annotate(labelled(task, 4))
        spent = bought.spent()
        for unit, limit in limits.items():
            assert getattr(spent, unit.removeprefix("max_")) <= limit
        assert spent.calls == model.calls
        assert len(found) <= 10
        assert not [a for a in found if a.status is Status.OK and a.reason]
        assert store._select("SELECT * FROM holds") == []
        if kinds == ["fine"] and not limits:
            assert [a for a in found if a.status is Status.OK]
        # Nothing is asked twice, and what was bought is there again.
        again = metered(store, teacher, max_calls=model.calls).annotate(labelled(task, 4))
        assert model.calls == spent.calls or "fails" in kinds
        assert len(again) >= len(found) or "fails" in kinds
