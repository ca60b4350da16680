"""A decoder-only student at inference: samples share their prompt, forced answers one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from elad_exp.errors import ConfigError
from elad_exp.protocols import Forced, Given
from elad_exp.student.base import Opening
from elad_exp.student.embedding import embed
from elad_exp.student.engine import Engine
from elad_exp.student.forced import TokenTree, score_trees
from elad_exp.student.generate import generate
from elad_exp.student.generated import Generated
from elad_exp.student.kept import Kept
from elad_exp.types import Explanation, Sample


class DecoderEngine(Engine):
    """Puts the questions of `Engine` to a decoder-only language model.

    Raises:
        ConfigError: Also where the architecture does not let its attention be replaced.
    """

    def __init__(self, model: Any, *args: Any, **settings: Any) -> None:
        _check_attention(model)
        super().__init__(model, *args, **settings)

    def _context(self) -> int:
        return int(self.model.config.max_position_embeddings)

    def _held(self, opening: Opening, new_tokens: int, k: int) -> int:
        return len(opening) + new_tokens * k

    def _write(self, model: Any, openings: Sequence[Opening], **options: Any) -> list[Generated]:
        return generate(model, [[*own.prompt, *own.begun] for own in openings], **options)

    def _asking(self, prompt: Sequence[int], kept: Kept | None) -> TokenTree:
        return TokenTree(kept)

    def _score(self, model: Any, asked: Sequence[TokenTree]) -> list[list[float]]:
        pad_id = self.tokenizer.pad_token_id
        return score_trees(model, asked, pad_id=pad_id, poll=self.interrupted)

    def explain_forced(
        self,
        samples: Sequence[Sample],
        given: Given | None,
        *,
        k: int = 0,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Forced]:
        """See `protocols.Student`. Answers are forced batch by batch, on the keys of prompts and
        attempts that writing has left: those of all samples together would fill the memory.
        """
        forced: list[dict[tuple[str, ...], dict[str, float]]] = [{} for _ in samples]

        def force(said: Mapping[int, list[Explanation]], kept: list[Kept]) -> None:
            assert given is not None
            asked = [(i, steps) for i in said for steps in given(samples[i], said[i][0])]
            known = {samples[i].id: own for i, own in zip(said, kept, strict=True)}
            made = self._answers([(samples[i], steps) for i, steps in asked], known)
            for (i, steps), distribution in zip(asked, made, strict=True):
                forced[i][steps] = distribution

        said = self._explain(
            samples,
            k or 1,
            temperature if k else 0.0,
            seed,
            greedy=k > 0,
            then=force if given else None,
        )
        return list(zip(said, forced, strict=True))

    def embed(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """(texts, width): mean over tokens of the last hidden state, scaled to length 1."""
        with self.phase() as model:
            return embed(
                model.get_decoder(),
                self.tokenizer,
                texts,
                batches=self.batches,
                context=self.context,
                poll=self.interrupted,
            )


def _check_attention(model: Any) -> None:
    config = model.config
    kinds = set(getattr(config, "layer_types", None) or ())
    latent = getattr(config, "kv_lora_rank", None)
    plain = kinds <= {"full_attention", "sliding_attention"} and not latent
    if not (plain and model._supports_attention_backend):
        raise ConfigError(
            f"student: models of type {config.model_type} compute attention in a "
            "way of their own, which scoring cannot share between samples; choose one of a "
            "common decoder-only type, e.g. llama, qwen2, qwen3, mistral, gpt2, gpt_neox, olmo2"
        )
