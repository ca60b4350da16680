"""Pretrained encoder-decoder students: loaded, saved, and what of them cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForSeq2SeqLM, ByT5Tokenizer

from elad_exp.data.collate import encode, prompt_ids, render, target_ids
from elad_exp.errors import ConfigError
from elad_exp.student.pretrained import ENCODER_DECODERS, load_pretrained
from elad_exp.student.steps import TokenTexts
from tests.unit.pair_toys import bart, saved, t5, t5_tokenizer
from tests.unit.student_toys import SAMPLES, TASK, pairs, tiny


def logits(model: Any) -> torch.Tensor:
    ids = torch.arange(3, 20)[None]
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=ids, decoder_input_ids=ids[:, :6]).logits
    return found


@pytest.mark.parametrize("tied", [True, False])
def test_a_saved_t5_is_the_same_again_and_scales_as_before(tmp_path: Path, tied: bool) -> None:
    """T5 scales what its output matrix reads if that is tied; version 1.1 has one of its own."""
    tokenizer = tiny()[1]
    model = t5(tokenizer, tie_word_embeddings=tied)
    if not tied:
        matrix = torch.randn(model.lm_head.weight.shape)
        model.lm_head.weight = torch.nn.Parameter(matrix)
    expected = logits(model)
    saved(tmp_path / "first", tokenizer=tokenizer, model=model)
    loaded, same = load_pretrained(tmp_path / "first")
    assert not loaded.training
    assert len(same) == len(tokenizer), "line breaks survive as they are"
    assert (loaded.lm_head.weight is loaded.shared.weight) == tied
    assert torch.equal(logits(loaded), expected)
    saved(tmp_path / "second", tokenizer=same, model=loaded)
    assert torch.equal(logits(load_pretrained(tmp_path / "second")[0]), expected)


@pytest.mark.parametrize("spare", [0, 5])
def test_a_tokenizer_that_loses_line_breaks_gets_a_token_for_them(
    tmp_path: Path, spare: int
) -> None:
    tokenizer = t5_tokenizer()
    n = len(tokenizer)
    original = t5(tokenizer, vocab_size=n + spare)
    folder = saved(tmp_path / "plain", tokenizer=tokenizer, model=original)
    model, found = load_pretrained(folder)
    assert len(found) == n + 1
    weights = model.get_input_embeddings().weight
    assert len(weights) == n + max(spare, 1)
    assert model.config.vocab_size == len(weights)
    assert model.get_output_embeddings().weight is weights
    assert torch.equal(weights[:n], original.shared.weight[:n])
    torch.testing.assert_close(weights[n], weights[:n].mean(dim=0))
    again, same = load_pretrained(saved(tmp_path / "saved", tokenizer=found, model=model))
    assert len(same) == n + 1
    assert torch.equal(again.get_input_embeddings().weight, weights)
    for sample, explanation in pairs():
        [ids] = target_ids(same, [TASK.target(sample, explanation)])
        text, ends = TokenTexts(same).spans(ids[:-1])
        assert len(ends) == len(ids) - 1
        read = TASK.parse(sample, text)
        assert (read.texts, read.answer) == (explanation.texts, explanation.answer)


def test_masks_follow_the_lines_of_such_a_tokenizer(tmp_path: Path) -> None:
    _, tokenizer = load_pretrained(saved(tmp_path, tokenizer=t5_tokenizer()))
    sample, explanation = pairs()[0]
    prompt = render(tokenizer, TASK.prompt(sample), chat_template=False, ends=True)
    row = encode(tokenizer, prompt, TASK.target(sample, explanation), max_length=200, kept_steps=1)
    assert row is not None
    learnt = tokenizer.decode([i for i in row.labels if i != -100])
    assert learnt.replace("\n ", "\n") == f"{explanation.texts[1]}\nAnswer: yes</s>"


def test_an_encoder_reads_an_end_token_where_the_tokenizer_adds_one(tmp_path: Path) -> None:
    _, tokenizer = load_pretrained(saved(tmp_path, tokenizer=t5_tokenizer()))
    prompt = TASK.prompt(SAMPLES[0])
    rendered = render(tokenizer, prompt, chat_template=False, ends=True)
    assert prompt_ids(tokenizer, [rendered]) == [tokenizer(prompt).input_ids]
    assert render(tokenizer, prompt, chat_template=False).tail == ""
    assert render(tiny()[1], prompt, chat_template=False, ends=True).tail == ""


def test_types_that_are_not_tested_are_refused_with_those_that_are(tmp_path: Path) -> None:
    tokenizer = tiny()[1]
    config = AutoConfig.for_model(
        "pegasus", vocab_size=len(tokenizer), d_model=16, encoder_layers=1, decoder_layers=1
    )
    saved(tmp_path, tokenizer=tokenizer, model=AutoModelForSeq2SeqLM.from_config(config))
    with pytest.raises(ConfigError, match=r"type 'pegasus'; supported are bart, mt5, t5, umt5,"):
        load_pretrained(tmp_path)
    assert load_pretrained(saved(tmp_path / "b", tokenizer=tokenizer, model=bart(tokenizer)))
    assert "bart" in ENCODER_DECODERS


def test_a_decoder_that_does_not_know_how_to_begin_is_refused(tmp_path: Path) -> None:
    tokenizer = tiny()[1]
    model = t5(tokenizer, decoder_start_token_id=None)
    with pytest.raises(ConfigError, match=r"config\.json has no decoder_start_token_id"):
        load_pretrained(saved(tmp_path, tokenizer=tokenizer, model=model))


def test_a_tokenizer_without_offsets_is_refused(tmp_path: Path) -> None:
    tokenizer = ByT5Tokenizer()
    model = t5(tokenizer, vocab_size=384)
    with pytest.raises(ConfigError, match="ByT5Tokenizer does not tell which characters"):
        load_pretrained(saved(tmp_path, tokenizer=tokenizer, model=model))


def test_dropout_of_t5_is_not_that_of_attention(tmp_path: Path) -> None:
    saved(tmp_path)
    with pytest.raises(ConfigError, match="a t5 model has no such setting"):
        load_pretrained(tmp_path, attention_dropout=0.1)
    model = load_pretrained(tmp_path)[0].train()
    ids = torch.arange(3, 20)[None]
    first, second = (model(input_ids=ids, decoder_input_ids=ids).logits for _ in range(2))
    assert not torch.equal(first, second)
