"""Pretrained students: names, errors, and GGUF files written by the tests themselves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from elad_exp.assets import resolve_model
from elad_exp.errors import AssetError, ConfigError
from elad_exp.student.build import PretrainedStudent, converted_folder
from elad_exp.student.pretrained import convert_gguf, dequantised_name, load_pretrained
from tests.unit.student_toys import engine, tiny


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "SmolLM2-135M-Instruct-q4_1-dequantised"),
        ("SmolLM2-X-Q4_K_M.gguf", "SmolLM2-X-q4_k_m-dequantised"),
        ("a.b-iq3_xxs.gguf", "a.b-iq3_xxs-dequantised"),
        ("m-BF16.gguf", "m-bf16-dequantised"),
        ("model.gguf", "model-dequantised"),
        ("Qwen2.5-0.5B.gguf", "Qwen2.5-0.5B-dequantised"),
    ],
)
def test_a_dequantised_model_says_so_in_its_name(file: str, name: str) -> None:
    assert dequantised_name(file) == name


def saved(path: Path) -> Any:
    model, tokenizer = tiny()
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return model


def test_a_folder_is_loaded_in_float32_and_eval_mode(tmp_path: Path) -> None:
    original = saved(tmp_path)
    model, tokenizer = load_pretrained(tmp_path)
    assert model.dtype == torch.float32
    assert not model.training
    for a, b in zip(original.parameters(), model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert engine(model, tokenizer).task.name == "toy"


def test_a_tokenizer_without_padding_pads_with_its_end_token(tmp_path: Path) -> None:
    model, tokenizer = tiny()
    tokenizer.pad_token = None
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    found = load_pretrained(tmp_path)[1]
    assert found.pad_token_id == found.eos_token_id


def test_f23_attention_dropout_makes_two_training_passes_of_a_llama_differ(tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    _, tokenizer = tiny()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    ids = torch.arange(20)[None]
    for rate, differ in ((0.0, False), (0.5, True)):
        model = load_pretrained(tmp_path, attention_dropout=rate)[0].train()
        with torch.no_grad():
            assert torch.equal(model(ids).logits, model(ids).logits) != differ


def test_the_checkpoints_own_attention_dropout_is_kept_unless_another_is_named(
    tmp_path: Path,
) -> None:
    saved(tmp_path)
    for given, expected in ((None, 0.1), (0.0, 0.0), (0.3, 0.3)):
        model, _ = load_pretrained(tmp_path, attention_dropout=given)
        assert model.config.attention_dropout == expected
    assert load_pretrained(tmp_path)[0].config.attention_dropout == 0.1
    assert PretrainedStudent(name="x", max_length=9, max_new_tokens=4).attention_dropout is None


def test_missing_weights_are_refused_by_name_and_never_random(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    saved(tmp_path)
    file = tmp_path / "model.safetensors"
    weights = load_file(file)
    lost = "gpt_neox.layers.1.mlp.dense_h_to_4h.weight"
    save_file({k: v for k, v in weights.items() if k != lost}, file, {"format": "pt"})
    with pytest.raises(AssetError, match=f"missing {lost}$"):
        load_pretrained(tmp_path)
    save_file(weights | {lost: weights[lost][:, :4].clone()}, file, {"format": "pt"})
    with pytest.raises(AssetError, match=rf"{tmp_path}.*{lost}.* do not have the shape"):
        load_pretrained(tmp_path)


def test_a_dropout_that_the_model_does_not_have_is_refused(tmp_path: Path) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    _, tokenizer = tiny()
    config = GPT2Config(vocab_size=len(tokenizer), n_embd=16, n_layer=1, n_head=2)
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="a gpt2 model has no such setting"):
        load_pretrained(tmp_path, attention_dropout=0.1)


def test_what_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="nowhere"):
        load_pretrained(tmp_path / "nowhere")
    with pytest.raises(AssetError, match=r"no GGUF file at .*x\.gguf"):
        load_pretrained(tmp_path, gguf_file="x.gguf")
    with pytest.raises(AssetError, match=r"x\.gguf"):
        convert_gguf(tmp_path / "x.gguf", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_converted_folder_is_not_made_again(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert convert_gguf(tmp_path / "absent.gguf", tmp_path / "out") == tmp_path / "out"


def test_a_replaced_gguf_is_converted_anew_and_not_beside_the_users_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELAD_EXP_CACHE", str(tmp_path / "cache"))
    (tmp_path / "mine").mkdir()
    gguf = tmp_path / "mine" / "x.gguf"
    gguf.write_bytes(b"one")
    first = converted_folder(resolve_model(str(gguf)))
    assert first == converted_folder(resolve_model(str(gguf.parent)))
    assert first.is_relative_to(tmp_path / "cache")
    gguf.write_bytes(b"another")
    assert converted_folder(resolve_model(str(gguf))) != first


@pytest.mark.slow
def test_a_real_gguf_becomes_an_ordinary_folder_and_talks_sense(tmp_path: Path) -> None:
    path = os.environ.get("ELAD_EXP_GGUF")
    if not path:
        pytest.skip("set ELAD_EXP_GGUF to SmolLM2-135M-Instruct.Q4_1.gguf")
    from elad_exp.data.collate import prompt_ids, render
    from elad_exp.student.generate import generate

    folder = convert_gguf(Path(path), tmp_path / "model")
    model, tokenizer = load_pretrained(folder)
    text = render(tokenizer, "What is the capital of France?", chat_template=True)
    [made] = generate(
        model,
        prompt_ids(tokenizer, [text]),
        eos_id=tokenizer.eos_token_id,
        pad_id=tokenizer.pad_token_id,
        max_new_tokens=30,
    )
    assert "Paris" in tokenizer.decode(made.ids)
    assert made.finished
