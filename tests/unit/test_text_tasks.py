"""Texts with classes and texts with entities, from files and from the hub's cache."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from elad_exp.building import build
from elad_exp.config import compose_config
from elad_exp.data.layouts import TEXT
from elad_exp.entities import from_answer
from elad_exp.errors import ConfigError, DataError
from elad_exp.protocols import SourcedTask, Task
from elad_exp.tasks.described import described
from elad_exp.tasks.texts import EntityTask, TextClassificationTask, TextTask
from elad_exp.types import Explanation, sample_id
from tests.unit.test_hub_task import WORDS, cached
from tests.unit.test_hub_task import write as write_parquet

Json = dict[str, Any]
LABELS = {"good": "It praises.", "bad": "It blames.", "so-so": "It does neither."}
NER = {"tokens": ["Ada", "Lovelace", "left", "Paris"], "tags": ["B-PER", "I-PER", "O", "B-LOC"]}


def text(i: int) -> Json:
    said = f"{WORDS[i % 10]} {i} {WORDS[i // 10 % 10]} {i * i}"
    return {"id": f"t{i}", "text": said, "label": ("good", "bad")[i % 2]}


def ner(i: int) -> Json:
    tokens = [*NER["tokens"], WORDS[i % 10], str(i), str(i * i)]
    return {"id": f"n{i}", "tokens": tokens, "tags": [*NER["tags"], "O", "O", "O"]}


def write(path: Path, rows: list[Json]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    return str(path)


def texts(path: Path, *more: Json) -> str:
    return write(path, [*map(text, range(20)), *more])


def test_a_file_of_texts_is_cut_by_hash(tmp_path: Path) -> None:
    path = texts(tmp_path / "mine.jsonl")
    task = TextClassificationTask(path=path, labels=LABELS, n_dev=4, n_test=6)
    splits = task.load()
    assert isinstance(task, Task)
    assert isinstance(task, SourcedTask)
    assert (task.name, task.descriptions) == ("mine", LABELS)
    assert [len(splits.pool), len(splits.dev), len(splits.test)] == [10, 4, 6]
    sample = splits.pool[0]
    gold = splits.gold[sample.id]
    assert sample.id == sample_id(sample.question)
    assert task.source_ids[sample.id] == gold.meta["source_id"]
    assert (task.kind(sample), task.labels(sample)) == ("label", tuple(LABELS))
    assert task.prompt(sample) == sample.question
    target = task.target(sample, Explanation.of((), gold.answer))
    assert target == f"Answer: {gold.answer}"
    assert task.parse(sample, target).answer == gold.answer
    assert task.parse(sample, "Answer: Good.").answer == "good"
    assert task.parse(sample, "Answer: superb").answer is None
    assert task.grade(sample, gold.answer, splits.gold)
    assert not task.grade(sample, None, splits.gold)
    assert task.teacher_context(sample) is None
    assert task.vocabulary() == ("Answer: good", "Answer: bad", "Answer: so-so")
    assert splits.info["warnings"] == ["the files have no so-so"]
    again = TextClassificationTask(path=path, labels=LABELS, n_dev=4, n_test=6).load()
    assert (again.pool, again.info["sha256"]) == (splits.pool, splits.info["sha256"])
    other = TextClassificationTask(path=path, n_dev=4, n_test=6, split_seed=1).load()
    assert other.pool != splits.pool


def test_the_instruction_stands_under_the_text(tmp_path: Path) -> None:
    task = TextClassificationTask(path=texts(tmp_path / "f.jsonl"), instruction="Which class?")
    sample = task.load().pool[0]
    assert task.prompt(sample) == f"{sample.question}\nWhich class?\n"


def test_classes_of_the_files_are_described_by_their_names_with_a_warning(tmp_path: Path) -> None:
    task = TextClassificationTask(path=texts(tmp_path / "f.jsonl"))
    assert task.descriptions == {}
    warning = task.load().info["warnings"][0]
    assert task.descriptions == {"bad": "bad", "good": "good"}
    assert warning.startswith("dataset.labels describes none: each is described by its name alone")
    listed = TextClassificationTask(path=texts(tmp_path / "f.jsonl"), labels=["good", "bad"])
    assert listed.descriptions == {"good": "good", "bad": "bad"}
    assert listed.load().info["warnings"] == [warning]
    assert listed.labels(listed.load().pool[0]) == ("good", "bad")


def test_a_folder_keeps_its_splits_and_lacks_may_be_cut(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write(folder / "train.jsonl", [text(i) for i in range(10)])
    write(folder / "test.jsonl", [text(i) for i in range(10, 14)])
    splits = TextClassificationTask(path=str(folder), n_dev=3).load()
    assert [len(splits.pool), len(splits.dev), len(splits.test)] == [7, 3, 4]
    assert splits.info["name"] == "set"
    assert {splits.gold[s.id].meta["source_id"] for s in splits.test} == {
        f"t{i}" for i in range(10, 14)
    }
    write(folder / "dev.jsonl", [text(i) for i in range(14, 16)])
    splits = TextClassificationTask(path=str(folder)).load()
    assert [len(splits.pool), len(splits.dev), len(splits.test)] == [10, 2, 4]
    named = {"pool": "train", "dev": "test"}
    splits = TextClassificationTask(path=str(folder), splits=named, n_test=2).load()
    assert [len(splits.pool), len(splits.dev), len(splits.test)] == [8, 4, 2]
    with pytest.raises(DataError, match=r"no file of the split extra.*dataset\.splits\.test=null"):
        TextClassificationTask(path=str(folder), splits={**named, "test": "extra"}).load()


def test_copies_and_contradictions_are_left_out_and_told(tmp_path: Path) -> None:
    copy, other = text(0) | {"text": "RED 0 red  0"}, text(1) | {"label": "good"}
    path = texts(tmp_path / "f.jsonl", copy, other)
    splits = TextClassificationTask(path=path, labels=LABELS).load()
    assert len(splits.gold) == 19
    assert set(splits.info["skipped"].values()) == {
        f"same question as {path} line 21",
        f"different answers (bad, good) in {path} line 2, {path} line 22",
    }
    assert splits.info["warnings"][1].startswith("left out 2 duplicates or contradictions of 22")


def test_every_bad_line_is_named(tmp_path: Path) -> None:
    bad = [
        ({"text": " ", "label": "good"}, "text is empty"),
        ({"text": "b", "label": 1}, "label: a string is expected, not the number 1"),
        ({"text": "c"}, "no column label (found: text)"),
        ({"text": "e", "label": "bad", "id": [1]}, "id: a string is expected, not a list"),
    ]
    check_refused(texts(tmp_path / "f.jsonl", *(row for row, _ in bad)), bad)
    alien = [
        ({"text": "a", "label": "fine"}, "label 'fine' is not one of good, bad, so-so"),
        ({"text": "d", "label": "a\nb"}, "label 'a\\nb' must be one line with single spaces"),
    ]
    check_refused(texts(tmp_path / "g.jsonl", *(row for row, _ in alien)), alien)


def check_refused(path: str, bad: list[tuple[Json, str]]) -> None:
    """The rows after the first twenty are refused, each for its reason."""
    with pytest.raises(DataError, match=f"{len(bad)} problems in the data") as caught:
        TextClassificationTask(path=path, labels=LABELS).load()
    for number, (_, reason) in enumerate(bad, 21):
        assert f"{path} line {number}: {reason}" in str(caught.value)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"labels": {"a": "x", "b": "", "c": None}}, r"no description of b, c; each needs a sent"),
        ({"labels": {"a": "x"}}, "there is one class only, a"),
        ({"labels": ["a"]}, "there is one class only, a"),
        ({"labels": []}, "dataset.labels is empty"),
        ({"labels": "a"}, "a mapping or a list of names is expected"),
        ({"labels": ["a", "a"]}, "dataset.labels names a more than once"),
        ({"labels": {"a": "x", 1: "y", " b": "z"}}, "dataset.labels: 1, ' b': a name is one line"),
        ({"columns": {"text": "t"}}, r"dataset.columns has text; text and label are needed"),
        ({"path": None}, r"dataset\.repo and dataset\.path are both empty"),
        ({"splits": {"train": "x"}}, r"dataset\.splits: train is not one of pool"),
    ],
)
def test_options_are_checked_before_anything_is_read(given: Json, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        TextClassificationTask(**{"path": "f.jsonl", **given})


def test_files_with_one_class_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", [text(i) for i in range(0, 20, 2)])
    with pytest.raises(ConfigError, match="there is one class only, good"):
        TextClassificationTask(path=path).load()


def test_a_file_of_entities(tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", [ner(i) for i in range(20)])
    types = {"PER": "Persons.", "LOC": "Places."}
    task = EntityTask(path=path, types=types, n_dev=4, n_test=6)
    splits = task.load()
    assert isinstance(task, Task)
    sample = splits.pool[0]
    answer = '[["PER",0,12],["LOC",18,23]]'
    assert splits.gold[sample.id].answer == answer
    assert sample.question.startswith("Ada Lovelace left Paris ")
    assert [sample.question[a:b] for a, b in task.tokens(sample.question)][:2] == [
        "Ada",
        "Lovelace",
    ]
    assert (task.kind(sample), task.labels(sample), task.descriptions) == ("entities", None, types)
    assert task.prompt(sample) == sample.question
    target = task.target(sample, Explanation.of((), answer))
    assert target == "Answer: PER: Ada Lovelace; LOC: Paris"
    assert task.parse(sample, target).answer == answer
    assert task.grade(sample, task.parse(sample, target).answer, splits.gold)
    assert task.target(sample, Explanation.of((), "[]")) == "Answer: none"
    assert task.parse(sample, "Answer: none").answer == "[]"
    assert task.parse(sample, "Answer: PER: Bob").answer is None
    assert task.vocabulary() == ("Answer: none", "Answer: PER: ; ", "Answer: LOC: ; ")
    free = EntityTask(path=path)
    assert free.load().info["warnings"][0].startswith("dataset.types describes none")
    assert free.descriptions == {"LOC": "LOC", "PER": "PER"}


def test_a_text_with_two_sets_of_entities_is_left_out_and_told(tmp_path: Path) -> None:
    other = ner(3) | {"tags": ["B-PER", "O", "O", "B-LOC", "O", "O", "O"]}
    path = write(tmp_path / "f.jsonl", [*map(ner, range(20)), other, ner(5)])
    splits = EntityTask(path=path).load()
    assert len(splits.gold) == 19
    shorter, longer = '[["PER",0,3],["LOC",18,23]]', '[["PER",0,12],["LOC",18,23]]'
    assert set(splits.info["skipped"].values()) == {
        f"different answers ({longer}, {shorter}) in {path} line 4, {path} line 21",
        f"same question as {path} line 6",
    }


def test_chinese_is_cut_into_characters(tmp_path: Path) -> None:
    rows = [
        {
            "tokens": [*"我在北京", *str(i)],
            "tags": ["O", "O", "B-LOC", "I-LOC", *["O"] * len(str(i))],
        }
        for i in range(20)
    ]
    task = EntityTask(path=write(tmp_path / "f.jsonl", rows), tokens="characters")
    splits = task.load()
    sample = splits.pool[0]
    assert sample.question.startswith("我在北京")
    [span] = from_answer(splits.gold[sample.id].answer)
    assert sample.question[span.start : span.end] == "北京"
    assert len(task.tokens(sample.question)) == len(sample.question)
    assert task.parse(sample, "Answer: LOC: 北京").answer == splits.gold[sample.id].answer


def test_every_bad_line_of_entities_is_named_with_its_position(tmp_path: Path) -> None:
    bad = [
        ({"tokens": ["a", "b"], "tags": ["O", "I-PER"]}, "tag 2 is 'I-PER' after 'O'"),
        ({"tokens": ["a", "b"], "tags": ["O"]}, "2 tokens have 1 tags"),
        ({"tokens": ["a", "b c"], "tags": ["O", "O"]}, "token 2 is 'b c'; one without white space"),
        ({"tokens": ["a", ""], "tags": ["O", "O"]}, "token 2 is ''"),
        ({"tokens": [1], "tags": ["O"]}, "token 1: a string is expected, not 1"),
        ({"tokens": [], "tags": []}, "tokens is empty"),
        ({"tokens": "a b", "tags": ["O", "O"]}, "tokens: a list is expected, not 'a b'"),
        ({"tokens": ["a"], "tags": [3]}, "tag 1 is 3; BIO2 has O, B-TYPE and I-TYPE"),
    ]
    path = write(tmp_path / "f.jsonl", [ner(0), *(row for row, _ in bad)])
    with pytest.raises(DataError, match="8 problems in the data") as caught:
        EntityTask(path=path).load()
    for number, (_, reason) in enumerate(bad, 2):
        assert f"{path} line {number}: {reason}" in str(caught.value)
    path = write(tmp_path / "f.jsonl", [ner(i) for i in range(9)])
    with pytest.raises(DataError, match=r"line 1: entity type 'LOC' is not one of PER"):
        EntityTask(path=path, types=["PER"]).load()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"tokens": "words"}, r"dataset\.tokens='words' is not one of spaces, marks, characters"),
        ({"types": {"A: B": "x"}}, r"dataset\.types: entity type 'A: B' must be one word"),
        ({"types": {"A": None}}, r"dataset\.types: no description of A"),
        ({"columns": {"tokens": "t", "text": "x"}}, "tokens and tags are needed"),
    ],
)
def test_options_of_entities_are_checked(given: Json, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        EntityTask(path="f.jsonl", **given)


def hub_texts(column: str, *, start: int = 0, n: int = 10) -> list[Json]:
    rows = map(text, range(start, start + n))
    return [{column: row["text"], "label": i % 2} for i, row in enumerate(rows)]


@pytest.mark.parametrize(
    ("name", "repo", "folder", "column", "test"),
    [
        ("ag_news", "fancyzhx/ag_news", "data", "text", "test"),
        ("imdb", "stanfordnlp/imdb", "plain_text", "text", "test"),
        ("sst2", "stanfordnlp/sst2", "data", "sentence", "validation"),
        ("amazon_polarity", "fancyzhx/amazon_polarity", "amazon_polarity", "content", "test"),
    ],
)
def test_texts_of_the_hub_from_its_cache(
    name: str, repo: str, folder: str, column: str, test: str
) -> None:
    dataset = compose_config([f"dataset={name}", "dataset.n_dev=3", "dataset.n_test=5"]).dataset
    files = {
        f"{folder}/train-00000-of-00001.parquet": hub_texts(column, n=30),
        f"{folder}/{test}-00000-of-00001.parquet": hub_texts(column, start=50),
    }
    cached(repo, files, revision=dataset.revision or "main")
    task = build(dataset)
    splits = task.load()
    assert [len(splits.pool), len(splits.dev), len(splits.test)] == [27, 3, 5]
    assert splits.info["name"] == name
    assert {g.answer for g in splits.gold.values()} == set(dataset.names[:2])
    assert set(task.descriptions) == set(dataset.names)


def test_conll_of_the_hub_from_its_cache() -> None:
    dataset = compose_config(["dataset=conll2003"]).dataset
    number = {name: i for i, name in enumerate(dataset.names)}
    files = {}
    for start, split in enumerate(("train", "validation", "test")):
        rows = [ner(i) for i in range(start * 20, start * 20 + 10)]
        files[f"conll2003/{split}/0000.parquet"] = [
            {"id": r["id"], "tokens": r["tokens"], "ner_tags": [number[t] for t in r["tags"]]}
            for r in rows
        ]
    cached("eriktks/conll2003", files, revision="refs/convert/parquet")
    task = build(dataset)
    splits = task.load()
    assert [len(splits.pool), len(splits.dev), len(splits.test)] == [10, 10, 10]
    assert {g.answer for g in splits.gold.values()} == {'[["PER",0,12],["LOC",18,23]]'}
    assert list(task.descriptions) == ["PER", "LOC", "ORG", "MISC"]


def test_the_hub_s_columns_and_our_schema_give_the_same_splits(tmp_path: Path) -> None:
    hub = [
        {"sentence": r["text"], "label": int(r["label"] == "good")} for r in map(text, range(30))
    ]
    write_parquet(tmp_path / "hub" / "f.parquet", hub)
    own = [text(i) | {"label": ("positive", "negative")[i % 2]} for i in range(30)]
    write(tmp_path / "own" / "f.jsonl", own)
    found = [
        build(
            compose_config(["dataset=sst2", "dataset.n_dev=5", f"dataset.path={path}"]).dataset
        ).load()
        for path in (tmp_path / "hub" / "f.parquet", tmp_path / "own" / "f.jsonl")
    ]
    assert found[0].info["sha256"] == found[1].info["sha256"]
    assert list(found[0].pool) == list(found[1].pool)


def test_a_few_records_of_the_hub_without_a_class_are_left_out(tmp_path: Path) -> None:
    rows = [*hub_texts("sentence", n=29), {"sentence": "x", "label": -1}]
    path = tmp_path / "f.parquet"
    write_parquet(path, rows)
    dataset = compose_config(["dataset=sst2", "dataset.n_dev=5", f"dataset.path={path}"]).dataset
    splits = build(dataset).load()
    assert splits.info["skipped"] == {
        f"{path} row 30": "label: -1 is not the number of a name (0 to 1)"
    }
    write_parquet(path, [row | {"label": -1} for row in rows])
    with pytest.raises(DataError, match="30 problems"):
        build(dataset).load()


def test_a_task_of_texts_must_say_what_its_answers_are() -> None:
    class Half(TextTask):
        def names_in(self, answer: str) -> list[str]:
            return []

    with pytest.raises(TypeError, match="family_of"):
        Half(name=None, schema=TEXT, columns=None, names=described("labels", None))  # type: ignore[abstract]
