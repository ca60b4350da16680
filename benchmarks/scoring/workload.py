"""What is asked of everyone: a student, questions, and how much for each of them.

Two workloads. `forced`: every sequence has exactly so many tokens, and the answer is forced after
so many prefixes of the greedy one. `round`: sequences end where the student ends them, and the
answer is forced after each of their steps, as a round of a run does it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from elad_exp.assets import resolve_model
from elad_exp.data.collate import collate, encode, prompt_ids, render
from elad_exp.student.build import model_folder
from elad_exp.student.module import rate_at, target_loss
from elad_exp.student.pretrained import load_pretrained
from elad_exp.tasks.strategyqa import StrategyQATask
from elad_exp.types import Explanation, GoldBook, Sample

STUDENT = "HuggingFaceTB/SmolLM2-135M-Instruct"
MAX_LENGTH, TOKENS_PER_BATCH, ATTENTION_DROPOUT = 512, 32768, 0.1
RATE, DECAY, WARMUP, BATCH, EPOCHS = 1e-4, 0.01, 5, 4, 2
TEMPERATURE, DTYPE = 1.0, "bfloat16"
WORKLOADS = ("forced", "round")
INSTRUCTION = (
    'Explain in short steps, one per line, then write "Answer: yes" or "Answer: no" on the last '
    "line."
)


@dataclass(frozen=True, slots=True)
class Job:
    """One measurement, in a process of its own.

    `k` sampled sequences a question beside the greedy one; `new_tokens` is the length of all of
    them (`forced`) or the limit (`round`); `prefixes` counts in `forced` only; `rows` is the size
    of a batch, where the one who is measured does not choose it.
    """

    name: str
    workload: str = "forced"
    questions: int = 64
    k: int = 4
    new_tokens: int = 64
    prefixes: int = 4
    rows: int = 0

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        return cls(**json.loads(text))

    def cuts(self) -> list[int]:
        """After so many tokens of the greedy sequence an answer is forced: evenly, from 0."""
        return [i * self.new_tokens // self.prefixes for i in range(self.prefixes)]


@dataclass(frozen=True, slots=True)
class Question:
    sample: Sample
    ids: list[int]


@dataclass(frozen=True, slots=True)
class Work:
    """What all processes read: folders of the two students, questions, and token ids.

    `answer` is what stands between a prefix and the label, `labels` the labels' tokens.
    """

    folders: dict[str, str]
    questions: list[Question]
    texts: list[str]
    answer: list[int]
    labels: list[int]
    source: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Work:
        found = json.loads(path.read_text(encoding="utf-8"))
        samples = map(Sample.from_dict, found.pop("samples"))
        prompts = found.pop("prompts")
        questions = [Question(s, ids) for s, ids in zip(samples, prompts, strict=True)]
        return cls(questions=questions, **found)


def task(data: str | None = None) -> StrategyQATask:
    return StrategyQATask(data, instruction=INSTRUCTION)


def prepare(path: Path, *, data: str | None, questions: int, examples: int, epochs: int) -> None:
    """Write what all processes read, and the fine-tuned student unless it is there.

    Args:
        path: The file. The student is put beside it.
        data: A copy of StrategyQA; None for the asset.
        questions: So many of the pool, after the examples.
        examples: The first of the pool: the fine-tuned student has learnt these.
        epochs: How often.
    """
    qa = task(data)
    splits = qa.load()
    files = resolve_model(STUDENT)
    folder = model_folder(files)
    samples = [splits.pool[i] for i in range(examples + questions)]
    tuned = path.parent / f"student-{examples}x{epochs}"
    if not tuned.is_dir():
        fine_tune(folder, tuned, samples[:examples], splits.gold, epochs=epochs)
    _, tokenizer = load_pretrained(folder)
    samples = samples[examples:]
    rendered = [render(tokenizer, qa.prompt(s), chat_template=True) for s in samples]
    labels = [tokenizer(f" {label}").input_ids for label in ("yes", "no")]
    if any(len(ids) != 1 for ids in labels):
        raise SystemExit(f"labels of more than one token: {labels}")
    found = {
        "folders": {"forced": str(folder), "round": str(tuned)},
        "samples": [s.to_dict() for s in samples],
        "prompts": prompt_ids(tokenizer, rendered),
        "texts": list(map(str, rendered)),
        "answer": tokenizer("\nAnswer:").input_ids,
        "labels": [ids[0] for ids in labels],
        "source": {
            "student": folder.name,
            "student_source": files.source,
            "dataset": splits.info["source"],
            "dataset_sha256": splits.info["sha256"],
        },
    }
    path.write_text(json.dumps(found), encoding="utf-8")


def fine_tune(
    folder: Path, out: Path, samples: Sequence[Sample], gold: GoldBook, *, epochs: int
) -> None:
    """A student that has learnt to explain in steps and to end: the settings of a first round.

    Written under a temporary name and renamed, so that a folder that exists is complete.
    """
    torch.manual_seed(0)
    qa = task()
    model, tokenizer = load_pretrained(folder, attention_dropout=ATTENTION_DROPOUT)
    rows = []
    for sample in samples:
        prompt = render(tokenizer, qa.prompt(sample), chat_template=True)
        target = qa.target(
            sample, Explanation.of(gold[sample.id].explanation, gold[sample.id].answer)
        )
        rows.append(encode(tokenizer, prompt, target, max_length=MAX_LENGTH))
    fitting = [row for row in rows if row is not None]
    batches = [fitting[i : i + BATCH] for i in range(0, len(fitting), BATCH)] * epochs
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    model.train()
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = RATE * rate_at(step, warmup_steps=WARMUP, decay_steps=len(batches))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = target_loss(model, collate(batch, tokenizer.pad_token_id))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    partial = out.with_name(f"{out.name}.partial")
    model.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    partial.rename(out)
