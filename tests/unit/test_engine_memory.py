"""What the engine reads, how long it holds it, and what it does where memory has run out."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

from elad_exp.errors import EladError
from elad_exp.student import decoder, engine, generate
from elad_exp.types import Explanation, Sample
from tests.unit import student_toys as toys

MODEL, TOKENIZER = toys.tiny()
with torch.no_grad():
    for parameter in MODEL.parameters():
        parameter.mul_(5)
SOME = toys.SAMPLES[:12]


def student(tokens_per_batch: int = 100_000) -> Any:
    return toys.engine(MODEL, TOKENIZER, tokens_per_batch=tokens_per_batch)


def given(sample: Sample, attempt: Explanation) -> list[tuple[str, ...]]:
    return [attempt.texts[:n] for n in range(len(attempt.steps) + 1)]


@contextmanager
def before_each_pass(see: Callable[[Tensor], None]) -> Iterator[None]:
    """`see` is given the token ids, (rows, tokens), of every forward pass; it may raise."""
    hook = MODEL.get_input_embeddings().register_forward_pre_hook(lambda _, given: see(given[0]))
    try:
        yield
    finally:
        hook.remove()


def shapes_of(work: Callable[[], Any]) -> list[tuple[int, int]]:
    seen: list[tuple[int, int]] = []
    with before_each_pass(lambda ids: seen.append((ids.shape[0], ids.shape[1]))):
        work()
    return seen


def test_the_samples_of_a_prompt_share_its_prefill() -> None:
    seen = shapes_of(lambda: student().explain(SOME, k=4, temperature=1.0, greedy=True))
    longest = max(map(len, student().prompt_ids(SOME)))
    assert seen[0] == (len(SOME), longest), "each prompt once, not once for each sample"
    assert {tokens for _, tokens in seen[1:]} == {1}
    assert seen[1][0] > len(SOME), "then a row for each sample"


def test_finished_sequences_leave_the_batch() -> None:
    prompts = student().prompt_ids(SOME)
    options = {"pad_id": TOKENIZER.pad_token_id, "max_new_tokens": 40}
    written = [own.ids for own in generate.generate(MODEL, prompts, eos_id=-1, **options)]
    # As end token one that the rows write at different times.
    ends = {t: sorted(row.index(t) for row in written if t in row) for row in written for t in row}
    end = max(ends, key=lambda t: len(set(ends[t])))
    assert len(set(ends[end])) >= 3
    passes = shapes_of(lambda: generate.generate(MODEL, prompts, eos_id=end, **options))[1:]
    for step, (rows, _) in enumerate(passes, start=1):
        alive = len(prompts) - sum(place < step for place in ends[end])
        assert rows * (1 - generate.DROP_SHARE) < alive <= rows
    assert passes[-1][0] < passes[0][0]


@pytest.mark.parametrize("ask", ["explain", "explain_forced"])
def test_keys_are_freed_with_their_batch(ask: str, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[weakref.ref[Any]] = []
    most = 0

    class Watched(generate.PromptCache):
        def __init__(self, *args: Any, **sizes: Any) -> None:
            nonlocal most
            held.append(weakref.ref(self))
            most = max(most, sum(cache() is not None for cache in held))
            super().__init__(*args, **sizes)

    monkeypatch.setattr(generate, "PromptCache", Watched)
    small = student(tokens_per_batch=200)
    gc.disable()
    try:
        small.explain(SOME) if ask == "explain" else small.explain_forced(SOME, given)
        assert len(held) >= 4
        assert most == 1, "one batch at a time"
        assert not any(cache() for cache in held)
    finally:
        gc.enable()


def test_out_of_memory_while_writing_gives_the_same_in_smaller_batches(
    caplog: pytest.LogCaptureFixture,
) -> None:
    expected = student().explain_forced(SOME, given)

    def room(ids: Tensor) -> None:
        if len(ids) > 5 and ids.shape[1] == 1:
            raise MemoryError

    tight = student()
    with before_each_pass(room), caplog.at_level(logging.WARNING):
        found = tight.explain_forced(SOME, given)
    assert "out of memory" in caplog.text
    assert_equal(found, expected)


def test_out_of_memory_while_forcing_leaves_writing_its_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = student().explain_forced(SOME, given)
    score = decoder.score_trees

    def scarce(model: Any, trees: Any, **options: Any) -> Any:
        if len(trees) > 2:
            raise MemoryError
        return score(model, trees, **options)

    monkeypatch.setattr(decoder, "score_trees", scarce)
    tight = student()
    assert_equal(tight.explain_forced(SOME, given), expected)
    assert tight.batches.tokens == 100_000


def test_a_batch_whose_keys_leave_no_room_for_one_answer_is_written_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = student().explain_forced(SOME, given)
    score, sizes = decoder.score_trees, []

    class Shelf(engine.Shelf):
        def __init__(self, prompts: Any, k: int) -> None:
            sizes.append(len(prompts))
            super().__init__(prompts, k)

    def scarce(model: Any, trees: Any, **options: Any) -> Any:
        if sizes[-1] > 3:  # as much as the batch's own keys leave
            raise MemoryError
        return score(model, trees, **options)

    monkeypatch.setattr(engine, "Shelf", Shelf)
    monkeypatch.setattr(decoder, "score_trees", scarce)
    tight = student()
    assert_equal(tight.explain_forced(SOME, given), expected)
    assert sizes[0] == 12
    assert max(sizes[-4:]) == 3
    # What one batch of answers could not have is no reason to force them one by one for ever.
    seen: list[int] = []
    monkeypatch.setattr(
        decoder,
        "score_trees",
        lambda m, trees, **o: seen.append(len(trees)) or score(m, trees, **o),
    )
    tight.explain_forced(SOME, given)
    assert max(seen) > 1


def test_where_not_even_one_question_fits_the_error_says_what_to_lower(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(*args: Any, **options: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(decoder, "score_trees", none)
    with pytest.raises(EladError, match=r"out of memory with a single question.*lower student\."):
        student().explain_forced(SOME, given)


def assert_equal(found: Any, expected: Any) -> None:
    for (one, forced), (other, answers) in zip(found, expected, strict=True):
        assert [e.raw for e in one] == [e.raw for e in other]
        assert list(forced) == list(answers)
        for steps, distribution in forced.items():
            assert distribution == pytest.approx(answers[steps], abs=1e-4)
