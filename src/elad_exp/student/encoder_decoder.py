"""Passes through an encoder-decoder model: token ids in; tokens and probabilities out.

Plain batches. Prompts are padded on the right, where positions of every kind begin with the first
token. In the decoder nothing is padded before a token that counts: of sequences that go on after
beginnings of several lengths, all begin together, and each is told its own beginning token by
token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from elad_exp.data.collate import padded
from elad_exp.student.draws import next_tokens
from elad_exp.student.forced import Continuation
from elad_exp.student.generate import DROP_SHARE
from elad_exp.student.generated import Generated, Sheet


@torch.inference_mode()
def read(model: Any, prompts: Sequence[Sequence[int]], *, pad_id: int) -> tuple[Tensor, Tensor]:
    """The encoder's last hidden states (prompts, longest, width), and 1 where they are real."""
    ids, mask = (t.to(model.device) for t in padded(prompts, pad_id))
    out = model.get_encoder()(input_ids=ids, attention_mask=mask)
    hidden: Tensor = out.last_hidden_state
    return hidden, mask


@torch.inference_mode()
def write(
    model: Any,
    prompts: Sequence[Sequence[int]],
    beginnings: Sequence[Sequence[int]],
    *,
    eos_id: int,
    pad_id: int,
    max_new_tokens: int,
    k: int = 1,
    temperature: float = 0.0,
    uniforms: Tensor | None = None,
    greedy: bool = False,
    poll: Callable[[], None] = lambda: None,
) -> list[Generated]:
    """Go on after each beginning `k` times; the samples of a prompt share what was read.

    Args:
        model: An encoder-decoder language model in eval mode.
        prompts: Token ids, none empty.
        beginnings: Token ids of the target so far, one for each prompt; may be empty.
        eos_id: Ends a sequence.
        pad_id: Fills prompts on the right; never attended to.
        max_new_tokens: Limit for what follows a beginning, the end token included.
        k: Sequences per prompt.
        temperature: 0 takes the most probable token.
        uniforms: Numbers in [0, 1), (prompts * k, max_new_tokens): one per token to draw. Needed
            when `temperature` > 0.
        greedy: The first sequence of each prompt takes the most probable tokens all the same.
        poll: Called before every forward pass; may raise.

    Returns:
        `k` sequences of the first prompt, then of the second, and so on, without beginnings.
    """
    device = model.device
    poll()
    hidden, mask = (t.repeat_interleave(k, dim=0) for t in read(model, prompts, pad_id=pad_id))
    told, _ = (t.repeat_interleave(k, dim=0).to(device) for t in padded(beginnings, pad_id))
    lengths = torch.tensor([len(b) for b in beginnings], device=device).repeat_interleave(k)

    total = len(lengths)
    sheet = Sheet(total, max_new_tokens, eos_id=eos_id, device=device)
    rows = torch.arange(total, device=device)  # which sequence each row of the batch is
    first = rows % k == 0 if greedy else torch.zeros_like(rows, dtype=torch.bool)
    uniforms = None if uniforms is None else uniforms.to(device)
    running = torch.ones(total, dtype=torch.bool, device=device)
    at = int(lengths.min())
    start = torch.full((total, 1), model.config.decoder_start_token_id, device=device)
    ids, cache = torch.cat([start, told[:, :at].long()], dim=1), None
    while True:
        poll()
        with _logits_of(model, lambda states: states[:, -1:].contiguous()):
            out = model(
                encoder_outputs=BaseModelOutput(hidden),
                attention_mask=mask,
                decoder_input_ids=ids,
                past_key_values=cache,
                use_cache=True,
            )
        cache = out.past_key_values
        own = at - lengths[rows]  # tokens of its own that a row has; below 0 it is still told
        drawn = next_tokens(
            out.logits[:, -1],
            temperature=temperature,
            uniforms=None if uniforms is None else uniforms[rows, own.clamp(0, max_new_tokens - 1)],
            greedy=first[rows],
        )
        token = drawn.tokens
        free = (own >= 0) & running
        sheet.put(rows[free], own[free], drawn.of(free))
        if at < told.shape[1]:
            token = token.where(own >= 0, told[rows, at])
        running &= ((token != eos_id) & (own < max_new_tokens - 1)) | (own < 0)
        left = int(running.sum())
        if left == 0:
            return sheet.sequences()
        if left <= (1 - DROP_SHARE) * len(rows):
            kept = running.nonzero()[:, 0]
            rows, token, running = rows[kept], token[kept], running[kept]
            hidden, mask = hidden[kept], mask[kept]
            cache.batch_select_indices(kept)
        ids, at = token[:, None], at + 1


@torch.inference_mode()
def score(
    model: Any,
    items: Sequence[tuple[Sequence[int], Sequence[Continuation]]],
    *,
    pad_id: int,
    poll: Callable[[], None] = lambda: None,
) -> list[list[float]]:
    """Log-probabilities (nats) of the continuations of every item, in one forward pass.

    Args:
        model: An encoder-decoder language model.
        items: Token ids of a prompt, and continuations of its target. Equal prompts are read once.
        pad_id: Fills on the right.
        poll: Called before the pass; may raise.
    """
    poll()
    device = model.device
    prompts: dict[tuple[int, ...], int] = {}
    rows: dict[tuple[int, tuple[int, ...]], int] = {}
    edges = []
    for prompt, asked in items:
        number = prompts.setdefault(tuple(prompt), len(prompts))
        for c in asked:
            told = (*c.context, *c.tokens[:-1])
            n = rows.setdefault((number, told), len(rows))
            edges += [(n, len(c.context) + j, token) for j, token in enumerate(c.tokens)]
    which = torch.tensor([number for number, _ in rows], device=device)
    start = model.config.decoder_start_token_id
    ids, mask = (t.to(device) for t in padded([(start, *given) for _, given in rows], pad_id))
    row, place, token = (torch.tensor(column, device=device) for column in zip(*edges, strict=True))
    hidden, real = (t[which] for t in read(model, list(prompts), pad_id=pad_id))
    with _logits_of(model, lambda states: states[row, place]):
        out = model(
            encoder_outputs=BaseModelOutput(hidden),
            attention_mask=real,
            decoder_input_ids=ids,
            decoder_attention_mask=mask,
            use_cache=False,
        )
    logp = torch.log_softmax(out.logits.float(), dim=-1)
    values = iter(logp.gather(1, token[:, None])[:, 0].tolist())
    return [[sum(next(values) for _ in c.tokens) for c in asked] for _, asked in items]


@contextmanager
def _logits_of(model: Any, states: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Compute logits for some of the decoder's states only: all would take gigabytes."""
    head = model.get_output_embeddings()
    hook = head.register_forward_pre_hook(lambda _, given: (states(given[0]),))
    try:
        yield
    finally:
        hook.remove()
