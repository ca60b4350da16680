"""An encoder-decoder student: what it learns, and that batches do not show."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import chain, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from elad_exp.data.collate import collate_pairs, encode, render
from elad_exp.data.targets import TargetEncoder
from elad_exp.errors import ConfigError, DataError
from elad_exp.student.build import PretrainedStudent
from elad_exp.student.module import target_loss
from elad_exp.student.pretrained import keep_line_breaks
from elad_exp.student.seq2seq import Seq2SeqEngine
from elad_exp.tasks.reasoning import ReasoningTask
from elad_exp.types import Annotation, Choice, Explanation, Sample, Status
from tests.unit.pair_toys import bart, saved, t5, t5_tokenizer
from tests.unit.student_toys import SAMPLES, TASK, ToyTask, pairs, rows, sample, tiny

TOKENIZER = tiny()[1]
SOME = SAMPLES[:12]
KNOWN = pairs()[:8]


def student(
    model: Any, *, tokenizer: Any = TOKENIZER, task: ReasoningTask = TASK, **changes: Any
) -> Seq2SeqEngine:
    options: dict[str, Any] = {"max_new_tokens": 40, "max_length": 96, "tokens_per_batch": 3000}
    return Seq2SeqEngine(model, tokenizer, task, **(options | changes))


@cache
def sharp() -> Any:
    model = t5(TOKENIZER)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(3)
    return model


def teach(engine: Seq2SeqEngine, known: Sequence[tuple[Sample, Explanation]], steps: int) -> None:
    """Let a student learn explanations by heart."""
    model, tokenizer = engine.model, engine.tokenizer
    encoder = TargetEncoder(
        TASK, tokenizer, engine._render, max_length=engine.max_length, train_on="full"
    )
    examples = [encoder.whole(Annotation(s, e, Status.OK, "t")) for s, e in known]
    batch = collate_pairs(
        [row for row in examples if row],
        tokenizer.pad_token_id,
        model.config.decoder_start_token_id,
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, steps)
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        target_loss(model, batch).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        falling.step()
    model.eval()


@cache
def taught() -> Any:
    """A T5 that knows eight explanations by heart."""
    model = t5(TOKENIZER, dropout_rate=0.0)
    teach(student(model), KNOWN, 200)
    return model


def raw(found: list[list[Explanation]]) -> list[list[str]]:
    return [[e.raw for e in each] for each in found]


def test_what_is_learnt_by_heart_is_written_word_for_word() -> None:
    made = student(taught()).explain([s for s, _ in KNOWN])
    right = [TASK.target(s, e) == found[0].raw for (s, e), found in zip(KNOWN, made, strict=True)]
    assert sum(right) >= 7
    forced = student(taught()).answer_distributions([(s, e.texts) for s, e in KNOWN])
    agree = [max(d, key=d.__getitem__) == e.answer for (_, e), d in zip(KNOWN, forced, strict=True)]
    assert sum(agree) >= 7


def test_a_batch_of_one_gives_what_a_batch_of_all_gives() -> None:
    for model in (taught(), sharp(), bart(TOKENIZER)):
        together = student(model, tokens_per_batch=100_000)
        alone = student(model, tokens_per_batch=1)
        options: dict[str, Any] = {"k": 2, "temperature": 1.0, "seed": 3, "greedy": True}
        a, b = (s.explain(SOME, **options) for s in (together, alone))
        assert raw(a) == raw(b)
        for x, y in zip(chain(*a), chain(*b), strict=True):
            entropies = [[step.entropy for step in e.steps] for e in (x, y)]
            assert entropies[0] == pytest.approx(entropies[1], abs=1e-4)


def test_the_greedy_one_is_greedy_and_the_samples_are_those_without_it() -> None:
    engine = student(sharp())
    both = engine.explain(SOME, k=2, temperature=1.0, seed=1, greedy=True)
    assert raw([each[:1] for each in both]) == raw(engine.explain(SOME))
    assert raw([each[1:] for each in both]) == raw(
        engine.explain(SOME, k=2, temperature=1.0, seed=1)
    )
    assert any(len({e.raw for e in each}) == 3 for each in both)
    backward = engine.explain(SOME[::-1], k=2, temperature=1.0, seed=1, greedy=True)
    assert backward[::-1] == both
    assert raw(engine.explain(SOME, k=2, temperature=1.0, seed=2)) != raw([e[1:] for e in both])


def test_steps_carry_the_uncertainty_of_their_own_tokens() -> None:
    [[found]] = student(taught()).explain([KNOWN[0][0]])
    assert len(found.steps) == 2
    for step in found.steps:
        assert step.entropy is not None
        assert step.logprob is not None
        assert step.entropy >= 0
        assert -0.7 < step.logprob <= 0


def test_going_on_after_own_steps_gives_the_same_explanation() -> None:
    engine = student(taught())
    for (question, _), [whole] in zip(KNOWN, engine.explain([s for s, _ in KNOWN]), strict=True):
        begun = [(question, whole.texts[:n]) for n in range(len(whole.steps) + 1)]
        for n, [found] in enumerate(engine.explain_from(begun)):
            assert (found.texts, found.answer) == (whole.texts, whole.answer)
            assert [step.index for step in found.steps] == [step.index for step in whole.steps]
            assert all(step.logprob is None for step in found.steps[:n])
            assert all(step.logprob is not None for step in found.steps[n:])


def test_samples_that_go_on_do_not_depend_on_what_else_is_asked() -> None:
    engine = student(sharp())
    items = [(s, e.texts[:n]) for n, (s, e) in product(range(3), pairs()[:4])]
    options: dict[str, Any] = {"k": 2, "temperature": 1.0, "seed": 5}
    together = engine.explain_from(items, **options)
    assert raw(together) == raw([engine.explain_from([item], **options)[0] for item in items])
    assert raw(together[:4]) == raw(engine.explain([s for s, _ in items[:4]], **options))


def plain(
    model: Any, question: Sample, steps: tuple[str, ...], *, first_token_only: bool
) -> dict[str, float]:
    """Softmax over labels of what training would have as the log-probability of each."""
    labels = TASK.labels(question)
    assert labels is not None
    found = []
    for label in labels:
        prompt = render(TOKENIZER, TASK.prompt(question), chat_template=False, ends=True)
        target = TASK.target(question, Explanation.of(steps, label))
        row = encode(TOKENIZER, prompt, target, max_length=500)
        assert row is not None
        found.append((row.ids[: row.prompt], row.ids[row.prompt :]))
    targets = [target for _, target in found]
    common = next(i for i, c in enumerate(zip(*targets, strict=False)) if len(set(c)) > 1)
    scores = []
    for prompt_ids, ids in found:
        start = model.config.decoder_start_token_id
        with torch.no_grad():
            out = model(
                input_ids=torch.tensor([prompt_ids]),
                decoder_input_ids=torch.tensor([[start, *ids[:-1]]]),
            )
        logp = torch.log_softmax(out.logits[0], dim=-1)
        places = [common] if first_token_only else range(common, len(ids))
        scores.append(sum(float(logp[i, ids[i]]) for i in places))
    values = torch.tensor(scores, dtype=torch.float64).softmax(0).tolist()
    return dict(zip(labels, values, strict=True))


@pytest.mark.parametrize("batch", [1, 3000])
def test_distributions_are_those_of_teacher_forced_passes(batch: int) -> None:
    items = [(s, e.texts[:n]) for n, (s, e) in product(range(3), pairs()[:9])]
    for model in (sharp(), bart(TOKENIZER)):
        found = student(model, tokens_per_batch=batch).answer_distributions(items)
        for (question, steps), distribution in zip(items, found, strict=True):
            expected = plain(model, question, steps, first_token_only=True)
            assert distribution == pytest.approx(expected, abs=1e-4)
            assert sum(distribution.values()) == pytest.approx(1)


@pytest.mark.parametrize("labels", [("north", "northeast", "south"), ("1", "10", "100")])
def test_labels_that_begin_alike_are_compared_as_wholes(labels: tuple[str, ...]) -> None:
    question = sample("Where to?", tuple(Choice(label, f"go {label}") for label in labels))
    [found] = student(sharp()).answer_distributions([(question, ())])
    assert found == pytest.approx(plain(sharp(), question, (), first_token_only=False), abs=1e-4)


def test_answers_are_forced_as_they_are_trained_and_read() -> None:
    engine = student(taught())
    items = [(s, e.texts[:n]) for n, (s, e) in product(range(3), KNOWN)]
    chances = engine.answer_distributions(items)
    expected = [max(p, key=p.__getitem__) if max(p.values()) > 0.6 else None for p in chances]
    written = engine.forced_answers(items)
    assert expected.count(None) < 8
    assert all(e in (None, w) for e, w in zip(expected, written, strict=True))
    encoder = TargetEncoder(TASK, TOKENIZER, engine._render, max_length=96, train_on="full")
    for question, explanation in KNOWN:
        for kept in range(2):
            row = encoder.early(Annotation(question, explanation, Status.OK, "t"), kept)
            begun = engine._begun(question, explanation.texts[:kept], answer=True)
            assert (*engine.prompt_ids([question])[0], *begun.ids) == row.ids[
                : row.labels.count(-100)
            ]


def test_an_answer_that_cannot_be_read_is_none() -> None:
    assert student(sharp()).forced_answers([(s, ()) for s in SOME]) == [None] * 12


def test_open_answers_have_no_distribution_but_can_be_written() -> None:
    open_ = student(taught(), task=ToyTask("open"))
    with pytest.raises(ConfigError, match="open"):
        open_.answer_distributions([(SAMPLES[0], ())])
    [written] = open_.forced_answers([(KNOWN[0][0], KNOWN[0][1].texts)])
    assert written in ("yes", "no")


def test_what_exceeds_the_context_has_no_answer_and_shifts_no_other() -> None:
    engine = student(sharp())
    endless = ("Ana measures 3 feet.",) * 60
    items = [(SAMPLES[0], endless), (SAMPLES[0], ()), (SAMPLES[1], endless), (SAMPLES[2], ())]
    asked = [items[1], items[3]]
    found = engine.answer_distributions(items)
    assert found[0] == found[2] == {}
    assert [found[1], found[3]] == engine.answer_distributions(asked)
    assert raw(engine.explain_from(items)) == [
        [],
        *raw(engine.explain_from(asked[:1])),
        [],
        *raw(engine.explain_from(asked[1:])),
    ]
    assert engine.forced_answers(items)[::2] == [None, None]
    assert engine.answer_distributions(items[:1]) == [{}]
    with pytest.raises(DataError, match=SAMPLES[0].id):
        student(sharp(), max_length=45).explain(SAMPLES[:1])


def test_any_attempt_of_a_student_with_relative_positions_can_be_scored() -> None:
    engine = student(sharp())
    question = max((s for s in SAMPLES if engine.fits(s)), key=engine.prompt_length)
    # Each generated token was an invalid byte; decoded, it is a character of three bytes.
    [found] = engine.answer_distributions([(question, ("\ufffd" * 40,))])
    assert found.keys() == {"yes", "no"}
    with pytest.raises(ConfigError, match="context of 128 tokens"):
        student(bart(TOKENIZER), max_length=97)


def test_dropout_gives_several_opinions_and_the_same_ones_again() -> None:
    engine = student(sharp())
    items = [(s, e.texts) for s, e in pairs()[:20]]
    first = engine.dropout_distributions(items, passes=3, seed=1)
    assert [len(each) for each in first] == [20, 20, 20]
    assert first[0] != first[1]
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    assert engine.dropout_distributions(items, passes=3, seed=1) == first
    assert torch.equal(torch.random.get_rng_state(), state)
    assert engine.dropout_distributions(items, passes=3, seed=2) != first
    assert not sharp().training
    assert engine.dropout_distributions([], passes=2, seed=1) == [[], []]
    without = student(t5(TOKENIZER, dropout_rate=0.0))
    with pytest.raises(ConfigError, match="two passes of the student under dropout do not differ"):
        without.dropout_distributions(items, passes=2, seed=1)


def test_texts_have_places_of_length_one_that_batches_do_not_move() -> None:
    texts = [TASK.prompt(s) for s in SOME]
    found = student(taught()).embed(texts)
    assert found.shape == (12, 32)
    assert found.dtype == np.float32
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(12), abs=1e-5)
    alone = np.concatenate([student(taught(), tokens_per_batch=1).embed([t]) for t in texts])
    assert found == pytest.approx(alone, abs=1e-5)
    assert len(np.unique(found.round(4), axis=0)) == 12
    assert student(taught()).embed([]).shape == (0, 32)


def test_a_t5_with_a_tokenizer_of_its_kind_writes_lines() -> None:
    """Its own vocabulary has no line break; see `keep_line_breaks`."""
    tokenizer = t5_tokenizer()
    model = t5(tokenizer, dropout_rate=0.0)
    keep_line_breaks(model, tokenizer)
    engine = student(model, tokenizer=tokenizer)
    known = KNOWN[::2]
    teach(engine, known, 100)
    made = engine.explain([s for s, _ in known])
    for (_, e), [found] in zip(known, made, strict=True):
        assert (found.texts, found.answer) == (e.texts, e.answer)
    assert all(step.entropy is not None for [found] in made for step in found.steps)
    [found] = engine.explain_from([(KNOWN[0][0], KNOWN[0][1].texts[:1])])[0]
    assert found.texts[0] == KNOWN[0][1].texts[0]
    assert len(found.steps) == 2


def test_a_low_precision_copy_gives_much_the_same() -> None:
    items = [(s, e.texts) for s, e in KNOWN]
    exact = student(taught()).answer_distributions(items)
    rough = student(taught(), inference_dtype="bfloat16").answer_distributions(items)
    for a, b in zip(exact, rough, strict=True):
        assert a == pytest.approx(b, abs=0.05)


def test_interruption_stops_within_a_batch_and_the_mode_is_put_back() -> None:
    engine, calls = student(sharp()), 0

    def interrupted() -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt

    engine.interrupted = interrupted
    sharp().train()
    with pytest.raises(KeyboardInterrupt):
        engine.explain(SOME)
    assert sharp().training
    sharp().eval()


def test_a_pretrained_student_knows_what_it_is(tmp_path: Path) -> None:
    made = PretrainedStudent(
        name=str(saved(tmp_path)), max_length=96, max_new_tokens=40, chat_template=False
    ).build(TASK, None, seed=0)  # type: ignore[arg-type]
    assert isinstance(made.engine(TASK), Seq2SeqEngine)
    assert made.engine(TASK).shortened(7).max_new_tokens == 7
    assert isinstance(made.engine(TASK).shortened(7), Seq2SeqEngine)
    assert "decoder_input_ids" in made.collate(rows(made.tokenizer)[:2])
