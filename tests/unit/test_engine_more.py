"""What scoring asks of a student beyond explanations and forced labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from elad_exp.errors import ConfigError
from tests.unit.student_toys import SAMPLES, TASK, ToyTask, engine, tiny
from tests.unit.test_engine_generate import SHARP, TOKENIZER, naive, raw

SOME = SAMPLES[:10]
STEPS = ("Ana measures 3 feet.", "Bo measures 17 feet.")


def test_the_greedy_explanation_stands_before_the_samples() -> None:
    student = engine(SHARP, TOKENIZER)
    both = student.explain(SOME, k=3, temperature=1.0, seed=2, greedy=True)
    assert raw(both) == [
        [*one, *more]
        for one, more in zip(
            raw(student.explain(SOME)),
            raw(student.explain(SOME, k=3, temperature=1.0, seed=2)),
            strict=True,
        )
    ]


def test_the_log_probability_of_an_explanation_is_that_of_all_its_tokens() -> None:
    student = engine(SHARP, TOKENIZER)
    (found,) = student.explain(SOME[:1])[0]
    end = TOKENIZER.eos_token_id
    _, logprobs, _ = naive(SHARP, student.prompt_ids(SOME[:1])[0], student.max_new_tokens, end)
    assert found.logprob == pytest.approx(np.mean(logprobs), abs=1e-4)


def test_going_on_from_nothing_is_explaining() -> None:
    student = engine(SHARP, TOKENIZER)
    assert student.explain_from([(s, ()) for s in SOME], k=2, temperature=1.0, seed=5) == (
        student.explain(SOME, k=2, temperature=1.0, seed=5)
    )


def test_the_student_goes_on_after_the_tokens_that_training_has() -> None:
    student = engine(SHARP, TOKENIZER)
    ((found,),) = student.explain_from([(SOME[0], STEPS)])
    given = TOKENIZER("\n".join(STEPS) + "\n", add_special_tokens=False).input_ids
    prompt = student.prompt_ids(SOME[:1])[0]
    ids, _, _ = naive(SHARP, [*prompt, *given], student.max_new_tokens, TOKENIZER.eos_token_id)
    assert found.raw == "\n".join(STEPS) + "\n" + TOKENIZER.decode(ids, skip_special_tokens=True)
    assert found.texts[:2] == STEPS
    assert [step.entropy for step in found.steps[:2]] == [None, None]
    assert all(step.entropy is not None for step in found.steps[2:])


def test_items_beyond_the_context_are_not_continued() -> None:
    student = engine(SHARP, TOKENIZER)
    long = ("Ana measures 3 feet. " * 60,)
    items = [(SOME[0], long), (SOME[1], STEPS)]
    first, second = student.explain_from(items)
    assert first == []
    assert len(second) == 1
    assert student.forced_answers(items)[0] is None


def test_an_open_answer_is_what_the_student_writes_after_answer() -> None:
    task = ToyTask(answers="open")
    student = engine(SHARP, TOKENIZER, task=task)
    (found,) = student.forced_answers([(SOME[0], STEPS)])
    given = "\n".join([*STEPS, "Answer:"])
    ids = TOKENIZER(given, add_special_tokens=False).input_ids
    prompt = student.prompt_ids(SOME[:1])[0]
    written, _, _ = naive(SHARP, [*prompt, *ids], 32, TOKENIZER.eos_token_id)
    text = given + TOKENIZER.decode(written, skip_special_tokens=True)
    assert found == task.parse(SOME[0], text).answer


def test_dropout_gives_other_answers_in_every_pass_and_the_same_for_equal_seeds() -> None:
    model, tokenizer = tiny(dropout=0.2)
    student = engine(model, tokenizer)
    items = [(s, STEPS) for s in SOME]
    first, second, third = student.dropout_distributions(items, passes=3, seed=1)
    assert first != second != third
    assert all(sum(p.values()) == pytest.approx(1) for p in first)
    state = torch.get_rng_state()
    again = student.dropout_distributions(items, passes=3, seed=1)
    assert again == [first, second, third]
    assert torch.equal(torch.get_rng_state(), state)
    assert student.dropout_distributions(items, passes=1, seed=2) != [first]
    plain = student.answer_distributions(items)
    assert student.answer_distributions(items) == plain


def test_a_student_without_dropout_is_refused() -> None:
    model, tokenizer = tiny(dropout=0.0)
    with pytest.raises(ConfigError, match=r"student\.attention_dropout"):
        engine(model, tokenizer).dropout_distributions([(SOME[0], STEPS)], passes=2, seed=0)


def test_features_are_means_of_the_last_hidden_states() -> None:
    student = engine(SHARP, TOKENIZER, tokens_per_batch=64)
    texts = [TASK.prompt(s) for s in SOME] + ["", TASK.prompt(SOME[0])]
    found = student.embed(texts)
    assert found.shape == (12, SHARP.config.hidden_size)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(found[0], found[-1])
    ids = TOKENIZER(texts[3], add_special_tokens=False).input_ids
    with torch.no_grad():
        states = SHARP.get_decoder()(torch.tensor([ids])).last_hidden_state[0].mean(dim=0)
    np.testing.assert_allclose(found[3], (states / states.norm()).numpy(), atol=1e-5)
    assert student.embed([]).shape == (0, SHARP.config.hidden_size)


def test_dropout_does_not_depend_on_how_much_fits_a_batch_nor_on_the_order_of_items() -> None:
    model, tokenizer = tiny(dropout=0.2)
    items = [(s, STEPS) for s in SOME]
    wide = engine(model, tokenizer).dropout_distributions(items, passes=2, seed=1)
    narrow = engine(model, tokenizer, tokens_per_batch=100)
    assert narrow.dropout_distributions(items, passes=2, seed=1) == wide
    backward = narrow.dropout_distributions(items[::-1], passes=2, seed=1)
    assert [one[::-1] for one in backward] == wide


def test_forced_answers_are_the_same_however_many_samples_are_laid_out_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    student = engine(SHARP, TOKENIZER)
    items = [(s, given) for s in SOME for given in ((), STEPS[:1], STEPS)]
    whole = student.answer_distributions(items)
    monkeypatch.setattr("elad_exp.student.layout.SAMPLES_TOGETHER", 3)
    for one, other in zip(student.answer_distributions(items), whole, strict=True):
        assert one == pytest.approx(other, abs=1e-5)
