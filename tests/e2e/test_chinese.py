"""Chinese texts through the whole job, and texts that no run can use."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from elad_exp.__main__ import main
from elad_exp.rundir import read_lines
from tests.e2e.test_refusals import refused
from tests.helpers_main import result
from tests.unit.test_encoder_student import english_bert

STUDENT = [
    "student=tiny_encoder",
    "student.level=character",
    "student.d_model=32",
    "student.layers=1",
    "student.heads=2",
]
RUN = [
    "teacher=gold",
    "selector=random",
    "name=chinese",
    "schedule.rounds=3",
    "schedule.initial_size=null",
    "schedule.query_size=20",
    "schedule.steps_per_round=40",
    "trainer.accelerator=cpu",
    "trainer.threads=1",
]
PLACES = ("北京", "上海", "广州", "成都", "西安", "拉萨")
DAYS = ("今天", "明天", "昨天", "周末")
NEWS = {"weather": ("下雨了", "下雪了", "是晴天"), "traffic": ("火车晚点", "地铁停运", "汽车很多")}


def notices(label: str) -> list[dict[str, Any]]:
    return [
        {"text": f"{day}{place}{what}。", "label": label}
        for place in PLACES
        for day in DAYS
        for what in NEWS[label]
    ]


def tagged(label: str) -> list[dict[str, Any]]:
    """The same with their places, a character a token."""
    rows = []
    for row in notices(label):
        text = row["text"]
        tags = ["O"] * len(text)
        tags[2:4] = ["B-PLACE", "I-PLACE"]
        rows.append({"tokens": list(text), "tags": tags})
    return rows


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def texts(path: Path, *overrides: str) -> list[str]:
    sizes = ["dataset.n_dev=10", "dataset.n_test=30"]
    return [f"dataset.path={path}", *sizes, *STUDENT, *RUN, "schedule.shots=5", *overrides]


LABELS = 'dataset.labels={weather: "下雨、下雪或晴天。", traffic: "火车、地铁与汽车。"}'


def test_chinese_texts_are_classified(tmp_path: Path) -> None:
    # Few notices of traffic, and one text that is longer than what the student reads.
    long = {"text": "今天下雨了。" * 30, "label": "weather"}
    path = write(tmp_path / "f.jsonl", [*notices("weather"), *notices("traffic")[::4], long])
    out = tmp_path / "run"
    weighed = "optim.class_weights=balanced"
    given = [*texts(path, "dataset=text", LABELS, weighed), f"paths.run_dir={out}"]
    assert main(given) == 0
    found = result(out)
    assert found["metrics"]["test/macro_f1"]["value"] > 0.9
    [warning] = [w for w in found["warnings"] if "do not fit" in w]
    assert warning.startswith("1 questions do not fit the student's context and are skipped")
    assert sum(found["dataset"][f"n_{split}"] for split in ("pool", "dev", "test")) == 72 + 18
    tokenizer = AutoTokenizer.from_pretrained(out / "student")
    ids = tokenizer("拉萨 下雪").input_ids
    assert tokenizer.convert_ids_to_tokens(ids) == ["[CLS]", *"拉萨下雪", "[SEP]"]
    assert {x["status"] for x in read_lines(out / "annotations.jsonl")} == {"ok"}


@pytest.mark.parametrize("kind", ["text", "entities"])
def test_lessons_of_chinese_texts_are_studied_and_served(kind: str, tmp_path: Path) -> None:
    rows = notices if kind == "text" else tagged
    path = write(tmp_path / "f.jsonl", [*rows("weather"), *rows("traffic")])
    task = {
        "text": ["dataset=text", LABELS],
        "entities": [
            *("dataset=entities", "dataset.tokens=characters"),
            'dataset.types={PLACE: "城市的名称。"}',
        ],
    }[kind]
    lessons = [
        *("teacher=corpus", "teacher.texts=10", "teacher.lesson_size=5"),
        *("selector=predictions", "selection.among=new", "selection.audit_fraction=0"),
        "schedule.steps_per_round=5",
    ]
    out = tmp_path / "run"
    assert main([*texts(path, *task), *lessons, f"paths.run_dir={out}"]) == 0
    lines = read_lines(out / "annotations.jsonl")
    served = [line for line in lines if line["round"]]
    assert len(served) == 2 * 10
    assert all(line["trained_on"] for line in served)
    known = {row["text"] for label in NEWS for row in notices(label)}
    assert {"".join(line["question"].split()) for line in served} <= known
    for line in read_lines(out / "rounds.jsonl")[1:3]:
        told = line["bought"]
        assert told["asked"] == told["ok"] == told["drift"]["texts"] == 10
        assert told["notes"]["studied"] > 0
        assert told["drift"]["words"] > 10  # characters: as words, there would be one a text
        assert 0 < told["drift"]["seed_distance"] < 1
    metric = "macro_f1" if kind == "text" else "span_f1"
    assert f"test/{metric}" in result(out)["metrics"]


def test_places_in_chinese_texts_are_tagged(tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", [*tagged("weather"), *tagged("traffic")])
    out = tmp_path / "run"
    types = 'dataset.types={PLACE: "城市的名称。"}'
    given = texts(path, "dataset=entities", "dataset.tokens=characters", types)
    assert main([*given, f"paths.run_dir={out}"]) == 0
    assert result(out)["metrics"]["test/span_f1"]["value"] > 0.9


def test_real_chinese_texts_are_classified(shared_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    given = texts(shared_data / "sib200_zh", "dataset=sib200_zh", "schedule.rounds=2")
    assert main([*given, "schedule.steps_per_round=10", f"paths.run_dir={out}"]) == 0
    found = result(out)
    assert found["dataset"]["n_test"] == 30
    assert found["dataset"]["n_pool"] > 650  # a few sentences have more than 126 characters
    assert found["metrics"]["test/macro_f1"]["n"] == 30
    tokenizer = AutoTokenizer.from_pretrained(out / "student")
    rows = read_lines(shared_data / "sib200_zh" / "test.jsonl")
    ids = [i for row in rows for i in tokenizer(row["text"]).input_ids]
    assert ids.count(tokenizer.unk_token_id) < 0.02 * len(ids)


def test_an_english_encoder_is_refused_for_chinese_texts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    english_bert(tmp_path / "english")
    path = write(tmp_path / "f.jsonl", [*notices("weather"), *notices("traffic")])
    given = [x for x in texts(path, "dataset=text", LABELS) if not x.startswith("student")]
    english = ["student=minilm", f"student.name={tmp_path / 'english'}", "student.max_length=40"]
    error = refused(tmp_path, capsys, [*given, *english])
    assert "100 % of the tokens of the pool's texts are unknown" in error
    assert "(at most 5 %)" in error
    assert "student.level=character" in error


BAD_TAG = {"tokens": ["a", "b"], "tags": ["O", "I-PLACE"]}


@pytest.mark.parametrize(
    ("rows", "overrides", "told"),
    [
        (
            [*notices("weather"), *notices("traffic")],
            ["dataset=text", 'dataset.labels={weather: "Rain.", traffic: null}'],
            "dataset.labels: no description of traffic; each needs a sentence, or give",
        ),
        (notices("weather"), ["dataset=text"], "there is one class only, weather: at least two"),
        (
            [*notices("weather"), {"text": "c", "label": "sports"}],
            ["dataset=text", LABELS],
            "line 73: label 'sports' is not one of weather, traffic",
        ),
        (
            [*notices("weather"), *notices("traffic")],
            ["dataset=text", "student.max_length=4"],
            "fits the student's context; raise student.max_length",
        ),
        (
            [*tagged("weather"), BAD_TAG],
            ["dataset=entities", "dataset.tokens=characters"],
            "line 73: tag 2 is 'I-PLACE' after 'O': in BIO2 it follows B-PLACE or I-PLACE",
        ),
        (
            [{"text": f"{i}", "label": label} for i in range(9) for label in ("a", "b")],
            ["dataset=text"],
            "none of the 18 rows of the pool is left: they contradict each other",
        ),
    ],
    ids=["no description", "one class", "no such class", "too long", "not BIO2", "two labels"],
)
def test_texts_that_cannot_be_used(
    rows: list[Any],
    overrides: list[str],
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write(tmp_path / "f.jsonl", rows)
    error = refused(tmp_path, capsys, texts(path, *overrides), lines=3)
    assert re.search(told, error), error
