"""The least that the `forced` workload needs of a machine, and what this machine can do.

Counted are multiply-adds. Each prompt is read once; each new token but the last of its sequence
goes through all matrices, the output matrix included, once; of the forced answers only the tokens
of `Answer:` are read, because the keys of prompt and greedy sequence are there; attention is at the
real lengths. All sequences go through the model together, so that the weights are read once for
each of the tokens; where that takes longer than the arithmetic, it counts instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from workload import TOKENS_PER_BATCH, Job, Work

from elad_exp.student.batches import bucketed
from elad_exp.student.pretrained import load_pretrained

SECONDS, SQUARE, COPY_BYTES, READ_ROWS = 2.0, 2048, 2**28, 2048
WORD = 2  # bytes of a weight in bfloat16


@dataclass(frozen=True, slots=True)
class Shape:
    """Of a model. Multiply-adds of a token: in the `layers`' matrices, in the output matrix
    (`head`), and for each token that it attends to.
    """

    layers: int
    head: int
    attention: int

    @classmethod
    def of(cls, config: Any) -> Shape:
        """Of a Llama: four projections and a gated block of three matrices in every layer."""
        width, size = config.hidden_size, config.head_dim
        heads, shared = config.num_attention_heads, config.num_key_value_heads
        block = 2 * width * size * (heads + shared) + 3 * width * config.intermediate_size
        layers = config.num_hidden_layers
        return cls(layers * block, width * config.vocab_size, layers * 2 * heads * size)

    @property
    def weight_bytes(self) -> int:
        return WORD * (self.layers + self.head)


@dataclass(frozen=True, slots=True)
class Needed:
    """Multiply-adds by part, and the number of times that all weights are read to decode."""

    prompts: int
    decoding: int
    answers: int
    attention: int
    steps: int


@dataclass(frozen=True, slots=True)
class Rates:
    """Multiply-adds a second when reading and when decoding; bytes a second."""

    reading: float
    decoding: float
    bytes: float


def needed(
    shape: Shape,
    prompts: Sequence[int],
    *,
    sequences: int,
    new_tokens: int,
    cuts: Sequence[int],
    answer: int,
) -> Needed:
    """Of prompts with so many tokens.

    Args:
        shape: Of the model.
        prompts: Tokens of each.
        sequences: A prompt.
        new_tokens: Of each sequence.
        cuts: After so many of the greedy one's tokens the answer is forced.
        answer: Tokens between that and the label.
    """
    token = shape.layers + shape.head
    steps = new_tokens - 1  # the last token is drawn, not read
    pairs = 0
    for n in prompts:
        pairs += spanned(0, n) + sequences * spanned(n, steps)
        pairs += sum(spanned(n + cut, answer) for cut in cuts)
    return Needed(
        prompts=sum(prompts) * shape.layers + len(prompts) * shape.head,
        decoding=len(prompts) * sequences * steps * token,
        answers=len(prompts) * len(cuts) * (answer * shape.layers + shape.head),
        attention=pairs * shape.attention,
        steps=steps,
    )


def spanned(before: int, new: int) -> int:
    """Pairs of a token and one that it attends to, for `new` tokens after `before` others."""
    return new * before + new * (new + 1) // 2


def seconds(need: Needed, rates: Rates, *, weight_bytes: int) -> float:
    """What the machine needs at least, at these rates."""
    reading = (need.prompts + need.answers) / rates.reading
    decoding = max(
        (need.decoding + need.attention) / rates.decoding,
        need.steps * weight_bytes / rates.bytes,
    )
    return reading + decoding


# -- this machine --------------------------------------------------------------------------------


def measure(work: Work, job: Job) -> dict[str, Any]:
    """The floor of `job`, at the rate of a large square product and at that of the student's own
    matrices with as many rows as the engine's batches have.
    """
    model, _ = load_pretrained(work.folders["forced"])
    shape = Shape.of(model.config)
    lengths = [len(q.ids) for q in work.questions[: job.questions]]
    need = needed(
        shape,
        lengths,
        sequences=1 + job.k,
        new_tokens=job.new_tokens,
        cuts=job.cuts(),
        answer=len(work.answer),
    )
    rows = rows_of_a_batch(lengths, job)
    square, copied = square_rate(), copy_rate()
    decoding, reading = own_rate(model, rows), own_rate(model, READ_ROWS)
    return {
        "batch_rows": rows,
        "square_gmac_s": square / 1e9,
        "own_gmac_s": decoding / 1e9,
        "own_reading_gmac_s": reading / 1e9,
        "copy_gb_s": copied / 1e9,
        "gmac": {name: getattr(need, name) / 1e9 for name in PARTS},
        "square_s": seconds(need, Rates(square, square, copied), weight_bytes=shape.weight_bytes),
        "own_s": seconds(need, Rates(reading, decoding, copied), weight_bytes=shape.weight_bytes),
    }


PARTS = ("prompts", "decoding", "answers", "attention")


def rows_of_a_batch(lengths: Sequence[int], job: Job) -> int:
    """Rows of the engine's first batch, which is the smallest full one."""
    total = 1 + job.k
    size = [n + job.new_tokens * total for n in sorted(lengths, reverse=True)]
    return total * len(next(bucketed(range(len(size)), size, TOKENS_PER_BATCH)))


def square_rate() -> float:
    """Multiply-adds a second in bfloat16, of a product that has everything in its favour."""
    a, b = torch.randn(2, SQUARE, SQUARE).to(torch.bfloat16)
    return SQUARE**3 / best(lambda: a @ b)


def own_rate(model: torch.nn.Module, rows: int) -> float:
    """Multiply-adds a second of all the model's matrices, one after the other."""
    layers = [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
    weights = [layer.weight.detach().to(torch.bfloat16) for layer in layers]
    given = {n: torch.randn(rows, n).to(torch.bfloat16) for n in {w.shape[1] for w in weights}}

    def products() -> None:
        for weight in weights:
            torch.nn.functional.linear(given[weight.shape[1]], weight)

    return rows * sum(w.numel() for w in weights) / best(products)


def copy_rate() -> float:
    """Bytes a second, read and written ones."""
    source = torch.ones(COPY_BYTES, dtype=torch.uint8)
    target = torch.empty_like(source)
    return 2 * COPY_BYTES / best(lambda: target.copy_(source))


@torch.inference_mode()
def best(work: Callable[[], Any]) -> float:
    """The shortest of the times that `work` takes within some seconds, three times at least."""
    found: list[float] = []
    begun = time.perf_counter()
    while len(found) < 3 or time.perf_counter() - begun < SECONDS:
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)
