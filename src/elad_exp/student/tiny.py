"""A small transformer from scratch with its own tokenizer: no download, real dropout."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

from elad_exp.data.samples import book_of
from elad_exp.errors import ConfigError
from elad_exp.protocols import Task
from elad_exp.rng import derive_seed
from elad_exp.student.forced import FORCED_ANSWER_TOKENS
from elad_exp.types import Sample

VOCABULARY_FROM = 50_000
"""So many questions of a larger pool are enough for a tokenizer."""
PAD, BOS, EOS = "<|pad|>", "<|bos|>", "<|eos|>"
# A narrow model learns sooner from larger initial weights and, in a short context, from positions
# that turn faster than the usual 10,000.
INIT_STD = 0.05
ROTARY = {"rope_type": "default", "rope_theta": 100.0, "partial_rotary_factor": 1.0}


def build_tokenizer(texts: Iterable[str], *, vocab_size: int, max_length: int) -> Any:
    """A byte-level BPE tokenizer: any text survives encoding and decoding.

    Deterministic: equal texts in equal order give an equal vocabulary.

    Args:
        texts: What to learn merges from.
        vocab_size: Largest number of tokens; the 256 bytes and three special tokens included.
        max_length: Recorded as the tokenizer's `model_max_length`.

    Raises:
        ConfigError: `vocab_size` has no room for the bytes.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    if vocab_size < len(alphabet) + 3:
        raise ConfigError(
            f"student.vocab_size={vocab_size}: must be at least {len(alphabet) + 3} "
            "(all bytes and three special tokens)"
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
    )


def tokenizer_texts(task: Task, pool: Iterable[Sample]) -> Iterator[str]:
    """The pool's prompts, the task's grammar, and its labels as they stand in an answer."""
    labels: set[str] = set()
    for sample in pool:
        labels.update(task.labels(sample) or ())
        yield task.prompt(sample)
    yield from task.vocabulary()
    # Twice, so that a label is a token of its own even if no prompt names it.
    yield from [f"Answer: {label}" for label in sorted(labels)] * 2


def check_shapes(*, d_model: int, layers: int, heads: int, dropout: float) -> None:
    """Raises `ConfigError`, which names the first value that makes no model."""
    for name, value in (("d_model", d_model), ("layers", layers), ("heads", heads)):
        if value < 1:
            raise ConfigError(f"student.{name}={value}: must be at least 1")
    if d_model % (2 * heads):
        raise ConfigError(
            f"student.d_model={d_model}: must be a multiple of twice student.heads={heads} "
            "(rotary positions turn pairs of numbers)"
        )
    if not 0 <= dropout < 1:
        raise ConfigError(f"student.dropout={dropout}: must be at least 0 and below 1")


def build_tiny(
    task: Task,
    pool_questions: Sequence[Sample],
    *,
    seed: int,
    d_model: int = 160,
    layers: int = 2,
    heads: int = 4,
    vocab_size: int = 2048,
    max_length: int = 256,
    context: int | None = None,
    dropout: float = 0.1,
) -> tuple[Any, Any]:
    """A GPT-NeoX of about a million parameters and its tokenizer.

    NeoX because its positions are rotary and it has dropout everywhere: with learnt positions
    (GPT-2) the same number of parameters needs about twice the steps to learn to copy a name.

    The tokenizer depends on the pool and the task's grammar, never on dev or test; the initial
    weights depend on `seed`, shapes and nothing else.

    Args:
        task: Gives prompts, grammar and labels.
        pool_questions: The pool. Its order does not matter. Of more than `VOCABULARY_FROM` those
            with the first ids are read, which are hashes.
        seed: Seed of the initial weights.
        d_model: Width; a multiple of twice `heads`.
        layers: Blocks.
        heads: Attention heads.
        vocab_size: Largest size of the tokenizer.
        max_length: Longest prompt with its explanation, in tokens.
        context: Most tokens that can be read, forced answers included; None leaves room for one.
            It costs nothing, because rotary positions have no parameters.
        dropout: Residual, embedding and attention dropout.

    Returns:
        The model (float32, in eval mode) and the tokenizer.

    Raises:
        ConfigError: Shapes that do not fit together.
    """
    check_shapes(d_model=d_model, layers=layers, heads=heads, dropout=dropout)
    pool = book_of(pool_questions)
    ids = heapq.nsmallest(VOCABULARY_FROM, pool.ids())
    texts = tokenizer_texts(task, map(pool.get, ids))
    tokenizer = build_tokenizer(texts, vocab_size=vocab_size, max_length=max_length)
    config = GPTNeoXConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=context or max_length + FORCED_ANSWER_TOKENS,
        hidden_size=d_model,
        intermediate_size=4 * d_model,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        hidden_act="gelu_pytorch_tanh",
        use_parallel_residual=False,
        tie_word_embeddings=True,
        initializer_range=INIT_STD,
        rope_parameters=ROTARY,
        hidden_dropout=dropout,
        attention_dropout=dropout,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        # On a CPU, one query at a time, 25 % faster than sdpa; as fast in training.
        attn_implementation="eager",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "init"))
        model = GPTNeoXForCausalLM(config)
    return model.eval(), tokenizer
