"""EvoKD: a teacher that studies predictions of a student, then writes and labels new texts.

After Liu et al. 2024 ("Evolving Knowledge Distillation with Large Language Models and Active
Learning", arXiv 2403.06414); prompts, filters and shares are ours.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from elad_exp.protocols import Task
from elad_exp.teachers.annotator import Ask, Lesson
from elad_exp.teachers.lessons.asker import NO_ANSWER
from elad_exp.teachers.lessons.auggpt import not_of_spans, rephrased
from elad_exp.teachers.lessons.base import LessonTeacher
from elad_exp.teachers.lessons.sources import first_examples, of_each
from elad_exp.teachers.lessons.speaker import Speaker
from elad_exp.teachers.lessons.steps import (
    Analysis,
    Labelled,
    Miscounted,
    Texts,
    evidence_text,
    form_of,
    not_invented,
    numbered,
    prompt_of,
    shown_by,
    weaknesses_text,
)
from elad_exp.teachers.replies import Unusable
from elad_exp.types import Annotation, GoldBook, Query, QueryItem, Usage

log = logging.getLogger(__name__)

EXAMPLES = 4
"""So many of the studied texts show the writer what such texts look like."""


class EvoKDTeacher(LessonTeacher):
    """Of the query it studies the predictions, writes `texts` new texts in lessons, labels them.

    Args:
        task: See `LessonTeacher`.
        gold: See there.
        speaker: See there.
        easy_fraction: Share of easy texts, 0 to 1.
        analyse: Name weaknesses first. Without, lessons are as good as the examples shown: a
            static distillation.
        show_right: Study right predictions as well as wrong ones.
        one_call: Write and label in one call.
        votes: How often each text is labelled; it is dropped if the labels differ. Not above 1
            with `one_call`, nor with a speaker whose temperature is 0.
        init: `auggpt`: the first `init_rounds` rounds of lessons are paraphrases of the examples
            that the run began with.
        init_rounds: See `init`.
        name: Of the teacher, in results.
        given: See `LessonTeacher`.

    Raises:
        ConfigError: A value is out of range, or the task describes no classes.
    """

    name = "evokd"
    among: tuple[str, ...] = ("new", "annotated")

    def __init__(
        self,
        task: Task,
        gold: GoldBook,
        speaker: Speaker,
        *,
        easy_fraction: float = 0.5,
        analyse: bool = True,
        show_right: bool = True,
        one_call: bool = False,
        votes: int = 1,
        init: str | None = None,
        init_rounds: int = 1,
        name: str = "evokd",
        **given: Any,
    ) -> None:
        self.name = name  # type: ignore[misc]
        self.easy_fraction, self.analyse, self.show_right = easy_fraction, analyse, show_right
        self.one_call, self.votes = one_call, votes
        self.init, self.init_rounds = init, init_rounds
        self.studies_attempts = analyse
        self.temperature = speaker.info.get("temperature")
        super().__init__(task, gold, speaker, **given)

    def problems(self, task: Task) -> list[str]:
        least = {"votes": self.votes, "init_rounds": self.init_rounds}
        found = [f"teacher.{k}={v}: must be at least 1" for k, v in least.items() if v < 1]
        if not 0 <= self.easy_fraction <= 1:
            found.append(f"teacher.easy_fraction={self.easy_fraction}: must be 0 to 1")
        if self.votes > 1 and self.one_call:
            found.append(
                f"teacher.votes={self.votes}: with teacher.one_call=true texts come with their "
                "answers and are not labelled again; set one of them to its default"
            )
        elif self.votes > 1 and self.temperature == 0:
            found.append(
                f"teacher.votes={self.votes}: at teacher.temperature=0 a second look repeats the "
                "first; set teacher.votes=1, or a temperature above 0 (null: the provider's own)"
            )
        if self.init not in (None, "auggpt"):
            found.append(f"teacher.init={self.init}: choose auggpt or null")
        elif self.init:
            found += not_of_spans(f"teacher.init={self.init}", task)
        return found

    @property
    def settings(self) -> dict[str, Any]:
        names = (
            *("easy_fraction", "analyse", "show_right", "one_call", "votes"),
            *("init", "init_rounds"),
        )
        return super().settings | {name: getattr(self, name) for name in names}

    async def lessons(self, query: Query, ask: Ask) -> Sequence[Lesson]:
        """The lessons of a round, each with the weaknesses that it is aimed at.

        `notes`: how many predictions were `studied`, and `wrong` of them; the `analysis`, or why
        there is none under `no_analysis`.
        """
        if self.init and query.round <= self.init_rounds:
            self.notes = {"no_analysis": f"paraphrases of the first examples (init={self.init})"}
            examples = first_examples(self.labelled(), query, seed=self.seed)
            return of_each(examples, texts=self.texts, name="paraphrases")
        found = await self._analysed(query, ask)
        analysis = found if isinstance(found, Analysis) else None
        self.notes |= {"analysis": analysis.model_dump()} if analysis else {"no_analysis": found}
        shown = _shown(query)
        lessons: list[Lesson] = []
        left, easy_left = self.texts, round(self.texts * self.easy_fraction)
        for number, size in enumerate(self.sizes(self.texts)):
            easy = round(easy_left * size / left)
            plan = {
                "round": query.round,
                "number": number,
                "easy": easy,
                "hard": size - easy,
                "examples": shown,
                "parents": [item.sample.id for item in query.items],
                "analysis": analysis.model_dump() if analysis else None,
            }
            lessons.append(Lesson(f"lesson-{query.round}-{number}", size, plan))
            left, easy_left = left - size, easy_left - easy
        return lessons

    async def _analysed(self, query: Query, ask: Ask) -> Analysis | str:
        """The weaknesses, or why none are named."""
        if not self.analyse:
            return "switched off (teacher.analyse=false)"
        items = [i for i in query.items if self.show_right or _wrong(i)]
        self.notes = {"studied": len(items), "wrong": sum(map(_wrong, items))}
        if not items:
            return "no wrong prediction to study (teacher.show_right=false)"
        plan = {"round": query.round, "items": [item.to_dict() for item in items]}
        values = self.about | {"evidence": evidence_text(self.task, items)}
        most = _analysed_tokens(len(items))
        # Nothing is paid for a study that no lesson can follow.
        ahead, size = self._lesson_bounds(query), next(iter(self.sizes(self.texts)))
        try:
            found = await self.say(
                "analyse", values, ask, plan, most_tokens=most, ahead=ahead, ahead_texts=size
            )
        except Unusable as error:
            log.warning("round %d: the analysis cannot be used (%s)", query.round, error)
            return f"the reply cannot be used: {error}"
        assert isinstance(found, Analysis)
        ids = [item.sample.id for item in items]
        for weakness in (*found.confused, *found.missing):
            weakness.evidence = list(shown_by(weakness, ids))
        found.confused, invented = not_invented(found.confused, self.descriptions)
        if invented:
            log.warning("round %d: the analysis names no classes: %s", query.round, invented)
            self.notes["invented"] = invented
        return found

    def reply_tokens(self, *, studied: int, given: int) -> dict[str, int]:
        """See `LessonTeacher.reply_tokens`."""
        size = next(iter(self.sizes(self.texts)))
        found = {"write_labelled" if self.one_call else "write": self._most(size)}
        if not self.one_call:
            found["label"] = self.answered_tokens(size)
        if self.analyse:
            found["analyse"] = _analysed_tokens(studied)
        if self.init:
            found["rephrase"] = self.written_tokens(ceil(self.texts / min(studied, given)))
        return found

    def _lesson_bounds(self, query: Query) -> list[Usage]:
        """The most that each call of the first lesson costs if no weakness is named: the least that
        must be left for it. It is no bound of the lesson: what will be named is not known, and the
        longest list would keep small budgets from being used.
        """
        size = next(iter(self.sizes(self.texts)))
        step, values = self._asked(_shown(query), None, easy=size, hard=size)
        prompt = prompt_of(step).render(**values)
        read = self.speaker.read_bound(step, prompt, texts=0, text_tokens=0)
        write = self.speaker.priced(Usage(read, self._most(size)))
        return [write, *self.label_bounds(size, votes=0 if self.one_call else self.votes)]

    def _asked(
        self, shown: Sequence[str], analysis: Analysis | None, *, easy: int, hard: int
    ) -> tuple[str, dict[str, str]]:
        """The step that writes, and the fields of its prompt."""
        values = self.about | {
            "weaknesses": weaknesses_text(analysis),
            "examples": numbered(shown),
            "easy": str(easy),
            "hard": str(hard),
        }
        if not self.one_call:
            return "write", values
        return "write_labelled", values | {"form": form_of(self.task)}

    def _most(self, size: int) -> int:
        """Tokens of what a lesson writes in one call, at most."""
        return self.written_tokens(size) + self.one_call * self.answered_tokens(size)

    async def written(self, lesson: Lesson, ask: Ask) -> list[Annotation]:
        """See `LessonTeacher.write`."""
        plan = lesson.plan
        if "source" in plan:
            return await rephrased(self, lesson, ask)
        analysis = Analysis.model_validate(plan["analysis"]) if plan["analysis"] else None
        easy, hard = plan["easy"], plan["hard"]
        step, values = self._asked(plan["examples"], analysis, easy=easy, hard=hard)
        most, looks = self._most(lesson.size), 0 if self.one_call else self.votes
        ahead = self.label_bounds(lesson.size, votes=looks)
        missing = ""
        try:
            found = await self.say(step, values, ask, plan, most_tokens=most, ahead=ahead)
        except Miscounted as error:
            found, missing = error.found, f"{NO_ANSWER}: {error}"
        assert isinstance(found, Texts)
        # No more of each kind than was asked for.
        places = [*range(len(found.easy))[:easy]]
        places += [len(found.easy) + n for n in range(len(found.hard))[:hard]]
        texts = [" ".join(found.all[place].split()) for place in places]
        if not isinstance(found, Labelled):
            said, reasons = await self._answers_to(texts, ask, plan)
        elif missing:
            said, reasons = [[]] * len(texts), [missing] * len(texts)
        else:
            said, reasons = [[found.answers[place]] for place in places], [""] * len(texts)
        aims = ["easy" if place < len(found.easy) else "hard" for place in places]
        return [
            self.annotation(text, own, parents=plan["parents"], aim=aim, reason=reason)
            for text, own, aim, reason in zip(texts, said, aims, reasons, strict=True)
        ]

    async def _answers_to(
        self, texts: Sequence[str], ask: Ask, plan: Mapping[str, Any]
    ) -> tuple[list[list[str]], list[str]]:
        """Answers to each text that can be used if it has one, and why each cannot be, or ""."""
        useless = self.useless(texts)
        asked = [n for n in range(len(texts)) if n not in useless]
        place = {"round": plan["round"], "number": plan["number"]}
        found, missing = await self.labels([texts[n] for n in asked], ask, place, votes=self.votes)
        answers = dict(zip(asked, found, strict=True))
        numbers = range(len(texts))
        return [answers.get(n, []) for n in numbers], [useless.get(n, missing) for n in numbers]


def _analysed_tokens(n: int) -> int:
    """Of the analysis of `n` predictions, at most."""
    return 384 + 32 * n


def _shown(query: Query) -> list[str]:
    return [item.sample.question for item in query.items[:EXAMPLES]]


def _wrong(item: QueryItem) -> bool:
    return item.attempt is None or item.attempt.answer != item.known
