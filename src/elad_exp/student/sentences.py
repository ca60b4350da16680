"""A sentence encoder: where texts lie by what they mean, whatever the student thinks of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

from elad_exp.assets.catalogue import MINILM
from elad_exp.assets.models import resolve_model
from elad_exp.student.batches import Batches

_CONTEXT = 256
"""Tokens; all-MiniLM-L6-v2 was trained on no longer texts."""
_TOKENS_PER_BATCH = 16384


class SentenceEncoder:
    """all-MiniLM-L6-v2 as its authors use it: the mean over all tokens, special ones included.

    From the hub's cache, the hub or the package index, see `assets.models.resolve_model`.

    Args:
        beside: A model on whose device it computes; null: on the processor.
        poll: Called before every forward pass; may raise.

    Attributes:
        asset: The record of the weights, for `assets` of `result.json`.

    Raises:
        AssetError: No source has the weights.
    """

    def __init__(self, *, beside: Any = None, poll: Callable[[], None] = lambda: None) -> None:
        files = resolve_model(MINILM.hub)
        self.asset = files.record.to_dict()
        self.tokenizer: Any = AutoTokenizer.from_pretrained(files.path, trust_remote_code=False)
        self.model: Any = AutoModel.from_pretrained(
            files.path, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
        )
        self.model.eval()
        self.beside, self.poll = beside, poll
        self.batches = Batches(_TOKENS_PER_BATCH)

    @torch.inference_mode()
    def embed(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """(texts, 384): where they lie, length 1. What is longer than 256 tokens is cut."""
        if not texts:
            return np.zeros((0, self.model.config.hidden_size), np.float32)
        ids = self.tokenizer(
            list(texts), truncation=True, max_length=_CONTEXT, split_special_tokens=True
        ).input_ids
        if self.beside is not None:  # which the trainer moves
            self.model.to(self.beside.device)
        found = np.zeros((len(ids), self.model.config.hidden_size), np.float32)

        def work(batch: list[int]) -> None:
            self.poll()
            rows = self.tokenizer.pad({"input_ids": [ids[i] for i in batch]}, return_tensors="pt")
            rows = rows.to(self.model.device)
            states = self.model(**rows).last_hidden_state
            mask = rows.attention_mask[..., None]
            means = (states * mask).sum(dim=1) / mask.sum(dim=1)
            found[batch] = torch.nn.functional.normalize(means, dim=-1).cpu().numpy()

        lengths = list(map(len, ids))
        self.batches.run(sorted(range(len(ids)), key=lambda i: -lengths[i]), lengths, work)
        return found
