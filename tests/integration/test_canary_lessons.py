"""Gold stays where it belongs in lessons too: no prompt of theirs has more than what was given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from elad_exp.budget.store import Store
from elad_exp.protocols import Splits
from elad_exp.teachers.lessons.auggpt import AugGPTTeacher
from elad_exp.teachers.lessons.evokd import EvoKDTeacher
from elad_exp.teachers.lessons.llm_da import LLMDATeacher
from elad_exp.teachers.lessons.made import BY_MODEL
from elad_exp.teachers.lessons.steps import SCHEMAS
from elad_exp.teachers.lessons.zerogen import ZeroGenTeacher
from elad_exp.types import (
    GIVEN,
    Annotation,
    Answer,
    Explanation,
    Gold,
    GoldBook,
    Query,
    QueryItem,
    Request,
    Sample,
    Status,
    Usage,
)
from tests.unit.lesson_toys import Described, DescribedEntities, Script, metered

CANARY = "canary-93ce"
N_GIVEN = 3
LABELS, ENTITIES = Described, DescribedEntities
METHODS: dict[str, tuple[Any, Any, dict[str, Any], set[str]]] = {
    "evokd": (EvoKDTeacher, LABELS, {"votes": 2}, {"analyse", "write", "label"}),
    "evokd of entities": (EvoKDTeacher, ENTITIES, {}, {"analyse", "write", "label"}),
    "evokd in one call": (
        EvoKDTeacher,
        LABELS,
        {"one_call": True},
        {"analyse", "write_labelled"},
    ),
    "evokd after auggpt": (EvoKDTeacher, LABELS, {"init": "auggpt"}, {"rephrase"}),
    "auggpt": (AugGPTTeacher, LABELS, {}, {"rephrase"}),
    "zerogen": (ZeroGenTeacher, LABELS, {"describe": True}, {"imagine"}),
    "llm_da": (LLMDATeacher, ENTITIES, {}, {"rewrite", "name"}),
}


class WatchedGold(GoldBook):
    """Keeps whose gold was read."""

    def __init__(self, entries: Any) -> None:
        super().__init__(entries)
        self.read: set[str] = set()

    def __getitem__(self, key: str) -> Gold:
        self.read.add(key)
        return super().__getitem__(key)


class Writer(Script):
    """Replies to any step, and keeps all that it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.plans: list[Any] = []

    async def answer(self, step: str, request: Request, plan: Any) -> Answer:
        self.asked.append((step, request.fields["prompt"]))
        self.plans.append([request.fields, plan])
        n = len(self.asked)
        texts = [f"{subject} is new, {n}." for subject in ("This", "That", "Another")]
        answers = ["market"] * len(plan.get("texts", texts))
        fits = {
            "analyse": {"confused": [], "missing": [{"phenomenon": "irony"}]},
            "write": {"easy": texts[:1], "hard": texts[1:]},
            "write_labelled": {"easy": texts[:1], "hard": texts[1:], "answers": answers},
            "label": {"answers": answers},
            "name": {"entities": [{"type": "TOWN", "names": ["Ely"]}]},
        }
        return Answer(json.dumps(fits.get(step, {"texts": texts})), Status.OK, Usage(1, 1))


def canaries(task: Any) -> tuple[Splits, WatchedGold]:
    """Of what is given only the answers may be known; of all other samples nothing."""
    splits = task.load()
    given = {s.id for s in splits.pool[:N_GIVEN]}
    gold = WatchedGold(
        {
            key: Gold(
                found.answer if key in given else f"{CANARY}-answer",
                (f"{CANARY}-explanation",),
                {"note": f"{CANARY}-meta"},
            )
            for key, found in splits.gold.items()
        }
    )
    return splits, gold


def taught(folder: Path, name: str) -> tuple[Writer, WatchedGold, list[Annotation], Any]:
    """Two rounds: what is given, then a query of that and of a text that was written."""
    method, kind, options, _ = METHODS[name]
    task = kind()
    task.teacher_context = lambda sample: f"{CANARY}-context"  # lessons have none
    splits, gold = canaries(task)
    writer = Writer()
    teacher = method(task, gold, writer, texts=3, **options)
    with Store(folder / "store.sqlite") as store:
        buying = metered(store, teacher)
        first = Query(0, tuple(QueryItem(s) for s in splits.pool[:N_GIVEN]))
        found = buying.annotate(first)
        given = tuple(found)
        teacher.labelled = lambda: given
        items = [
            QueryItem(s, Explanation((), None), known=_known(found, s))
            for s in splits.pool[:N_GIVEN]
        ]
        own = Sample("own", "Its own text.", (), "synthetic")
        items.append(QueryItem(own, Explanation((), None), known=items[0].known))
        found += buying.annotate(Query(1, tuple(items)))
        kept = [buying.last_notes, list(store.calls("run")), teacher.info]
    return writer, gold, found, kept


def _known(found: list[Annotation], sample: Sample) -> str:
    """As the loop has it: from the annotation. ZeroGen is given none, and studies none."""
    by_id = {a.sample.id: a.explanation for a in found}
    explanation = by_id.get(sample.id)
    return explanation.answer or "" if explanation else "market"


def test_every_method_and_every_step_is_watched() -> None:
    assert {method for method, *_ in METHODS.values()} == set(BY_MODEL.values())
    assert set().union(*(steps for *_, steps in METHODS.values())) == SCHEMAS.keys()


@pytest.mark.parametrize("name", METHODS)
def test_no_lesson_holds_more_gold_than_the_answers_that_were_given(
    tmp_path: Path, name: str
) -> None:
    writer, gold, found, kept = taught(tmp_path, name)
    assert {step for step, _ in writer.asked} == METHODS[name][-1]
    assert [a for a in found if a.teacher != GIVEN]
    shown = json.dumps([writer.plans, [a.to_dict() for a in found], kept], default=str)
    assert CANARY not in shown
    assert (tmp_path / "store.sqlite").stat().st_size > 10_000
    assert CANARY.encode() not in b"".join(p.read_bytes() for p in tmp_path.iterdir())
    splits, _ = canaries(METHODS[name][1]())
    assert gold.read <= {s.id for s in splits.pool[:N_GIVEN]}


def test_the_canary_would_be_found_if_it_sang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits, gold = canaries(LABELS())
    other = splits.pool[N_GIVEN]
    monkeypatch.setattr(
        "tests.integration.test_canary_lessons._known", lambda *_: gold[other.id].answer
    )
    writer, *_ = taught(tmp_path, "evokd")
    assert [step for step, prompt in writer.asked if CANARY in prompt] == ["analyse"]
