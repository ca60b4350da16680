"""Which encoder tells steps that say the same from steps that say something else?

    .venv/bin/python benchmarks/content/run.py

Distances of the pairs in pairs.py by the hidden states of SmolLM2-135M and by all-MiniLM-L6-v2,
and which pairs `content=text` and `facts` join; writes results.json and prints the tables of
README.md.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from pairs import KINDS
from transformers.utils.logging import disable_progress_bar

from elad_exp.assets import resolve_model
from elad_exp.metrics import auroc
from elad_exp.selectors.content import by_facts, by_text
from elad_exp.student.batches import Batches
from elad_exp.student.embedding import embed
from elad_exp.student.pretrained import load_pretrained
from elad_exp.student.sentences import SentenceEncoder
from elad_exp.types import Sample

HERE = Path(__file__).parent
SMOLLM2 = "HuggingFaceTB/SmolLM2-135M-Instruct"
NOBODY = Sample("", "")
CUTS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6)


def encoders() -> dict[str, tuple[str, Any]]:
    """By name: where the weights are from, and a function from texts to vectors."""
    files = resolve_model(SMOLLM2)
    model, tokenizer = load_pretrained(files.path, gguf_file=files.gguf_file)
    sentences = SentenceEncoder()

    def student(texts: list[str]) -> Any:
        return embed(model.model, tokenizer, texts, batches=Batches(16384), context=256)

    return {
        "student": (f"{SMOLLM2}, {files.source}", student),
        "minilm": (f"{sentences.asset['name']}, {sentences.asset['source']}", sentences.embed),
    }


def measure(vectors_of: Any) -> dict[str, Any]:
    """Distances of every pair by kind, how well they tell kinds apart, and what each cut joins."""
    distances = {}
    for kind, pairs in KINDS.items():
        one, other = (vectors_of([pair[i] for pair in pairs]) for i in (0, 1))
        distances[kind] = [round(float(d), 4) for d in 1 - (one * other).sum(axis=1)]
    same = distances["same"]
    areas = {}
    for kind in ("other", "apart"):
        found = auroc(distances[kind] + same, [True] * len(distances[kind]) + [False] * len(same))
        areas[kind] = found.to_dict() if found else None
    joined = {
        str(cut): {kind: float(np.mean(np.array(d) <= cut)) for kind, d in distances.items()}
        for cut in CUTS
    }
    return {"distances": distances, "auroc": areas, "joined": joined}


def joined_by_rules() -> dict[str, dict[str, float]]:
    """Share of the pairs that are one by their words; no question is known."""
    groupings = {
        "text": lambda pair: by_text(pair),
        "facts": lambda pair: by_facts(NOBODY, pair)(pair),
    }
    return {
        name: {
            kind: float(np.mean([len(set(group(pair))) == 1 for pair in pairs]))
            for kind, pairs in KINDS.items()
        }
        for name, group in groupings.items()
    }


def tables(results: dict[str, Any]) -> str:
    """For README.md."""
    lines = [
        "| encoder | same: 10 %, median, 90 % | other | apart | AUROC other | AUROC apart |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, found in results.items():
        spread = [
            ", ".join(f"{np.quantile(found['distances'][kind], q):.2f}" for q in (0.1, 0.5, 0.9))
            for kind in KINDS
        ]
        areas = [
            "{value:.2f} [{ci95[0]:.2f}, {ci95[1]:.2f}]".format(**found["auroc"][kind])
            for kind in ("other", "apart")
        ]
        lines.append(f"| {' | '.join([f'`{name}`', *spread, *areas])} |")
    lines += [
        "",
        "| cut | " + " | ".join(f"`{name}`: same, other, apart" for name in results) + " |",
        "| --- |" + " --- |" * len(results),
    ]
    for cut in CUTS:
        row = [
            ", ".join(f"{found['joined'][str(cut)][kind]:.0%}".replace("%", " %") for kind in KINDS)
            for found in results.values()
        ]
        lines.append(f"| {cut} | {' | '.join(row)} |")
    return "\n".join(lines)


def main() -> None:
    disable_progress_bar()
    results: dict[str, Any] = {}
    for name, (weights, vectors_of) in encoders().items():
        results[name] = {"weights": weights} | measure(vectors_of)
    rules = joined_by_rules()
    text = json.dumps(results | {"rules": rules}, indent=1) + "\n"
    (HERE / "results.json").write_text(text, encoding="utf-8")
    print(tables(results))
    print()
    for name, shares in rules.items():
        print(name, ", ".join(f"{kind} {share:.0%}" for kind, share in shares.items()))


if __name__ == "__main__":
    main()
