"""EvoKD without a generator: real texts that are held back are served in place of written ones.

What is served are texts of the pool with their gold answers, so this is oracle acquisition of real
texts and no knowledge distillation: it tells whether aiming at weaknesses helps, apart from how
well a model writes. Beside it belongs random acquisition from the same pool, `teacher=gold
selector=random`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from elad_exp.errors import ConfigError, NothingLeft
from elad_exp.protocols import SpanTask, Task
from elad_exp.rng import generator
from elad_exp.selectors.query import draw_uniform
from elad_exp.tasks.weaknesses import (
    Evidence,
    analyse,
    compared_entities,
    compared_labels,
    replied,
)
from elad_exp.teachers.annotator import Ask, Lesson
from elad_exp.teachers.lessons.evokd import EvoKDTeacher
from elad_exp.teachers.lessons.held import Ranked, Text, aims, chosen, ranked
from elad_exp.teachers.lessons.speaker import Program
from elad_exp.teachers.lessons.steps import Analysis, spoken
from elad_exp.teachers.tokens import count_tokens
from elad_exp.types import GIVEN, GoldBook, Query, QueryItem, Sample, sample_id

log = logging.getLogger(__name__)

MOST_NAMED = 12
"""So many confusions are named at most: with all evidence they fit into a reply."""


class CorpusSpeaker(Program):
    """Replies with what is planned to be served, and with its gold answers.

    Args:
        task: Tells what kind of answers are compared.
        seed: See `Program`.
    """

    model = "human"

    def __init__(self, task: Task, *, seed: int) -> None:
        super().__init__(seed=seed)
        self.compared = compared_entities if isinstance(task, SpanTask) else compared_labels
        self.texts: Mapping[str, Text] = {}

    def reply(self, step: str, plan: Mapping[str, Any]) -> dict[str, Any]:
        if step == "analyse":
            return self._analysis([QueryItem.from_dict(item) for item in plan["items"]])
        if step == "label":
            return self._answers(plan["texts"])
        served: dict[str, Any] = plan["served"]
        if step == "write":
            return served
        assert step == "write_labelled", step
        return served | self._answers([*served["easy"], *served["hard"]])

    def _analysis(self, items: Sequence[QueryItem]) -> dict[str, Any]:
        """What was taken for what, see `weaknesses`; why, a program cannot say of a real text."""
        evidence: list[Evidence] = []
        for number, item in enumerate(items, 1):
            said = item.attempt.answer if item.attempt else None
            assert item.known is not None
            evidence.append((str(number), item.sample.question, item.known, said))
        found = analyse(evidence, phenomena=lambda _: frozenset(), compared=self.compared)
        return replied(replace(found, confusions=found.confusions[:MOST_NAMED]))

    def _answers(self, texts: Sequence[str]) -> dict[str, Any]:
        return {"answers": [self.texts[sample_id(text)].line for text in texts]}


class CorpusTeacher(EvoKDTeacher):
    """Serves texts of the pool, of the classes and difficulty asked for; see `held.chosen`.

    A text stays the dataset's sample, so that the pool loses it; none is served twice. Near
    duplicates are not sifted out, as they are not where texts are acquired at random. Predictions
    on texts that are not annotated (`selection.among=pool`) are studied by their gold answers.

    Implements `annotator.PoolAnnotator`.

    Args:
        task: See `LessonTeacher`.
        gold: The answers.
        seed: Of the run.
        aimed_fraction: Share of texts that are of the classes that weaknesses ask for, 0 to 1. The
            others come as the corpus has them: were all aimed, a class that is absent from one
            batch of predictions would be absent from all that follow.
        corpus_size: Texts of the pool among which it chooses, drawn uniformly; None for all.
        given: See `EvoKDTeacher`.

    Raises:
        ConfigError: A value is out of range.
    """

    among: tuple[str, ...] = ("pool", "annotated", "new")

    def __init__(
        self,
        task: Task,
        gold: GoldBook,
        *,
        seed: int = 0,
        aimed_fraction: float = 0.5,
        corpus_size: int | None = 20_000,
        **given: Any,
    ) -> None:
        if not 0 <= aimed_fraction <= 1:
            raise ConfigError(f"teacher.aimed_fraction={aimed_fraction}: must be 0 to 1")
        if corpus_size is not None and corpus_size < 1:
            raise ConfigError(f"teacher.corpus_size={corpus_size}: must be null or at least 1")
        self.aimed_fraction, self.corpus_size = aimed_fraction, corpus_size
        self.corpus = CorpusSpeaker(task, seed=seed)
        super().__init__(
            task, gold, self.corpus, seed=seed, name="corpus", near_duplicates=False, **given
        )
        self._groups: Ranked = {}

    def problems(self, task: Task) -> list[str]:
        found = super().problems(task)
        if self.init is not None:
            found.append(f"teacher.init={self.init}: a corpus has no paraphrases; set it to null")
        return found

    @property
    def settings(self) -> dict[str, Any]:
        own = {"aimed_fraction": self.aimed_fraction, "corpus_size": self.corpus_size}
        return super().settings | own

    def serve(self, pool: Sequence[Sample]) -> list[str]:
        """See `PoolAnnotator`."""
        n = len(pool) if self.corpus_size is None else min(self.corpus_size, len(pool))
        drawn = draw_uniform(pool, n, seed=self.seed, purpose=("corpus",))
        texts = [text for sample in drawn if (text := self._text(sample))]
        self.corpus.texts = {sample_id(text.sample.question): text for text in texts}
        sizes = (
            f"a text longer than teacher.text_tokens={self.text_tokens}, or an answer longer than "
            f"teacher.answer_tokens={self.answer_tokens}"
        )
        if not texts:
            raise ConfigError(
                f"teacher=corpus: none of {n:,} texts of the pool can be served, since each has "
                f"{sizes}; raise these"
            )
        if len(texts) == len(drawn):
            return []
        return [
            f"teacher=corpus: {len(drawn) - len(texts):,} of {len(drawn):,} texts of the pool are "
            f"not served: {sizes}"
        ]

    def _text(self, sample: Sample) -> Text | None:
        """None if it would not fit into the replies that have it."""
        answer = self.gold[sample.id].answer
        line = spoken(self.task, sample, answer)
        if self._read(sample, line) != answer:
            line = answer  # a quotation does not say which of two occurrences it means
        question = " ".join(sample.question.split())
        fits = (
            not self.unusable(question)
            and _tokens(question) <= self.text_tokens
            and _tokens(line) <= self.answer_tokens
            and self._read(sample, line) == answer
        )
        return Text(sample, answer, line) if fits else None

    def _read(self, sample: Sample, line: str) -> str | None:
        return self.task.parse(sample, f"Answer: {line}").answer

    async def lessons(self, query: Query, ask: Ask) -> Sequence[Lesson]:
        """See `EvoKDTeacher`; the texts of a round are chosen together.

        Raises:
            NothingLeft: There is no text left.
        """
        labelled = self.labelled()
        served = {annotation.sample.id for annotation in labelled}
        texts = list(self.corpus.texts.values())
        if all(text.sample.id in served for text in texts):
            raise NothingLeft(f"teacher=corpus has served all of its {len(texts):,} texts")
        if not self._groups:
            given = [
                (a.sample, a.explanation.answer)
                for a in labelled
                if a.teacher == GIVEN and a.explanation and a.explanation.answer is not None
            ]
            self._groups = ranked(self.task, texts, given, seed=self.seed)
        items = tuple(
            replace(item, known=item.known or self.gold[item.sample.id].answer)
            for item in query.items
        )
        planned = await super().lessons(replace(query, items=items), ask)
        named = planned[0].plan["analysis"]
        easy, hard = chosen(
            self._groups,
            served,
            easy=sum(lesson.plan["easy"] for lesson in planned),
            hard=sum(lesson.plan["hard"] for lesson in planned),
            asked=aims(Analysis.model_validate(named) if named else None, self._groups.keys()),
            aimed=self.aimed_fraction,
            rng=generator(self.seed, "corpus", query.round),
        )
        if len(easy) + len(hard) < self.texts:
            log.warning("teacher=corpus: only %d texts are left", len(easy) + len(hard))
        return filled(planned, easy, hard)

    def sample(self, text: str, *, parents: Sequence[str], origin: str) -> Sample:
        """The dataset's; of a text that it does not have (those of a plan) one like it."""
        own = self.corpus.texts.get(sample_id(text))
        return own.sample if own else super().sample(text, parents=parents, origin=origin)


def filled(planned: Sequence[Lesson], easy: Sequence[Text], hard: Sequence[Text]) -> list[Lesson]:
    """The lessons with the texts that they serve, in order; none without a text."""
    left = {"easy": iter(easy), "hard": iter(hard)}
    found = []
    for lesson in planned:
        own = {
            kind: [text.sample.question for text in islice(texts, lesson.plan[kind])]
            for kind, texts in left.items()
        }
        sizes = {kind: len(texts) for kind, texts in own.items()}
        if size := sum(sizes.values()):
            found.append(Lesson(lesson.name, size, lesson.plan | sizes | {"served": own}))
    return found


def _tokens(text: str) -> int:
    """Of a text in a reply, with its quotation marks and comma."""
    return count_tokens(f"{json.dumps(text, ensure_ascii=False)},")
