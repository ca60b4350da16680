"""Forced answers on the keys that writing has left: those of reading everything again."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from elad_exp.student.base import explain_then_force
from elad_exp.student.forced import Continuation, TokenTree, score_trees
from elad_exp.student.generate import generate
from elad_exp.student.kept import Kept, Shelf
from elad_exp.types import Explanation, Sample
from tests.unit.student_toys import SAMPLES, engine, pairs, tiny
from tests.unit.test_prompt_cache import PROMPTS, TYPES, model_of

MODEL, TOKENIZER = tiny()
with torch.no_grad():
    for parameter in MODEL.parameters():
        parameter.mul_(5)
END = -1


def shelved(model: Any, *, k: int = 1, eos_id: int = END, n: int = 20) -> tuple[Any, list[Kept]]:
    shelf = Shelf(PROMPTS, k)
    made = generate(
        model, PROMPTS, eos_id=eos_id, pad_id=2, max_new_tokens=n, k=k, greedy=True, shelf=shelf
    )
    return made[::k], shelf.kept(made)


def read_by(model: Any, work: Any) -> int:
    """Tokens, padding included, that go through the model meanwhile."""
    seen = []
    hook = model.get_input_embeddings().register_forward_hook(
        lambda module, given, made: seen.append(given[0].numel())
    )
    try:
        work()
    finally:
        hook.remove()
    return sum(seen)


@pytest.mark.parametrize("kind", TYPES)
def test_every_common_architecture_scores_on_kept_keys_as_on_its_own(kind: str) -> None:
    model = model_of(kind)
    made, kept = shelved(model, k=2)
    # Cut nowhere, in the midst, after all that has keys, and where the written is left early.
    cuts = [0, 7, 19, 20]

    def trees(known: list[Kept] | list[None]) -> list[TokenTree]:
        found = [TokenTree(own) for own in known]
        for tree, prompt, own in zip(found, PROMPTS, made, strict=True):
            for cut in cuts:
                tree.add(Continuation((*prompt, *own.ids[:cut], 50, 51), (60, 61)))
            tree.add(Continuation((*prompt, *own.ids[:5], (own.ids[5] + 1) % 300, 52), (60,)))
        return found

    again = score_trees(model, trees([None] * len(PROMPTS)), pad_id=2)
    scored = score_trees(model, trees(kept), pad_id=2)
    for one, other in zip(scored, again, strict=True):
        assert one == pytest.approx(other, abs=1e-4)
    assert len({round(x, 3) for row in again for x in row}) > 10


def test_rows_that_leave_early_keep_what_they_wrote_and_no_more() -> None:
    model = model_of("llama")
    written = [own.ids for own in shelved(model, n=60)[0]]
    ends = max({t for row in written for t in row}, key=lambda t: sum(t in row for row in written))
    made, kept = shelved(model, eos_id=ends, n=60)
    assert len({len(own.ids) for own in made}) > 1
    for prompt, own, known in zip(PROMPTS, made, kept, strict=True):
        # The last token of one that has reached the limit was never read.
        assert known.tokens == (*prompt, *own.ids)[: len(prompt) + min(len(own.ids), 59)]
        context = (*known.tokens, 50)
        tree, plain = TokenTree(known), TokenTree()
        for each in (tree, plain):
            each.add(Continuation(context, (60,)))
        assert len(tree.order(tree.known())) == 1
        [one], [other] = (score_trees(model, [each], pad_id=2) for each in (tree, plain))
        assert one == pytest.approx(other, abs=1e-4)


def test_a_row_that_writes_nothing_keeps_its_prompt() -> None:
    model = model_of("llama")
    first = shelved(model, n=1)[0][1].ids[0]
    made, kept = shelved(model, eos_id=first, n=8)
    assert made[1].ids == []
    assert kept[1].tokens == tuple(PROMPTS[1])


def test_what_is_asked_of_a_kept_token_is_computed_anew() -> None:
    model = model_of("llama")
    made, kept = shelved(model)
    inner = (*PROMPTS[1], *made[1].ids[:4])
    tree, plain = TokenTree(kept[1]), TokenTree()
    for each in (tree, plain):
        each.add(Continuation(inner, (60,)))
        each.add(Continuation((*inner, made[1].ids[4], 70), (61,)))
    assert len(tree.order(tree.known())) == 2
    [one], [other] = (score_trees(model, [each], pad_id=2) for each in (tree, plain))
    assert one == pytest.approx(other, abs=1e-4)


def test_trees_with_and_without_keys_share_a_batch() -> None:
    model = model_of("gpt2")
    _, kept = shelved(model)
    trees = [TokenTree(kept[0]), TokenTree(None), TokenTree(kept[2])]
    plain = [TokenTree() for _ in trees]
    for each in (trees, plain):
        for tree, prompt in zip(each, PROMPTS, strict=False):
            tree.add(Continuation((*prompt, 50), (60,)))
    for one, other in zip(
        score_trees(model, trees, pad_id=2), score_trees(model, plain, pad_id=2), strict=True
    ):
        assert one == pytest.approx(other, abs=1e-4)


def given(sample: Sample, attempt: Explanation) -> list[tuple[str, ...]]:
    return [attempt.texts[:n] for n in range(len(attempt.steps) + 1)] + [("Bo measures 17 feet.",)]


@pytest.mark.parametrize("k", [0, 2])
@pytest.mark.parametrize("tokens", [1, 700, 100_000])
def test_both_at_once_is_one_after_the_other(k: int, tokens: int) -> None:
    student = engine(MODEL, TOKENIZER, tokens_per_batch=tokens)
    drawn: dict[str, Any] = {"k": k, "temperature": 1.0, "seed": 3}
    said = student.explain_forced(SAMPLES[:12], given, **drawn)
    apart = explain_then_force(student, SAMPLES[:12], given, **drawn)
    assert [len(own) for own, _ in said] == [1 + k] * 12
    for (one, forced), (other, expected) in zip(said, apart, strict=True):
        assert [e.raw for e in one] == [e.raw for e in other]
        assert list(forced) == list(expected)
        for steps, distribution in forced.items():
            assert distribution == pytest.approx(expected[steps], abs=1e-4)


def test_prompts_and_attempts_are_not_read_again() -> None:
    samples = [sample for sample, _ in pairs()[:8]]
    student = engine(MODEL, TOKENIZER, tokens_per_batch=100_000)
    alone = read_by(MODEL, lambda: student.explain(samples))
    together = read_by(MODEL, lambda: student.explain_forced(samples, lambda *_: [()]))
    apart = read_by(MODEL, lambda: explain_then_force(student, samples, lambda *_: [()]))
    prompts = sum(map(len, student.prompt_ids(samples)))
    answer = len(TOKENIZER("Answer:").input_ids)
    assert together - alone == answer * len(samples)
    assert apart - alone >= prompts


def test_progress_tells_of_questions_only() -> None:
    student = engine(MODEL, TOKENIZER, tokens_per_batch=300)
    seen: list[tuple[int, int]] = []
    student.on_progress = lambda done, total: seen.append((done, total))
    student.explain_forced(SAMPLES[:12], given)
    assert len(seen) > 2
    assert seen == [(done, 12) for done in sorted({done for done, _ in seen})]
