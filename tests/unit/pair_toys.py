"""Toy encoder-decoder students: T5 with a tokenizer of T5's kind, and with that of `tiny`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForSeq2SeqLM,
    BartConfig,
    BartForConditionalGeneration,
    T5Tokenizer,
)

from elad_exp.rng import derive_seed
from tests.unit.student_toys import TASK, pairs, tiny


def t5(tokenizer: Any, *, kind: str = "t5", seed: int = 0, **changes: Any) -> Any:
    """A T5, or `mt5` or `umt5`, of two layers on each side, about as large as `tiny`."""
    shape: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "d_model": 32,
        "d_kv": 16,
        "d_ff": 64,
        "num_layers": 2,
        "num_heads": 2,
        "dropout_rate": 0.1,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "decoder_start_token_id": tokenizer.pad_token_id,
    }
    config = AutoConfig.for_model(kind, **(shape | changes))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "init"))
        return AutoModelForSeq2SeqLM.from_config(config).eval()


def bart(tokenizer: Any) -> Any:
    """A BART: absolute positions, of encoder and decoder each."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return BartForConditionalGeneration(
            BartConfig(
                vocab_size=len(tokenizer),
                d_model=32,
                encoder_layers=1,
                decoder_layers=1,
                encoder_attention_heads=2,
                decoder_attention_heads=2,
                encoder_ffn_dim=64,
                decoder_ffn_dim=64,
                max_position_embeddings=128,
                init_std=0.2,
                pad_token_id=tokenizer.pad_token_id,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                decoder_start_token_id=tokenizer.eos_token_id,
                forced_eos_token_id=None,
            )
        ).eval()


def t5_tokenizer() -> Any:
    """The toy task's words and characters, as T5 has them: a line break is taken for a space."""
    texts = [TASK.prompt(s) + TASK.target(s, e) for s, e in pairs()]
    words = {f"\u2581{word}": -2.0 for text in texts for word in text.split()}
    characters = {c: -9.0 for text in texts for c in text if not c.isspace()}
    special = {"<pad>": 0.0, "</s>": 0.0, "<unk>": 0.0}
    parts = {"\u2581": -9.0, **words, **characters}
    return T5Tokenizer(vocab=[*special.items(), *sorted(parts.items())], extra_ids=0)


def saved(path: Path, *, tokenizer: Any = None, model: Any = None) -> Path:
    """A folder in Hugging Face format."""
    tokenizer = tokenizer or tiny()[1]
    (model or t5(tokenizer)).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path
