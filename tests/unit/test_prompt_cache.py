"""Samples that share their prompt's keys: what they write is what each would write alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

from elad_exp.errors import ConfigError
from elad_exp.student.cache import Places
from elad_exp.student.generate import generate

SHAPE: dict[str, Any] = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 2,
}
TYPES: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen2": {},
    "qwen3": {},
    "mistral": {"sliding_window": None},
    "olmo2": {},
    "smollm3": {},
    "phi3": {},
    "gemma": {},
    "gpt_neox": {"num_key_value_heads": 4},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128},
}
PROMPTS = [[5, 9, 30, 7], [8, 8, 200, 41, 17, 3, 90], [77], [5, 9, 30, 7, 12]]


def model_of(kind: str, **changes: Any) -> Any:
    given = TYPES.get(kind, {}) | changes
    names = SHAPE if kind != "gpt2" else {k: SHAPE[k] for k in ("vocab_size", "eos_token_id")}
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(CONFIG_MAPPING[kind](**(names | given)))
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() > 1:
                p.mul_(6)
    return model.eval()


def alone(model: Any, prompt: list[int], n: int) -> list[int]:
    ids = list(prompt)
    for _ in range(n):
        with torch.no_grad():
            ids.append(int(model(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
    return ids[len(prompt) :]


@pytest.mark.parametrize("kind", TYPES)
def test_every_common_architecture_writes_as_it_does_alone(kind: str) -> None:
    model = model_of(kind)
    before = model.config._attn_implementation
    made = generate(model, PROMPTS, eos_id=-1, pad_id=2, max_new_tokens=20, k=2)
    for i, prompt in enumerate(PROMPTS):
        assert made[2 * i].ids == made[2 * i + 1].ids == alone(model, prompt, 20)
    assert model.config._attn_implementation == before


@pytest.mark.parametrize("read", [1, 8, 10_000])
def test_prompts_are_read_in_parts_of_any_size(read: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of("llama")
    monkeypatch.setattr("elad_exp.student.generate.READ_TOKENS", read)
    made = generate(model, PROMPTS, eos_id=-1, pad_id=2, max_new_tokens=6)
    assert [g.ids for g in made] == [alone(model, p, 6) for p in PROMPTS]


def test_rows_and_whole_prompts_leave_when_they_are_finished() -> None:
    model = model_of("llama")
    uniforms = torch.rand(12, 60, generator=torch.Generator().manual_seed(3))

    def sampled(prompts: list[list[int]], rows: torch.Tensor) -> list[list[int]]:
        found = generate(
            model,
            prompts,
            eos_id=ends,
            pad_id=2,
            max_new_tokens=60,
            k=3,
            temperature=2.0,
            uniforms=rows,
        )
        return [g.ids for g in found]

    ends = -1
    free = sampled(PROMPTS, uniforms)
    # As end token one that nearly all rows write, at different times.
    ends = max(set(free[0]), key=lambda t: sum(t in row for row in free))
    lengths = [row.index(ends) if ends in row else 60 for row in free]
    assert len(set(lengths)) >= 4
    one_by_one = [
        ids for i, p in enumerate(PROMPTS) for ids in sampled([p], uniforms[3 * i : 3 * i + 3])
    ]
    assert sampled(PROMPTS, uniforms) == one_by_one
    assert list(map(len, one_by_one)) == lengths


def test_the_greedy_sequence_is_made_beside_the_samples() -> None:
    model = model_of("qwen2")
    uniforms = torch.rand(12, 15, generator=torch.Generator().manual_seed(0))
    together = generate(
        model,
        PROMPTS,
        eos_id=-1,
        pad_id=2,
        max_new_tokens=15,
        k=3,
        temperature=1.0,
        uniforms=uniforms,
        greedy=True,
    )
    greedy = generate(model, PROMPTS, eos_id=-1, pad_id=2, max_new_tokens=15)
    assert [g.ids for g in together[::3]] == [g.ids for g in greedy]
    assert any(a.ids != b.ids for a, b in zip(together[::3], together[1::3], strict=True))


def test_places_say_where_the_rows_of_a_prompt_stand() -> None:
    found = Places.of(torch.tensor([0, 0, 1, 2, 2, 2]))
    assert found.rows.tolist() == [[0, 1, 0], [2, 0, 0], [3, 4, 5]]
    assert found.rows.flatten()[found.places].tolist() == [0, 1, 2, 3, 4, 5]


def test_attention_that_cannot_be_shared_is_refused_by_name() -> None:
    capped = model_of("gemma2", attn_logit_softcapping=20.0, sliding_window=64)
    with pytest.raises(ConfigError, match="softcap"):
        generate(capped, PROMPTS, eos_id=-1, pad_id=2, max_new_tokens=4)
    short = model_of("mistral", sliding_window=10)
    with pytest.raises(ConfigError, match=r"student\.max_length=10"):
        generate(short, PROMPTS, eos_id=-1, pad_id=2, max_new_tokens=8)


def test_a_model_that_does_not_hand_the_cache_on_is_refused() -> None:
    keeps = model_of("nemotron")
    assert keeps._supports_attention_backend
    with pytest.raises(ConfigError, match="nemotron do not hand"):
        generate(keeps, PROMPTS, eos_id=-1, pad_id=2, max_new_tokens=4)
