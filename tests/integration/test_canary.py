"""Gold stays where it belongs: no prompt, no selector, no scorer, no explaining teacher sees it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elad_exp.building import build
from elad_exp.config import compose_config, config_dir
from elad_exp.data.pool import Pool
from elad_exp.protocols import Splits
from elad_exp.rounds import Rounds
from elad_exp.rundir import RunDirectory
from elad_exp.schedule import Schedule
from elad_exp.selectors.scorer import Scorer
from elad_exp.types import Candidate, Explanation, Gold, GoldBook, QueryItem, Sample
from tests.fakes import EvenTask, FakeStudent, FakeTeacher, make_splits
from tests.helpers_config import selector as configured

CANARY = "canary-93ce"
SELECTORS = sorted(path.stem for path in (config_dir() / "selector").glob("*.yaml"))


class CanaryTask(EvenTask):
    """Tells the teacher, and only the teacher, a secret."""

    def teacher_context(self, sample: Sample) -> str | None:
        return f"{CANARY}-context"


class PromptedStudent(FakeStudent):
    """Keeps every prompt and every forced prefix that it is given."""

    def __init__(self, task: CanaryTask) -> None:
        super().__init__()
        self.task = task
        self.read: list[str] = []

    def explain(
        self,
        samples: Sequence[Sample],
        *,
        k: int = 1,
        temperature: float = 0.0,
        seed: int = 0,
        greedy: bool = False,
    ) -> list[list[Explanation]]:
        self.read += [self.task.prompt(sample) for sample in samples]
        return super().explain(samples, k=k, temperature=temperature, seed=seed, greedy=greedy)

    def answer_distributions(
        self, items: Sequence[tuple[Sample, tuple[str, ...]]]
    ) -> list[dict[str, float]]:
        self.read += [self.task.prompt(sample) + "\n".join(steps) for sample, steps in items]
        return super().answer_distributions(items)

    def explain_from(
        self, items: Sequence[tuple[Sample, tuple[str, ...]]], **drawn: Any
    ) -> list[list[Explanation]]:
        self.read += [self.task.prompt(sample) + "\n".join(steps) for sample, steps in items]
        return super().explain_from(items, **drawn)

    def embed(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        self.read += texts
        return super().embed(texts)


class WatchedSelector:
    """Keeps what it is shown and passes it on."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.name, self.needs = inner, inner.name, inner.needs
        self.seen: list[Candidate] = []

    def select(
        self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator
    ) -> list[QueryItem]:
        self.seen += candidates
        picked: list[QueryItem] = self.inner.select(candidates, n, rng)
        return picked


def canary_splits() -> Splits:
    splits = make_splits(60, 6, 8)
    gold = {
        key: Gold(found.answer, (f"{CANARY}-explanation",), {"note": f"{CANARY}-meta"})
        for key, found in splits.gold.items()
    }
    return replace(splits, gold=GoldBook(gold))


def play(path: Path, selector: WatchedSelector) -> tuple[PromptedStudent, FakeTeacher]:
    """Three rounds into a real run directory."""
    task, splits = CanaryTask(), canary_splits()
    student, teacher = PromptedStudent(task), FakeTeacher()
    journal = RunDirectory(path)
    journal.create()
    rounds = Rounds(
        task=task,
        splits=splits,
        student=student,
        scorer=Scorer(
            task,
            student,
            k=2,
            temperature=1.0,
            inter_from="prefixes",
            content="cluster",
            also="all",
            seed=0,
        ),
        selector=selector,
        teacher=teacher,
        pool=Pool(splits.pool),
        journal=journal,
        rules=[],
        schedule=Schedule(rounds=3, initial_size=6, query_size=6, steps_per_round=1),
        audit_fraction=0.2,
        candidates=20,
        seed=0,
    )
    rounds.cold_start()
    rounds.finish_query()
    for _ in range(2):
        for split in ("dev", "test"):
            rounds.measure(split)
        rounds.report()
        rounds.select()
        rounds.finish_query()
    (path / "checkpoint.json").write_text(
        json.dumps([rounds.state_dict(), rounds.pool.state_dict()])
    )
    return student, teacher


def everything(path: Path) -> str:
    texts = []
    for file in path.rglob("*"):
        if file.is_file():
            raw = file.read_bytes()
            texts.append((gzip.decompress(raw) if file.suffix == ".gz" else raw).decode())
    return "\n".join(texts)


@pytest.mark.parametrize("name", SELECTORS)
def test_no_prompt_no_selector_and_no_file_of_the_loop_holds_gold(
    tmp_path: Path, name: str
) -> None:
    selector = WatchedSelector(configured(name))
    student, teacher = play(tmp_path / "run", selector)
    assert student.read
    assert selector.seen
    assert CANARY not in "".join(student.read)
    assert CANARY not in json.dumps([candidate.to_dict() for candidate in selector.seen])
    assert CANARY not in json.dumps([query.to_dict() for query in teacher.asked])
    written = everything(tmp_path / "run")
    assert len(written) > 10_000
    assert CANARY not in written


def test_the_canary_would_be_found_if_it_sang(tmp_path: Path) -> None:
    class LeakyTask(CanaryTask):
        def prompt(self, sample: Sample) -> str:
            return f"{super().prompt(sample)}{self.teacher_context(sample)}"

    student = PromptedStudent(LeakyTask())
    student.explain(canary_splits().pool[:1])
    assert CANARY in "".join(student.read)


@pytest.mark.parametrize("option", ["almanac_small", "jsonl", "strategyqa"])
def test_prompts_and_vocabulary_of_our_tasks_hold_neither_answers_nor_explanations(
    option: str, tmp_path: Path
) -> None:
    data = tmp_path / "mine.jsonl"
    rows = [
        {
            "question": f"Is number {i} even?",
            "answer": "no" if i % 2 else "yes",
            "explanation": [f"{CANARY} {i}."],
            "meta": {"note": CANARY},
        }
        for i in range(40)
    ]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    overrides = {
        "almanac_small": ["dataset.n_pool=60", "dataset.n_dev=6", "dataset.n_test=8"],
        "jsonl": [f"dataset.path={data}"],
        "strategyqa": [f"dataset.path={data}", "dataset.n_dev=4", "dataset.n_test=6"],
    }
    task = build(compose_config([f"dataset={option}", *overrides[option]]).dataset)
    splits = task.load()
    samples = [*splits.pool, *splits.dev, *splits.test]
    shown = "\n".join(
        [task.prompt(s) for s in samples] + [json.dumps(s.to_dict()) for s in samples]
    )
    grammar = "\n".join(task.vocabulary())
    assert CANARY not in shown + grammar
    for sample in samples:
        prompt = task.prompt(sample)
        for step in splits.gold[sample.id].explanation:
            assert step not in prompt
    tested = {step for s in (*splits.dev, *splits.test) for step in splits.gold[s.id].explanation}
    assert not tested & set(task.vocabulary())
