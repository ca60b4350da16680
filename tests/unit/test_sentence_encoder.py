"""Where a sentence encoder has texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from elad_exp.assets.catalogue import MINILM
from elad_exp.assets.models import ModelFiles
from elad_exp.assets.models import resolve_model as resolve
from elad_exp.student import sentences
from elad_exp.student.encoder_tokenizer import build_encoder_tokenizer
from elad_exp.student.sentences import SentenceEncoder

TEXTS = ["it is heavy", "it is light and small and heavy", "heavy", "", "it is heavy"]


@pytest.fixture
def encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SentenceEncoder:
    tokenizer = build_encoder_tokenizer(TEXTS, vocab_size=60, level="word", max_length=512)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    BertModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)

    def local(name: str) -> ModelFiles:
        assert name == MINILM.hub
        return resolve(str(tmp_path))

    monkeypatch.setattr(sentences, "resolve_model", local)
    return SentenceEncoder()


def test_a_vector_is_the_mean_over_all_tokens(encoder: SentenceEncoder) -> None:
    found = encoder.embed(TEXTS)
    assert found.shape == (5, 8)
    assert found.dtype == np.float32
    assert np.allclose(np.linalg.norm(found, axis=1), 1)
    ids = encoder.tokenizer(TEXTS[1], return_tensors="pt")
    with torch.inference_mode():
        mean = encoder.model(**ids).last_hidden_state[0].mean(dim=0)
    assert np.allclose(found[1], torch.nn.functional.normalize(mean, dim=0), atol=1e-6)


def test_what_else_is_in_a_batch_does_not_matter(encoder: SentenceEncoder) -> None:
    together = encoder.embed(TEXTS)
    alone = np.concatenate([encoder.embed([text]) for text in TEXTS])
    assert np.allclose(together, alone, atol=1e-6)
    assert encoder.embed([]).shape == (0, 8)


def test_a_long_text_is_cut(encoder: SentenceEncoder) -> None:
    assert np.allclose(*encoder.embed(["heavy " * 254, "heavy " * 300]), atol=1e-6)


def test_a_signal_stops_it(encoder: SentenceEncoder) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    encoder.poll = stop
    with pytest.raises(KeyboardInterrupt):
        encoder.embed(TEXTS)
