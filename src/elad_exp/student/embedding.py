"""Texts as vectors: what a student's last hidden states say about them on average."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from elad_exp.student.batches import Batches


@torch.inference_mode()
def embed(
    encoder: Any,
    tokenizer: Any,
    texts: Sequence[str],
    *,
    batches: Batches,
    context: int,
    poll: Callable[[], None] = lambda: None,
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(texts, width): mean over tokens of the last hidden state, scaled to length 1.

    Equal texts share a row's work. What exceeds the context is cut; a text without tokens is the
    end token, or padding.

    Args:
        encoder: The student without its output matrix.
        tokenizer: Its tokenizer.
        texts: Without special tokens; their names are plain text.
        batches: How many tokens are read together.
        context: Longest text in tokens.
        poll: Called before every forward pass; may raise.
    """
    different = sorted(set(texts))
    if not different:
        return np.zeros((0, encoder.config.hidden_size), np.float32)
    made = tokenizer(different, add_special_tokens=False, split_special_tokens=True).input_ids
    end = tokenizer.eos_token_id
    nothing = tokenizer.pad_token_id if end is None else end
    ids = [own[:context] or [nothing] for own in made]
    order = sorted(range(len(ids)), key=lambda i: (-len(ids[i]), i))
    found = np.zeros((len(ids), encoder.config.hidden_size), np.float32)

    def work(batch: list[int]) -> None:
        poll()
        width = max(len(ids[i]) for i in batch)
        rows = [[*ids[i], *[tokenizer.pad_token_id] * (width - len(ids[i]))] for i in batch]
        mask = torch.tensor([[j < len(ids[i]) for j in range(width)] for i in batch])
        mask = mask.to(encoder.device)
        states = encoder(
            input_ids=torch.tensor(rows, device=encoder.device), attention_mask=mask
        ).last_hidden_state.float()
        means = (states * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
        found[batch] = torch.nn.functional.normalize(means, dim=-1).cpu().numpy()

    batches.run(order, list(map(len, ids)), work)
    places = {text: i for i, text in enumerate(different)}
    return found[[places[text] for text in texts]]
