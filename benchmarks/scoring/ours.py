"""The engine that rounds use, on both workloads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from workload import (
    ATTENTION_DROPOUT,
    DTYPE,
    MAX_LENGTH,
    TEMPERATURE,
    TOKENS_PER_BATCH,
    Job,
    Question,
    Work,
    task,
)

from elad_exp import protocols
from elad_exp.selectors.scorer import Scorer
from elad_exp.student.batches import Batches
from elad_exp.student.decoder import DecoderEngine
from elad_exp.student.forced import Continuation, TokenTree, score_trees
from elad_exp.student.generate import generate
from elad_exp.student.kept import Kept, Shelf
from elad_exp.student.precision import for_inference
from elad_exp.student.pretrained import load_pretrained

NEEDS = frozenset(
    {"intra", "inter", "step_entropy", "step_content", "answer_entropy", "direct_entropy"}
)
Then = Callable[[Sequence[int], Sequence[list[int]], list[Kept]], None]


class Forced:
    """Token ids in and out, in batches of the engine's size. The student is held in float32, as
    in training; the copy for inference is made with the clock running.
    """

    def __init__(self, work: Work, job: Job, *, dtype: str = DTYPE) -> None:
        self.work, self.job, self.dtype = work, job, dtype
        self.model, tokenizer = load_pretrained(work.folders["forced"])
        self.pad_id = tokenizer.pad_token_id

    def __call__(self, questions: Sequence[Question], new_tokens: int) -> dict[str, Any]:
        job = replace(self.job, new_tokens=new_tokens)
        answers = 0
        with for_inference(self.model, self.dtype) as model:

            def force(batch: Sequence[int], greedy: Sequence[list[int]], kept: list[Kept]) -> None:
                nonlocal answers
                found = self.answers(model, [questions[i] for i in batch], greedy, job, kept)
                answers += sum(map(len, found))

            made = self.sequences(model, questions, job, force)
        return {"tokens": sum(len(ids) for own in made for ids in own), "answers": answers}

    def sequences(
        self, model: Any, questions: Sequence[Question], job: Job, then: Then
    ) -> list[list[list[int]]]:
        """Of each question the greedy sequence, then `k` sampled ones. `then` is called after each
        batch, with the numbers of its questions, the greedy sequences, and what is known of them.
        """
        total = 1 + job.k
        prompts = [q.ids for q in questions]
        found: dict[int, list[list[int]]] = {}

        def work(batch: list[int]) -> None:
            shape = (len(batch) * total, job.new_tokens)
            shelf = Shelf([prompts[i] for i in batch], total)
            made = generate(
                model,
                [prompts[i] for i in batch],
                eos_id=-1,
                pad_id=self.pad_id,
                max_new_tokens=job.new_tokens,
                k=total,
                temperature=TEMPERATURE,
                uniforms=torch.rand(shape, generator=torch.Generator().manual_seed(batch[0])),
                greedy=True,
                shelf=shelf,
            )
            for n, i in enumerate(batch):
                found[i] = [g.ids for g in made[n * total : (n + 1) * total]]
            then(batch, [found[i][0] for i in batch], shelf.kept(made))

        size = [len(p) + job.new_tokens * total for p in prompts]
        order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
        Batches(TOKENS_PER_BATCH).run(order, size, work)
        return [found[i] for i in range(len(prompts))]

    def answers(
        self,
        model: Any,
        questions: Sequence[Question],
        greedy: Sequence[list[int]],
        job: Job,
        kept: Sequence[Kept],
    ) -> list[list[list[float]]]:
        """Of each question, after each prefix, the log-probability of each label."""
        trees = [self._tree(*own, job) for own in zip(questions, greedy, kept, strict=True)]
        found: dict[int, list[float]] = {}

        def work(batch: list[int]) -> None:
            made = score_trees(model, [trees[i] for i in batch], pad_id=self.pad_id)
            found.update(zip(batch, made, strict=True))

        size = list(map(len, trees))
        order = sorted(range(len(trees)), key=lambda i: -size[i])
        Batches(TOKENS_PER_BATCH).run(order, size, work)
        n = len(self.work.labels)
        return [
            [found[i][at : at + n] for at in range(0, len(found[i]), n)] for i in range(len(trees))
        ]

    def _tree(self, question: Question, greedy: list[int], kept: Kept, job: Job) -> TokenTree:
        tree = TokenTree(kept)
        for cut in job.cuts():
            context = (*question.ids, *greedy[:cut], *self.work.answer)
            for label in self.work.labels:
                tree.add(Continuation(context, (label,)))
        return tree


class Round:
    """All scores of ELAD and `direct_entropy`, by the scorer that rounds call."""

    def __init__(self, work: Work, job: Job) -> None:
        self.job, self.task = job, task()
        model, tokenizer = load_pretrained(
            work.folders["round"], attention_dropout=ATTENTION_DROPOUT
        )
        self.engine = DecoderEngine(
            model,
            tokenizer,
            self.task,
            max_new_tokens=job.new_tokens,
            max_length=MAX_LENGTH,
            tokens_per_batch=TOKENS_PER_BATCH,
            inference_dtype=DTYPE,
            chat_template=True,
        )

    def __call__(self, questions: Sequence[Question], new_tokens: int) -> dict[str, Any]:
        engine = self.engine.shortened(new_tokens)
        answers = 0

        def counted(*args: Any, **drawn: Any) -> list[protocols.Forced]:
            nonlocal answers
            found = DecoderEngine.explain_forced(engine, *args, **drawn)
            answers += sum(len(forced) for _, forced in found)
            return found

        engine.explain_forced = counted  # type: ignore[method-assign]
        scorer = Scorer(
            self.task,
            engine,
            seed=0,
            k=self.job.k,
            temperature=TEMPERATURE,
        )
        scorer.score([q.sample for q in questions], NEEDS, labelled=(), round=0)
        return {"tokens": engine.speeds["generate"].tokens, "answers": answers}
