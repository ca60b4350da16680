"""Answers forced early: what such an example says, what of it is learnt, and when it is drawn."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from elad_exp.config import compose_config
from elad_exp.data.collate import (
    IGNORE,
    Encoded,
    collate,
    encode_label,
    prompt_ids,
    render,
    target_ids,
)
from elad_exp.data.datamodule import PoolDataModule
from elad_exp.data.early import Examples, WithEarlyAnswers
from elad_exp.data.pool import Pool
from elad_exp.data.targets import TargetEncoder
from elad_exp.errors import ConfigError
from elad_exp.groundwork import check
from elad_exp.protocols import Task
from elad_exp.student.forced import Continuation, continuations
from elad_exp.tasks.reasoning import ReasoningTask
from elad_exp.types import (
    Annotation,
    Explanation,
    Query,
    QueryItem,
    Status,
    StepVerdict,
)
from tests.unit.student_toys import SAMPLES, TASK, ToyTask, pairs, tiny

TOKENIZER = tiny()[1]
END = TOKENIZER.eos_token_id


def read(prompt: str) -> Any:
    return render(TOKENIZER, prompt, chat_template=False)


def encoder(task: Task = TASK, *, train_on: str = "full", max_length: int = 96) -> TargetEncoder:
    return TargetEncoder(task, TOKENIZER, read, max_length=max_length, train_on=train_on)


def annotations(n: int = 12) -> list[Annotation]:
    return [Annotation(s, e, Status.OK, "t") for s, e in pairs()[:n]]


def learnt(row: Encoded) -> str:
    return str(TOKENIZER.decode([i for i in row.labels if i != IGNORE]))


def pool(of: list[Annotation]) -> Pool:
    found = Pool([a.sample for a in of])
    found.open(Query(0, tuple(QueryItem(a.sample) for a in of)))
    found.close(of)
    return found


def data(fraction: float, *, of: list[Annotation] | None = None, seed: int = 0) -> PoolDataModule:
    return PoolDataModule(
        pool(annotations() if of is None else of),
        encoder(),
        batch_size=4,
        steps_per_round=30,
        early_answer_fraction=fraction,
        collate=partial(collate, pad_id=TOKENIZER.pad_token_id),
        seed=seed,
    )


def drawn(fraction: float, *, seed: int = 0, round_: int = 1, steps: int = 3) -> list[Any]:
    batches = [[0, 1, 2, 3]] * 250
    early = WithEarlyAnswers(batches, [steps] * 4, fraction=fraction, seed=seed, round=round_)
    assert len(early) == len(batches)
    return [draw for batch in early for draw in batch]


@pytest.mark.parametrize("kept", [0, 1])
def test_every_token_but_those_of_the_label_is_read_and_not_learnt(kept: int) -> None:
    sample, explanation = pairs()[0]
    row = encoder().early(Annotation(sample, explanation, Status.OK, "t"), kept)
    prompt = prompt_ids(TOKENIZER, [read(TASK.prompt(sample))])[0]
    steps = "".join(f"{text}\n" for text in explanation.texts[:kept])
    pieces = [TOKENIZER.decode([i]) for i in row.ids[len(prompt) :]]
    assert list(row.ids[: len(prompt)]) == prompt
    assert "".join(pieces) == f"{steps}Answer: {explanation.answer}<|eos|>"
    assert pieces[-2:] == [f" {explanation.answer}", "<|eos|>"]
    assert pieces[-4:-2] == ["Answer", ":"]
    assert row.labels == (IGNORE,) * (len(row) - 2) + row.ids[-2:]


def test_forced_answers_are_token_for_token_what_is_trained() -> None:
    """What an engine compares are the labels after the tokens that are read in training."""
    for annotation in annotations():
        sample, explanation = annotation.sample, annotation.explanation
        assert explanation is not None
        prompt = prompt_ids(TOKENIZER, [read(TASK.prompt(sample))])[0]
        for kept in range(len(explanation.steps)):
            row = encoder().early(annotation, kept)
            known = row.labels.count(IGNORE)
            targets = target_ids(
                TOKENIZER,
                [
                    TASK.target(sample, Explanation.of(explanation.texts[:kept], label))
                    for label in ("yes", "no")
                ],
            )
            asked = continuations([[*prompt, *target] for target in targets])
            assert Continuation(row.ids[:known], row.ids[known : known + 1]) in asked


def test_a_label_that_stands_beside_its_space_is_learnt_without_it() -> None:
    sample = SAMPLES[0]
    task: ReasoningTask = ToyTask("open")
    for answer in ("17", "a word: and more", "Answer: x"):
        target = task.target(sample, Explanation.of(["Ana measures 3 feet."], answer))
        row = encode_label(TOKENIZER, read(task.prompt(sample)), target)
        assert learnt(row).strip() == f"{answer}<|eos|>"


@pytest.mark.parametrize("target", ["", "no answer", "Answer: yes\nmore", "Answer: yes\n"])
def test_what_does_not_end_with_an_answer_line_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="the last line of a target is"):
        encode_label(TOKENIZER, read("Question: x\n"), target)


def test_whole_examples_are_learnt_whole_and_revisions_from_the_first_error() -> None:
    sample, explanation = pairs()[0]
    plain = Annotation(sample, explanation, Status.OK, "t")
    target = TASK.target(sample, explanation)
    assert learnt(encoder().whole(plain)) == target + "<|eos|>"  # type: ignore[arg-type]
    revised = Annotation(
        sample, explanation, Status.OK, "t", verdicts=(StepVerdict(1, True),), first_error=2
    )
    rest = target.split("\n", 1)[1] + "<|eos|>"
    assert learnt(encoder(train_on="revision").whole(revised)) == rest  # type: ignore[arg-type]
    accepted = Annotation(sample, explanation, Status.OK, "t", verdicts=(StepVerdict(1, True),))
    row = encoder(train_on="revision").whole(accepted)
    assert learnt(row) == f"Answer: {explanation.answer}<|eos|>"  # type: ignore[arg-type]
    assert encoder(max_length=9).whole(plain) is None


def test_the_share_that_is_asked_for_is_cut_short_and_never_all_steps_are_kept() -> None:
    assert [kept for _, kept in drawn(0.0)] == [None] * 1000
    for fraction in (0.3, 1.0):
        kept = [k for _, k in drawn(fraction) if k is not None]
        assert len(kept) / 1000 == pytest.approx(fraction, abs=0.05)
        counts = [kept.count(k) / len(kept) for k in range(3)]
        assert sum(counts) == 1
        assert counts == pytest.approx([1 / 3] * 3, abs=0.07)
    assert [kept for _, kept in drawn(1.0, steps=0)] == [None] * 1000


def test_draws_depend_on_seed_round_and_position_alone() -> None:
    assert drawn(0.3) == drawn(0.3)
    assert drawn(0.3) != drawn(0.3, seed=1)
    assert drawn(0.3) != drawn(0.3, round_=2)
    more = drawn(0.6)
    assert all(b == a for a, b in zip(drawn(0.3), more, strict=True) if a[1] is not None)


def test_a_restored_pool_gives_the_same_batches() -> None:
    first, again = data(0.5), data(0.5, of=annotations(3))
    batches = list(first.train_dataloader())
    again.load_state_dict(first.state_dict())
    for a, b in zip(batches, again.train_dataloader(), strict=True):
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_the_other_examples_stay_where_they_are() -> None:
    whole, some = (list(data(fraction).train_dataloader()) for fraction in (0.0, 0.5))
    same = 0
    for a, b in zip(whole, some, strict=True):
        for i in range(4):
            width = min(int(m["attention_mask"][i].sum()) for m in (a, b))
            if torch.equal(a["labels"][i, :width], b["labels"][i, :width]):
                assert torch.equal(a["input_ids"][i, :width], b["input_ids"][i, :width])
                same += 1
    assert 0.35 < same / 120 < 0.65


def test_what_does_not_fit_the_context_is_no_example() -> None:
    of = annotations()
    some = encoder(max_length=sorted(len(encoder().whole(a) or ()) for a in of)[5])
    examples = Examples(of, some)
    assert 0 < len(examples) == len(examples.lengths) == len(examples.steps) < len(of)


def test_a_student_learns_labels_and_nothing_of_when_to_stop() -> None:
    """The gradient of a shortened example with respect to the logits of `Answer:` is zero."""
    from elad_exp.student.module import target_loss

    model, _ = tiny()
    logits: list[torch.Tensor] = []

    def keep(module: Any, given: Any, out: torch.Tensor) -> None:
        out.retain_grad()
        logits.append(out)

    model.get_output_embeddings().register_forward_hook(keep)
    [batch] = list(
        PoolDataModule(
            pool(annotations(4)),
            encoder(),
            batch_size=4,
            steps_per_round=1,
            early_answer_fraction=1.0,
            collate=partial(collate, pad_id=TOKENIZER.pad_token_id),
            seed=0,
        ).train_dataloader()
    )
    target_loss(model, batch).backward()  # type: ignore[no-untyped-call]
    moved = logits[0].grad.abs().sum(-1) > 0  # type: ignore[union-attr]
    assert moved.sum(dim=1).tolist() == [2] * 4, "the label and the end token"


@pytest.mark.parametrize("fraction", [-0.1, 1.5])
def test_fractions_outside_0_to_1_are_refused(fraction: float) -> None:
    config = compose_config(["+experiment=quickstart"])
    assert config.optim.early_answer_fraction == 0
    config.optim.early_answer_fraction = fraction
    with pytest.raises(ConfigError, match=rf"early_answer_fraction={fraction}: must be from 0"):
        check(config)
