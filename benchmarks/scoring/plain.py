"""What a user would write with transformers: `generate`, then a forward pass for forced answers.

`loop` asks one question, sample and prefix after the other. `batched` asks `rows` at a time, sorted
by length, padded on the left, the samples of a question by `num_return_sequences`. Neither computes
entropies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from workload import DTYPE, TEMPERATURE, Job, Question, Work, task


class Plain:
    """Both of them, on both workloads.

    Args:
        work: Folders, token ids.
        job: With 0 `rows` it is the loop.
        dtype: Of the weights; transformers keeps its rotary frequencies precise, as we do.
    """

    def __init__(self, work: Work, job: Job, *, dtype: str = DTYPE) -> None:
        self.work, self.job, self.task = work, job, task()
        folder = work.folders[job.workload]
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=getattr(torch, dtype)
        ).eval()
        self.pad_id = self.eos_id = self.tokenizer.eos_token_id
        if job.workload == "forced":  # there the end token is one like others, as it is for us
            self.model.generation_config.eos_token_id = None
        self.rows = job.rows or 1
        self.at_once = job.k if job.rows else 1

    @torch.inference_mode()
    def __call__(self, questions: Sequence[Question], new_tokens: int) -> dict[str, Any]:
        torch.manual_seed(0)
        greedy = self.sequences([q.ids for q in questions], new_tokens, sample=False)
        tokens = sum(len(ids) for (ids,) in greedy)
        for _ in range(self.job.k // self.at_once):
            drawn = self.sequences([q.ids for q in questions], new_tokens, sample=True)
            tokens += sum(len(ids) for own in drawn for ids in own)
        contexts = [
            context
            for question, (ids,) in zip(questions, greedy, strict=True)
            for context in self.contexts(question, ids, new_tokens)
        ]
        self.answers(contexts)
        return {"tokens": tokens, "answers": len(contexts)}

    def sequences(
        self, prompts: Sequence[list[int]], new_tokens: int, *, sample: bool
    ) -> list[list[list[int]]]:
        """New tokens: one greedy sequence a prompt, or as many samples as are drawn at once."""
        n = self.at_once if sample else 1
        settings: dict[str, Any] = {"do_sample": False}
        if sample:
            settings = {"do_sample": True, "temperature": TEMPERATURE, "top_k": 0, "top_p": 1.0}
        found: list[list[list[int]]] = [[] for _ in prompts]
        for batch in chunks(by_length(prompts), max(1, self.rows // n)):
            ids, mask = self._padded([prompts[i] for i in batch])
            out = self.model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=new_tokens,
                num_return_sequences=n,
                pad_token_id=self.pad_id,
                **settings,
            )
            rows = out[:, ids.shape[1] :].tolist()
            for place, i in enumerate(batch):
                found[i] = [self._ended(row) for row in rows[place * n : (place + 1) * n]]
        return found

    def answers(self, contexts: Sequence[list[int]]) -> list[list[float]]:
        """After each context the log-probability of each label."""
        found: list[list[float]] = [[] for _ in contexts]
        for batch in chunks(by_length(contexts), self.rows):
            ids, mask = self._padded([contexts[i] for i in batch])
            positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
            out = self.model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                use_cache=False,
                logits_to_keep=1,
            )
            logp = torch.log_softmax(out.logits[:, -1].float(), dim=-1)[:, self.work.labels]
            for i, row in zip(batch, logp.tolist(), strict=True):
                found[i] = row
        return found

    def contexts(self, question: Question, greedy: list[int], new_tokens: int) -> list[list[int]]:
        """The prompt and what was written up to where the answer is forced."""
        if self.job.workload == "forced":
            cuts = replace(self.job, new_tokens=new_tokens).cuts()
            return [[*question.ids, *greedy[:cut], *self.work.answer] for cut in cuts]
        text = self.tokenizer.decode(greedy, skip_special_tokens=True)
        attempt = self.task.parse(question.sample, text)
        n = len(attempt.texts)
        parts = range(n + 1) if attempt.answer is not None else sorted({0, n})
        lines = ["".join(f"{step}\n" for step in attempt.texts[:i]) for i in parts]
        return [[*question.ids, *self.tokenizer(f"{given}Answer:").input_ids] for given in lines]

    def _ended(self, row: list[int]) -> list[int]:
        ends = self.job.workload == "round" and self.eos_id in row
        return row[: row.index(self.eos_id) + 1] if ends else row

    def _padded(self, rows: Sequence[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        width = max(map(len, rows))
        ids = torch.tensor([[*[self.pad_id] * (width - len(row)), *row] for row in rows])
        mask = torch.tensor([[*[0] * (width - len(row)), *[1] * len(row)] for row in rows])
        return ids, mask


def by_length(rows: Sequence[list[int]]) -> list[int]:
    return sorted(range(len(rows)), key=lambda i: len(rows[i]))


def chunks(order: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(order), size):
        yield order[start : start + size]
