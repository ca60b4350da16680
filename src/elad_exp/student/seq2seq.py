"""An encoder-decoder student at inference, by plain padded batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from elad_exp.data.collate import Rendered, render
from elad_exp.protocols import Forced
from elad_exp.student.base import Opening, explain_then_force
from elad_exp.student.embedding import embed
from elad_exp.student.encoder_decoder import score, write
from elad_exp.student.engine import Engine
from elad_exp.student.forced import FORCED_ANSWER_TOKENS, Continuation
from elad_exp.student.generated import Generated
from elad_exp.student.kept import Kept, Shelf


class Targets:
    """Continuations after a prompt; begun alike, they share a pass of the decoder."""

    def __init__(self, prompt: Sequence[int]) -> None:
        self.prompt = tuple(prompt)
        self.continuations: list[Continuation] = []
        self._passes: set[tuple[int, ...]] = set()

    def __len__(self) -> int:
        """Tokens of all passes; 0 if nothing is asked."""
        longest = max(map(len, self._passes), default=0)
        return len(self._passes) * (len(self.prompt) + 1 + longest)

    def add(self, continuation: Continuation) -> int:
        """Add a continuation whose context begins with the prompt; returns its number."""
        context = continuation.context[len(self.prompt) :]
        self._passes.add((*context, *continuation.tokens[:-1]))
        self.continuations.append(Continuation(context, continuation.tokens))
        return len(self.continuations) - 1


class Seq2SeqEngine(Engine):
    """Puts the questions of `Engine` to an encoder-decoder model.

    The encoder reads the prompt, the decoder writes steps and answer. Where positions are relative
    the model has no context of its own: `max_length` limits a prompt with its explanation, and an
    answer is forced after any that a student can have written.
    """

    def _context(self) -> int:
        limit = getattr(self.model.config, "max_position_embeddings", None)
        # A generated piece of a character is read again as up to three.
        own = self.max_length + 2 * self.max_new_tokens + FORCED_ANSWER_TOKENS
        return own if limit is None else int(limit)

    def _render(self, prompt: str) -> Rendered:
        return render(self.tokenizer, prompt, chat_template=self.chat_template, ends=True)

    def _held(self, opening: Opening, new_tokens: int, k: int) -> int:
        return (len(opening) + new_tokens) * k

    def _write(
        self, model: Any, openings: Sequence[Opening], *, shelf: Shelf | None = None, **options: Any
    ) -> list[Generated]:
        prompts, begun = [own.prompt for own in openings], [own.begun for own in openings]
        return write(model, prompts, begun, **options)

    def _asking(self, prompt: Sequence[int], kept: Kept | None) -> Targets:
        return Targets(prompt)

    def _score(self, model: Any, asked: Sequence[Targets]) -> list[list[float]]:
        return score(
            model,
            [(targets.prompt, targets.continuations) for targets in asked],
            pad_id=self.tokenizer.pad_token_id,
            poll=self.interrupted,
        )

    def explain_forced(self, *args: Any, **drawn: Any) -> list[Forced]:
        """See `protocols.Student`."""
        return explain_then_force(self, *args, **drawn)

    def embed(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """(texts, width): mean over tokens of the encoder's last hidden state, of length 1."""
        with self.phase() as model:
            return embed(
                model.get_encoder(),
                self.tokenizer,
                texts,
                batches=self.batches,
                context=self.max_length,
                poll=self.interrupted,
            )
