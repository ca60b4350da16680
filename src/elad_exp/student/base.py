"""What students of every architecture share at inference: prompts, number format, counting."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from elad_exp.data.collate import Rendered, prompt_ids, render
from elad_exp.errors import ConfigError, DataError
from elad_exp.protocols import Forced, Given, Student, Task
from elad_exp.rng import generator
from elad_exp.student.batches import Batches
from elad_exp.student.generated import Generated
from elad_exp.student.precision import choose_dtype, for_inference
from elad_exp.student.steps import TokenTexts, with_uncertainty
from elad_exp.student.version import weights_version
from elad_exp.types import Explanation, Sample

Item = tuple[Sample, tuple[str, ...]]
"""A sample and the steps that are given."""


@dataclass(frozen=True, slots=True)
class Opening:
    """Token ids that a student goes on after: of a prompt, and of a target's beginning."""

    prompt: list[int]
    begun: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.prompt) + len(self.begun)


@dataclass(slots=True)
class Speed:
    """Tokens and seconds of one kind of work."""

    tokens: int = 0
    seconds: float = 0.0


class InferenceBase:
    """What every student at inference has: a model, batches by tokens, counting.

    Args:
        model: Shared with training; never changed here, except that its mode is put back.
        tokenizer: Its tokenizer, with a pad token.
        task: What is asked.
        max_length: Context in tokens.
        tokens_per_batch: Tokens in a batch at most: of every prompt once and of all that may
            follow it, as if each were as long as the longest; halved when memory runs out.
        inference_dtype: `auto`, `float32` or `bfloat16`; see `choose_dtype`.

    Attributes:
        on_progress: Called with (done, total) after every batch.
        interrupted: Called before every forward pass; may raise to stop.

    Raises:
        ConfigError: The tokenizer lacks a token, or a value is out of range.
    """

    tokens: tuple[str, ...] = ("pad_token",)
    """What the tokenizer must have."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        task: Task,
        *,
        max_length: int,
        tokens_per_batch: int = 16384,
        inference_dtype: str = "auto",
    ) -> None:
        for name in self.tokens:
            if getattr(tokenizer, f"{name}_id") is None:
                raise ConfigError(
                    f"the tokenizer of {tokenizer.name_or_path!r} has no {name}; set it in "
                    "tokenizer_config.json, or choose another student"
                )
        if tokens_per_batch < 1:
            raise ConfigError(
                f"student.tokens_per_batch={tokens_per_batch}: must be at least 1; with less than "
                "a prompt and its explanation have, every batch is a single row"
            )
        choose_dtype(model, inference_dtype)
        self.model, self.tokenizer, self.task = model, tokenizer, task
        self.max_length, self.inference_dtype = max_length, inference_dtype
        self.batches = Batches(tokens_per_batch)
        # Halved apart: what forced answers need says nothing about what writing needs.
        self.forced_batches = Batches(tokens_per_batch)
        self.on_progress: Callable[[int, int], None] = lambda done, total: None
        self.interrupted: Callable[[], None] = lambda: None
        self.speeds = {"generate": Speed(), "forced": Speed()}
        self._ready: Any = None

    # -- model -------------------------------------------------------------------------------

    @contextmanager
    def phase(self) -> Iterator[Any]:
        """The model for inference, kept while the context is open; may be nested.

        Every call opens one. Open it around several calls to share one low-precision copy; the
        weights must not change meanwhile.
        """
        if self._ready is not None:
            with torch.autocast(self.model.device.type, enabled=False):
                yield self._ready
            return
        with for_inference(self.model, self.inference_dtype) as self._ready:
            try:
                yield self._ready
            finally:
                self._ready = None

    def version(self) -> str:
        """See `protocols.Student`."""
        return weights_version(self.model)

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


class LanguageBase(InferenceBase):
    """The part of a language model's inference that does not depend on its architecture.

    Args:
        model: See `InferenceBase`.
        tokenizer: Its tokenizer, with end and pad tokens.
        task: Prompts, grammar and labels.
        max_new_tokens: Longest explanation with its answer, in tokens.
        max_length: Context in tokens for a prompt with its explanation.
        chat_template: Put prompts into the tokenizer's chat template.
        settings: See `InferenceBase`.

    Raises:
        ConfigError: The tokenizer lacks a token, or lengths do not fit together.
    """

    tokens = ("eos_token", "pad_token")

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        task: Task,
        *,
        max_new_tokens: int,
        max_length: int,
        chat_template: bool = False,
        **settings: Any,
    ) -> None:
        if not 0 < max_new_tokens < max_length:
            raise ConfigError(
                f"student.max_new_tokens={max_new_tokens} must be between 1 and "
                f"student.max_length={max_length} - 1"
            )
        super().__init__(model, tokenizer, task, max_length=max_length, **settings)
        self.max_new_tokens, self.chat_template = max_new_tokens, chat_template
        self._texts = TokenTexts(tokenizer)

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

    def _check_room(self, sample: Sample, prompt: Sequence[int]) -> None:
        if len(prompt) + self.max_new_tokens > self.max_length:
            raise DataError(
                f"sample {sample.id}: a prompt of {len(prompt)} tokens and "
                f"{self.max_new_tokens} new ones exceed the context of {self.max_length}; "
                "raise student.max_length or leave the sample out"
            )

    def _begun(self, sample: Sample, steps: tuple[str, ...], *, answer: bool) -> _Begun:
        """The beginning of a target that is given: its tokens as training has them.

        Args:
            sample: The question.
            steps: In lines of their own.
            answer: Begin the line of the answer as well.
        """
        labels = self.task.labels(sample)
        target = self.task.target(sample, Explanation.of(steps, labels[0] if labels else "0"))
        end = target.rfind("\n") + 1
        end += len(target[end:].partition(":")[0]) + 1 if answer else 0
        found = self.tokenizer(
            target, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True
        )
        kept = [(i, e) for i, (_, e) in zip(found.input_ids, found.offset_mapping, strict=True)]
        # A token that reaches over the end is left to the student.
        kept = [(i, e) for i, e in kept if e <= end]
        return _Begun([i for i, _ in kept], target[: kept[-1][1]] if kept else "")

    def _labels(self, sample: Sample) -> tuple[str, ...]:
        labels = self.task.labels(sample)
        if labels is None:
            raise ConfigError(
                f"sample {sample.id}: an answer can be forced from a closed set only, and the "
                f"answers of task {self.task.name!r} are open"
            )
        return labels

    # -- explanations ------------------------------------------------------------------------

    def _uniforms(self, items: Sequence[Item], k: int, *, greedy: bool, seed: int) -> torch.Tensor:
        """Numbers for the draws of `k` sequences an item; with `greedy` the first has none.

        They depend on the item alone, and more sequences do not change the first ones.
        """
        shape = (k - greedy, self.max_new_tokens)
        unused = np.zeros((int(greedy), self.max_new_tokens), np.float32)
        drawn = []
        for sample, steps in items:
            rng = generator(seed, "explain", *steps, sample.id)
            drawn += [unused, rng.random(shape, np.float32)]
        return torch.from_numpy(np.concatenate(drawn))

    def _explanation(self, sample: Sample, made: Generated, *, begun: str = "") -> Explanation:
        """What was generated after the text `begun`, parsed, with the uncertainty of its steps."""
        text, ends = self._texts.spans(made.ids)
        return with_uncertainty(
            self.task.parse(sample, begun + text),
            begun + text,
            [len(begun) + end for end in ends],
            logprobs=made.logprobs,
            entropies=made.entropies,
            begin=len(begun),
        )


@dataclass(frozen=True, slots=True)
class _Begun:
    """The beginning of a target: token ids, and the text that they are."""

    ids: list[int]
    text: str


def explain_then_force(
    student: Student,
    samples: Sequence[Sample],
    given: Given | None,
    *,
    k: int = 0,
    temperature: float = 0.0,
    seed: int = 0,
) -> list[Forced]:
    """`Student.explain_forced` of a student that gains nothing from both at once."""
    if k:
        said = student.explain(samples, k=k, temperature=temperature, seed=seed, greedy=True)
    else:
        said = student.explain(samples)
    asked = [
        (i, steps)
        for i, (sample, found) in enumerate(zip(samples, said, strict=True))
        for steps in (given(sample, found[0]) if given else ())
    ]
    made = (
        student.answer_distributions([(samples[i], steps) for i, steps in asked]) if asked else []
    )
    forced: list[dict[tuple[str, ...], dict[str, float]]] = [{} for _ in samples]
    for (i, steps), distribution in zip(asked, made, strict=True):
        forced[i][steps] = distribution
    return list(zip(said, forced, strict=True))
