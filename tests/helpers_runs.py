"""Complete fake run directories, as a run would leave them. Instant, deterministic, no torch."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from elad_exp.metrics import area_under_curve, auroc, majority, proportion
from elad_exp.rng import generator

COMPONENTS = ("elad", "inter", "step_entropy")
SPEED = {"random": 1.0, "rare_words": 1.15, "elad": 1.8}
STATUSES = ("ok",) * 18 + ("unparsed", "truncated")


def spent(annotations: int, tokens: int) -> dict[str, Any]:
    return {
        "annotations": annotations,
        "calls": annotations,
        "tokens": tokens,
        "usd": round(tokens * 2e-6, 6),
        "wall_s": round(annotations * 0.2, 3),
    }


def write_run(
    path: Path,
    *,
    selector: str = "elad",
    seed: int = 0,
    status: str = "completed",
    rounds: int = 6,
    query_size: int = 40,
    n_test: int = 1000,
    n_dev: int = 300,
    dataset: str = "almanac_a",
    sha256: str = "d" * 64,
    limit: int | None = None,
    speed: float | None = None,
    text: str | None = None,
) -> Path:
    """Write a run directory and return it.

    Args:
        path: The directory; created.
        status: `running`, `completed`, `stopped` or `failed`. A failed run fails before its first
            round if `rounds` is 0, and then knows neither dataset nor student.
        rounds: Purchases; the run has one round more, the untrained student.
        limit: `budget.max_annotations`.
        speed: How fast the student learns, `random` being 1; by default from the selector's name.
        text: Stands in every field that holds free text, to test escaping.
    """
    path.mkdir(parents=True)
    rng = generator(seed, "fake", selector)
    shared = generator(seed, "fake")  # what runs of one seed have in common
    effect = float(shared.normal(0, 0.012))
    pace = SPEED.get(selector, 1.0) if speed is None else speed
    lines: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    scores: list[dict[str, Any]] = []
    tokens = 0
    unmeasured = rounds == 0 and status == "failed"
    for r in range(0 if unmeasured else rounds + 1):
        bought_so_far = r * query_size
        true = 0.5 + 0.27 * (1 - np.exp(-pace * bought_so_far / 160)) + (effect if r else 0)
        line: dict[str, Any] = {
            "round": r,
            "n_labelled": sum(a["trained_on"] for a in annotations),
            "spent": spent(bought_so_far, tokens),
            "train_tokens": r * 52_000,
            "optimizer_steps": r * 150,
            "train_loss": None if r == 0 else round(1.9 * 0.7**r + 0.2, 4),
            "select": None,
            "bought": None,
            "seconds": {"train": 14.2 if r else 0.0, "evaluate": 6.1},
            "tokens_per_s": {"train": 3660.0, "evaluate": 2400.0} if r else {},
        }
        for split, n in (("dev", n_dev), ("test", n_test)):
            right = (generator(seed, split) if r == 0 else rng).random(n) < true
            line[split] = {"acc": proportion(int(right.sum()), n).to_dict()}
        if r < rounds:
            made = _purchase(r, query_size, rng, text=text)
            tokens += sum(a["tokens"] for a in made)
            annotations += made
            line["bought"] = _bought(made, spent(query_size, sum(a["tokens"] for a in made)))
            line["seconds"] |= {"score": 4.8 if r else 0.0, "annotate": 8.0}
            if r:
                line["select"] = _select(rng, names=COMPONENTS if text is None else (text,))
                scores += [
                    {
                        "round": r,
                        "id": f"pool{i:05d}",
                        "scores": {name: float(rng.random()) for name in COMPONENTS},
                        "answers": ["yes", "no", text or "yes", None],
                        "attempt_answer": "yes",
                    }
                    for i in range(100)
                ]
        lines.append(line)
    result = _result(
        lines, selector=selector, seed=seed, status=status, limit=limit, dataset=dataset,
        sha256=sha256, n_dev=n_dev, n_test=n_test, tokens=tokens, text=text, unmeasured=unmeasured,
    )  # fmt: skip
    (path / "result.json").write_text(json.dumps(result, indent=2))
    if lines:
        write_lines(path / "rounds.jsonl", lines)
    if annotations:
        write_lines(path / "annotations.jsonl", annotations)
    if scores:
        write_lines(path / "scores.jsonl.gz", scores)
    return path


def write_sweep(
    path: Path,
    *,
    selectors: Sequence[str] = ("random", "rare_words", "elad"),
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    **options: Any,
) -> Path:
    """One run for each selector and seed below `path`."""
    for selector in selectors:
        for seed in seeds:
            write_run(path / f"{selector}-{seed}", selector=selector, seed=seed, **options)
    return path


def write_lines(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    data = "".join(json.dumps(line) + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def _purchase(
    round_: int, n: int, rng: np.random.Generator, *, text: str | None
) -> list[dict[str, Any]]:
    made = []
    for i in range(n):
        steps = text_steps(round_ * 1000 + i, text)
        status = STATUSES[int(rng.integers(len(STATUSES)))] if i else "ok"
        error = _first_error(rng, len(steps)) if round_ and status == "ok" else None
        attempt, verdicts = None, []
        if round_:
            wrong = [
                text or f"{step} (misremembered)" if j + 1 == error else step
                for j, step in enumerate(steps)
            ]
            attempt = {
                "steps": [
                    {"index": j, "text": s, "logprob": -0.4, "entropy": float(rng.random())}
                    for j, s in enumerate(wrong, 1)
                ],
                "answer": text or "no",
                "raw": "\n".join(wrong),
            }
        if round_ and status == "ok":
            last = min(error or len(steps), len(steps))
            verdicts = [
                {
                    "index": j,
                    "ok": j != error,
                    "correction": steps[j - 1] if j == error else None,
                    "reason": text or ("The almanac says otherwise." if j == error else ""),
                }
                for j in range(1, last + 1)
            ]
        made.append(
            {
                "round": round_,
                "id": f"pool{round_:02d}{i:03d}",
                "question": text or QUESTIONS[(round_ + i) % len(QUESTIONS)],
                "choices": [{"label": text or "A", "text": text or "Vell"}] if i % 5 == 0 else [],
                "audit": bool(round_) and i >= n - max(1, n // 10),
                "attempt": attempt,
                "score": float(rng.random()) if round_ else None,
                "scores": {text or c: float(rng.random()) for c in COMPONENTS} if round_ else {},
                "verdicts": verdicts,
                "first_error": error,
                "steps": steps if status == "ok" else [],
                "answer": (text or "yes") if status == "ok" else None,
                "status": status,
                "trained_on": status == "ok",
                "teacher": text or "oracle",
                "call_ids": [text or f"call-{round_}-{i}"],
                "tokens": int(rng.integers(250, 420)),
                "usd": 0.0006,
                "cached": i % 7 == 0,
            }
        )
    return made


QUESTIONS = (
    "Is the harbour of Vell older than the lighthouse of Orran?",
    "Could a barge from Tamsin reach Quill without passing a toll?",
    "Does Maren export more salt than Dusk and Halder taken together?",
)


def text_steps(i: int, text: str | None = None) -> list[str]:
    steps = [
        f"The harbour of Vell was built in {1200 + i % 90}.",
        f"The lighthouse of Orran was built in {1300 + i % 70}.",
        f"{1200 + i % 90} is less than {1300 + i % 70}.",
    ]
    return [text] * 3 if text else steps[: 2 + i % 2]


def _first_error(rng: np.random.Generator, n: int) -> int | None:
    drawn = int(rng.integers(0, n + 2))
    return drawn or None


def _bought(made: list[dict[str, Any]], cost: dict[str, Any]) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for line in made:
        counts[line["status"]] = counts.get(line["status"], 0) + 1

    def rate(audit: bool) -> dict[str, Any] | None:
        group = [a for a in made if a["verdicts"] and a["audit"] == audit]
        accepted = sum(a["first_error"] is None for a in group)
        return proportion(accepted, len(group)).to_dict() if group else None

    return {
        "asked": len(made),
        "ok": counts["ok"],
        "audit": sum(a["audit"] for a in made),
        "status": counts,
        "acceptance_audit": rate(True),
        "acceptance_selected": rate(False),
        "teacher": _teacher(made),
        "spent": cost,
    }


def _teacher(made: list[dict[str, Any]]) -> dict[str, Any]:
    """Rates of a teacher that always answers yes, where the gold says so of two in three."""
    usable = [a for a in made if a["status"] == "ok" and (a["round"] == 0 or a["audit"])]
    if not usable:
        return {}
    n, right = len(usable), sum(i % 3 < 2 for i in range(len(usable)))
    if made[0]["round"] == 0:
        return {"answer_accuracy_round0": proportion(right, n).to_dict()}
    found = {"answer_accuracy": right, "right_to_wrong": 0, "first_error_accuracy": n - 1}
    return {name: proportion(k, n).to_dict() for name, k in found.items()}


def _select(rng: np.random.Generator, *, names: Sequence[str]) -> dict[str, Any]:
    wrong = rng.random(120) < 0.45
    found: dict[str, Any] = {}
    for i, name in enumerate(names):
        metric = auroc(list(rng.normal(0, 1, 120) + wrong * 0.4 * i), list(wrong))
        found[f"auroc/{name}"] = metric.to_dict() if metric else None
    return found | {"mean_steps": 2.6, "mean_steps_candidates": 2.4}


def _result(
    lines: list[dict[str, Any]], *, selector: str, seed: int, status: str, limit: int | None,
    dataset: str, sha256: str, n_dev: int, n_test: int, tokens: int, text: str | None,
    unmeasured: bool,
) -> dict[str, Any]:  # fmt: skip
    metrics: dict[str, Any] = {}
    if lines:
        metrics = {
            "test/acc": lines[-1]["test"]["acc"],
            "dev/acc": lines[-1]["dev"]["acc"],
            "test/acc_round0": lines[0]["test"]["acc"],
            "test/majority": majority(
                ["yes"] * (n_test // 2 + 7) + ["no"] * (n_test - n_test // 2 - 7)
            ).to_dict(),
        }
    if len(lines) > 1:
        area = area_under_curve(
            [line["spent"]["annotations"] for line in lines],
            [line["test"]["acc"]["value"] for line in lines],
        )
        whole = proportion(round(area * n_test), n_test).to_dict()
        metrics["test/aubc"] = whole | {"value": area, "method": "trapezoid; Wilson"}
    code = {"running": None, "completed": 0, "stopped": 75, "failed": 1}[status]
    reason = {"running": None, "completed": "rounds", "stopped": "no_annotations"}.get(
        status, "RuntimeError: the teacher went away"
    )
    total = spent((len(lines) - 1) * 40, tokens) if lines else None
    return {
        "schema_version": 1,
        "run_id": text or f"{dataset}-{selector}-{seed:08x}",
        "status": status,
        "exit_code": code,
        "stop_reason": reason if text is None or reason is None else text,
        "command": text or f"python -m elad_exp +experiment={dataset} selector={selector}",
        "experiment": text or dataset,
        "seed": seed,
        "config_sha256": "a" * 64,
        "git": {"commit": "c" * 40, "dirty": False},
        "started_at": "2026-01-05T10:00:00Z",
        "finished_at": None if status == "running" else "2026-01-05T10:04:05Z",
        "wall_s": 245.2,
        "resumed": 0,
        "dataset": None
        if unmeasured
        else {
            "name": text or dataset,
            "source": text or "generated",
            "revision": text,
            "sha256": sha256,
            "split_seed": 0,
            "n_pool": 3000,
            "n_dev": n_dev,
            "n_test": n_test,
        },
        "student": None
        if unmeasured
        else {
            "name": text or "tiny",
            "source": text or "scratch",
            "parameters": 1_280_000,
            "dtype": text or "float32",
        },
        "selector": None if unmeasured else {"name": text or selector},
        "teacher": None
        if unmeasured
        else {"name": text or "oracle", "model": text or "oracle", "mode": text or "single"},
        "budget": {
            "limits": {
                "max_annotations": limit,
                "max_calls": None,
                "max_tokens": None,
                "max_usd": None,
                "max_wall_s": None,
            }
        },
        "rounds": len(lines),
        "spent": total,
        "paid": total and total | {"usd": 0.0, "calls": 0, "tokens": 0},
        "metrics": metrics,
        "machine": {"platform": text or "Linux", "cores": 2, "threads": 2, "gpu": text},
        "versions": {"python": "3.11.9", "elad-exp": text or "0.1.0"},
        "assets": [{"name": text or "vocabulary", "source": text or "generated"}],
        "warnings": [text] if text else [],
    }
