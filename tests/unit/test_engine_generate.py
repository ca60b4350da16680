"""Explanations: batching, sampling and uncertainty must not show in the result."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from elad_exp.errors import ConfigError, DataError
from elad_exp.student.batches import bucketed
from elad_exp.student.draws import next_tokens
from elad_exp.student.generate import DROP_SHARE, generate
from elad_exp.student.precision import choose_dtype
from elad_exp.types import Explanation
from tests.unit.student_toys import SAMPLES, engine, tiny

MODEL, TOKENIZER = tiny()
END, PAD = TOKENIZER.eos_token_id, TOKENIZER.pad_token_id
SOME = SAMPLES[:12]


def raw(found: list[list[Explanation]]) -> list[list[str]]:
    return [[e.raw for e in each] for each in found]


def sharpened() -> Any:
    """A model whose random weights are large, so that its choices differ from row to row."""
    model, _ = tiny()
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(8)
    return model


SHARP = sharpened()


def naive(
    model: Any, prompt: list[int], n: int, end: int
) -> tuple[list[int], list[float], list[float]]:
    """One token at a time, without cache or batch."""
    ids, logprobs, entropies = list(prompt), [], []
    for _ in range(n):
        with torch.no_grad():
            logp = torch.log_softmax(model(torch.tensor([ids])).logits[0, -1], dim=-1)
        token = int(logp.argmax())
        if token == end:
            break
        ids.append(token)
        logprobs.append(float(logp[token]))
        entropies.append(float(-(logp.exp() * logp).sum()))
    return ids[len(prompt) :], logprobs, entropies


def test_cache_padding_and_dropped_rows_change_nothing() -> None:
    prompts = engine(MODEL, TOKENIZER).prompt_ids(SOME)
    assert len({len(p) for p in prompts}) > 1
    # As end token one that the rows write at different times, so that rows are dropped.
    written = [naive(SHARP, p, 40, -1)[0] for p in prompts]
    places = {t: [row.index(t) for row in written if t in row] for row in written for t in row}
    end = max(places, key=lambda t: (len(set(places[t])), t))
    assert len(set(places[end])) >= 3
    made = generate(SHARP, prompts, eos_id=end, pad_id=PAD, max_new_tokens=40)
    for prompt, found in zip(prompts, made, strict=True):
        ids, logprobs, entropies = naive(SHARP, prompt, 40, end)
        assert found.ids == ids
        assert found.logprobs == pytest.approx(logprobs, abs=2e-4)
        assert found.entropies == pytest.approx(entropies, abs=2e-4)
        assert found.finished == (len(ids) < 40)


def test_a_batch_of_64_is_64_batches_of_one_up_to_numerics() -> None:
    prompts = engine(MODEL, TOKENIZER).prompt_ids(SAMPLES)
    prompts = [*prompts, *(p[n:] for n, p in enumerate(prompts[:8], start=1))]
    assert len(prompts) == 64
    assert len({len(p) for p in prompts}) > 8
    model = sharpened().double()  # so that what is left of a difference is no rounding
    options = {"eos_id": END, "pad_id": PAD, "max_new_tokens": 20}
    together = generate(model, prompts, **options)
    for prompt, found in zip(prompts, together, strict=True):
        [alone] = generate(model, [prompt], **options)
        assert found.ids == alone.ids
        assert found.logprobs == pytest.approx(alone.logprobs, abs=1e-5)
        assert found.entropies == pytest.approx(alone.entropies, abs=1e-5)


def test_rows_may_end_before_they_have_written_anything() -> None:
    prompts = engine(MODEL, TOKENIZER).prompt_ids(SOME)
    firsts = [naive(SHARP, prompt, 1, -1)[0][0] for prompt in prompts]
    end = max(set(firsts), key=firsts.count)
    ended = firsts.count(end) / len(prompts)
    assert DROP_SHARE < ended < 1
    made = generate(SHARP, prompts, eos_id=end, pad_id=PAD, max_new_tokens=8)
    assert sum(found.ids == [] for found in made) == firsts.count(end)
    for prompt, found in zip(prompts, made, strict=True):
        assert found.ids == naive(SHARP, prompt, 8, end)[0]


def test_samples_share_a_prefill_and_sample_as_if_alone() -> None:
    student = engine(SHARP, TOKENIZER)
    together = student.explain(SOME, k=3, temperature=1.0, seed=4)
    alone = [student.explain([s], k=3, temperature=1.0, seed=4)[0] for s in SOME]
    assert raw(together) == raw(alone)
    assert any(len({e.raw for e in each}) > 1 for each in together)


def test_the_order_of_samples_does_not_matter_at_all() -> None:
    student = engine(SHARP, TOKENIZER)
    forward = student.explain(SOME, k=2, temperature=0.7, seed=1)
    backward = student.explain(SOME[::-1], k=2, temperature=0.7, seed=1)
    assert forward == backward[::-1]


def test_more_samples_do_not_change_the_first_ones() -> None:
    student = engine(SHARP, TOKENIZER)
    two = student.explain(SOME, k=2, temperature=1.0, seed=1)
    four = student.explain(SOME, k=4, temperature=1.0, seed=1)
    assert raw(two) == [each[:2] for each in raw(four)]


def test_equal_arguments_give_equal_results_and_seeds_differ() -> None:
    student = engine(SHARP, TOKENIZER)
    first = student.explain(SOME, temperature=1.0, seed=1)
    torch.manual_seed(99)
    assert student.explain(SOME, temperature=1.0, seed=1) == first
    assert raw(student.explain(SOME, temperature=1.0, seed=2)) != raw(first)
    assert student.explain(SOME) == student.explain(SOME, seed=7)


def drawn(p: torch.Tensor, temperature: float, uniform: torch.Tensor) -> torch.Tensor:
    none = torch.zeros(len(uniform), dtype=torch.bool)
    logits = p.log().expand(len(uniform), -1)
    return next_tokens(logits, temperature=temperature, uniforms=uniform, greedy=none).tokens


def test_draws_follow_the_distribution_and_never_take_the_impossible() -> None:
    p = torch.tensor([0.0, 0.5, 0.0, 0.3, 0.2, 0.0])
    n = 20_000
    uniform = (torch.arange(n) + 0.5) / n
    shares = drawn(p, 1.0, uniform).bincount(minlength=6) / n
    torch.testing.assert_close(shares, p, atol=1e-3, rtol=0)
    edge = torch.tensor([0.0, 1 - 2**-24])
    assert drawn(p, 1.0, edge).tolist() == [1, 4]
    squared = p**2 / (p**2).sum()
    shares = drawn(p, 0.5, uniform).bincount(minlength=6) / n
    torch.testing.assert_close(shares, squared, atol=1e-3, rtol=0)


def test_draws_from_a_vocabulary_of_many_blocks() -> None:
    p = torch.zeros(1000)
    p[[3, 255, 256, 700, 999]] = torch.tensor([0.1, 0.2, 0.3, 0.15, 0.25])
    n = 5_000
    uniform = (torch.arange(n) + 0.5) / n
    found = drawn(p, 1.0, uniform)
    torch.testing.assert_close(found.bincount(minlength=1000) / n, p, atol=2e-3, rtol=0)
    # In order of the levels: the cumulative distribution is passed where it should be.
    assert found.tolist() == sorted(found.tolist())


def test_numbers_of_a_draw_are_those_of_the_whole_distribution() -> None:
    logits = 5 * torch.randn(700, 3000, generator=torch.Generator().manual_seed(0))
    uniform = torch.rand(700, generator=torch.Generator().manual_seed(1))
    some = torch.arange(700) % 3 == 0
    found = next_tokens(logits, temperature=0.7, uniforms=uniform, greedy=some)
    logp = torch.log_softmax(logits, dim=-1)
    torch.testing.assert_close(found.logprobs, logp.gather(1, found.tokens[:, None])[:, 0])
    torch.testing.assert_close(found.entropies, -(logp.exp() * logp).sum(-1))
    assert torch.equal(found.tokens[some], logits[some].argmax(-1))
    assert not torch.equal(found.tokens[~some], logits[~some].argmax(-1))


def test_steps_carry_the_uncertainty_of_their_own_tokens() -> None:
    student = engine(SHARP, TOKENIZER)
    lines = {"steps": 0}
    for found in student.explain(SOME, k=4, temperature=1.3, seed=3):
        for explanation in found:
            for step in explanation.steps:
                lines["steps"] += 1
                assert step.entropy is not None
                assert step.entropy >= 0
                assert step.logprob is not None
                assert step.logprob <= 0
    assert lines["steps"] > 0


def test_prompts_that_leave_no_room_are_refused_by_name() -> None:
    length = engine(MODEL, TOKENIZER).prompt_length(SOME[0])
    enough = engine(MODEL, TOKENIZER, max_new_tokens=20, max_length=length + 20)
    assert enough.fits(SOME[0])
    short = engine(MODEL, TOKENIZER, max_new_tokens=20, max_length=length + 19)
    assert not short.fits(SOME[0])
    with pytest.raises(DataError, match=SOME[0].id):
        short.explain([SOME[0]])


def test_progress_is_told_and_interruption_stops_within_a_batch() -> None:
    student = engine(MODEL, TOKENIZER, tokens_per_batch=200)
    told: list[tuple[int, int]] = []
    student.on_progress = lambda done, total: told.append((done, total))
    student.explain(SOME)
    assert told[-1] == (12, 12)
    assert len(told) > 2
    calls = 0

    def interrupted() -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt

    student.interrupted = interrupted
    MODEL.train()
    with pytest.raises(KeyboardInterrupt):
        student.explain(SOME)
    assert calls == 5
    assert MODEL.training
    MODEL.eval()


def test_dropout_is_off_during_inference_and_the_mode_is_put_back() -> None:
    student = engine(SHARP, TOKENIZER)
    expected = student.explain(SOME)
    SHARP.train()
    assert student.explain(SOME) == expected
    assert SHARP.training
    SHARP.eval()
    student.explain(SOME)
    assert not SHARP.training


def test_a_low_precision_copy_is_made_once_a_phase_and_leaves_the_model_alone() -> None:
    student = engine(MODEL, TOKENIZER, inference_dtype="bfloat16")
    before = {name: t.clone() for name, t in MODEL.state_dict().items()}
    with student.phase() as outer:
        assert outer is not MODEL
        assert outer.dtype == torch.bfloat16
        assert outer.get_output_embeddings().weight is outer.get_input_embeddings().weight
        with student.phase() as inner:
            assert inner is outer
        assert all(e for e in student.explain(SOME))
    with student.phase() as later:
        assert later is not outer
    assert all(torch.equal(before[name], t) for name, t in MODEL.state_dict().items())
    with engine(MODEL, TOKENIZER).phase() as same:
        assert same is MODEL


@pytest.mark.parametrize("nested", [False, True])
def test_measuring_within_mixed_precision_training_gives_the_same(nested: bool) -> None:
    student = engine(SHARP, TOKENIZER)
    asked = [(s, ("Ana measures 3 feet.",)) for s in SOME]
    expected = student.explain(SOME), student.answer_distributions(asked)
    with student.phase() if nested else nullcontext(), torch.autocast("cpu", torch.bfloat16):
        assert (student.explain(SOME), student.answer_distributions(asked)) == expected
        assert torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("token", ["eos_token", "pad_token"])
def test_a_tokenizer_without_end_or_pad_token_is_named_with_the_remedy(token: str) -> None:
    _, tokenizer = tiny()
    setattr(tokenizer, token, None)
    tokenizer.name_or_path = "owner/model"
    with pytest.raises(ConfigError, match=rf"'owner/model' has no {token}; set it in tokenizer_c"):
        engine(MODEL, tokenizer)


def test_number_formats_are_checked() -> None:
    assert choose_dtype(MODEL, "auto") == torch.float32
    assert choose_dtype(MODEL, "bfloat16") == torch.bfloat16
    with pytest.raises(ConfigError, match="choose auto, float32, bfloat16"):
        engine(MODEL, TOKENIZER, inference_dtype="int3")


def test_lengths_that_cannot_work_are_refused() -> None:
    with pytest.raises(ConfigError, match="max_new_tokens=96 must be between"):
        engine(MODEL, TOKENIZER, max_new_tokens=96)
    with pytest.raises(ConfigError, match=r"context of 128 tokens.*max_length to 96 or less"):
        engine(MODEL, TOKENIZER, max_length=97)


def test_speeds_count_what_was_done_and_start_anew() -> None:
    student = engine(MODEL, TOKENIZER)
    assert student.take_speeds() == {}
    student.explain(SOME)
    made = sum(len(g.ids) + g.finished for g in _generated(student))
    assert student.speeds["generate"].tokens == made
    assert student.take_speeds()["generate"] > 0
    assert student.take_speeds() == {}


def _generated(student: Any) -> list[Any]:
    prompts = student.prompt_ids(SOME)
    return generate(MODEL, prompts, eos_id=END, pad_id=PAD, max_new_tokens=40)


@given(st.lists(st.integers(1, 50), max_size=30), st.integers(1, 120))
def test_batches_hold_everything_once_in_order_within_the_limit(
    size: list[int], limit: int
) -> None:
    order = list(range(len(size)))[::-1]
    batches = list(bucketed(order, size, limit))
    assert [i for batch in batches for i in batch] == order
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(size[i] for i in batch) <= limit


def test_the_output_matrix_is_multiplied_with_dense_rows_only() -> None:
    # With rows that have gaps, torch copies the whole matrix for each of them.
    student, seen = engine(MODEL, TOKENIZER), []
    head = MODEL.get_output_embeddings()
    with student.phase():
        spy = head.register_forward_hook(lambda _, given, out: seen.append(given[0]))
        student.explain(SOME)
        student.answer_distributions([(s, ()) for s in SOME])
        spy.remove()
    assert any(given.shape[0] > 1 for given in seen)
    assert all(given.is_contiguous() for given in seen)
    assert not head._forward_pre_hooks, "training is left as it was"
