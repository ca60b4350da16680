"""LLM-DA: texts are rewritten around their entities, or their entities replaced.

After Ye et al. 2024 ("LLM-DA: Data Augmentation via Large Language Models for Few-Shot Named Entity
Recognition", arXiv 2402.14568), of whose augmentations these are two, without noise; the prompts
are ours.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle
from math import ceil
from typing import Any

from elad_exp.entities import Span, from_answer, mentions, to_answer
from elad_exp.protocols import SpanTask, Task
from elad_exp.rng import generator
from elad_exp.teachers.annotator import Ask, Lesson
from elad_exp.teachers.lessons.asker import SPARE
from elad_exp.teachers.lessons.base import LessonTeacher
from elad_exp.teachers.lessons.edits import cut, joined
from elad_exp.teachers.lessons.names import NAME, found_again, usable_names
from elad_exp.teachers.lessons.sources import labelled, of_each
from elad_exp.teachers.lessons.speaker import Speaker
from elad_exp.teachers.lessons.steps import Names, spoken
from elad_exp.teachers.replies import Unusable
from elad_exp.types import Annotation, GoldBook, Query, QueryItem, Sample

log = logging.getLogger(__name__)


class LLMDATeacher(LessonTeacher):
    """Of texts of the dataset in the query it makes new ones with entities that are known.

    *Rewriting*: a language model writes other texts around the same entities. One in which an
    entity does not stand word for word is dropped. Wherever the words of an entity stand, there the
    entity is taken to be; one that the model adds is not seen.

    *Replacing*: a language model names new entities of each type, in one call a round, and a
    program puts them in the places of others of their type.

    Args:
        task: See `LessonTeacher`; one of entities.
        gold: See there.
        speaker: See there.
        rewrite_fraction: Share of the texts that are rewritten, 0 to 1; the others have their
            entities replaced.
        new_names: Entities of each type that are asked for in a round.
        near_duplicates: See `LessonTeacher`; with its entities replaced, a long text is one.
        given: See there.

    Raises:
        ConfigError: A value is out of range, or the task has no entities.
    """

    name = "llm_da"

    def __init__(
        self,
        task: Task,
        gold: GoldBook,
        speaker: Speaker,
        *,
        rewrite_fraction: float = 0.5,
        new_names: int = 10,
        near_duplicates: bool = False,
        **given: Any,
    ) -> None:
        self.rewrite_fraction, self.new_names = rewrite_fraction, new_names
        super().__init__(task, gold, speaker, near_duplicates=near_duplicates, **given)

    def problems(self, task: Task) -> list[str]:
        found = []
        if not isinstance(task, SpanTask):
            found.append(
                f"teacher={self.name}: task {task.name!r} has no entities; choose teacher=auggpt, "
                "or a dataset of entities, e.g. bulletin_entities"
            )
        if not 0 <= self.rewrite_fraction <= 1:
            found.append(f"teacher.rewrite_fraction={self.rewrite_fraction}: must be 0 to 1")
        if self.new_names < 1:
            found.append(f"teacher.new_names={self.new_names}: must be at least 1")
        return found

    @property
    def settings(self) -> dict[str, Any]:
        names = ("rewrite_fraction", "new_names")
        return super().settings | {name: getattr(self, name) for name in names}

    def reply_tokens(self, *, studied: int, given: int) -> dict[str, int]:
        """See `LessonTeacher.reply_tokens`."""
        rewritten = round(self.texts * self.rewrite_fraction)
        found = {}
        if rewritten:
            found["rewrite"] = self.written_tokens(ceil(rewritten / min(studied, given)))
        if rewritten < self.texts:
            found["name"] = self._named_tokens()
        return found

    def _named_tokens(self) -> int:
        """Of a reply with new entities of all types, at most."""
        return NAME * self.new_names * len(self.descriptions) + SPARE

    async def lessons(self, query: Query, ask: Ask) -> Sequence[Lesson]:
        """What is rewritten, then what is replaced; a lesson for each text that has entities."""
        sources = [item for item in labelled(query) if _spans(item)]
        if not sources:
            log.warning("round %d: no text that is labelled has an entity", query.round)
            return []
        rewritten = round(self.texts * self.rewrite_fraction)
        lessons = of_each(_of(query, sources), texts=rewritten, name="rewritten")
        if left := self.texts - rewritten:
            names = await self._named(query.round, sources, ask)
            fit = [item for item in sources if any(s.type in names for s in _spans(item))]
            for lesson in of_each(_of(query, fit), texts=left, name="replaced"):
                lessons.append(replace(lesson, plan=lesson.plan | {"names": names}))
        return lessons

    async def _named(
        self, round_: int, sources: Sequence[QueryItem], ask: Ask
    ) -> dict[str, list[str]]:
        """New entities by type; a type without any is left out."""
        known: dict[str, dict[str, None]] = {kind: {} for kind in self.descriptions}
        for item in sources:
            for name, kind in mentions(item.sample.question, _spans(item)):
                known[kind][" ".join(name.split())] = None
        lines = [f"- {kind}: {'; '.join(own) or 'none'}" for kind, own in known.items()]
        values = self.about | {"known": "\n".join(lines), "n": str(self.new_names)}
        most = self._named_tokens()
        try:
            found = await self.say("name", values, ask, {"round": round_}, most_tokens=most)
        except Unusable as error:
            log.warning("round %d: the new entities cannot be used (%s)", round_, error)
            return {}
        assert isinstance(found, Names)
        said = [(part.type, name) for part in found.entities for name in part.names]
        names = usable_names(said, known, most=self.new_names)
        if dropped := len(said) - sum(map(len, names.values())):
            log.info("round %d: %d of %d new entities are dropped", round_, dropped, len(said))
        return names

    async def written(self, lesson: Lesson, ask: Ask) -> list[Annotation]:
        """See `LessonTeacher.write`."""
        if "names" in lesson.plan:
            return self._replaced(lesson)
        return await self._rewritten(lesson, ask)

    async def _rewritten(self, lesson: Lesson, ask: Ask) -> list[Annotation]:
        plan, task = lesson.plan, self.task
        assert isinstance(task, SpanTask)
        source = Sample.from_dict(plan["source"])
        quoted = mentions(source.question, from_answer(plan["known"]))
        answer = spoken(task, source, plan["known"])
        values = self.about | {
            "text": source.question,
            "answer": answer,
            "n": str(lesson.size),
        }
        made = []
        for text in await self.texts_of("rewrite", values, lesson, ask):
            spans, missing = found_again(text, quoted, task.tokens(text))
            said = to_answer(spans) if spans else answer
            made.append(self.annotation(text, [said], parents=[source.id], reason=missing))
        return made

    def _replaced(self, lesson: Lesson) -> list[Annotation]:
        plan, task = lesson.plan, self.task
        assert isinstance(task, SpanTask)
        source = Sample.from_dict(plan["source"])
        spans = from_answer(plan["known"])
        pieces = cut(source.question, task.tokens(source.question), spans)
        rng = generator(self.seed, "llm_da", plan["round"], source.id)
        turns = {
            kind: cycle([names[i] for i in rng.permutation(len(names))])
            for kind, names in plan["names"].items()
        }
        made = []
        for _ in range(lesson.size):
            new = [replace(p, text=next(turns[p.type])) if p.type in turns else p for p in pieces]
            text, places = joined(new)
            made.append(self.annotation(text, [to_answer(places)], parents=[source.id]))
        return made


def _spans(item: QueryItem) -> tuple[Span, ...]:
    assert item.known is not None
    return from_answer(item.known)


def _of(query: Query, items: Sequence[QueryItem]) -> Query:
    return replace(query, items=tuple(items))
