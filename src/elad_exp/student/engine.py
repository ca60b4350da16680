"""The student at inference: explains, and answers when forced to. Batches by itself."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from elad_exp.data.collate import Rendered, prompt_ids, render, target_ids
from elad_exp.errors import ConfigError, DataError
from elad_exp.protocols import Task
from elad_exp.rng import generator
from elad_exp.student.forced import (
    FORCED_ANSWER_TOKENS,
    TokenTree,
    continuations,
    score_trees,
)
from elad_exp.student.generate import Generated, generate
from elad_exp.student.memory import release_memory
from elad_exp.student.steps import TokenTexts, with_uncertainty
from elad_exp.types import Explanation, Sample

log = logging.getLogger(__name__)

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# Below this size a copy in bfloat16 does not pay: arithmetic is not what takes the time.
BF16_PARAMETERS = 20_000_000

T = TypeVar("T")


@dataclass(slots=True)
class Speed:
    """Tokens and seconds of one kind of work."""

    tokens: int = 0
    seconds: float = 0.0


def choose_dtype(model: nn.Module, wanted: str) -> torch.dtype:
    """The number format of inference.

    `auto`: bfloat16 on a GPU, and for models above 20 M parameters on a CPU with instructions for
    it; otherwise the model's own.

    Raises:
        ConfigError: `wanted` is neither `auto` nor a format.
    """
    if wanted in DTYPES:
        return DTYPES[wanted]
    if wanted != "auto":
        raise ConfigError(f"inference_dtype={wanted!r}: choose auto, {', '.join(DTYPES)}")
    parameter = next(model.parameters())
    if parameter.is_cuda:
        return torch.bfloat16
    large = sum(p.numel() for p in model.parameters()) > BF16_PARAMETERS
    return torch.bfloat16 if large and cpu_has_bf16() else parameter.dtype


def cpu_has_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 numbers in hardware, as far as torch can tell."""
    if not hasattr(torch.cpu, "get_capabilities"):  # older torch
        return False
    found = torch.cpu.get_capabilities()
    return any(found.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


class Engine:
    """Implements `protocols.Student` for a decoder-only language model.

    Args:
        model: Shared with training; never changed here, except that its mode is put back.
        tokenizer: Its tokenizer, with end and pad tokens.
        task: Prompts, grammar and labels.
        max_new_tokens: Longest explanation with its answer, in tokens.
        max_length: Context in tokens for a prompt with its explanation.
        tokens_per_batch: Upper bound of rows times (prompt + new tokens) in a batch.
        inference_dtype: `auto`, `float32` or `bfloat16`; see `choose_dtype`.
        chat_template: Put prompts into the tokenizer's chat template.

    Attributes:
        on_progress: Called with (done, total) after every batch.
        interrupted: Called before every forward pass; may raise to stop.

    Raises:
        ConfigError: The tokenizer lacks a token, or lengths do not fit the model's context.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        task: Task,
        *,
        max_new_tokens: int,
        max_length: int,
        tokens_per_batch: int = 16384,
        inference_dtype: str = "auto",
        chat_template: bool = False,
    ) -> None:
        for name in ("eos_token", "pad_token"):
            if getattr(tokenizer, f"{name}_id") is None:
                raise ConfigError(
                    f"the tokenizer of {tokenizer.name_or_path!r} has no {name}; set it in "
                    "tokenizer_config.json, or choose another student"
                )
        if not 0 < max_new_tokens < max_length:
            raise ConfigError(
                f"student.max_new_tokens={max_new_tokens} must be between 1 and "
                f"student.max_length={max_length} - 1"
            )
        self.model, self.tokenizer, self.task = model, tokenizer, task
        self.max_new_tokens, self.max_length = max_new_tokens, max_length
        self.context = self._context()
        if max_length + FORCED_ANSWER_TOKENS > self.context:
            raise ConfigError(
                f"student.max_length={max_length} leaves no room for a forced answer in the "
                f"model's context of {self.context} tokens; set student.max_length to "
                f"{self.context - FORCED_ANSWER_TOKENS} or less"
            )
        self.tokens_per_batch, self.chat_template = tokens_per_batch, chat_template
        self.inference_dtype = inference_dtype
        choose_dtype(model, inference_dtype)
        self.on_progress: Callable[[int, int], None] = lambda done, total: None
        self.interrupted: Callable[[], None] = lambda: None
        self.speeds = {"generate": Speed(), "prefill": Speed(), "forced": Speed()}
        self._texts = TokenTexts(tokenizer)
        self._inference: Any = None

    def _context(self) -> int:
        """Most tokens that the model can be given."""
        return int(self.model.config.max_position_embeddings)

    def shortened(self, max_new_tokens: int) -> Engine:
        """The same student with explanations of at most so many tokens."""
        return type(self)(
            self.model,
            self.tokenizer,
            self.task,
            max_new_tokens=min(max_new_tokens, self.max_new_tokens),
            max_length=self.max_length,
            tokens_per_batch=self.tokens_per_batch,
            inference_dtype=self.inference_dtype,
            chat_template=self.chat_template,
        )

    # -- prompts -----------------------------------------------------------------------------

    def prompt_ids(self, samples: Sequence[Sample]) -> list[list[int]]:
        """Token ids of the prompts, exactly as training has them."""
        return prompt_ids(self.tokenizer, [self._render(self.task.prompt(s)) for s in samples])

    def _render(self, prompt: str) -> Rendered:
        return render(self.tokenizer, prompt, chat_template=self.chat_template)

    def prompt_length(self, sample: Sample) -> int:
        """Tokens of the prompt."""
        return len(self.prompt_ids([sample])[0])

    def fits(self, sample: Sample) -> bool:
        """Whether prompt and longest explanation fit `max_length`."""
        return self.prompt_length(sample) + self.max_new_tokens <= self.max_length

    # -- inference ---------------------------------------------------------------------------

    @contextmanager
    def phase(self) -> Iterator[Any]:
        """The model for inference, kept while the context is open; may be nested.

        Every call opens one. Open it around several calls to share one low-precision copy; the
        weights must not change meanwhile.
        """
        # A trainer validates under autocast and scores without; both must give the same.
        with torch.autocast(self.model.device.type, enabled=False):
            if self._inference is not None:
                yield self._inference
                return
            training = self.model.training
            release_memory()
            self._inference = self._prepare()
            # Of the last positions of a batch, which are a view with gaps, torch would multiply
            # each row with a copy of the whole output matrix: gigabytes, and most of the time.
            head = self._inference.get_output_embeddings()
            dense = head.register_forward_pre_hook(lambda _, given: (given[0].contiguous(),))
            try:
                yield self._inference
            finally:
                dense.remove()
                self._inference = None
                self.model.train(training)
                release_memory()

    def _prepare(self) -> Any:
        dtype = choose_dtype(self.model, self.inference_dtype)
        if dtype == next(self.model.parameters()).dtype:
            return self.model.eval()
        # Parameters are converted, not copied first; buffers (rotary frequencies) stay precise.
        converted: dict[int, Any] = {
            id(p): nn.Parameter(p.detach().to(dtype), requires_grad=False)
            for p in self.model.parameters()
        }
        return copy.deepcopy(self.model, converted).eval()

    def explain(
        self, samples: Sequence[Sample], *, k: int = 1, temperature: float = 0.0, seed: int = 0
    ) -> list[list[Explanation]]:
        """`k` explanations per sample, greedy at temperature 0, in the order of `samples`.

        The randomness of a sample depends on `seed` and its id alone, not on other samples.

        Raises:
            DataError: A prompt leaves no room for an explanation (see `fits`).
        """
        prompts = self.prompt_ids(samples)
        for sample, prompt in zip(samples, prompts, strict=True):
            self._check_room(sample, prompt)
        # By id among equals, so that the order of `samples` does not even change rounding.
        order = sorted(range(len(samples)), key=lambda i: (-len(prompts[i]), samples[i].id))
        size = [(len(p) + self.max_new_tokens) * k for p in prompts]
        found: dict[int, list[Explanation]] = {}
        with self.phase() as model:
            for batch in bucketed(order, size, self.tokens_per_batch):
                uniforms = self._uniforms([samples[i] for i in batch], k, temperature, seed)
                start = time.perf_counter()
                made = generate(
                    model,
                    [prompts[i] for i in batch],
                    eos_id=self.tokenizer.eos_token_id,
                    pad_id=self.tokenizer.pad_token_id,
                    max_new_tokens=self.max_new_tokens,
                    k=k,
                    temperature=temperature,
                    uniforms=uniforms,
                    poll=self.interrupted,
                )
                self._count("generate", sum(len(g.ids) + g.finished for g in made), start)
                self.speeds["prefill"].tokens += sum(len(prompts[i]) for i in batch)
                for n, i in enumerate(batch):
                    mine = made[n * k : (n + 1) * k]
                    found[i] = [self._explanation(samples[i], g) for g in mine]
                self.on_progress(len(found), len(samples))
        return [found[i] for i in range(len(samples))]

    def _check_room(self, sample: Sample, prompt: Sequence[int]) -> None:
        if len(prompt) + self.max_new_tokens > self.max_length:
            raise DataError(
                f"sample {sample.id}: a prompt of {len(prompt)} tokens and "
                f"{self.max_new_tokens} new ones exceed the context of {self.max_length}; "
                "raise student.max_length or leave the sample out"
            )

    def _uniforms(
        self, samples: Sequence[Sample], k: int, temperature: float, seed: int
    ) -> torch.Tensor | None:
        if temperature <= 0:
            return None
        shape = (k, self.max_new_tokens)
        drawn = [generator(seed, "explain", s.id).random(shape, np.float32) for s in samples]
        return torch.from_numpy(np.concatenate(drawn))

    def _explanation(self, sample: Sample, generated: Generated) -> Explanation:
        text, ends = self._texts.spans(generated.ids)
        explanation = self.task.parse(sample, text)
        return with_uncertainty(
            explanation, text, ends, logprobs=generated.logprobs, entropies=generated.entropies
        )

    def answer_distributions(
        self, items: Sequence[tuple[Sample, tuple[str, ...]]]
    ) -> list[dict[str, float]]:
        """Probabilities over a sample's labels when the answer is forced after the given steps.

        The items of a sample share one forward pass, wherever they stand in `items`. An item whose
        prompt, steps and answer exceed the model's context has no distribution: it is `{}`. That
        depends on what the student happened to write, so it is no error.

        Raises:
            ConfigError: A sample's answers are not a closed set.
        """
        labels = [self._labels(sample) for sample, _ in items]
        trees, where = self._trees(items, labels)
        filled = (i for i, tree in enumerate(trees) if len(tree))
        order = sorted(filled, key=lambda i: (-len(trees[i]), i))
        size = [len(tree) for tree in trees]
        scores: dict[int, list[float]] = {}
        with self.phase() as model:
            for batch in bucketed(order, size, self.tokens_per_batch):
                start = time.perf_counter()
                made = score_trees(
                    model,
                    [trees[i] for i in batch],
                    pad_id=self.tokenizer.pad_token_id,
                    poll=self.interrupted,
                )
                self._count("forced", sum(size[i] for i in batch), start)
                scores.update(zip(batch, made, strict=True))
                self.on_progress(len(scores), len(order))
        found: list[dict[str, float]] = []
        for names, (tree, numbers) in zip(labels, where, strict=True):
            if not numbers:
                found.append({})
                continue
            values = torch.tensor([scores[tree][n] for n in numbers], dtype=torch.float64)
            found.append(dict(zip(names, values.softmax(dim=0).tolist(), strict=True)))
        return found

    def _labels(self, sample: Sample) -> tuple[str, ...]:
        labels = self.task.labels(sample)
        if labels is None:
            raise ConfigError(
                f"sample {sample.id}: an answer can be forced from a closed set only, and the "
                f"answers of task {self.task.name!r} are open"
            )
        return labels

    def _trees(
        self,
        items: Sequence[tuple[Sample, tuple[str, ...]]],
        labels: Sequence[tuple[str, ...]],
    ) -> tuple[list[TokenTree], list[tuple[int, list[int]]]]:
        """A tree per sample, and for each item its tree and the scores it needs from it: none if
        the item exceeds the context.
        """
        samples = {sample.id: sample for sample, _ in items}
        prompts = dict(zip(samples, self.prompt_ids(list(samples.values())), strict=True))
        targets = iter(
            target_ids(
                self.tokenizer,
                [
                    self.task.target(sample, Explanation.of(steps, label))
                    for (sample, steps), names in zip(items, labels, strict=True)
                    for label in names
                ],
            )
        )
        numbers = {id_: n for n, id_ in enumerate(samples)}
        trees = [TokenTree() for _ in samples]
        where = []
        for (sample, _), names in zip(items, labels, strict=True):
            prompt, tree = prompts[sample.id], trees[numbers[sample.id]]
            asked = continuations([[*prompt, *next(targets)] for _ in names])
            fits = max(len(c.context) + len(c.tokens) for c in asked) <= self.context
            where.append((numbers[sample.id], [tree.add(c) for c in asked] if fits else []))
        return trees, where

    # -- counting ----------------------------------------------------------------------------

    def _count(self, kind: str, tokens: int, start: float) -> None:
        self.speeds[kind].tokens += tokens
        self.speeds[kind].seconds += time.perf_counter() - start

    def take_speeds(self) -> dict[str, float]:
        """Tokens per second since the last call, by kind of work that was done.

        `generate` counts new tokens only; its time includes reading the prompts.
        """
        found = {n: s.tokens / s.seconds for n, s in self.speeds.items() if s.seconds > 0}
        for speed in self.speeds.values():
            speed.tokens, speed.seconds = 0, 0.0
        return found


def bucketed(order: Sequence[int], size: Sequence[int], limit: int) -> Iterator[list[int]]:
    """Consecutive indices of `order` in batches with rows * largest size <= `limit`.

    An index whose size alone exceeds the limit is a batch of its own.
    """
    batch: list[int] = []
    largest = 0
    for i in order:
        if batch and max(largest, size[i]) * (len(batch) + 1) > limit:
            yield batch
            batch, largest = [], 0
        batch.append(i)
        largest = max(largest, size[i])
    if batch:
        yield batch
