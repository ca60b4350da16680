"""The almanac as a dataset: determinism, splits, balance, conditions, wording."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from elad_exp.errors import ConfigError, DataError
from elad_exp.protocols import CheckableTask, Splits
from elad_exp.tasks.almanac import AlmanacTask
from elad_exp.tasks.almanac.grammar import Claim
from elad_exp.tasks.almanac.sampling import FAMILIES, MIX
from elad_exp.types import Explanation, Sample

CONDITIONS = ("long_tailed", "uniform", "shifted")
SMALL = "98ec91458fabc7097b3b812882a0cb8e8760623e74c2e2439d146af52abcda40"
SIZES = {"n_pool": 1200, "n_dev": 200, "n_test": 600}


@cache
def made(condition: str) -> tuple[AlmanacTask, Splits]:
    task = AlmanacTask(condition=condition, **SIZES)
    return task, task.load()


def samples_of(splits: Splits) -> tuple[Sample, ...]:
    return (*splits.pool, *splits.dev, *splits.test)


CONF = Path(__file__).parents[2] / "conf"


def configured(name: str) -> AlmanacTask:
    with initialize_config_dir(str(CONF), version_base=None):
        return instantiate(compose(f"dataset/{name}").dataset)


@pytest.mark.parametrize(
    ("name", "condition", "n_test"),
    [
        ("almanac", "long_tailed", 1000),
        ("almanac_uniform", "uniform", 1000),
        ("almanac_shifted", "shifted", 1000),
        ("almanac_small", "long_tailed", 600),
    ],
)
def test_configurations_differ_in_condition_alone(name: str, condition: str, n_test: int) -> None:
    task = configured(name)
    assert (task.condition, task.sizes["test"]) == (condition, n_test)
    assert task.families == MIX
    if name != "almanac_small":
        assert task.world == configured("almanac").world


@pytest.mark.parametrize("condition", CONDITIONS)
def test_splits_have_the_sizes_asked_for_and_share_no_id(condition: str) -> None:
    task, splits = made(condition)
    assert isinstance(task, CheckableTask)
    assert [len(s) for s in (splits.pool, splits.dev, splits.test)] == [1200, 200, 600]
    assert len({s.id for s in samples_of(splits)}) == 2000
    assert set(splits.gold) == {s.id for s in samples_of(splits)}


def test_what_a_question_asks_is_in_one_split_under_every_condition() -> None:
    """Paraphrases and mirror images included: they need the same claims."""
    asked: dict[str, set[frozenset[Claim]]] = {"pool": set(), "dev": set(), "test": set()}
    for task, splits in map(made, CONDITIONS):
        for name, claims in asked.items():
            claims |= {task.plan(sample).claims for sample in getattr(splits, name)}
    assert not asked["pool"] & asked["test"]
    assert not asked["pool"] & asked["dev"]
    assert not asked["dev"] & asked["test"]


def test_the_content_of_a_revision_never_changes() -> None:
    """Results name the revision: whoever changes the content gives it a new one."""
    info = configured("almanac_small").load().info
    assert (info["revision"], info["sha256"]) == ("almanac-1", SMALL)


def test_info_names_source_revision_condition_and_content() -> None:
    info = made("shifted")[1].info
    assert info["source"] == "generated"
    assert info["condition"] == "shifted"
    assert info["split_seed"] == 0
    assert re.fullmatch(r"almanac-\d+", info["revision"])
    assert re.fullmatch(r"[0-9a-f]{64}", info["sha256"])
    assert len({made(c)[1].info["sha256"] for c in CONDITIONS}) == len(CONDITIONS)


def test_equal_knobs_give_equal_bytes_whatever_the_hash_seed() -> None:
    program = (
        "from elad_exp.tasks.almanac import AlmanacTask as T;"
        "t = T(n_pool=100, n_dev=20, n_test=50); s = t.load();"
        "print(s.info['sha256'], [t.teacher_context(x) for x in s.test], t.vocabulary())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_seeds_of_world_and_split_change_the_content() -> None:
    small = {"n_pool": 100, "n_dev": 20, "n_test": 50}
    shas = {
        AlmanacTask(**small, **seeds).load().info["sha256"]
        for seeds in ({}, {"world_seed": 1}, {"split_seed": 1})
    }
    assert len(shas) == 3


@pytest.mark.parametrize("condition", CONDITIONS)
def test_no_family_prefers_an_answer(condition: str) -> None:
    _, splits = made(condition)
    for part in (splits.pool, splits.test):
        answers: dict[str, Counter[str]] = {}
        for sample in part:
            gold = splits.gold[sample.id]
            answers.setdefault(gold.meta["family"], Counter())[gold.answer] += 1
        assert set(answers) == set(FAMILIES)
        for family, counts in answers.items():
            assert set(counts) in ({"yes", "no"}, {"A", "B"})
            assert counts.most_common(1)[0][1] / counts.total() < 0.53, family


def test_neither_wording_nor_threshold_tells_the_answer() -> None:
    """A majority vote per wording and threshold, names hidden, learnt on the pool."""
    task, splits = made("uniform")
    names = re.compile("|".join(task.world.facts))
    votes: dict[str, Counter[str]] = {}
    for sample in splits.pool:
        form = names.sub("X", sample.question)
        votes.setdefault(form, Counter())[splits.gold[sample.id].answer] += 1
    hits = [
        votes[form].most_common(1)[0][0] == splits.gold[s.id].answer
        for s in splits.test
        if not s.choices and (form := names.sub("X", s.question)) in votes
    ]
    assert len(hits) > 300
    assert sum(hits) / len(hits) < 0.55


def head_share(task: AlmanacTask, samples: tuple[Sample, ...]) -> float:
    """Share of the entities named in questions that are among the first three of their kind."""
    head = {name for names in task.world.names.values() for name in names[:3]}
    text = " ".join(task.prompt(sample) for sample in samples)
    named = [word for word in re.findall(r"\w+", text) if word in task.world.facts]
    return sum(name in head for name in named) / len(named)


def test_conditions_differ_in_the_frequencies_of_entities() -> None:
    long_tailed = {("long_tailed", n) for n in ("pool", "dev", "test")} | {("shifted", "pool")}
    for condition in CONDITIONS:
        task, splits = made(condition)
        for name in ("pool", "dev", "test"):
            share = head_share(task, getattr(splits, name))
            if (condition, name) in long_tailed:
                assert share > 0.28, (condition, name)
            else:
                assert share < 0.14, (condition, name)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_texts_stay_short(condition: str) -> None:
    task, splits = made(condition)
    for sample in samples_of(splits):
        gold = splits.gold[sample.id]
        target = task.target(sample, Explanation.of(gold.explanation, gold.answer))
        assert len(re.findall(r"\w+|[^\w\s]|\n", task.prompt(sample))) <= 40
        assert len(re.findall(r"\w+|[^\w\s]|\n", target)) <= 48
        assert all(len(step.split()) <= 8 for step in gold.explanation)
        assert 1 <= len(task.plan(sample).facts) <= 4


def test_samples_hold_no_gold() -> None:
    task, splits = made("long_tailed")
    for sample in samples_of(splits):
        seen = json.dumps(sample.to_dict()) + task.prompt(sample)
        assert not any(step in seen for step in splits.gold[sample.id].explanation)
        assert set(sample.to_dict()) == {"id", "question", "choices", "origin", "parents"}


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+|[^\w\s]", text))


def test_the_vocabulary_covers_prompts_and_targets_without_reading_questions() -> None:
    task, splits = made("uniform")
    known = words(" ".join(AlmanacTask(condition="long_tailed").vocabulary()))
    for sample in samples_of(splits):
        gold = splits.gold[sample.id]
        target = task.target(sample, Explanation.of(gold.explanation, gold.answer))
        assert words(task.prompt(sample) + target) <= known
    assert task.vocabulary() == AlmanacTask(condition="shifted", split_seed=7).vocabulary()


def test_the_right_option_stands_at_every_place_equally_often() -> None:
    _, splits = made("uniform")
    places = Counter(splits.gold[s.id].answer for s in splits.pool if s.choices)
    assert set(places) == {"A", "B"}
    assert abs(places["A"] - places["B"]) <= 2


@pytest.mark.parametrize(
    ("knobs", "named"),
    [
        ({"condition": "skewed"}, "skewed"),
        ({"families": {"riddle": 1}}, "riddle"),
        ({"families": {}}, "weights"),
        ({"entities": 3}, "entities=3"),
        ({"years": [10, 20, 10]}, "years"),
        ({"categories": 99}, "categories=99"),
        ({"tail": -1}, "tail=-1"),
        ({"n_test": 0}, "split"),
        ({"lifespan": [500, 600]}, "lifespan"),
    ],
)
def test_knobs_that_cannot_be_used_are_named(knobs: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        AlmanacTask(**knobs)  # type: ignore[arg-type]


def test_too_small_a_world_for_the_splits_is_refused() -> None:
    with pytest.raises(ConfigError, match="no new one of family 'overlap'"):
        AlmanacTask(entities=16, families={"overlap": 1}, **SIZES).load()


def test_a_stranger_cannot_be_checked() -> None:
    with pytest.raises(DataError, match="no generated question"):
        made("uniform")[0].check_step(Sample("0" * 16, "Is Rome older than Paris?"), (), "Yes.")
