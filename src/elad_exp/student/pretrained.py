"""Pretrained students: a folder in Hugging Face format, or a quantised GGUF file."""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
)
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

from elad_exp.errors import AssetError, ConfigError

log = logging.getLogger(__name__)

ENCODER_DECODERS = ("bart", "mt5", "t5", "umt5")
"""Types of encoder-decoder models that `student.seq2seq` is tested with."""
_QUANTISATION = re.compile(r"(.+)[.-](I?Q\d\w*|BF16|F16|F32)", re.IGNORECASE)


def dequantised_name(gguf_file: str) -> str:
    """The name of a model restored from a GGUF file.

    `X.Q4_1.gguf` and `X-Q4_1.gguf` are `X-q4_1-dequantised`; `X.gguf` is `X-dequantised`. Its
    weights are not those that were quantised, so results must not carry the plain name.
    """
    stem = Path(gguf_file).stem
    if match := _QUANTISATION.fullmatch(stem):
        stem = f"{match.group(1)}-{match.group(2).lower()}"
    return f"{stem}-dequantised"


def load_pretrained(
    name_or_path: str | Path,
    *,
    gguf_file: str | None = None,
    attention_dropout: float | None = None,
    revision: str | None = None,
) -> tuple[Any, Any]:
    """A language model in float32 and its tokenizer.

    A tokenizer of an encoder-decoder model that loses line breaks gets a token for them.

    Args:
        name_or_path: A folder, or a name on the Hugging Face hub.
        gguf_file: Name of a GGUF file in the folder; its weights are dequantised. That takes
            some seconds: `convert_gguf` does it once.
        attention_dropout: SmolLM2 and its like have no other dropout, and 0 in their checkpoints;
            None keeps the checkpoint's. T5 has none of its own: its one rate is for everything.
        revision: Branch, tag or commit on the hub.

    Raises:
        AssetError: There is no such model, or its weights are not whole.
        ConfigError: `attention_dropout` is not 0 and the model's type knows no such setting, or
            it is an encoder-decoder model of a type or with a tokenizer that cannot be used.
    """
    if gguf_file is not None:
        return _load_gguf(Path(name_or_path) / gguf_file, attention_dropout)
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            name_or_path, revision=revision, trust_remote_code=False
        )
        config = AutoConfig.from_pretrained(
            name_or_path, revision=revision, trust_remote_code=False
        )
        _set_dropout(config, attention_dropout)
        kind = AutoModelForCausalLM
        if config.is_encoder_decoder:
            _check_encoder_decoder(str(name_or_path), config, tokenizer)
            kind = AutoModelForSeq2SeqLM
        model, found = kind.from_pretrained(
            name_or_path,
            config=config,
            revision=revision,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            attn_implementation="sdpa",
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # refused below, where the message can name them
        )
    except OSError as error:
        raise AssetError(
            f"no model in Hugging Face format at {str(name_or_path)!r}: {error}"
        ) from error
    _check_whole(str(name_or_path), model, found)
    if config.is_encoder_decoder:
        keep_line_breaks(model, tokenizer)
    return model.eval(), _with_pad(tokenizer)


def _check_encoder_decoder(name: str, config: Any, tokenizer: Any) -> None:
    """Raises ConfigError for what an encoder-decoder student cannot be made of."""
    if config.model_type not in ENCODER_DECODERS:
        raise ConfigError(
            f"{name}: an encoder-decoder model of type {config.model_type!r}; supported are "
            f"{', '.join(ENCODER_DECODERS)}, and decoder-only models"
        )
    if config.decoder_start_token_id is None:
        raise ConfigError(
            f"{name}: config.json has no decoder_start_token_id, with which a decoder begins; set "
            "it, or choose another student"
        )
    if not tokenizer.is_fast:  # masks go by the characters that a token stands for
        raise ConfigError(
            f"{name}: {type(tokenizer).__name__} does not tell which characters a token stands "
            "for; choose a student with a tokenizer.json"
        )


def keep_line_breaks(model: Any, tokenizer: Any) -> None:
    """Give a tokenizer that takes a line break for a space a token of its own for it.

    An explanation is one step a line, so T5 could not write one: its vocabulary has none. The new
    token begins as the mean of the others, and is learnt.
    """
    ids = tokenizer("a\nb", add_special_tokens=False).input_ids
    if "\n" in tokenizer.decode(ids):
        return
    tokenizer.add_tokens([AddedToken("\n", normalized=False)])
    number = tokenizer.convert_tokens_to_ids("\n")
    if number >= model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    with torch.no_grad():
        for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
            layer.weight[number] = layer.weight[:number].mean(dim=0)


def _check_whole(name: str, model: Any, found: Mapping[str, Any]) -> None:
    """Raises AssetError where the library would have put random weights."""
    misshapen = sorted(key for key, *_ in found["mismatched_keys"])
    missing = sorted(set(found["missing_keys"]) - set(model.all_tied_weights_keys) - {*misshapen})
    if misshapen:
        raise AssetError(
            f"{name}: weights {', '.join(misshapen)} do not have the shape that config.json says"
        )
    if missing:
        raise AssetError(
            f"{name}: weights do not fit a {model.config.model_type} model: missing "
            f"{', '.join(missing)}"
        )


def _set_dropout(config: Any, rate: float | None) -> None:
    if rate is None:
        return
    if hasattr(config, "attention_dropout"):
        config.attention_dropout = rate
    elif rate:
        raise ConfigError(
            f"student.attention_dropout={rate}: a {config.model_type} model has no such setting; "
            "set it to 0"
        )


def _with_pad(tokenizer: Any) -> Any:
    # Masking goes by length, so the end token can serve as padding.
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _load_gguf(path: Path, attention_dropout: float | None) -> tuple[Any, Any]:
    if not path.is_file():
        raise AssetError(f"no GGUF file at {str(path)!r}")
    folder, name = str(path.parent), path.name
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    config = AutoConfig.from_pretrained(folder, gguf_file=name)
    _set_dropout(config, attention_dropout)
    # The library marks a model that it loads from GGUF as one that cannot be saved; this one is
    # an ordinary model that receives the same weights.
    model = AutoModelForCausalLM.from_config(
        config, dtype=torch.float32, attn_implementation="sdpa"
    )
    state = load_gguf_checkpoint(str(path), return_tensors=True, model_to_load=model)["tensors"]
    missing = model.load_state_dict(state, strict=False)
    tied = set(model.all_tied_weights_keys)
    if missing.unexpected_keys or set(missing.missing_keys) - tied:
        raise AssetError(
            f"{name}: weights do not fit a {config.model_type} model: missing "
            f"{missing.missing_keys}, unexpected {missing.unexpected_keys}"
        )
    model.tie_weights()
    return model.eval(), _with_pad(tokenizer)


def convert_gguf(gguf_path: Path, out_dir: Path) -> Path:
    """Write `gguf_path` as a folder in Hugging Face format, once; returns `out_dir`.

    Written under a temporary name and renamed, so that a folder that exists is complete.

    Raises:
        AssetError: The file is missing or its weights do not fit.
    """
    if out_dir.is_dir():
        return out_dir
    model, tokenizer = load_pretrained(gguf_path.parent, gguf_file=gguf_path.name)
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out_dir.name}-", dir=out_dir.parent))
    partial.chmod(0o755)  # temporary folders are for their owner only
    try:
        model.save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        try:
            os.replace(partial, out_dir)
        except OSError:
            if not out_dir.is_dir():  # another process was faster: the same content
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    log.info("wrote %s from %s", out_dir, gguf_path.name)
    return out_dir
