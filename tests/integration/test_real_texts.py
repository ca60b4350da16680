"""Real texts: the datasets at hand load whole, and their entities survive every form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from elad_exp.building import build
from elad_exp.config import compose_config
from elad_exp.data.check import check_path
from elad_exp.entities import TOKENS, from_answer, spans_of_tags, tags_of_spans, to_answer, tokens
from elad_exp.types import Explanation

# Pool, dev and test. SNIPS has 84 requests twice, WikiGold 6 sentences.
CLASSES = {
    "sib200_en": [701, 99, 204],
    "sib200_zh": [701, 99, 204],
    "snips_intents": [7117, 790, 695],
    "sentence_polarity": [7200, 800, 2000],
    "movie_reviews": [720, 80, 400],
    "amazon_products": [2700, 299, 749],
}
# Option and folder; the types of the last two are those of the files.
ENTITIES = {
    "wikigold": (["dataset=wikigold"], [1138, 126, 423]),
    "crossner_ai": (["dataset=entities"], [100, 347, 428]),
    "snips_slots": (["dataset=entities"], [7117, 790, 695]),
}


def loaded(overrides: list[str], path: Path) -> Any:
    task = build(compose_config([*overrides, f"dataset.path={path}"]).dataset)
    return task, task.load()


@pytest.mark.parametrize("name", CLASSES)
def test_texts_with_classes_load_whole(shared_data: Path, name: str) -> None:
    task, splits = loaded([f"dataset={name}"], shared_data / name)
    assert [len(splits.pool), len(splits.dev), len(splits.test)] == CLASSES[name]
    assert {g.answer for g in splits.gold.values()} == set(task.descriptions)
    sample = splits.pool[0]
    for label in task.labels(sample):
        target = task.target(sample, Explanation.of((), label))
        assert task.parse(sample, target).answer == label
    assert not [w for w in splits.info["warnings"] if "describes none" in w]


@pytest.mark.parametrize(
    "name", ["wikigold", "crossner_ai", pytest.param("snips_slots", marks=pytest.mark.slow)]
)
def test_texts_with_entities_load_whole(shared_data: Path, name: str) -> None:
    overrides, sizes = ENTITIES[name]
    task, splits = loaded(overrides, shared_data / name)
    assert [len(splits.pool), len(splits.dev), len(splits.test)] == sizes
    types, other = set(), 0
    for sample in [*splits.pool, *splits.dev, *splits.test]:
        answer = splits.gold[sample.id].answer
        spans = from_answer(answer)
        types |= {span.type for span in spans}
        for by in TOKENS:
            places = tokens(sample.question, by)
            assert spans_of_tags(tags_of_spans(spans, places), places) == spans
        target = task.target(sample, Explanation.of((), to_answer(spans)))
        read = task.parse(sample, target).answer
        assert read is not None
        other += read != answer
    assert types == set(task.descriptions)
    # A quotation does not say which of two occurrences it means.
    assert other <= 2


def test_the_check_understands_both_schemas(shared_data: Path) -> None:
    topics, names = (check_path(shared_data / name) for name in ("sib200_zh", "wikigold"))
    assert topics.ok
    assert names.ok
    assert (topics.answers, topics.distinct_answers, topics.rows) == ("label", 7, 1004)
    assert (names.answers, names.counted, names.without_entities) == ("entities", 3558, 352)
