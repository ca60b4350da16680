"""Encoder students (BERT and its like) at inference: they label texts, and explain nothing."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elad_exp.data.collate import padded
from elad_exp.errors import ConfigError
from elad_exp.protocols import Forced
from elad_exp.rng import derive_seed, generator
from elad_exp.student.base import InferenceBase, Item, explain_then_force
from elad_exp.student.batches import Batches
from elad_exp.student.embedding import embed
from elad_exp.student.engine import DROPOUT_TOKENS, NO_DROPOUT
from elad_exp.types import Explanation, Sample

Rows = list[np.ndarray[Any, np.dtype[np.float64]]]
"""Of every text the log-probabilities (nats) of labels, or of each token's tags."""


class EncoderEngine(InferenceBase, ABC):
    """Implements `protocols.Student` for a model that reads a text and labels it, or its tokens.

    Its explanations have no steps. What is asked of it step by step is refused.

    Attributes:
        most: Tokens at which a text is cut; None: it is not, and may be too long.
    """

    most: int | None = None

    @abstractmethod
    def text(self, sample: Sample) -> str:
        """What the student reads."""

    @abstractmethod
    def _answer(self, sample: Sample, logp: Any, drawn: Any) -> Explanation:
        """The answer that was drawn, in the form of the task, with its log-probability."""

    def ids(self, samples: Sequence[Sample]) -> list[list[int]]:
        """Token ids of what the student reads, exactly as training has them."""
        return encoder_ids(self.tokenizer, [self.text(s) for s in samples], most=self.most)

    def prompt_length(self, sample: Sample) -> int:
        """Tokens of the text, special ones included."""
        return len(self.ids([sample])[0])

    def fits(self, sample: Sample) -> bool:
        """Whether the text fits `max_length`."""
        return self.prompt_length(sample) <= self.max_length

    # -- questions ---------------------------------------------------------------------------

    def explain(
        self,
        samples: Sequence[Sample],
        *,
        k: int = 1,
        temperature: float = 0.0,
        seed: int = 0,
        greedy: bool = False,
    ) -> list[list[Explanation]]:
        """`k` answers per sample, the most probable one at temperature 0; with `greedy` that one
        before them. The draws of a sample depend on `seed` and its id alone.
        """
        found = []
        for sample, logp in zip(samples, self._logp(samples), strict=True):
            best = self._answer(sample, logp, logp.argmax(axis=-1))
            if temperature == 0:
                found.append([best] * (k + greedy))
                continue
            rng = generator(seed, "explain", sample.id)
            drawn = [self._answer(sample, logp, _draw(logp, temperature, rng)) for _ in range(k)]
            found.append([best] * greedy + drawn)
        return found

    def explain_forced(self, *args: Any, **drawn: Any) -> list[Forced]:
        """See `protocols.Student`."""
        return explain_then_force(self, *args, **drawn)

    def explain_from(self, items: Sequence[Item], **options: Any) -> list[list[Explanation]]:
        """Raises ConfigError: there is nothing to go on from."""
        raise _no_steps()

    def forced_answers(self, items: Sequence[Item]) -> list[str | None]:
        """The most probable answer, which follows no steps."""
        _check_no_steps(items)
        return [found[0].answer for found in self.explain([sample for sample, _ in items])]

    def answer_distributions(self, items: Sequence[Item]) -> list[dict[str, float]]:
        """Probabilities of the labels.

        Raises:
            ConfigError: Answers are not a closed set, or steps are given.
        """
        _check_no_steps(items)
        return [self._distribution(row) for row in self._logp([sample for sample, _ in items])]

    def dropout_distributions(
        self, items: Sequence[Item], *, passes: int, seed: int
    ) -> list[list[dict[str, float]]]:
        """`answer_distributions` once for each of `passes`, with dropout as in training.

        Raises:
            ConfigError: As there; or the student has no dropout, so that two passes do not differ.
        """
        _check_no_steps(items)
        samples = [sample for sample, _ in items]
        found: list[list[dict[str, float]]] = []
        with self.phase() as model, torch.random.fork_rng():
            try:
                model.train()
                for n in range(passes):
                    rows = self._logp(samples, Batches(DROPOUT_TOKENS), derive_seed(seed, n))
                    found.append([self._distribution(row) for row in rows])
                    if n == 1 and items and found[0] == found[1]:
                        raise ConfigError(NO_DROPOUT)
            finally:
                model.eval()
        return found

    def _distribution(self, logp: Any) -> dict[str, float]:
        raise ConfigError(
            f"the answers of task {self.task.name!r} are open: they have no distribution"
        )

    def embed(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """(texts, width): mean over tokens of the last hidden state, scaled to length 1."""
        with self.phase() as model:
            return embed(
                model.base_model,
                self.tokenizer,
                texts,
                batches=self.batches,
                context=self.max_length,
                poll=self.interrupted,
            )

    # -- passes ------------------------------------------------------------------------------

    @torch.inference_mode()
    def _logp(
        self, samples: Sequence[Sample], batches: Batches | None = None, seed: int | None = None
    ) -> Rows:
        """In the order of `samples`; with `seed` torch is seeded anew for every batch."""
        ids = self.ids(samples)
        order = sorted(range(len(ids)), key=lambda i: (-len(ids[i]), samples[i].id))
        found: dict[int, Any] = {}

        def work(batch: list[int]) -> None:
            self.interrupted()
            start = time.perf_counter()
            if seed is not None:
                torch.manual_seed(derive_seed(seed, samples[batch[0]].id))
            own, mask = (t.to(model.device) for t in padded([ids[i] for i in batch], pad_id))
            logits: Tensor = model(input_ids=own, attention_mask=mask).logits
            logp = torch.log_softmax(logits.double(), dim=-1).cpu().numpy()
            for i, row in zip(batch, logp, strict=True):
                found[i] = self._kept(row, len(ids[i]))
            self._count("forced", int(mask.sum()), start)
            self.on_progress(len(found), len(samples))

        pad_id = self.tokenizer.pad_token_id
        with self.phase() as model:
            (batches or self.batches).run(order, list(map(len, ids)), work)
        return [found[i] for i in range(len(samples))]

    def _kept(self, logp: Any, length: int) -> Any:
        """Of a row, what is not padding."""
        return logp


class ClassifierEngine(EncoderEngine):
    """One label for a text.

    Args:
        labels: In the order of the model's outputs.
        truncate: Texts are cut at `max_length`.
        given: See `InferenceBase`.
    """

    def __init__(
        self, *given: Any, labels: Sequence[str], truncate: bool = False, **settings: Any
    ) -> None:
        super().__init__(*given, **settings)
        self.labels = tuple(labels)
        self.most = self.max_length if truncate else None

    def text(self, sample: Sample) -> str:
        return self.task.prompt(sample).strip()

    def _answer(self, sample: Sample, logp: Any, drawn: Any) -> Explanation:
        return Explanation((), self.labels[int(drawn)], logprob=float(logp[drawn]))

    def _distribution(self, logp: Any) -> dict[str, float]:
        return dict(zip(self.labels, np.exp(logp).tolist(), strict=True))


def encoder_ids(
    tokenizer: Any, texts: Sequence[str], *, most: int | None = None
) -> list[list[int]]:
    """Ids of texts between the tokenizer's special tokens, whose names in a text are plain text.

    With `most` the end of a longer text is left out, and the special tokens after it stay.
    """
    if not texts:
        return []
    found: list[list[int]] = tokenizer(list(texts), split_special_tokens=True).input_ids
    if most is None or all(len(ids) <= most for ids in found):
        return found
    # Not by the tokenizer's own truncation, which would be saved with the student.
    alone: list[int] = tokenizer("").input_ids
    return [_cut(ids, alone, most) for ids in found]


def _cut(ids: list[int], alone: list[int], most: int) -> list[int]:
    """`ids` cut to `most`, where `alone` are the special tokens around nothing."""
    if len(ids) <= most:
        return ids
    after = 0
    while after < len(alone) and ids[-1 - after] == alone[-1 - after]:
        after += 1
    return [*ids[: most - after], *ids[len(ids) - after :]]


def _draw(logp: Any, temperature: float, rng: np.random.Generator) -> Any:
    """A label, or one tag for every token: where the cumulative distribution passes a number."""
    weights = np.exp((logp - logp.max(axis=-1, keepdims=True)) / temperature)
    reached = weights.cumsum(axis=-1)
    level = rng.random((*logp.shape[:-1], 1)) * reached[..., -1:]
    return (reached <= level).sum(axis=-1)


def _check_no_steps(items: Sequence[Item]) -> None:
    if any(steps for _, steps in items):
        raise _no_steps()


def _no_steps() -> ConfigError:
    return ConfigError(
        "this student labels texts and writes no steps; choose a selector that needs none, e.g. "
        "answer_entropy, margin, least_confidence, bald, k_center or random"
    )
