"""The bulletin as a dataset: every text reads as it was made, and the shares are as configured."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from functools import cache
from itertools import chain
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from elad_exp.errors import ConfigError
from elad_exp.protocols import Splits, Task
from elad_exp.tasks.bulletin import BulletinEntitiesTask, BulletinTask
from elad_exp.tasks.bulletin.frames import FRAMES, PHENOMENA
from elad_exp.tasks.bulletin.linear import accuracies
from elad_exp.tasks.bulletin.words import ACTS, CLASSES, COMMON, RARE, SHORT
from elad_exp.tasks.bulletin.world import TYPES, invent_world
from elad_exp.types import Explanation, Sample, sample_id

CONF = Path(__file__).parents[2] / "conf"
CONTENT = "0e87bf167afd99ab130d95ff9d7c63f990da2f72a406d9ab5880583a5fbfbf5d"


@cache
def configured(name: str) -> tuple[BulletinTask | BulletinEntitiesTask, Splits]:
    with initialize_config_dir(str(CONF), version_base=None):
        task = instantiate(compose(f"dataset/{name}").dataset)
    return task, task.load()


def samples_of(splits: Splits) -> tuple[Sample, ...]:
    return (*splits.pool, *splits.dev, *splits.test)


def test_splits_have_their_sizes_and_share_no_text() -> None:
    task, splits = configured("bulletin")
    assert isinstance(task, Task)
    assert [len(part) for part in (splits.pool, splits.dev, splits.test)] == [3000, 300, 1000]
    assert len({s.id for s in samples_of(splits)}) == 4300
    assert all(s.id == sample_id(s.question) for s in samples_of(splits))
    assert set(splits.gold) == {s.id for s in samples_of(splits)}


def test_both_tasks_are_about_the_same_texts() -> None:
    one, other = (configured(name)[1] for name in ("bulletin", "bulletin_entities"))
    assert (one.pool, one.dev, one.test) == (other.pool, other.dev, other.test)
    assert one.info["sha256"] != other.info["sha256"]


def test_the_content_of_a_revision_never_changes() -> None:
    """Results name the revision: whoever changes the content gives it a new one."""
    info = configured("bulletin")[1].info
    assert (info["revision"], info["sha256"]) == ("bulletin-1", CONTENT)


def test_equal_knobs_give_equal_texts_whatever_the_hash_seed() -> None:
    program = (
        "from elad_exp.tasks.bulletin import BulletinTask as T;"
        "from elad_exp.rng import generator;"
        "t = T(n_pool=99, n_dev=9, n_test=9);"
        "print(t.load().info['sha256'], t.write(3, 3, None, generator(0)), t.vocabulary())"
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


@pytest.mark.parametrize("split", ["pool", "dev", "test"])
def test_every_split_has_the_configured_distribution(split: str) -> None:
    """Within four standard errors of each share; phenomena as the two draws without repetition."""
    task, splits = configured("bulletin")
    part = getattr(splits, split)
    gold = [splits.gold[sample.id] for sample in part]
    n = len(part)

    def near(count: int, share: float, of: int) -> bool:
        return abs(count / of - share) < 4 * (share * (1 - share) / of) ** 0.5

    classes = Counter(g.answer for g in gold)
    assert all(near(classes[name], share, n) for name, share in task.mix.classes.items())
    hard = [g.meta["phenomena"] for g in gold if g.meta["difficulty"] == "hard"]
    assert near(len(hard), task.mix.hard, n)
    assert near(sum(len(found) == 2 for found in hard), task.mix.second, len(hard))
    assert not any(len(found) > 2 for found in hard)
    single = Counter(chain(*(found for found in hard if len(found) == 1)))
    assert all(
        near(single[name], share, single.total()) for name, share in task.mix.phenomena.items()
    )


def test_classes_and_phenomena_are_long_tailed_and_sum_to_one() -> None:
    mix = configured("bulletin")[0].mix
    for weights in (mix.classes, mix.phenomena):
        shares = list(weights.values())
        assert shares == sorted(shares, reverse=True)
        assert shares[0] > 3 * shares[-1]
        assert sum(shares) == pytest.approx(1)
    assert (tuple(mix.classes), set(mix.phenomena)) == (CLASSES, set(PHENOMENA))


def test_no_phenomenon_prefers_a_class() -> None:
    _, splits = configured("bulletin")
    everything = [splits.gold[s.id] for s in samples_of(splits)]
    usual = Counter(g.answer for g in everything)
    for name in PHENOMENA:
        own = Counter(g.answer for g in everything if name in g.meta["phenomena"])
        for label in CLASSES:
            share = usual[label] / len(everything)
            margin = 4 * (share * (1 - share) / own.total()) ** 0.5
            assert abs(own[label] / own.total() - share) < margin, (name, label)


def test_worlds_differ_in_names_and_rare_cues() -> None:
    one, other = (invent_world(names=60, rare_cues=12, seed=seed) for seed in (0, 1))
    for kind, names in one.names.items():
        assert len(set(names)) == 60
        assert len(set(names) & set(other.names[kind])) < 6
    rare = [
        {w for cue, own in world.phrases.items() if cue.wording == "rare_cue" for w in own}
        for world in (one, other)
    ]
    assert len(rare[0]) == len(rare[1]) == 72
    assert len(rare[0] - rare[1]) >= 12


def test_names_are_shared_between_types() -> None:
    """A mention that has two types in the pool: the sentence tells, not the name."""
    task, splits = configured("bulletin_entities")
    types: dict[str, set[str]] = {}
    for sample in splits.pool:
        for kind, start, end in (
            (s.type, s.start, s.end) for s in task.spans(sample.question) or ()
        ):
            types.setdefault(sample.question[start:end], set()).add(kind)
    assert sum(len(kinds) > 1 for kinds in types.values()) >= 15
    assert set(chain(*types.values())) == set(TYPES)


def test_a_phrase_is_the_cue_of_one_class_only() -> None:
    phrases = [p for bank in (COMMON, RARE, SHORT) for own in bank.values() for p in own]
    assert len(phrases) == len(set(phrases))
    acts = list(chain(*ACTS.values()))
    assert len(acts) == len(set(acts))
    assert {label for bank in (COMMON, RARE, SHORT, ACTS) for label in bank} == set(CLASSES)
    assert all(frame.endswith(".") and "." not in frame[:-1] for frame in chain(*FRAMES.values()))


@pytest.mark.parametrize("name", ["bulletin", "bulletin_entities"])
def test_a_target_is_parsed_back(name: str) -> None:
    task, splits = configured(name)
    for sample in samples_of(splits):
        answer = splits.gold[sample.id].answer
        target = task.target(sample, Explanation.of((), answer))
        assert target.startswith("Answer: ")
        parsed = task.parse(sample, target)
        assert (parsed.steps, parsed.answer) == ((), answer)
        assert task.grade(sample, parsed.answer, splits.gold)
        assert task.prompt(sample) == sample.question + "\n"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Answer: offer", "offer"),
        ("answer:  **Offer.**", "offer"),
        ("Answer: offer\nAnswer: recall", "recall"),
        ("Answer: a party", None),
        ("offer", None),
        ("", None),
    ],
)
def test_an_answer_is_a_class_or_none(text: str, answer: str | None) -> None:
    task, splits = configured("bulletin")
    assert task.parse(splits.dev[0], text).answer == answer
    assert task.labels(splits.dev[0]) == CLASSES
    assert set(task.descriptions) == set(CLASSES)
    assert task.kind(splits.dev[0]) == "label"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Answer: none", "[]"),
        ("Answer: PLACE: Port Dovan; DATE: 4 May", '[["PLACE",23,33],["DATE",37,42]]'),
        ("Answer: PLACE: Port Nowhere", None),
        ("Answer: RIVER: Port Dovan", None),
        ("Answer: Port Dovan", None),
        ("Answer: PLACE:", None),
        ("Answer: DATE: 4 May; PLACE: Port Dovan", '[["PLACE",23,33],["DATE",37,42]]'),
        ("Answer: DATE: 4 Ma", None),
        ("nothing", None),
    ],
)
def test_entities_are_looked_up_in_the_text(text: str, answer: str | None) -> None:
    task, _ = configured("bulletin_entities")
    sample = Sample("0" * 16, "There will be frost in Port Dovan on 4 May.")
    assert task.parse(sample, text).answer == answer
    assert task.labels(sample) is None
    assert task.kind(sample) == "entities"
    assert set(task.descriptions) == set(TYPES)


def test_the_vocabulary_covers_the_texts_without_reading_them() -> None:
    task, splits = configured("bulletin")
    known = set(" ".join(task.vocabulary()).split())
    known |= {word.strip('.,;:"') for word in known}
    words = {w.strip('.,;:"') for s in samples_of(splits) for w in s.question.split()}
    assert words - {""} <= known


@pytest.mark.parametrize(
    ("knobs", "named"),
    [
        ({"classes": {"meeting": 1, "party": 1}}, "party"),
        ({"classes": {"meeting": 1}}, "two or more"),
        ({"phenomena": {"irony": 1, "quoted": 1}}, "irony"),
        ({"phenomena": {"mixture": 0, "quoted": 1}}, "weights above 0"),
        ({"hard": 1.5}, "hard=1.5"),
        ({"second": -1}, "second=-1"),
        ({"tail": -1}, "tail=-1"),
        ({"names": 3}, "names=3"),
        ({"rare_cues": 0}, "rare_cues=0"),
        ({"rare_cues": 99}, "rare_cues=99"),
        ({"n_test": 0}, "split"),
    ],
)
def test_knobs_that_cannot_be_used_are_named(knobs: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        BulletinTask(**knobs)  # type: ignore[arg-type]


def test_there_is_something_to_learn() -> None:
    """The numbers of docs/bulletin.md, with room: dev only."""
    _, splits = configured("bulletin")
    few, many = accuracies(splits, shots=1, draws=3), accuracies(splits, shots=None)
    assert few["dev"] < 0.4
    assert 0.8 < many["dev"] < 0.95
    assert many["easy"] - many["hard"] > 0.15
