"""Stand-ins for the loop's parts: instant, deterministic, no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from elad_exp.protocols import Forced, Splits
from elad_exp.student.base import explain_then_force
from elad_exp.tasks.reasoning import ReasoningTask
from elad_exp.types import (
    Annotation,
    Explanation,
    Gold,
    GoldBook,
    Query,
    Sample,
    Spent,
    Status,
    Step,
    StepVerdict,
    sample_id,
)


def make_splits(n_pool: int = 200, n_dev: int = 20, n_test: int = 40) -> Splits:
    rows = {}
    for name, n in (("pool", n_pool), ("dev", n_dev), ("test", n_test)):
        questions = [f"Is {name} number {i} even?" for i in range(n)]
        rows[name] = tuple(Sample(sample_id(q), q) for q in questions)
    gold = {
        s.id: Gold("yes" if i % 2 == 0 else "no", ("A fact.", "Another fact."))
        for samples in rows.values()
        for i, s in enumerate(samples)
    }
    return Splits(gold=GoldBook(gold), info={"name": "even"}, **rows)


class EvenTask(ReasoningTask):
    def __init__(self) -> None:
        super().__init__(name="even", answers="yes_no")


class FakeStudent:
    """Answers from a hash of the question; `calls` records what was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, int]] = []

    def explain(
        self,
        samples: Sequence[Sample],
        *,
        k: int = 1,
        temperature: float = 0.0,
        seed: int = 0,
        greedy: bool = False,
    ) -> list[list[Explanation]]:
        self.calls.append(("explain", len(samples), k))
        first = [[self._one(s, 0, 0)] if greedy else [] for s in samples]
        drawn = [[self._one(s, i, seed if k > 1 else 0) for i in range(k)] for s in samples]
        return [a + b for a, b in zip(first, drawn, strict=True)]

    def explain_forced(self, *args: Any, **drawn: Any) -> list[Forced]:
        return explain_then_force(self, *args, **drawn)

    def explain_from(
        self,
        items: Sequence[tuple[Sample, tuple[str, ...]]],
        *,
        k: int = 1,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[list[Explanation]]:
        self.calls.append(("go on", len(items), k))
        found = []
        for sample, steps in items:
            given = tuple(Step(j, text) for j, text in enumerate(steps, 1))
            ends = (self._one(sample, i, seed + len(steps)).answer for i in range(k))
            found.append([Explanation(given, answer) for answer in ends])
        return found

    def forced_answers(self, items: Sequence[tuple[Sample, tuple[str, ...]]]) -> list[str | None]:
        return [max(p, key=lambda a: p[a]) for p in self.answer_distributions(items)]

    def dropout_distributions(
        self, items: Sequence[tuple[Sample, tuple[str, ...]]], *, passes: int, seed: int
    ) -> list[list[dict[str, float]]]:
        return [
            self.answer_distributions([(s, (*steps, f"{seed} {i}")) for s, steps in items])
            for i in range(passes)
        ]

    def version(self) -> str:
        return "fake"

    def embed(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        self.calls.append(("embed", len(texts), 1))
        digests = [hashlib.sha256(text.encode()).digest()[:8] for text in texts]
        vectors = np.array([[byte + 1 for byte in d] for d in digests], np.float32).reshape(-1, 8)
        lengths: np.ndarray[Any, Any] = np.linalg.norm(vectors, axis=1, keepdims=True)
        return (vectors / lengths).astype(np.float32)

    def _one(self, sample: Sample, i: int, seed: int) -> Explanation:
        digest = hashlib.sha256(f"{sample.id}{i}{seed}".encode()).digest()
        steps = tuple(
            Step(j, f"Step {digest[j] % 3}.", -digest[j] / 256, digest[j] / 256)
            for j in range(1, 2 + digest[0] % 2)
        )
        return Explanation(steps, "yes" if digest[5] % 2 else "no", logprob=-digest[6] / 256)

    def answer_distributions(
        self, items: Sequence[tuple[Sample, tuple[str, ...]]]
    ) -> list[dict[str, float]]:
        self.calls.append(("answers", len(items), 1))
        out = []
        for sample, steps in items:
            p = hashlib.sha256((sample.id + "".join(steps)).encode()).digest()[0] / 255
            out.append({"yes": p, "no": 1 - p})
        return out


class FakeTeacher:
    """Revises every attempt, up to `limit` annotations in all; statuses can be scripted."""

    name = "fake"

    def __init__(self, *, limit: int | None = None, mode: str = "revise") -> None:
        self.limit, self.shown_attempts = limit, mode != "explain"
        self.last_refusal: str | None = None
        self.exhausted = False
        self.last_notes: dict[str, Any] = {}
        self.status: dict[str, Status] = {}
        self.default = Status.OK
        self.asked: list[Query] = []
        self.n = 0

    def annotate(self, query: Query) -> list[Annotation]:
        self.asked.append(query)
        self.last_refusal = None
        out = []
        for item in query.items:
            if self.limit is not None and self.n >= self.limit:
                self.last_refusal = f"max_annotations={self.limit} is used up"
                break
            self.n += 1
            status = self.status.get(item.sample.id, self.default)
            ok = status is Status.OK
            verdicts = (StepVerdict(1, False, "A fact."),) if ok and item.attempt else ()
            out.append(
                Annotation(
                    item.sample,
                    Explanation.of(["A fact."], "yes") if ok else None,
                    status,
                    "fake",
                    verdicts,
                    1 if verdicts else None,
                )
            )
        return out

    def spent(self, *, before_round: int | None = None) -> Spent:
        return Spent(annotations=self.n, calls=self.n, tokens=10 * self.n)

    def costs(self, annotation: Annotation) -> dict[str, Any]:
        return {"tokens": 10, "usd": 0.0, "cached": False}


class MemoryJournal:
    """Keeps the lines that a run directory would write."""

    def __init__(self) -> None:
        self._rounds: list[dict[str, Any]] = []
        self.lines: dict[str, list[dict[str, Any]]] = {}
        self.kept: tuple[Query, dict[str, Any]] | None = None

    @property
    def rounds(self) -> list[dict[str, Any]]:
        return self._rounds

    def put_round(self, line: dict[str, Any]) -> None:
        self._rounds = [x for x in self._rounds if x["round"] != line["round"]] + [line]

    def append(self, name: str, lines: Sequence[dict[str, Any]]) -> None:
        self.lines.setdefault(name, []).extend(lines)

    def keep_query(self, query: Query, snapshot: dict[str, Any]) -> None:
        self.kept = (query, snapshot)

    def kept_query(self, round: int) -> tuple[Query, dict[str, Any]] | None:
        return self.kept if self.kept and self.kept[0].round == round else None

    def forget_query(self) -> None:
        assert self.kept is not None
        forgotten, self.kept = self.kept[0].round, None
        scores = self.lines["scores.jsonl.gz"]
        self.lines["scores.jsonl.gz"] = [x for x in scores if x["round"] != forgotten]
