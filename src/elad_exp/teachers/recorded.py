"""A teacher that repeats what a language model answered earlier, and calls nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from elad_exp.budget.budget import Limits
from elad_exp.errors import ConfigError, DataError
from elad_exp.protocols import SourcedTask, Task
from elad_exp.teachers import messages, replies
from elad_exp.teachers.annotator import Ask
from elad_exp.teachers.calling import Calling
from elad_exp.teachers.keys import request_key
from elad_exp.teachers.llm import LanguageModelTeacher
from elad_exp.teachers.recording import Entry, Recording, from_file, from_store
from elad_exp.teachers.texts import prompt_text
from elad_exp.teachers.tokens import count_tokens
from elad_exp.types import Annotation, Answer, GoldBook, QueryItem, Request, Sample, Status, Usage

_PROMPTS = {"single": ("single",), "sequential": ("correct", "check"), "explain": ("explain",)}


class NotRecorded(Exception):
    """The recording has no answer to a request."""


class RecordedTeacher:
    """An `Annotator`: earlier answers of a real model, spent as they were and paid no more.

    A request is made as the recorded teacher made it, and answered by its key: so a run is gone
    through again, to the same annotations, also unusable ones. What was never asked is annotated
    with an explanation that the recording has of the sample, made with a prompt that is still in
    use; it is no verdict on the attempt and is flagged (`replayed_by: sample`). Else the annotation
    is `missing`, at no charge.

    Args:
        task: Gives prompts their context, answers their grammar, and rows their ids.
        gold: Not used; given to every teacher alike.
        seed: Goes into the keys of requests if it did so when they were recorded.
        path: The recording; see `recording`.
        store: In place of `path`: a store whose runs are replayed.
        run: The run to replay, where the recording has several.
        model: Of a plain file: the model's name in results.

    Raises:
        ConfigError: An argument has a value that is not allowed.
        DataError: The recording cannot be used.
    """

    name = "recorded"
    calling = Calling()
    shares_cache = False
    fresh_by: int | None = None

    def __init__(
        self,
        task: Task,
        gold: GoldBook | None = None,
        *,
        seed: int = 0,
        path: str | None = None,
        store: str | None = None,
        run: str | None = None,
        model: str | None = None,
    ) -> None:
        if (path is None) == (store is None):
            raise ConfigError(
                "teacher=recorded needs teacher.path=FILE (a recording) or teacher.store=FILE (a "
                "store); set one of them"
            )
        place = Path(path or store or "").expanduser()
        if path is not None and not place.is_file():
            wrong = "is no file" if place.exists() else "no such file"
            raise DataError(
                f"teacher.path={path}: {wrong}; name a recording (elad-exp store export writes one)"
            )
        self.task = task
        self.recording: Recording = (from_file if path else from_store)(place, run)
        self.asker: LanguageModelTeacher | None = None
        settings = self.recording.settings
        self.estimated = settings is None
        if settings is None:
            self.model, self.mode = model or place.name, "explain"
        else:
            if model is not None and model != settings["model"]:
                raise ConfigError(
                    f"teacher.model={model}: {place} is a recording of {settings['model']}; leave "
                    "teacher.model null"
                )
            self.asker = _asker(place, task, settings, seed)
            self.model, self.mode = self.asker.model, self.asker.mode

    @property
    def info(self) -> dict[str, Any]:
        """What `result.json` says of it beside name, model and mode."""
        recording = self.recording
        return {
            "recording": {
                "name": Path(recording.name).name,
                "sha256": recording.sha256,
                "answers": len(recording),
                "teacher": recording.settings and dict(recording.settings),
            }
        }

    def check(self, limits: Limits) -> None:
        """Refuse a recording that has nothing on the pool, where that can be known.

        Raises:
            DataError: Shows ids of both.
        """
        if not isinstance(self.task, SourcedTask) or not self.task.source_ids:
            return
        known = self.recording.entries
        if known and not any(a in known or b in known for a, b in self.task.source_ids.items()):
            sample, row = next(iter(self.task.source_ids.items()))
            raise DataError(
                f"none of the {len(self.task.source_ids)} samples of the pool is in the recording "
                f"{self.recording.name}: it has ids like {next(iter(known))!r}, the dataset "
                f"{row!r} (sample {sample}); name the recording of this dataset"
            )

    def priced(self, usage: Usage) -> Usage:
        """As it was."""
        return usage

    def check_price(self, limits: Limits) -> None:
        """The recording has the price."""

    def requests(self, item: QueryItem) -> list[tuple[Request, float]]:
        """See `Annotator`: those of the teacher that was recorded, whether or not they were."""
        if self.asker is not None:
            return self.asker.requests(item)
        try:
            usage = self._estimate(item, self._entry(item))
        except NotRecorded:
            return []
        return [(Request({}, usage, usage), 1.0)]

    async def close(self) -> None:
        """Nothing is open."""

    async def annotate(self, item: QueryItem, ask: Ask) -> Annotation:
        """By request key, else by sample, else `missing`."""
        if self.asker is not None:
            try:
                found = await self.asker.annotate(item, partial(self._recall, ask))
                return replace(found, teacher=self.name, replayed_by="key")
            except NotRecorded:
                pass
        try:
            return await self._by_sample(item, ask)
        except NotRecorded:
            n, name = len(self.recording), Path(self.recording.name).name
            reason = f"neither the request nor the sample is in the recording {name} ({n} answers)"
            return Annotation(item.sample, None, Status.MISSING, self.name, reason=reason)

    async def _recall(
        self,
        ask: Ask,
        request: Request,
        call: Callable[[], Awaitable[Answer]],
        recorded: Callable[[int], Answer] | None = None,
    ) -> Answer:
        """Answer a request of the teacher that was recorded, by its key there."""

        def found(repetition: int) -> Answer:
            assert self.asker is not None
            key = request_key(self.asker, request, repetition=repetition)
            if key not in self.recording.answers:
                raise NotRecorded
            return self.recording.answers[key]

        return await ask(request, call, found)

    async def _by_sample(self, item: QueryItem, ask: Ask) -> Annotation:
        entry = self._entry(item)
        usage = entry.usage or self._estimate(item, entry)
        answer = Answer(entry.text, Status.OK, usage)
        try:
            if entry.answer is None:
                raise replies.Unusable("the model gave no answer")
            written = replies.written(self.task, item, list(entry.steps), entry.answer)
            answer = replace(answer, explanation=written)
        except replies.Unusable as error:
            answer = replace(answer, status=Status.UNPARSED, reason=f"{entry.where}: {error}")

        def found(repetition: int) -> Answer:
            if repetition and answer.status is not Status.OK:  # it would not be any better
                raise NotRecorded
            return answer

        fields = {"replayed_by": "sample", "sample": item.sample.id}
        got = await ask(Request(fields, usage), _never, found)
        return Annotation(
            item.sample,
            got.explanation,
            got.status,
            self.name,
            raw=got.text,
            reason=got.reason,
            replayed_by="sample",
        )

    def _entry(self, item: QueryItem) -> Entry:
        """The recorded explanation of the sample: one to its own kind of prompt before others.

        Raises:
            NotRecorded: There is none.
        """
        sample, known = item.sample, self.recording.entries
        if self.asker is None:
            ids: Mapping[str, str] = getattr(self.task, "source_ids", {})
            for key in (sample.id, ids.get(sample.id)):
                if key in known:
                    return known[key][0]
            raise NotRecorded
        for version in self._versions(sample, "explain" if item.attempt is None else self.mode):
            for entry in known.get(sample.id, ()):
                if entry.version == version:
                    return entry
        raise NotRecorded

    def _versions(self, sample: Sample, mode: str) -> list[str]:
        """The versions that prompts about the sample have now; those of `mode` first."""
        others = (name for names in _PROMPTS.values() for name in names)
        names = dict.fromkeys((*_PROMPTS[mode], *others))
        return [messages.version(name, self.task, sample) for name in names]

    def _estimate(self, item: QueryItem, entry: Entry) -> Usage:
        prompt, _ = prompt_text(self.task, item, mode="explain")
        return Usage(count_tokens(prompt), count_tokens(entry.text))


def _asker(place: Path, task: Task, settings: Mapping[str, Any], seed: int) -> LanguageModelTeacher:
    try:
        return LanguageModelTeacher.of(task, settings, seed=seed)
    except (ConfigError, KeyError, TypeError) as error:
        raise DataError(f"{place}: the recorded teacher's settings: {error}") from error


async def _never() -> Answer:
    raise AssertionError("a recording is never called")
