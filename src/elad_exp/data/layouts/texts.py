"""Texts with a class or with entities: our two schemas, and datasets of the hub that are alike.

    {"id": "t1", "text": "A fine film .", "label": "positive"}
    {"id": "n1", "tokens": ["Ada", "left", "Paris", "."], "tags": ["B-PER", "O", "B-LOC", "O"]}

The text becomes the question of a row and the class its answer; tokens are joined to a text, and
tags, which are BIO2, become the canonical answer of `elad_exp.entities`. On the hub text and class,
or tokens and tags, stand in columns of other names, and classes and tags may be numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from elad_exp.data.layouts.base import Layout
from elad_exp.data.rows import checked_text
from elad_exp.entities import spans_of_tags, to_answer
from elad_exp.errors import ConfigError, DataError
from elad_exp.tasks.entity_answers import Entities
from elad_exp.tasks.label import OneLabel


def text_layout(columns: Mapping[str, str], names: Sequence[str] = ()) -> Layout:
    """The layout in which text and class stand in these columns.

    Args:
        columns: `text` and `label` -> column.
        names: The classes by their numbers, for a column of numbers.

    Raises:
        ConfigError: `columns` names neither or another field.
    """
    column = _both(columns, "text", "label")

    def convert(record: Mapping[str, Any]) -> dict[str, Any]:
        return _row(
            record,
            checked_text(record[column["text"]], "text"),
            checked_text(_named(record[column["label"]], names, "label"), "label"),
        )

    return Layout("columns", OneLabel(), tuple(column.values()), convert)


def ner_layout(columns: Mapping[str, str], names: Sequence[str] = (), by: str = "spaces") -> Layout:
    """The layout in which tokens and their BIO2 tags stand in these columns.

    Args:
        columns: `tokens` and `tags` -> column.
        names: The tags by their numbers, for a column of numbers.
        by: How the text is cut into tokens again, see `elad_exp.entities.tokens`: `characters`
            joins the tokens with nothing between them, anything else with a space.

    Raises:
        ConfigError: `columns` names neither or another field.
    """
    column = _both(columns, "tokens", "tags")
    between = "" if by == "characters" else " "

    def convert(record: Mapping[str, Any]) -> dict[str, Any]:
        tokens = _list(record[column["tokens"]], "tokens")
        for number, token in enumerate(tokens, 1):
            _check_token(token, number)
        tags = [
            _named(tag, names, f"tag {number}")
            for number, tag in enumerate(_list(record[column["tags"]], "tags"), 1)
        ]
        ends = [n - len(between) for n in accumulate(len(t) + len(between) for t in tokens)]
        places = [(end - len(token), end) for token, end in zip(tokens, ends, strict=True)]
        answer = to_answer(spans_of_tags(tags, places))
        return _row(record, between.join(tokens), answer)

    return Layout("columns", Entities(by=by), tuple(column.values()), convert)


def own(layout: Layout, name: str) -> Layout:
    """`layout` as a schema of ours."""
    return Layout(name, layout.answers, layout.columns, layout.convert, own=True)


def ner(by: str = "spaces") -> Layout:
    """Our schema of texts with entities."""
    return own(ner_layout({"tokens": "tokens", "tags": "tags"}, by=by), "ner")


def _both(columns: Mapping[str, str], *fields: str) -> dict[str, str]:
    if set(columns) != set(fields):
        raise ConfigError(
            f"dataset.columns has {', '.join(sorted(columns)) or 'nothing'}; "
            f"{' and '.join(fields)} are needed, each with the name of its column"
        )
    return {field: columns[field] for field in fields}


def _row(record: Mapping[str, Any], text: str, answer: str) -> dict[str, Any]:
    known = {"id": record["id"]} if record.get("id") is not None else {}
    return known | {"question": text, "answer": answer}


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise DataError(f"{name}: a list is expected, not {value!r:.60}")
    if not value:
        raise DataError(f"{name} is empty")
    return value


def _check_token(token: Any, number: int) -> None:
    if not isinstance(token, str):
        raise DataError(f"token {number}: a string is expected, not {token!r:.60}")
    if not token or any(map(str.isspace, token)):
        raise DataError(f"token {number} is {token!r}; one without white space is expected")


def _named(value: Any, names: Sequence[str], what: str) -> Any:
    """The name of a number; what is none is left alone."""
    if not names or isinstance(value, bool) or not isinstance(value, int):
        return value
    if not 0 <= value < len(names):
        raise DataError(f"{what}: {value} is not the number of a name (0 to {len(names) - 1})")
    return names[value]


TEXT = own(text_layout({"text": "text", "label": "label"}), "text")
NER = ner()
