"""The small student and its tokenizer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from elad_exp.errors import ConfigError
from elad_exp.student.forced import FORCED_ANSWER_TOKENS
from elad_exp.student.tiny import build_tiny, build_tokenizer
from tests.unit.student_toys import SAMPLES, TASK, sample, tiny


def weights(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_initial_weights_depend_on_the_seed_and_leave_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first = tiny(seed=1)[0]
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(weights(first), weights(tiny(seed=1)[0]))
    assert not torch.equal(weights(first), weights(tiny(seed=2)[0]))


def test_the_tokenizer_depends_neither_on_the_seed_nor_on_the_order_of_the_pool() -> None:
    vocabulary = tiny(seed=1)[1].get_vocab()
    assert tiny(seed=2)[1].get_vocab() == vocabulary
    other = build_tiny(TASK, SAMPLES[::-1], seed=1, vocab_size=400, d_model=32, heads=2)[1]
    assert other.get_vocab() == vocabulary


@pytest.mark.slow
def test_the_tokenizer_is_the_same_in_another_process() -> None:
    code = (
        "from tests.unit.student_toys import tiny; t = tiny()[1];"
        "print(sorted(t.get_vocab().items(), key=lambda p: p[1]))"
    )
    root = Path(__file__).parents[2]
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env={"PYTHONHASHSEED": "77", "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = sorted(tiny()[1].get_vocab().items(), key=lambda p: p[1])
    assert found.stdout.strip() == str(expected)


def test_special_tokens_differ_and_labels_are_single_tokens() -> None:
    tokenizer = tiny()[1]
    assert len({tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id}) == 3
    for label in ("yes", "no"):
        assert tokenizer.tokenize(f"Answer: {label}")[-1] == f"Ġ{label}"


def test_the_default_shape_has_about_a_million_parameters_and_all_three_dropouts() -> None:
    pool = [sample(f"Is {i * 7919} the {i}th of {i * i} things?") for i in range(600)]
    model, _ = build_tiny(TASK, pool, seed=0)
    assert 0.7e6 < sum(p.numel() for p in model.parameters()) < 2e6
    rates = [m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)]
    assert len(rates) > 1 + model.config.num_hidden_layers  # embedding, and twice in each block
    assert set(rates) == {model.config.attention_dropout} == {0.1}


def test_saved_and_loaded_it_is_the_same_student(tmp_path: Path) -> None:
    model, tokenizer = tiny()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    tokenizer_again = AutoTokenizer.from_pretrained(tmp_path)
    ids = tokenizer("Is Ana taller than Bo?", return_tensors="pt").input_ids
    assert torch.equal(
        ids, tokenizer_again("Is Ana taller than Bo?", return_tensors="pt").input_ids
    )
    assert tokenizer_again.eos_token_id == tokenizer.eos_token_id
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits, again(ids).logits)


def test_a_longer_context_changes_neither_weights_nor_what_they_compute() -> None:
    short, tokenizer = tiny()
    long, _ = tiny(context=300)
    assert short.config.max_position_embeddings == 96 + FORCED_ANSWER_TOKENS
    assert long.config.max_position_embeddings == 300
    assert torch.equal(weights(short), weights(long))
    ids = tokenizer("Is Ana taller than Bo?", return_tensors="pt").input_ids
    with torch.no_grad():
        assert torch.equal(short(ids).logits, long(ids).logits)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"d_model": 30, "heads": 4}, r"d_model=30: must be a multiple of twice student\.heads=4"),
        ({"layers": 0}, r"student\.layers=0: must be at least 1"),
        ({"heads": -2}, r"student\.heads=-2: must be at least 1"),
        ({"dropout": 2}, r"student\.dropout=2: must be at least 0 and below 1"),
    ],
)
def test_shapes_that_make_no_model_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tiny(**change)


def test_a_vocabulary_without_room_for_all_bytes_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 259"):
        build_tokenizer(["a"], vocab_size=258, max_length=8)


def test_a_large_pool_gives_its_first_ids_to_the_tokenizer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shape: dict[str, int] = {"seed": 0, "vocab_size": 400, "d_model": 32, "heads": 2}
    first = sorted(SAMPLES, key=lambda sample: sample.id)[:3]
    few = build_tiny(TASK, first, **shape)[1].get_vocab()
    assert build_tiny(TASK, SAMPLES, **shape)[1].get_vocab() != few
    monkeypatch.setattr("elad_exp.student.tiny.VOCABULARY_FROM", 3)
    assert build_tiny(TASK, SAMPLES[::-1], **shape)[1].get_vocab() == few
