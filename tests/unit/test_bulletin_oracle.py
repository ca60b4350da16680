"""What the writer of the bulletin's grammar knows: reading, analysing, writing."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import pairwise

import pytest

from elad_exp.entities import from_answer, problem_of, to_answer
from elad_exp.rng import generator
from elad_exp.tasks.almanac.draw import Draw
from elad_exp.tasks.bulletin import BulletinEntitiesTask, BulletinTask
from elad_exp.tasks.bulletin.composing import Composer
from elad_exp.tasks.bulletin.entities import CUT
from elad_exp.tasks.bulletin.frames import PHENOMENA, WORDINGS
from elad_exp.tasks.bulletin.words import CLASSES
from elad_exp.tasks.bulletin.world import TYPES, Picker
from elad_exp.tasks.bulletin.writing import Habit
from elad_exp.tasks.weaknesses import Confusion, Evidence, Missing, Weaknesses
from elad_exp.types import sample_id

SMALL = {"n_pool": 300, "n_dev": 50, "n_test": 100}


@cache
def task() -> BulletinTask:
    return BulletinTask(**SMALL)


@cache
def entities() -> BulletinEntitiesTask:
    return BulletinEntitiesTask(**SMALL)


def name(kind: str, rank: int = 0) -> str:
    return task().world.names[kind][rank]


class Noting(Picker):
    """Notes the entities in the order in which they are put into the text."""

    noted: list[tuple[str, str]]

    def name(self, kind: str) -> str:
        self.noted.append((kind, super().name(kind)))
        return self.noted[-1][1]

    def date(self, *, short: bool) -> str:
        self.noted.append(("DATE", super().date(short=short)))
        return self.noted[-1][1]


@pytest.mark.parametrize("world_seed", range(4))
def test_every_text_reads_as_it_was_made(world_seed: int) -> None:
    made = BulletinTask(world_seed=world_seed, **SMALL)
    draw = Draw(world_seed, "test")
    pick = Noting(made.world, draw, tail=0.0)
    for _ in range(1500):
        label, other = draw.shuffled(CLASSES)[:2]
        chosen = set(draw.shuffled(PHENOMENA)[: draw.below(len(PHENOMENA))])
        if chosen >= set(WORDINGS):
            continue
        pick.noted = []
        text = Composer(pick).text(label, chosen, other)
        assert (made.label(text), made.phenomena(text)) == (label, chosen), text
        assert made.difficulty(text) == ("hard" if chosen else "easy")
        spans = made.spans(text)
        assert spans is not None
        assert [(s.type, text[s.start : s.end]) for s in spans] == pick.noted, text
        assert all(one.end <= next_.start for one, next_ in pairwise(spans))


def test_a_distractor_needs_another_class() -> None:
    pick = Picker(task().world, Draw(0, "test"), tail=0.0)
    with pytest.raises(ValueError, match="another class"):
        Composer(pick).text("offer", {"negation"})


def test_splits_are_labelled_by_reading() -> None:
    splits, spans = task().load(), entities().load()
    for sample in (*splits.pool, *splits.dev, *splits.test):
        gold = splits.gold[sample.id]
        assert task().label(sample.question) == gold.answer == gold.meta["label"]
        assert sorted(task().phenomena(sample.question)) == gold.meta["phenomena"]
        assert task().difficulty(sample.question) == gold.meta["difficulty"]
        right = spans.gold[sample.id].answer
        assert to_answer(entities().spans(sample.question) or ()) == right
        assert not problem_of(sample.question, from_answer(right), CUT)


@pytest.mark.parametrize(
    ("text", "label", "phenomena"),
    [
        ("Please note a power cut in {PLACE}.", "outage", ()),
        ("Please stay indoors.", "weather", ()),
        ("This is not about a power cut. Please stay indoors.", "weather", ("negation",)),
        ("Please stay indoors. You need not apply at {ORG}.", "weather", ("negation",)),
        ("After heavy rain in spring comes a discount on 4 May.", "offer", ("past_event",)),
        ('Under the headline "heavy rain", {ORG} tells you of a discount.', "offer", ("quoted",)),
        ("{ORG} reports heavy rain, and asks you to stop using the {PRODUCT}.", "recall",
         ("mixture",)),
        ("Thank you for reading. It has been a quiet month. Call {PERSON} at any time. "
         "Please stay indoors.", "weather", ("long_lead_in",)),
        ("{ORG} announces a wx warning for Mon 4 May.", "weather", ("abbreviation",)),
    ],
)  # fmt: skip
def test_what_decides(text: str, label: str, phenomena: tuple[str, ...]) -> None:
    filled = text.format(**{kind: name(kind) for kind in TYPES if kind != "DATE"})
    assert task().label(filled) == label
    assert task().phenomena(filled) == set(phenomena)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "Hello, world!",
        "Please stay indoors",
        " Please stay indoors.",
        "Please stay indoors. ",
        "Please stay  indoors.",
        "Please stay indoors.  Please close the shutters.",
        "Please stay indoors. Come what may.",
        "Please note a power cut in Rome.",
        "Please note a birthday in {PLACE}.",
        "Thank you for reading.",
        "Please stay indoors. Please apply at {ORG}.",
        "This is not about a power cut.",
    ],
)
def test_a_text_that_is_not_of_the_grammar_has_no_label(text: str) -> None:
    filled = text.format(PLACE=name("PLACE"), ORG=name("ORG"))
    assert task().label(filled) is None
    assert task().spans(filled) is None
    assert task().difficulty(filled) is None
    assert task().phenomena(filled) == frozenset()


def test_a_notice_of_another_world_is_not_read() -> None:
    other = BulletinTask(world_seed=1, **SMALL)
    mine = [other.label(sample.question) for sample in task().load().pool]
    assert mine.count(None) > 0.8 * len(mine)


NEGATED = "This is not about a power cut. Please {}."
PLAIN = "Please {}."


def evidence() -> list[Evidence]:
    """Three negated notices taken for what they deny; plain ones right, but for one slip."""
    acts = ("stay indoors", "close the shutters", "tie down what stands outside")
    wrong: list[Evidence] = [
        (f"n{i}", NEGATED.format(act), "weather", "outage") for i, act in enumerate(acts)
    ]
    right: list[Evidence] = [
        (f"p{i}", PLAIN.format(act), "weather", "weather") for i, act in enumerate(acts)
    ]
    slip: Evidence = ("s", "Please take a seat by nine.", "meeting", "offer")
    fine: list[Evidence] = [(f"m{i}", "Please take a seat by nine.", "meeting", "meeting")
                            for i in range(6)]  # fmt: skip
    return [*wrong, *right, slip, *fine]


def test_confusions_and_missing_phenomena_name_their_evidence() -> None:
    found = task().analyse(evidence())
    assert found.confusions == (
        Confusion("weather", "outage", ("n0", "n1", "n2"), 3 / 7),
        Confusion("meeting", "offer", ("s",), 1 / 8),
    )
    assert found.phenomena == (Missing("negation", ("n0", "n1", "n2"), 4 / 6 - 1 / 11),)
    assert found.text == (
        "Weaknesses of the student: it takes weather for outage (3), meeting for offer (1); "
        "it errs where there is negation (3)."
    )
    assert Weaknesses.from_dict(found.to_dict()) == found


def test_a_phenomenon_that_is_mastered_is_no_weakness() -> None:
    """Seen among the wrong, but no more often than among the right."""
    act = "stay indoors"
    both = [
        ("a", NEGATED.format(act), "weather", "outage"),
        ("b", "Please take a seat by nine.", "meeting", "offer"),
        *((f"r{i}", NEGATED.format(act), "weather", "weather") for i in range(4)),
    ]
    assert task().analyse(both).phenomena == ()
    wrong_alone = [line for line in both if line[2] != line[3]]
    assert [m.phenomenon for m in task().analyse(wrong_alone).phenomena] == ["negation"]


def test_without_right_predictions_a_frequent_class_looks_weak() -> None:
    many = [("f", PLAIN.format("stay indoors"), "weather", "offer")] * 3
    seldom = [("r", "Please take a seat by nine.", "meeting", "offer")] * 2
    fine = [("x", PLAIN.format("close the shutters"), "weather", "weather")] * 9
    with_right = task().analyse([*many, *seldom, *fine])
    without = task().analyse([*many, *seldom])
    assert [c.right for c in with_right.confusions] == ["meeting", "weather"]
    assert [c.right for c in without.confusions] == ["weather", "meeting"]


def test_the_order_of_the_evidence_does_not_change_the_ranking() -> None:
    forth, back = (task().analyse(e) for e in (evidence(), evidence()[::-1]))
    assert [(c.right, c.score) for c in forth.confusions] == [
        (c.right, c.score) for c in back.confusions
    ]
    assert [m.score for m in forth.phenomena] == [m.score for m in back.phenomena]


@pytest.mark.parametrize("lines", [[], [("p", PLAIN.format("stay indoors"), "weather", "weather")]])
def test_no_mistake_no_weakness(lines: list[Evidence]) -> None:
    assert task().analyse(lines) == Weaknesses((), (), "No weakness is seen.")


def test_what_could_not_be_read_is_a_confusion_with_none() -> None:
    found = task().analyse([("a", "Hello.", "weather", None)])
    assert [(c.right, c.predicted) for c in found.confusions] == [("weather", "none")]
    assert found.phenomena == ()


def test_confused_entity_types_are_named() -> None:
    right = '[["ORG",0,5],["PLACE",9,14],["DATE",20,25]]'
    predicted = '[["PERSON",0,5],["PLACE",9,12],["DATE",20,25],["ORG",30,35]]'
    found = entities().analyse([("a", "Hello.", right, predicted), ("b", "Hello.", "[]", None)])
    assert {(c.right, c.predicted, c.score) for c in found.confusions} == {
        ("ORG", "PERSON", 0.5),
        ("PLACE", "none", 0.5),
        ("none", "ORG", 0.5),
    }


def test_without_weaknesses_all_classes_and_phenomena_are_alike() -> None:
    texts = task().write(600, 600, None, generator(0, "test"))
    assert texts == task().write(600, 600, None, generator(0, "test"))
    assert [task().difficulty(text) for text in texts] == ["easy"] * 600 + ["hard"] * 600
    classes = Counter(task().label(text) for text in texts)
    assert set(classes) == set(CLASSES)
    assert min(classes.values()) > 150
    found = Counter(name for text in texts for name in task().phenomena(text))
    assert set(found) == set(PHENOMENA)
    assert min(found.values()) > 40


def test_weaknesses_are_aimed_at() -> None:
    weak = Weaknesses(
        (Confusion("weather", "recall", ("a",), 0.5),), (Missing("quoted", ("a",), 0.3),)
    )
    texts = task().write(400, 400, weak, generator(0, "test"))
    easy, hard = (
        Counter(task().label(text) for text in part) for part in (texts[:400], texts[400:])
    )
    assert easy.most_common(1)[0][0] == "weather"
    assert easy["weather"] > 200
    assert [label for label, _ in hard.most_common(2)] == ["weather", "recall"]
    assert min(easy[label] for label in CLASSES) > 15  # nothing is forgotten
    found = Counter(name for text in texts for name in task().phenomena(text))
    assert found["quoted"] > 180
    assert len(found) == len(PHENOMENA)


def test_a_habit_makes_what_is_not_aimed_uneven() -> None:
    def shares(weak: Weaknesses | None, seed: int, uneven: float = 1.5) -> list[Counter[str]]:
        habit = Habit(uneven, seed)
        texts = task().write(400, 400, weak, generator(0, "test"), habit=habit)
        easy = Counter(str(task().label(text)) for text in texts[:400])
        return [easy, Counter(name for text in texts for name in task().phenomena(text))]

    classes, phenomena = shares(None, 0)
    (first, most), *_, (rare, least) = classes.most_common()
    assert most > 190  # of 400: 1 of the 1.87 that the weights of six classes sum to
    assert least < 30
    assert phenomena.most_common(1)[0][1] > 190
    assert shares(None, 0) == [classes, phenomena]
    assert {shares(None, seed)[0].most_common(1)[0][0] for seed in range(6)} > {first}
    aimed, _ = shares(Weaknesses((Confusion(rare, first, ("a",), 0.5),)), 0)
    assert aimed[rare] > 190  # half of the texts, whatever the habit
    assert shares(None, 0, 0.0) == shares(None, 1, 0.0)


def test_a_missed_entity_type_is_written_about() -> None:
    weak = Weaknesses((Confusion("PRODUCT", "none", ("a",), 0.5),))

    def share(weaknesses: Weaknesses | None) -> float:
        texts = entities().write(150, 150, weaknesses, generator(0, "test"))
        held = [{span.type for span in entities().spans(text) or ()} for text in texts]
        return sum("PRODUCT" in kinds for kinds in held) / len(held)

    assert share(None) < 0.5
    assert share(weak) > 0.6


def test_a_weakness_the_writer_does_not_know_is_passed_over() -> None:
    weak = Weaknesses((Confusion("party", "none", ("a",), 0.5),), (Missing("irony", ("a",), 0.3),))
    texts = task().write(5, 5, weak, generator(0, "test"))
    assert None not in {task().label(text) for text in texts}


def test_what_is_written_is_new() -> None:
    few = BulletinTask(names=12, hard=0.0, **SMALL)
    splits = few.load()
    known = {s.id for s in (*splits.pool, *splits.dev, *splits.test)}
    written = [sample_id(text) for text in few.write(1500, 0, None, generator(0, "test"))]
    assert len(set(written)) == 1500
    assert not known & set(written)
