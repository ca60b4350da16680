"""lm-polygraph on the same questions: the mean entropy of the greedy sequence's tokens, and the
Monte Carlo entropy over samples. It forces no answers. Runs in an environment of its own.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lm_polygraph import WhiteboxModel
from lm_polygraph.estimators import MeanTokenEntropy, MonteCarloSequenceEntropy
from lm_polygraph.stat_calculators import (
    EntropyCalculator,
    GreedyProbsCalculator,
    SamplingGenerationCalculator,
)
from lm_polygraph.utils.generation_parameters import GenerationParameters
from transformers import AutoModelForCausalLM, AutoTokenizer
from watch import watch


def score(
    model: Any, texts: Sequence[str], *, k: int, rows: int, new_tokens: int
) -> dict[str, Any]:
    """Its calculators one after the other, as its manager calls them, without attention maps."""
    calculators = [
        GreedyProbsCalculator(output_attentions=False),
        EntropyCalculator(),
        SamplingGenerationCalculator(samples_n=k),
    ]
    tokens = 0
    for start in range(0, len(texts), rows):
        batch, found = list(texts[start : start + rows]), {}
        for calculator in calculators:
            found |= calculator(found, batch, model, new_tokens)
        for estimator in (MeanTokenEntropy(), MonteCarloSequenceEntropy()):
            if len(estimator(found)) != len(batch):
                raise SystemExit(f"{estimator} has not estimated every question")
        tokens += sum(map(len, found["greedy_tokens"]))
        tokens += sum(len(ids) for own in found["sample_tokens"] for ids in own)
    return {"tokens": tokens, "answers": 0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--job", type=json.loads, required=True)
    parser.add_argument("--threads", type=int, required=True)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    work, job = json.loads(given.work.read_text(encoding="utf-8")), given.job
    folder, texts = work["folders"]["forced"], work["texts"][: job["questions"]]
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()
    # Its calculators end at the end token, which is one like others here: an id that is not drawn.
    model.generation_config.eos_token_id = None
    tokenizer.eos_token = tokenizer.unk_token
    student = WhiteboxModel(
        model, tokenizer, folder, generation_parameters=GenerationParameters(top_k=0)
    )
    # Sorted, as for the other peer.
    texts = [texts[i] for i in sorted(range(len(texts)), key=lambda i: len(work["prompts"][i]))]
    settings = {"k": job["k"], "rows": job["rows"]}
    score(student, texts[:2], new_tokens=4, **settings)
    timed = watch(lambda: score(student, texts, new_tokens=job["new_tokens"], **settings))
    print(json.dumps(timed))


if __name__ == "__main__":
    main()
