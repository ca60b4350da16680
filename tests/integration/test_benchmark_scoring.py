"""The arithmetic of `benchmarks/scoring`: what a floor counts, and which times are compared."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "scoring"
MODULES = ("workload", "plan", "table", "floor")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The modules of the benchmark, which import each other by plain names."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES})
    for name in MODULES:
        del sys.modules[name]


def row(bench: Any, name: str, repetition: int, wall_s: float, **changed: Any) -> dict[str, Any]:
    job = asdict(bench.workload.Job(name, **changed))
    timed = {"wall_s": wall_s, "cpu_s": 2 * wall_s, "tokens": 100, "before_mb": 1, "peak_mb": 2}
    return {**job, "repetition": repetition, **timed}


def test_a_shape_counts_every_matrix_of_a_model(bench: Any) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=64,
    )
    matrices = [p.numel() for p in LlamaForCausalLM(config).model.layers.parameters() if p.ndim > 1]
    shape = bench.floor.Shape.of(config)
    assert shape.layers == sum(matrices)
    assert shape.head == 32 * 64
    assert shape.attention == 2 * 2 * 32
    assert shape.weight_bytes == 2 * (sum(matrices) + 32 * 64)


@pytest.mark.parametrize(("before", "new"), [(0, 0), (0, 3), (5, 1), (5, 4)])
def test_every_token_attends_to_itself_and_all_before(bench: Any, before: int, new: int) -> None:
    assert bench.floor.spanned(before, new) == sum(before + i + 1 for i in range(new))


def test_the_floor_reads_prompts_once_and_last_tokens_never(bench: Any) -> None:
    shape = bench.floor.Shape(layers=10, head=3, attention=0)
    need = bench.floor.needed(shape, [4, 6], sequences=5, new_tokens=8, cuts=[0, 4], answer=2)
    assert need.prompts == 10 * 10 + 2 * 3
    assert need.decoding == 2 * 5 * 7 * 13
    assert need.answers == 2 * 2 * (2 * 10 + 3)
    assert need.steps == 7


def test_attention_of_the_floor_is_at_the_real_lengths(bench: Any) -> None:
    shape = bench.floor.Shape(layers=0, head=0, attention=1)
    need = bench.floor.needed(shape, [3], sequences=2, new_tokens=3, cuts=[0, 2], answer=1)
    prompt, sequence, answers = 1 + 2 + 3, 4 + 5, 4 + 6
    assert need.attention == prompt + 2 * sequence + answers


def test_weights_are_read_once_a_step_where_that_takes_longer(bench: Any) -> None:
    need = bench.floor.Needed(prompts=30, decoding=40, answers=10, attention=20, steps=5)
    quick_memory = bench.floor.Rates(reading=10.0, decoding=20.0, bytes=1e9)
    slow_memory = bench.floor.Rates(reading=10.0, decoding=20.0, bytes=50.0)
    assert bench.floor.seconds(need, quick_memory, weight_bytes=100) == pytest.approx(4 + 3)
    assert bench.floor.seconds(need, slow_memory, weight_bytes=100) == pytest.approx(4 + 10)


def test_cuts_are_even_and_begin_without_an_explanation(bench: Any) -> None:
    assert bench.workload.Job("ours").cuts() == [0, 16, 32, 48]
    assert bench.workload.Job("ours", prefixes=1).cuts() == [0]


def test_a_job_survives_the_command_line(bench: Any) -> None:
    job = bench.workload.Job("batched", "round", rows=8)
    assert bench.workload.Job.from_json(job.to_json()) == job


def test_a_peer_is_compared_at_its_best_batch(bench: Any) -> None:
    rows = [row(bench, "batched", r, wall, rows=8) for r, wall in enumerate((9.0, 9.0, 9.0))]
    rows += [row(bench, "batched", r, wall, rows=32) for r, wall in enumerate((4.0, 5.0, 99.0))]
    assert {r["rows"] for r in bench.table.best(rows, "batched")} == {32}
    assert bench.table.best(rows, "loop") == []


def test_ratios_are_taken_within_a_repetition_and_for_each_question(bench: Any) -> None:
    peer = [row(bench, "batched", r, wall) for r, wall in enumerate((64.0, 128.0))]
    mine = [row(bench, "loop", r, wall, questions=8) for r, wall in enumerate((16.0, 4.0, 1.0))]
    assert bench.table.ratios(mine, peer, "wall_s") == [0.5, 4.0]


def test_the_table_has_ours_without_its_growth(bench: Any) -> None:
    job = bench.plan.FULL.job
    rows = [row(bench, "ours", 0, 10.0), row(bench, "ours", 0, 1.0, questions=16)]
    rows += [row(bench, "batched", 0, 35.0, rows=64), row(bench, "batched", 0, 30.0, rows=32)]
    rows.append({**row(bench, "rates", 0, 0.0), "own_s": 5.0, "square_s": 4.0})
    lines = bench.table.comparison(rows, job).splitlines()
    assert len(lines) == 4
    assert (
        "| **ours** | 64 | 384.0 | 10.0 (20.0) | 10 | 2 (1) | 3.00 x | 3.00 x | 50% | 40% |"
        in (lines[2])
    )
    assert "batched, 32 rows" in lines[3]


def test_later_repetitions_have_what_is_compared_and_the_batches_that_did_well(bench: Any) -> None:
    plan, base = bench.plan.FULL, bench.plan.FULL.job
    times = {8: 90.0, 16: 66.0, 32: 60.0, 64: 68.0, 128: 72.0, 256: 95.0}
    rows = [
        row(bench, "batched", 0, wall, rows=size, workload=workload)
        for size, wall in times.items()
        for workload in bench.workload.WORKLOADS
    ]
    first, second, third = (plan.jobs(bench.plan.GROUPS, n, rows) for n in range(3))
    assert len(set(first)) == len(first)
    assert {job for job in first if job.name != "batched"} > set(second) - set(first)
    assert {job.rows for job in first if job.name == "batched"} == set(times)
    assert {job.rows for job in second if job.name == "batched"} == {16, 32, 64}
    assert {job.questions for job in second if job.name == "ours"} == {base.questions}
    assert {"loop", "polygraph"} <= {job.name for job in set(first) - set(second)}
    assert set(second) == set(third)
    assert [job.name for job in second] != [job.name for job in third]
    assert plan.axes(replace(plan.job, name="ours")) == ["questions", "k", "prefixes"]
