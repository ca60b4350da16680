"""How much labels count: balanced classes, and doubt about synthetic examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cross_entropy

from elad_exp.data.collate import IGNORE, Encoded
from elad_exp.data.datamodule import PoolDataModule
from elad_exp.data.labels import label_loss
from elad_exp.data.pool import Pool
from elad_exp.data.weighing import Weighing, balanced, weighing_of, weighing_problems
from elad_exp.errors import ConfigError
from elad_exp.student.build_encoder import TinyEncoder
from elad_exp.student.tagger import tag_set
from elad_exp.types import Annotation, Query, QueryItem
from tests.unit.label_toys import EntityToy, LabelToy, annotations

CLASSES = ("concert", "market")


class Fixed:
    """A model whose outputs are given."""

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits.clone().requires_grad_()

    def __call__(self, **read: Tensor) -> Any:
        return SimpleNamespace(logits=self.logits)


def batch_of(labels: Tensor, **more: Tensor) -> dict[str, Tensor]:
    nothing = torch.zeros(len(labels), 1, dtype=torch.long)
    return {"input_ids": nothing, "attention_mask": nothing, "labels": labels, **more}


def gradient(logits: Tensor, batch: dict[str, Tensor]) -> Tensor:
    model = Fixed(logits)
    label_loss(model, batch).backward()
    assert model.logits.grad is not None
    return model.logits.grad


def drawn(*rows: Sequence[int]) -> list[Encoded]:
    return [Encoded((1,) * len(row), tuple(row)) for row in rows]


# -- balance -------------------------------------------------------------------------------------


def test_a_class_weighs_the_inverse_of_its_share() -> None:
    rows = drawn(*[[0]] * 6, *[[2]] * 2)
    assert balanced(rows, ("a", "b", "c")).tolist() == pytest.approx([8 / 12, 1, 8 / 4])
    assert balanced([], ("a", "b")).tolist() == [1, 1]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_all_classes_count_alike_and_the_mean_weight_is_one(labels: list[int]) -> None:
    weights = balanced(drawn(*([n] for n in labels)), "abcd").tolist()
    assert sum(weights[n] for n in labels) / len(labels) == pytest.approx(1)
    totals = {n: weights[n] * labels.count(n) for n in labels}
    assert list(totals.values()) == pytest.approx([len(labels) / len(totals)] * len(totals))


def test_of_entities_the_types_are_balanced_and_what_is_outside_is_left_alone() -> None:
    weighing = weighing_of(EntityToy(), tag_set(("A", "B")), class_weights="balanced", doubt=None)
    assert weighing == Weighing(("", "A", "A", "B", "B"))
    row = [IGNORE, 0, 0, 0, 1, 2, 2, 3, IGNORE]
    weights = balanced(drawn(row), weighing.classes or ())
    assert weights.tolist() == pytest.approx([1, 4 / 6, 4 / 6, 2, 2])
    learnt = [weights[n].item() for n in row if n != IGNORE]
    assert sum(learnt) / len(learnt) == pytest.approx(1)


def test_a_class_whose_name_looks_like_a_tag_is_a_class() -> None:
    found = weighing_of(LabelToy(), ("B-a", "I-a"), class_weights="balanced", doubt=0.5)
    assert found == Weighing(("B-a", "I-a"), 0.5)


def test_weights_multiply_losses_and_the_mean_is_over_labels() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.5, -1.0], [0.0, 0.0]])
    labels, weights = torch.tensor([0, 1, 1]), torch.tensor([0.5, 3.0, 0.25])
    losses = cross_entropy(logits, labels, reduction="none")
    found = label_loss(Fixed(logits), batch_of(labels, weights=weights))
    assert found.item() == pytest.approx((losses * weights).sum().item() / 3)


# -- doubt ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("q", [0.3, 0.7, 1.0])
def test_the_gradient_of_doubt_is_that_of_generalised_cross_entropy(q: float) -> None:
    logits = torch.tensor([[2.0, 0.0, 1.0], [-1.0, 0.5, 3.0], [0.1, 0.2, 0.3], [4.0, -4.0, 0.0]])
    labels = torch.tensor([0, 1, 2, 1])
    synthetic = torch.tensor([True, True, False, True])
    found = gradient(logits, batch_of(labels, doubt=q * synthetic))
    model = Fixed(logits)
    p = model.logits.softmax(dim=-1)[torch.arange(4), labels]
    torch.where(synthetic, (1 - p**q) / q, -p.log()).mean().backward()
    assert model.logits.grad is not None
    assert torch.allclose(found, model.logits.grad, atol=1e-7)
    plain = gradient(logits, batch_of(labels))
    assert torch.allclose(found[2], plain[2], atol=1e-7)
    assert found[3].norm() < 0.2 * plain[3].norm()  # the student contradicts this one


def test_doubt_is_of_each_token_and_of_synthetic_texts_alone() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 4)
    labels = torch.tensor([[IGNORE, 1, 3], [2, 0, IGNORE]])
    found = gradient(logits, batch_of(labels, doubt=torch.tensor([0.5, 0.0])))
    plain = gradient(logits, batch_of(labels))
    p = logits.softmax(dim=-1)
    assert torch.allclose(found[1], plain[1], atol=1e-7)
    for token in (1, 2):
        trust = p[0, token, labels[0, token]] ** 0.5
        assert torch.allclose(found[0, token], trust * plain[0, token], atol=1e-7)
    assert (found[0, 0] == 0).all()


def test_weights_and_doubt_go_together() -> None:
    logits, labels = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0])
    weights, doubt = torch.tensor([2.0, 0.5]), torch.tensor([0.0, 1.0])
    losses = cross_entropy(logits, labels, reduction="none")
    found = label_loss(Fixed(logits), batch_of(labels, weights=weights, doubt=doubt))
    trust = logits[1].softmax(dim=-1)[0]
    assert found.item() == pytest.approx(((2 * losses[0] + 0.5 * trust * losses[1]) / 2).item())


def test_without_either_nothing_changes_in_any_bit() -> None:
    torch.manual_seed(0)
    for shape in ((7,), (3, 5)):
        logits, labels = torch.randn(*shape, 4), torch.randint(0, 4, shape)
        labels.view(-1)[0] = IGNORE
        model, plain = Fixed(logits), logits.clone().requires_grad_()
        loss = label_loss(model, batch_of(labels))
        wanted = cross_entropy(plain.flatten(0, -2), labels.flatten(), ignore_index=IGNORE)
        loss.backward()
        wanted.backward()
        assert torch.equal(loss, wanted)
        assert model.logits.grad is not None
        assert plain.grad is not None
        assert torch.equal(model.logits.grad, plain.grad)


# -- in a round ----------------------------------------------------------------------------------


def bought(*purchases: list[Annotation]) -> Pool:
    pool = Pool([])
    for number, annotated in enumerate(purchases):
        pool.open(Query(number, tuple(QueryItem(a.sample) for a in annotated)))
        pool.close(annotated)
    return pool


def of_class(name: str, n: int, *, origin: str = "dataset") -> list[Annotation]:
    found = [a for a in annotations(LabelToy()) if a.explanation.answer == name]
    return [replace(a, sample=replace(a.sample, origin=origin)) for a in found[:n]]


def batches(
    pool: Pool, weighing: Weighing | None, review: float | None = None
) -> list[dict[str, Tensor]]:
    task = LabelToy()
    sizes: dict[str, Any] = {"d_model": 16, "layers": 1, "heads": 2, "vocab_size": 200}
    built = TinyEncoder(**sizes, level="word", max_length=40, dropout=0.0).build(
        task, task.load(), seed=0
    )
    data = PoolDataModule(
        pool,
        built.encoder(task, train_on="full"),
        batch_size=4,
        steps_per_round=6,
        early_answer_fraction=0.0,
        review=review,
        collate=built.collate,
        weighing=weighing,
        seed=0,
    )
    return list(data.train_dataloader())


def test_batches_are_as_they_were_and_have_what_is_asked_for() -> None:
    pool = bought([*of_class("concert", 9), *of_class("market", 3, origin="synthetic")])
    plain = batches(pool, None)
    assert [set(b) for b in plain] == [{"input_ids", "attention_mask", "labels"}] * 6
    found = batches(pool, Weighing(CLASSES, 0.5))
    for before, after in zip(plain, found, strict=True):
        assert all(torch.equal(before[name], after[name]) for name in before)
        market = after["labels"] == 1
        assert torch.allclose(after["weights"], torch.where(market, 2.0, 2 / 3))
        assert after["doubt"].tolist() == (0.5 * market).tolist()
    assert torch.cat([b["weights"] for b in found]).mean().item() == pytest.approx(1)
    assert set(batches(pool, Weighing(CLASSES))[0]) - set(plain[0]) == {"weights"}
    assert set(batches(pool, Weighing(None, 0.5))[0]) - set(plain[0]) == {"doubt"}


def test_in_balance_a_student_that_knows_nothing_is_pulled_to_no_class() -> None:
    pool = bought([*of_class("concert", 10), *of_class("market", 2)])
    pulls = []
    for weighing in (None, Weighing(CLASSES)):
        found = [gradient(torch.zeros(4, 2), b) for b in batches(pool, weighing)]
        pulls.append(torch.cat(found).sum(dim=0)[0].item())
    assert pulls[0] < -1
    assert pulls[1] == pytest.approx(0, abs=1e-6)


def test_shares_are_those_of_what_is_drawn() -> None:
    pool = bought(of_class("concert", 12), of_class("market", 2))
    half = batches(pool, Weighing(CLASSES), review=0.5)
    assert all((b["weights"] == 1).all() for b in half)
    quarter = torch.cat([b["weights"] for b in batches(pool, Weighing(CLASSES), review=0.75)])
    assert sorted(set(quarter.tolist())) == pytest.approx([2 / 3, 2])


@pytest.mark.parametrize(
    ("class_weights", "doubt", "told"),
    [
        ("equal", None, "optim.class_weights=equal: choose none or balanced"),
        ("none", 0.0, "optim.doubt=0.0: must be null, or above 0 and at most 1"),
        ("balanced", 1.5, "optim.doubt=1.5"),
    ],
)
def test_values_that_cannot_be_used(class_weights: str, doubt: float | None, told: str) -> None:
    [problem] = weighing_problems(class_weights, doubt)
    assert told in problem


def test_students_that_write_have_no_labels_to_weigh() -> None:
    assert weighing_of(LabelToy(), (), class_weights="none", doubt=None) is None
    for given_ in ({"class_weights": "balanced", "doubt": None}, {"class_weights": "none"}):
        with pytest.raises(ConfigError, match=r"writes its answers; set optim\.class_weights=none"):
            weighing_of(LabelToy(), (), **({"doubt": 0.5} | given_))
    assert weighing_problems("balanced", 1.0) == []
