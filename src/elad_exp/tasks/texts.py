"""Texts that have a class, and texts with entities in them.

A text is the question of its sample, and its prompt is the text itself. There is no explanation:
the target is the answer line alone.

    The match ended in a draw .                 Ada Lovelace left Paris .
    --- target ---                              --- target ---
    Answer: sports                              Answer: PER: Ada Lovelace; LOC: Paris

What may follow `Answer:` is in `elad_exp.tasks.label` and `elad_exp.tasks.entity_answers`.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from elad_exp.data.intake import tabulate
from elad_exp.data.layouts import TEXT, Layout
from elad_exp.data.layouts.texts import ner, ner_layout, text_layout
from elad_exp.data.records import Reading, first_record, read_layout
from elad_exp.data.rows import Row
from elad_exp.data.table import RowTable
from elad_exp.entities import TOKENS, Place, check_type, from_answer, tokens
from elad_exp.errors import ConfigError, DataError
from elad_exp.f1 import label_measures, span_measures
from elad_exp.protocols import Splits
from elad_exp.tasks.answers import Answers
from elad_exp.tasks.described import Described, Named, described
from elad_exp.tasks.entity_answers import Entities
from elad_exp.tasks.hub import TaskFromHub
from elad_exp.tasks.label import OneLabel
from elad_exp.types import GoldBook, Metric, Sample


class TextTask(TaskFromHub, ABC):
    """What both tasks have in common.

    Args:
        name: Name in results; None: that of the repository, file or folder.
        schema: Our schema of such texts.
        columns: The layout on the hub; None: the files are in our schema.
        names: What the options say of classes or entity types.
        given: See `TaskFromHub`.

    Attributes:
        descriptions: Class or entity type -> what it means; those that only the files tell are
            known when the data is loaded.
    """

    def __init__(
        self,
        *,
        name: str | None,
        schema: Layout,
        columns: Layout | None,
        names: Described,
        **given: Any,
    ) -> None:
        super().__init__(
            name=name or _default_name(given), answers=self.family_of(names.names), **given
        )
        self.schema, self.columns, self.names = schema, columns, names
        self.descriptions: Mapping[str, str] = names.of(names.names or ())

    @abstractmethod
    def family_of(self, names: Sequence[str] | None) -> Answers:
        """The family of the answers with these classes or types; None: any.

        Raises:
            ConfigError: They cannot be that.
        """

    @abstractmethod
    def names_in(self, answer: str) -> list[str]:
        """The classes or types that a canonical answer names, each as often as it does."""

    def load(self) -> Splits:
        """Fetches if need be, reads, checks and splits. Sets `answers` and `descriptions`.

        Raises:
            AssetError: Neither cache nor hub has it; the message says why for each.
            ConfigError: All texts have one class.
            DataError: Rows cannot be used, or the splits leave nothing for the pool.
        """
        records, files = self.files()

        def read(reading: Reading, paths: Sequence[Path]) -> Iterator[Row]:
            for path in paths:
                yield from read_layout(path, self._layout(path), reading)

        readers = {split: partial(read, paths=paths) for split, paths in files.items()}
        table, _, readings = tabulate(readers, self.family_of(self.names.names))
        found = self._found(table)
        parts = readings.values()
        names = self.names.names or tuple(sorted(found))
        self.answers = self.family_of(names)
        self.descriptions = self.names.of(names)
        unseen = [name for name in names if not found[name]]
        return self.split(
            table,
            records,
            warnings=[
                *(text for part in parts for text in part.warnings),
                *self.names.warnings,
                *([f"the files have no {', no '.join(unseen)}"] if unseen else []),
            ],
            left_out={where: why for part in parts for where, why in part.left_out.items()},
        )

    def prompt(self, sample: Sample) -> str:
        """The text as it is; under it the instruction, if there is one, and a newline."""
        return f"{sample.question}\n{self.instruction}\n" if self.instruction else sample.question

    def _layout(self, path: Path) -> Layout:
        """That of the hub, unless the file has our schema's columns and lacks the hub's."""
        if self.columns is None:
            return self.schema
        first = first_record(path) or {}
        alien = not self.columns.fits(first) and self.schema.fits(first)
        return self.schema if alien else self.columns

    def _found(self, table: RowTable) -> Counter[str]:
        """How often each class or type is named."""
        lines = table.gold_lines(np.arange(len(table)))
        return Counter(name for line in lines for name in self.names_in(json.loads(line)[1]))


class TextClassificationTask(TextTask):
    """Texts, each of one class.

    Args:
        path: A file or folder in the *text* schema (`elad_exp.data.layouts.texts`) or in the hub's
            columns; see `TaskFromHub`, like the following ones.
        repo: OWNER/NAME on the hub.
        subset: Folder of it.
        revision: Branch, tag or commit.
        splits: Our splits -> the hub's.
        columns: `text` and `label` -> column on the hub.
        names: The classes by their numbers, where that column has numbers.
        labels: Class -> what it means, in a sentence; or the classes alone; None: those of the
            files. A text of any other class is refused.
        n_dev: See `HubTask`.
        n_test: See there.
        split_seed: See there.
        name: Name in results; None: that of the repository, file or folder.
        instruction: Line after the text, for language models.

    Raises:
        ConfigError: An option cannot be used, or there is one class only.
    """

    def __init__(
        self,
        *,
        path: str | None = None,
        repo: str | None = None,
        subset: str | None = None,
        revision: str | None = None,
        splits: Mapping[str, str | Sequence[str] | None] | None = None,
        columns: Mapping[str, str] | None = None,
        names: Sequence[str] = (),
        labels: Named = None,
        n_dev: int | None = None,
        n_test: int | None = None,
        split_seed: int = 0,
        name: str | None = None,
        instruction: str = "",
    ) -> None:
        super().__init__(
            name=name,
            schema=TEXT,
            columns=text_layout(columns, names) if columns else None,
            names=described("labels", labels),
            path=path,
            repo=repo,
            subset=subset,
            revision=revision,
            splits=splits,
            n_dev=n_dev,
            n_test=n_test,
            split_seed=split_seed,
            instruction=instruction,
        )

    def family_of(self, names: Sequence[str] | None) -> OneLabel:
        if names is not None and len(names) < 2:
            raise ConfigError(
                f"there is one class only, {', '.join(names)}: at least two are needed "
                "(dataset.labels, or those of the files)"
            )
        return OneLabel(names)

    def names_in(self, answer: str) -> list[str]:
        return [answer]

    def measures(
        self, samples: Sequence[Sample], answers: Sequence[str | None], gold: GoldBook
    ) -> dict[str, Metric]:
        """Macro F1."""
        return label_measures(
            [gold[s.id].answer for s in samples], answers, list(self.descriptions)
        )

    def vocabulary(self) -> tuple[str, ...]:
        return tuple(f"Answer: {name}" for name in self.descriptions)


class EntityTask(TextTask):
    """Texts with entities; `Gold.answer` is the canonical answer of `elad_exp.entities`.

    Args:
        path: A file or folder in the *ner* schema (`elad_exp.data.layouts.texts`) or in the hub's
            columns; see `TaskFromHub`, like the following ones.
        repo: OWNER/NAME on the hub.
        subset: Folder of it.
        revision: Branch, tag or commit.
        splits: Our splits -> the hub's.
        columns: `tokens` and `tags` -> column on the hub.
        names: The tags by their numbers, where that column has numbers.
        types: Entity type -> what it means, in a sentence; or the types alone; None: those of the
            files. An entity of any other type is refused.
        tokens: How texts are cut into tokens, see `elad_exp.entities.tokens`. The tokens of a row
            are joined by a space, for `characters` by nothing.
        n_dev: See `HubTask`.
        n_test: See there.
        split_seed: See there.
        name: Name in results; None: that of the repository, file or folder.
        instruction: Line after the text, for language models.

    Attributes:
        by: `tokens`.

    Raises:
        ConfigError: An option cannot be used.
    """

    def __init__(
        self,
        *,
        path: str | None = None,
        repo: str | None = None,
        subset: str | None = None,
        revision: str | None = None,
        splits: Mapping[str, str | Sequence[str] | None] | None = None,
        columns: Mapping[str, str] | None = None,
        names: Sequence[str] = (),
        types: Named = None,
        tokens: str = "spaces",
        n_dev: int | None = None,
        n_test: int | None = None,
        split_seed: int = 0,
        name: str | None = None,
        instruction: str = "",
    ) -> None:
        if tokens not in TOKENS:
            raise ConfigError(f"dataset.tokens={tokens!r} is not one of {', '.join(TOKENS)}")
        self.by = tokens
        super().__init__(
            name=name,
            schema=ner(tokens),
            columns=ner_layout(columns, names, tokens) if columns else None,
            names=described("types", types),
            path=path,
            repo=repo,
            subset=subset,
            revision=revision,
            splits=splits,
            n_dev=n_dev,
            n_test=n_test,
            split_seed=split_seed,
            instruction=instruction,
        )

    def family_of(self, names: Sequence[str] | None) -> Entities:
        try:
            for name in names or ():
                check_type(name)
        except DataError as error:
            raise ConfigError(f"dataset.types: {error}") from error
        return Entities(names, self.by)

    def names_in(self, answer: str) -> list[str]:
        return [span.type for span in from_answer(answer)]

    def tokens(self, text: str) -> list[Place]:
        """Where the tokens of a text of this dataset stand."""
        return tokens(text, self.by)

    def write_answer(self, sample: Sample, answer: str) -> str:
        return Entities(by=self.by).write(sample, answer)

    def measures(
        self, samples: Sequence[Sample], answers: Sequence[str | None], gold: GoldBook
    ) -> dict[str, Metric]:
        """F1 of spans."""
        right = [gold[s.id].answer for s in samples]
        return span_measures(right, answers, list(self.descriptions))

    def vocabulary(self) -> tuple[str, ...]:
        return ("Answer: none", *(f"Answer: {name}: ; " for name in self.descriptions))


def _default_name(given: Mapping[str, Any]) -> str:
    if given.get("repo"):
        return str(given["repo"])
    path = Path(given["path"]) if given.get("path") else Path("texts")
    return path.name.removesuffix(".gz").removesuffix(".jsonl") or path.resolve().name
