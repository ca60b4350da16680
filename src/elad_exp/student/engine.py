"""What any student is asked at inference: to explain, and to answer when forced. In batches."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch

from elad_exp.errors import ConfigError
from elad_exp.protocols import Forced, Task
from elad_exp.rng import derive_seed
from elad_exp.student.base import Item, LanguageBase, Opening
from elad_exp.student.batches import Batches
from elad_exp.student.forced import FORCED_ANSWER_TOKENS, Asking
from elad_exp.student.generated import Generated
from elad_exp.student.kept import Kept, Shelf
from elad_exp.student.layout import distributions, lay_out, parts
from elad_exp.types import Explanation, Sample

DROPOUT_TOKENS = 4096
"""Of a batch under dropout: few, so that no machine has too little memory for them, because what
is dropped depends on the batch."""

NO_DROPOUT = (
    "two passes of the student under dropout do not differ: it has none. Set "
    "student.attention_dropout=0.1 (of tiny: student.dropout; of T5: dropout_rate in its "
    "config.json), or choose a selector without bald"
)
Then = Callable[[Mapping[int, list[Explanation]], list[Kept]], None]
"""Is given a batch's explanations, by number of the sample, and what the model knows of each."""


class Engine(LanguageBase, ABC):
    """Implements `protocols.Student`; what depends on the architecture is abstract here.

    See `LanguageBase`, and `DecoderEngine` and `Seq2SeqEngine` for the architectures.

    Raises:
        ConfigError: Also where lengths do not fit the model's context.
    """

    def __init__(self, model: Any, tokenizer: Any, task: Task, **settings: Any) -> None:
        super().__init__(model, tokenizer, task, **settings)
        self.context = self._context()
        if self.max_length + FORCED_ANSWER_TOKENS > self.context:
            raise ConfigError(
                f"student.max_length={self.max_length} leaves no room for a forced answer in the "
                f"model's context of {self.context} tokens; set student.max_length to "
                f"{self.context - FORCED_ANSWER_TOKENS} or less"
            )

    # -- what an architecture decides --------------------------------------------------------

    @abstractmethod
    def _context(self) -> int:
        """Most tokens that prompt, steps and answer may have together."""

    @abstractmethod
    def _held(self, opening: Opening, new_tokens: int, k: int) -> int:
        """Tokens that a batch holds for an opening and what follows it `k` times."""

    @abstractmethod
    def _write(self, model: Any, openings: Sequence[Opening], **options: Any) -> list[Generated]:
        """Go on after each opening; see `generate.generate` for the options. Only where `_explain`
        is given `then` is there a shelf.
        """

    @abstractmethod
    def _asking(self, prompt: Sequence[int], kept: Kept | None) -> Asking:
        """Empty, for the continuations after a prompt, of which it is a part."""

    @abstractmethod
    def _score(self, model: Any, asked: Sequence[Any]) -> list[list[float]]:
        """Log-probabilities of the continuations in each of what `_asking` made."""

    @abstractmethod
    def explain_forced(self, *args: Any, **drawn: Any) -> list[Forced]:
        """See `protocols.Student`."""

    @abstractmethod
    def embed(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """(texts, width): one vector of length 1 for each text."""

    def shortened(self, max_new_tokens: int) -> Self:
        """The same student with explanations of at most so many tokens."""
        return type(self)(
            self.model,
            self.tokenizer,
            self.task,
            max_new_tokens=min(max_new_tokens, self.max_new_tokens),
            max_length=self.max_length,
            tokens_per_batch=self.batches.tokens,
            inference_dtype=self.inference_dtype,
            chat_template=self.chat_template,
        )

    # -- explanations ------------------------------------------------------------------------

    def explain(
        self,
        samples: Sequence[Sample],
        *,
        k: int = 1,
        temperature: float = 0.0,
        seed: int = 0,
        greedy: bool = False,
    ) -> list[list[Explanation]]:
        """`k` explanations per sample, greedy at temperature 0, in the order of `samples`; with
        `greedy` the greedy one before them.

        The randomness of a sample depends on `seed` and its id alone, not on other samples.

        Raises:
            DataError: A prompt leaves no room for an explanation (see `fits`).
        """
        return self._explain(samples, k, temperature, seed, greedy=greedy)

    def _explain(
        self,
        samples: Sequence[Sample],
        k: int,
        temperature: float,
        seed: int,
        *,
        greedy: bool,
        then: Then | None = None,
    ) -> list[list[Explanation]]:
        """`then` is called after every batch."""
        openings = [Opening(ids) for ids in self.prompt_ids(samples)]
        for sample, opening in zip(samples, openings, strict=True):
            self._check_room(sample, opening.prompt)
        total = k + greedy
        found: dict[int, list[Explanation]] = {}

        def work(batch: list[int]) -> None:
            uniforms = None
            if temperature > 0:
                uniforms = self._uniforms(
                    [(samples[i], ()) for i in batch], total, greedy=greedy, seed=seed
                )
            own = [openings[i] for i in batch]
            shelf = Shelf([opening.prompt for opening in own], total) if then else None
            made = self._generate(own, total, temperature, uniforms, greedy=greedy, shelf=shelf)
            here = {}
            for n, i in enumerate(batch):
                mine = made[n * total : (n + 1) * total]
                here[i] = [self._explanation(samples[i], g) for g in mine]
            if then and shelf:
                then(here, shelf.kept(made))
            found.update(here)
            self.on_progress(len(found), len(samples))

        # By id among equals, so that the order of `samples` does not even change rounding.
        order = sorted(range(len(samples)), key=lambda i: (-len(openings[i]), samples[i].id))
        with self.phase():
            size = [self._held(own, self.max_new_tokens, total) for own in openings]
            self.batches.run(order, size, work)
        return [found[i] for i in range(len(samples))]

    def explain_from(
        self, items: Sequence[Item], *, k: int = 1, temperature: float = 0.0, seed: int = 0
    ) -> list[list[Explanation]]:
        """As `explain`, but the student goes on after the given steps. They come first in every
        explanation, without log-probability and entropy. `[]` where they exceed the context.

        The randomness of an item depends on `seed`, its sample's id and its steps alone.
        """
        begun = [self._begun(sample, steps, answer=False) for sample, steps in items]
        found: dict[int, list[Explanation]] = {}

        def work(batch: list[int]) -> None:
            uniforms = None
            if temperature > 0:
                uniforms = self._uniforms([items[i] for i in batch], k, greedy=False, seed=seed)
            made = self._generate([openings[i] for i in batch], k, temperature, uniforms)
            for n, i in enumerate(batch):
                mine = made[n * k : (n + 1) * k]
                found[i] = [self._explanation(items[i][0], g, begun=begun[i].text) for g in mine]
            self.on_progress(len(found), len(items))

        openings = self._openings(items, [b.ids for b in begun])
        self._run_items(items, openings, self.max_new_tokens, k, work)
        return [found.get(i, []) for i in range(len(items))]

    def forced_answers(self, items: Sequence[Item]) -> list[str | None]:
        """The answer that the student writes (greedy) when made to answer after the given steps.
        None where it cannot be read, or exceeds the context.
        """
        begun = [self._begun(sample, steps, answer=True) for sample, steps in items]
        found: dict[int, str | None] = {}

        def work(batch: list[int]) -> None:
            made = self._generate(
                [openings[i] for i in batch], 1, 0.0, None, max_new_tokens=FORCED_ANSWER_TOKENS
            )
            for i, generated in zip(batch, made, strict=True):
                text = begun[i].text + self._texts.spans(generated.ids)[0]
                found[i] = self.task.parse(items[i][0], text).answer
            self.on_progress(len(found), len(items))

        openings = self._openings(items, [b.ids for b in begun])
        self._run_items(items, openings, FORCED_ANSWER_TOKENS, 1, work)
        return [found.get(i) for i in range(len(items))]

    def _openings(self, items: Sequence[Item], begun: Sequence[list[int]]) -> list[Opening]:
        prompts = self._prompts(items)
        return [Opening(prompts[s.id], own) for (s, _), own in zip(items, begun, strict=True)]

    def _run_items(
        self,
        items: Sequence[Item],
        openings: Sequence[Opening],
        new_tokens: int,
        k: int,
        work: Callable[[list[int]], None],
    ) -> None:
        """`work` on all items that fit the context, in batches."""
        fitting = [i for i, own in enumerate(openings) if len(own) + new_tokens <= self.context]
        order = sorted(fitting, key=lambda i: (-len(openings[i]), items[i][0].id, i))
        with self.phase():
            size = [self._held(own, new_tokens, k) for own in openings]
            self.batches.run(order, size, work)

    def _prompts(self, items: Sequence[Item]) -> dict[str, list[int]]:
        samples = {sample.id: sample for sample, _ in items}
        return dict(zip(samples, self.prompt_ids(list(samples.values())), strict=True))

    def _generate(
        self,
        openings: Sequence[Opening],
        k: int,
        temperature: float,
        uniforms: torch.Tensor | None,
        *,
        greedy: bool = False,
        max_new_tokens: int | None = None,
        shelf: Shelf | None = None,
    ) -> list[Generated]:
        start = time.perf_counter()
        with self.phase() as model:
            made = self._write(
                model,
                openings,
                eos_id=self.tokenizer.eos_token_id,
                pad_id=self.tokenizer.pad_token_id,
                max_new_tokens=max_new_tokens or self.max_new_tokens,
                k=k,
                temperature=temperature,
                uniforms=uniforms,
                greedy=greedy,
                shelf=shelf,
                poll=self.interrupted,
            )
        self._count("generate", sum(len(g.ids) + g.finished for g in made), start)
        return made

    # -- forced answers ----------------------------------------------------------------------

    def answer_distributions(self, items: Sequence[Item]) -> list[dict[str, float]]:
        """Probabilities over a sample's labels when the answer is forced after the given steps.

        The items of a sample share one forward pass, wherever they stand in `items`. An item whose
        prompt, steps and answer exceed the model's context has no distribution: it is `{}`. That
        depends on what the student happened to write, so it is no error.

        Raises:
            ConfigError: A sample's answers are not a closed set.
        """
        return self._answers(items)

    def _answers(
        self, items: Sequence[Item], kept: Mapping[str, Kept] | None = None
    ) -> list[dict[str, float]]:
        """`kept`: by id of a sample, what the model knows of it already."""
        labels = [self._labels(sample) for sample, _ in items]
        found: list[dict[str, float]] = [{} for _ in items]
        with self.phase():
            for part in parts(items):
                names = [labels[i] for i in part]
                trees, where = self._laid_out([items[i] for i in part], names, kept or {})
                made = distributions(names, self._scores(trees, tell=not kept), where)
                for i, distribution in zip(part, made, strict=True):
                    found[i] = distribution
        return found

    def dropout_distributions(
        self, items: Sequence[Item], *, passes: int, seed: int
    ) -> list[list[dict[str, float]]]:
        """`answer_distributions` once for each of `passes`, with dropout as in training.

        Which numbers are dropped depends on `seed`, the pass, and the set of items; the batches
        are always of the same size, unless memory runs out.

        Raises:
            ConfigError: A sample's answers are not a closed set; or the student has no dropout,
                so that two passes do not differ.
        """
        labels = [self._labels(sample) for sample, _ in items]
        found: list[list[dict[str, float]]] = [[{} for _ in items] for _ in range(passes)]
        with self.phase() as model, torch.random.fork_rng():
            try:
                model.train()
                for part in parts(items):
                    names = [labels[i] for i in part]
                    trees, where = self._laid_out([items[i] for i in part], names, {})
                    first: dict[int, list[float]] = {}
                    for n, one in enumerate(found):
                        own = derive_seed(seed, n, items[part[0]][0].id)
                        scores = self._scores(trees, Batches(DROPOUT_TOKENS), own)
                        if n == 1 and scores and scores == first:
                            raise ConfigError(NO_DROPOUT)
                        first = first or scores
                        made = distributions(names, scores, where)
                        for i, distribution in zip(part, made, strict=True):
                            one[i] = distribution
            finally:
                model.eval()
        return found

    def _scores(
        self,
        trees: Sequence[Asking],
        batches: Batches | None = None,
        seed: int | None = None,
        *,
        tell: bool = True,
    ) -> dict[int, list[float]]:
        """By number of the tree, the log-probabilities of its continuations.

        With `seed` torch is seeded anew for every batch, by its first tree.
        """
        size = [len(tree) for tree in trees]
        order = sorted((i for i in range(len(trees)) if size[i]), key=lambda i: (-size[i], i))
        scores: dict[int, list[float]] = {}

        def work(batch: list[int]) -> None:
            start = time.perf_counter()
            if seed is not None:
                torch.manual_seed(derive_seed(seed, batch[0]))
            made = self._score(model, [trees[i] for i in batch])
            self._count("forced", sum(size[i] for i in batch), start)
            scores.update(zip(batch, made, strict=True))
            if tell:
                self.on_progress(len(scores), len(order))

        with self.phase() as model:
            (batches or self.forced_batches).run(order, size, work)
        return scores

    def _laid_out(
        self, items: Sequence[Item], labels: Sequence[tuple[str, ...]], kept: Mapping[str, Kept]
    ) -> tuple[list[Asking], list[tuple[int, list[int]]]]:
        prompts = dict(sorted(self._prompts(items).items()))
        asked = [self._asking(prompt, kept.get(id_)) for id_, prompt in prompts.items()]
        where = lay_out(
            items,
            labels,
            prompts,
            asked,
            task=self.task,
            tokenizer=self.tokenizer,
            most=self.context,
        )
        return asked, where
