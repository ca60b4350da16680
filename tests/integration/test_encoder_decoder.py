"""Encoder-decoder models: batches, padding and caches against one plain pass a token."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from elad_exp.data.collate import Encoded, collate, collate_pairs, encode, prompt_ids, render
from elad_exp.student.encoder_decoder import score, write
from elad_exp.student.forced import Continuation
from elad_exp.student.module import target_loss, tokens_read
from tests.unit.pair_toys import bart, t5
from tests.unit.student_toys import SAMPLES, TASK, pairs, tiny

TOKENIZER = tiny()[1]
END, PAD = TOKENIZER.eos_token_id, TOKENIZER.pad_token_id
PROMPTS = prompt_ids(
    TOKENIZER, [render(TOKENIZER, TASK.prompt(s), chat_template=False) for s in SAMPLES[:10]]
)
BEGINNINGS = [list(range(20, 20 + i % 4)) for i in range(len(PROMPTS))]
UNTIED = {"tie_word_embeddings": False, "feed_forward_proj": "gated-gelu"}


def sharp(model: Any, by: float) -> Any:
    """Larger random weights, so that choices differ from row to row; doubles, because they also
    enlarge what is rounded.
    """
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(by)
    return model.double()


MODELS = {
    "t5": sharp(t5(TOKENIZER), 4),
    "t5 as of version 1.1": sharp(t5(TOKENIZER, **UNTIED), 4),
    "umt5": sharp(t5(TOKENIZER, kind="umt5"), 4),
    "mt5": sharp(t5(TOKENIZER, kind="mt5"), 4),
    "bart": sharp(bart(TOKENIZER), 1.2),
}
SLOW = ("t5 as of version 1.1", "mt5")  # differ from t5 and umt5 in what is not looked at here
every_model = pytest.mark.parametrize(
    "model",
    [
        pytest.param(model, id=name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name, model in MODELS.items()
    ],
)


def logp_after(model: Any, prompt: list[int], told: list[int]) -> torch.Tensor:
    read = [model.config.decoder_start_token_id, *told]
    with torch.no_grad():
        out = model(input_ids=torch.tensor([prompt]), decoder_input_ids=torch.tensor([read]))
    return torch.log_softmax(out.logits[0], dim=-1)


def naive(
    model: Any, prompt: list[int], beginning: list[int], n: int, end: int
) -> tuple[list[int], list[float], list[float]]:
    """One token at a time, without cache or batch."""
    ids, logprobs, entropies = list(beginning), [], []
    for _ in range(n):
        logp = logp_after(model, prompt, ids)[-1]
        token = int(logp.argmax())
        if token == end:
            break
        ids.append(token)
        logprobs.append(float(logp[token]))
        entropies.append(float(-(logp.exp() * logp).sum()))
    return ids[len(beginning) :], logprobs, entropies


def common_end(model: Any) -> int:
    """As end token one that the rows write at different times, so that rows are dropped."""
    written = [naive(model, p, b, 16, -1)[0] for p, b in zip(PROMPTS, BEGINNINGS, strict=True)]
    places = {t: [row.index(t) for row in written if t in row] for row in written for t in row}
    end = max(places, key=lambda t: (len(set(places[t])), t))
    assert len(set(places[end])) >= 2
    return end


@every_model
def test_cache_padding_beginnings_and_dropped_rows_change_nothing(model: Any) -> None:
    end = common_end(model)
    made = write(model, PROMPTS, BEGINNINGS, eos_id=end, pad_id=PAD, max_new_tokens=16)
    for prompt, beginning, found in zip(PROMPTS, BEGINNINGS, made, strict=True):
        ids, logprobs, entropies = naive(model, prompt, beginning, 16, end)
        assert found.ids == ids
        assert found.logprobs == pytest.approx(logprobs, rel=1e-5, abs=1e-5)
        assert found.entropies == pytest.approx(entropies, abs=1e-5)
        assert found.finished == (len(ids) < 16)


@every_model
def test_the_greedy_one_comes_first_and_the_samples_are_as_without_it(model: Any) -> None:
    uniforms = torch.rand(len(PROMPTS), 3, 12, generator=torch.Generator().manual_seed(0))
    options: dict[str, Any] = {"eos_id": END, "pad_id": PAD, "max_new_tokens": 12}
    greedy = write(model, PROMPTS, BEGINNINGS, **options)
    options |= {"temperature": 1.0}
    own = uniforms[:, 1:].flatten(0, 1)
    sampled = write(model, PROMPTS, BEGINNINGS, k=2, uniforms=own, **options)
    both = write(
        model, PROMPTS, BEGINNINGS, k=3, uniforms=uniforms.flatten(0, 1), greedy=True, **options
    )
    assert [g.ids for g in both[::3]] == [g.ids for g in greedy]
    assert [g.ids for i, g in enumerate(both) if i % 3] == [g.ids for g in sampled]
    assert len({tuple(g.ids) for g in sampled}) > len(PROMPTS)


def test_one_that_is_finished_long_before_the_others_may_stay_in_the_batch() -> None:
    model = MODELS["t5"]
    beginnings = [[20], *[list(range(20, 28))] * 9]
    uniforms = torch.rand(10, 6, generator=torch.Generator().manual_seed(0))
    options = {"eos_id": -1, "pad_id": PAD, "max_new_tokens": 6, "temperature": 1.0}
    together = write(model, PROMPTS[:10], beginnings, uniforms=uniforms, **options)
    for i, found in enumerate(together):
        own = uniforms[i : i + 1]
        (alone,) = write(model, PROMPTS[i : i + 1], beginnings[i : i + 1], uniforms=own, **options)
        assert found.ids == alone.ids


@every_model
def test_scores_are_those_of_a_pass_of_its_own_for_each_continuation(model: Any) -> None:
    asked = [
        Continuation((5, 6, 7), (8,)),
        Continuation((5, 6, 7), (9,)),
        Continuation((), (5, 6)),
        Continuation((5,), (6, 7, 8, 9)),
    ]
    # A prompt occurs twice, and the items need passes of different lengths.
    items = [(PROMPTS[0], asked), (PROMPTS[5], asked[:2]), (PROMPTS[0], asked[2:3])]
    for (prompt, wanted), found in zip(items, score(model, items, pad_id=PAD), strict=True):
        expected = []
        for c in wanted:
            ids = [*c.context, *c.tokens]
            logp = logp_after(model, prompt, ids[:-1])
            places = range(len(c.context), len(ids))
            expected.append(sum(float(logp[i, ids[i]]) for i in places))
        assert found == pytest.approx(expected, rel=1e-5)


def test_interruption_is_polled_before_every_pass() -> None:
    calls = 0

    def poll() -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(
            MODELS["t5"], PROMPTS, BEGINNINGS, eos_id=END, pad_id=PAD, max_new_tokens=9, poll=poll
        )
    assert not MODELS["t5"].get_output_embeddings()._forward_pre_hooks, (
        "the model is left as it was"
    )


def rows(n: int = 6, *, kept_steps: int = 0) -> list[Encoded]:
    found = []
    for sample, explanation in pairs()[:n]:
        row = encode(
            TOKENIZER,
            render(TOKENIZER, TASK.prompt(sample), chat_template=False),
            TASK.target(sample, explanation),
            max_length=200,
            kept_steps=kept_steps,
        )
        assert row is not None
        found.append(row)
    return found


def test_prompts_go_to_the_encoder_and_targets_to_the_decoder() -> None:
    examples = rows(kept_steps=1)
    batch = collate_pairs(examples, PAD, 7)
    for i, row in enumerate(examples):
        length = len(row) - row.prompt
        assert tuple(batch["input_ids"][i, : row.prompt].tolist()) == row.ids[: row.prompt]
        assert batch["attention_mask"][i].sum() == row.prompt
        # Masked steps are read all the same.
        assert batch["decoder_input_ids"][i, :length].tolist() == [7, *row.ids[row.prompt : -1]]
        assert batch["decoder_attention_mask"][i].sum() == length
        assert tuple(batch["labels"][i, :length].tolist()) == row.labels[row.prompt :]
        assert set(batch["labels"][i, length:].tolist()) <= {-100}
    assert tokens_read(batch) == tokens_read(collate(examples, PAD)) == sum(map(len, examples))


@every_model
@pytest.mark.parametrize("kept_steps", [0, 1])
def test_the_loss_is_that_of_the_learnt_tokens(model: Any, kept_steps: int) -> None:
    examples, terms = rows(kept_steps=kept_steps), []
    for row in examples:
        prompt, target = list(row.ids[: row.prompt]), list(row.ids[row.prompt :])
        logp = logp_after(model, prompt, target[:-1])
        terms += [
            -logp[i, label] for i, label in enumerate(row.labels[row.prompt :]) if label != -100
        ]
    batch = collate_pairs(examples, PAD, model.config.decoder_start_token_id)
    loss = target_loss(model, batch).detach()
    torch.testing.assert_close(loss.double(), torch.stack(terms).mean(), atol=0, rtol=1e-5)
