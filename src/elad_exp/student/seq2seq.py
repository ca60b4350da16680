"""An encoder-decoder student at inference, by plain padded batches."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from elad_exp.data.collate import ANSWER_MARK, Rendered, prompt_ids, render, target_ids
from elad_exp.errors import ConfigError
from elad_exp.rng import derive_seed, generator
from elad_exp.student.engine import Engine, bucketed
from elad_exp.student.forced import FORCED_ANSWER_TOKENS, Continuation, continuations
from elad_exp.student.generate import Generated
from elad_exp.student.passes import read, score, write
from elad_exp.types import Explanation, Sample

Item = tuple[Sample, tuple[str, ...]]


class Seq2SeqEngine(Engine):
    """Implements `protocols.Student` for an encoder-decoder model.

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

    # -- writing -----------------------------------------------------------------------------

    def explain(
        self,
        samples: Sequence[Sample],
        *,
        k: int = 1,
        temperature: float = 0.0,
        seed: int = 0,
        greedy: bool = False,
    ) -> list[list[Explanation]]:
        """See `protocols.Student`. The randomness of a sample depends on `seed` and its id alone.

        Raises:
            DataError: A prompt leaves no room for an explanation (see `fits`).
        """
        prompts = self.prompt_ids(samples)
        for sample, prompt in zip(samples, prompts, strict=True):
            self._check_room(sample, prompt)
        items = [(sample, ()) for sample in samples]
        begun: list[tuple[list[int], list[int]]] = [(prompt, []) for prompt in prompts]
        made = self._written(items, begun, k=k, temperature=temperature, seed=seed, greedy=greedy)
        return [
            [self._explanation(sample, g) for g in found]
            for sample, found in zip(samples, made, strict=True)
        ]

    def explain_from(
        self,
        items: Sequence[Item],
        *,
        k: int = 1,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[list[Explanation]]:
        """See `protocols.Student`. What follows is at most as long as an explanation."""
        begun = self._begun(items, before="")
        fits = [len(p) + len(b) + self.max_new_tokens <= self.context for p, b in begun]
        kept = [i for i, fit in enumerate(fits) if fit]
        made = self._written(
            [items[i] for i in kept],
            [begun[i] for i in kept],
            k=k,
            temperature=temperature,
            seed=seed,
        )
        found: list[list[Explanation]] = [[] for _ in items]
        for i, written in zip(kept, made, strict=True):
            sample, steps = items[i]
            found[i] = [after(steps, self._explanation(sample, g)) for g in written]
        return found

    def forced_answers(self, items: Sequence[Item]) -> list[str | None]:
        """See `protocols.Student`."""
        begun = self._begun(items, before=ANSWER_MARK.rstrip())
        longest = FORCED_ANSWER_TOKENS
        kept = [i for i, (p, b) in enumerate(begun) if len(p) + len(b) + longest <= self.context]
        made = self._written(
            [items[i] for i in kept], [begun[i] for i in kept], max_new_tokens=longest
        )
        found: list[str | None] = [None] * len(items)
        for i, [written] in zip(kept, made, strict=True):
            text, _ = self._texts.spans(written.ids)
            line = next(iter(text.splitlines()), "")
            found[i] = self.task.parse(items[i][0], f"{ANSWER_MARK}{line}").answer
        return found

    def _begun(self, items: Sequence[Item], *, before: str) -> list[tuple[list[int], list[int]]]:
        """Ids of the prompts, and of steps with `before` in the last line, as training has them."""
        prompts = self.prompt_ids([sample for sample, _ in items])
        texts = []
        for sample, steps in items:
            target = self.task.target(sample, Explanation.of(steps, "0"))
            texts.append(target[: target.rindex(ANSWER_MARK)] + before)
        return [
            (prompt, ids[:-1])  # without the end
            for prompt, ids in zip(prompts, target_ids(self.tokenizer, texts), strict=True)
        ]

    def _written(
        self,
        items: Sequence[Item],
        begun: Sequence[tuple[list[int], list[int]]],
        *,
        k: int = 1,
        temperature: float = 0.0,
        seed: int = 0,
        greedy: bool = False,
        max_new_tokens: int | None = None,
    ) -> list[list[Generated]]:
        """What the student writes after each beginning, the greedy one first if it is asked for."""
        new, each = max_new_tokens or self.max_new_tokens, k + greedy
        length = [len(prompt) + len(beginning) + new for prompt, beginning in begun]
        # By id among equals, so that the order of `items` does not even change rounding.
        order = sorted(range(len(items)), key=lambda i: (-length[i], items[i][0].id, items[i][1]))
        found: dict[int, list[Generated]] = {}
        with self.phase() as model:
            for batch in bucketed(order, [n * each for n in length], self.tokens_per_batch):
                uniforms = None
                if temperature > 0:
                    draws = [
                        generator(seed, "explain", items[i][0].id, *items[i][1]) for i in batch
                    ]
                    drawn = [draw.random((k, new), np.float32) for draw in draws]
                    uniforms = torch.from_numpy(np.concatenate(drawn))
                start = time.perf_counter()
                made = write(
                    model,
                    [begun[i][0] for i in batch],
                    [begun[i][1] for i in batch],
                    eos_id=self.tokenizer.eos_token_id,
                    pad_id=self.tokenizer.pad_token_id,
                    max_new_tokens=new,
                    k=k,
                    temperature=temperature,
                    greedy=greedy,
                    uniforms=uniforms,
                    poll=self.interrupted,
                )
                self._count("generate", sum(len(g.ids) + g.finished for g in made), start)
                self.speeds["prefill"].tokens += sum(len(begun[i][0]) for i in batch)
                for n, i in enumerate(batch):
                    found[i] = made[n * each : (n + 1) * each]
                self.on_progress(len(found), len(items))
        return [found[i] for i in range(len(items))]

    # -- forced answers ----------------------------------------------------------------------

    def answer_distributions(self, items: Sequence[Item]) -> list[dict[str, float]]:
        """See `protocols.Student`. The prompt of a sample is read once for all its items.

        Raises:
            ConfigError: A sample's answers are not a closed set.
        """
        with self.phase() as model:
            return self._distributions(model, items)

    def dropout_distributions(
        self, items: Sequence[Item], *, passes: int, seed: int
    ) -> list[list[dict[str, float]]]:
        """See `protocols.Student`. A list for each pass."""
        found = []
        with self.phase() as model:
            devices = [model.device] if model.device.type == "cuda" else []
            with torch.random.fork_rng(devices=devices):
                model.train()
                try:
                    for number in range(passes):
                        torch.manual_seed(derive_seed(seed, "dropout", number))
                        found.append(self._distributions(model, items))
                finally:
                    model.eval()
        if passes > 1 and any(found[0]) and all(each == found[0] for each in found):
            raise ConfigError(
                f"{passes} passes with dropout give the same: the student has none. Choose one "
                "whose config.json has a dropout_rate above 0, or another selector"
            )
        return found

    def _distributions(self, model: Any, items: Sequence[Item]) -> list[dict[str, float]]:
        labels = [self._labels(sample) for sample, _ in items]
        prompts, asked, where = self._asked(items, labels)
        width = [
            len(prompt) + max((len(c.context) + len(c.tokens) for c in each), default=0)
            for prompt, each in zip(prompts, asked, strict=True)
        ]
        passes = [len({(*c.context, *c.tokens[:-1]) for c in each}) for each in asked]
        size = [rows * n for rows, n in zip(passes, width, strict=True)]
        order = sorted((i for i, each in enumerate(asked) if each), key=lambda i: (-width[i], i))
        scores: dict[int, list[float]] = {}
        for batch in bucketed(order, size, self.tokens_per_batch):
            start = time.perf_counter()
            made = score(
                model,
                [(prompts[i], asked[i]) for i in batch],
                pad_id=self.tokenizer.pad_token_id,
                poll=self.interrupted,
            )
            self._count("forced", sum(size[i] for i in batch), start)
            scores.update(zip(batch, made, strict=True))
            self.on_progress(len(scores), len(order))
        found: list[dict[str, float]] = []
        for names, (number, places) in zip(labels, where, strict=True):
            values = torch.tensor([scores[number][p] for p in places], dtype=torch.float64)
            found.append(dict(zip(names, values.softmax(dim=0).tolist(), strict=False)))
        return found

    def _asked(
        self, items: Sequence[Item], labels: Sequence[tuple[str, ...]]
    ) -> tuple[list[list[int]], list[list[Continuation]], list[tuple[int, list[int]]]]:
        """Prompt and continuations of every sample, and for each item its sample and the places of
        its own continuations: none if the item exceeds the context.
        """
        samples = {sample.id: sample for sample, _ in items}
        numbers = {id_: n for n, id_ in enumerate(samples)}
        prompts = self.prompt_ids(list(samples.values()))
        asked: list[list[Continuation]] = [[] for _ in samples]
        where = []
        for (sample, steps), names in zip(items, labels, strict=True):
            number = numbers[sample.id]
            targets = [self.task.target(sample, Explanation.of(steps, label)) for label in names]
            own = continuations(target_ids(self.tokenizer, targets))
            longest = max(len(c.context) + len(c.tokens) for c in own)
            if len(prompts[number]) + longest > self.context:
                own = []
            first = len(asked[number])
            asked[number] += own
            where.append((number, list(range(first, first + len(own)))))
        return prompts, asked, where

    # -- hidden states -----------------------------------------------------------------------

    def embed(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """See `protocols.Student`: states of the encoder, of the first `max_length` tokens."""
        rendered = [self._render(text) for text in texts]
        ids = [row[: self.max_length] for row in prompt_ids(self.tokenizer, rendered)]
        order = sorted(range(len(ids)), key=lambda i: (-len(ids[i]), texts[i]))
        found: dict[int, Any] = {}
        with self.phase() as model:
            for batch in bucketed(order, list(map(len, ids)), self.tokens_per_batch):
                self.interrupted()
                hidden, mask = read(
                    model, [ids[i] for i in batch], pad_id=self.tokenizer.pad_token_id
                )
                total = (hidden.float() * mask[:, :, None]).sum(dim=1)
                vectors = torch.nn.functional.normalize(total, dim=-1).cpu().numpy()
                found.update(zip(batch, vectors, strict=True))
                self.on_progress(len(found), len(ids))
        width = self.model.config.hidden_size
        return np.array([found[i] for i in range(len(ids))], np.float32).reshape(-1, width)


def after(steps: Sequence[str], rest: Explanation) -> Explanation:
    """`rest` with the given steps before its own, which are numbered anew."""
    given = Explanation.of(steps, None).steps
    own = (replace(step, index=step.index + len(given)) for step in rest.steps)
    return replace(rest, steps=(*given, *own))
