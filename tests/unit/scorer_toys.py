"""A task and a student for tests of scoring: instant, deterministic, no torch."""

import random

import numpy as np

from elad_exp.selectors.scorer import Scorer
from elad_exp.student.base import explain_then_force
from elad_exp.types import Explanation, Sample, Step


class FakeTask:
    """Closed yes/no questions, unless the question asks for a number."""

    def labels(self, sample):
        return None if "number" in sample.question else ("yes", "no")

    def prompt(self, sample):
        return f"Question: {sample.question}\n"


class FakeStudent:
    """Answers from a hash of what it is asked, and keeps a record of the calls."""

    def __init__(self, n_steps=None, greedy_answer="hash"):
        self.calls = []
        self.n_steps = n_steps
        self.greedy_answer = greedy_answer

    def explain(self, samples, *, k=1, temperature=0.0, seed=0, greedy=False):
        self.calls.append(("explain", [s.id for s in samples], k, temperature, seed, greedy))
        # Real students draw for a batch at a time, so a sample's place matters when sampling.
        at = (lambda place: place * k) if k > 1 else (lambda place: 0)
        return [
            [self._explanation(s, 0, 0)] * greedy
            + [self._explanation(s, at(place) + i, seed) for i in range(k)]
            for place, s in enumerate(samples)
        ]

    def explain_forced(self, *args, **drawn):
        return explain_then_force(self, *args, **drawn)

    def explain_from(self, items, *, k=1, temperature=0.0, seed=0):
        self.calls.append(("go on", list(items), k, temperature, seed))
        draws = [random.Random(f"{s.id} {steps} {seed}") for s, steps in items]
        return [
            [Explanation.of(steps, draw.choice(["yes", "no", None])) for _ in range(k)]
            for (_, steps), draw in zip(items, draws, strict=True)
        ]

    def _explanation(self, sample, i, seed):
        draw = random.Random(f"{sample.id} {i} {seed}")
        n = draw.randrange(1, 4) if self.n_steps is None else self.n_steps[sample.id]
        steps = (Step(j, f"Fact {draw.randrange(2)}", -1.0, draw.random()) for j in range(1, n + 1))
        answer = draw.choice(["yes", "no", None]) if self.greedy_answer == "hash" else None
        answer = answer or self.greedy_answer.replace("hash", "no")
        return Explanation(tuple(steps), answer, logprob=-draw.random())

    def answer_distributions(self, items):
        self.calls.append(("force", list(items)))
        p = [random.Random(f"{s.id} {steps}").random() for s, steps in items]
        return [{"yes": x, "no": 1 - x} for x in p]

    def forced_answers(self, items):
        self.calls.append(("write", list(items)))
        draws = [random.Random(f"{s.id} {steps}") for s, steps in items]
        return [draw.choice(["yes", "no", None]) for draw in draws]

    def dropout_distributions(self, items, *, passes, seed):
        self.calls.append(("drop", list(items), passes, seed))
        draws = [[random.Random(f"{s.id} {seed} {i}") for s, _ in items] for i in range(passes)]
        return [[{"yes": (p := d.random()), "no": 1 - p} for d in row] for row in draws]

    def embed(self, texts):
        self.calls.append(("embed", list(texts)))
        angles = np.array([random.Random(text).random() for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def samples(n, question="Is it?"):
    return [Sample(f"id{i:03}", f"{question} {i}") for i in range(n)]


def score(student, pool, *needs, round=1, labelled=(), task=None, at_least=0, **options):
    scorer = Scorer(task or FakeTask(), student, **({"seed": 0} | options))
    return scorer.score(pool, frozenset(needs), labelled=labelled, round=round, at_least=at_least)
