"""How few annotations can state as much as random's 800? No student, no training.

    python experiments/almanac/reach.py            # tuning world, seeds 0-4: a table

Of dev's questions, the share all of whose facts some annotation has stated, after so many. `bound`
takes the candidate with the most facts that are new, `needed` the one whose new facts dev's
questions need most often: both need the gold, and `needed` dev as well.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from headroom import Bench
from study import TUNING_SEEDS, TUNING_WORLD

from elad_exp.types import Sample

RULES = ("random", "bound", "needed")


def complete(bench: Bench, chosen: Sequence[Sample]) -> list[float]:
    """After each annotation, the share of dev's questions all of whose facts were stated."""
    waiting = [set(bench.facts(sample)) for sample in bench.splits.dev]
    shares = []
    for sample in chosen:
        stated = set(bench.facts(sample))
        waiting = [left for facts in waiting if (left := facts - stated)]
        shares.append(1 - len(waiting) / len(bench.splits.dev))
    return shares


def main() -> None:
    found: dict[str, list[list[float]]] = {rule: [] for rule in RULES}
    for seed in TUNING_SEEDS:
        bench = Bench(seed, TUNING_WORLD)
        for rule in RULES:
            found[rule].append(complete(bench, bench.choose(rule)))
    means = {rule: np.mean(curves, axis=0) for rule, curves in found.items()}
    goal = means["random"][-1]
    steps = range(100, len(means["random"]) + 1, 100)
    print("| choice | " + " | ".join(map(str, steps)) + " | as much as random's last |")
    print("| --- |" + " --- |" * (len(steps) + 1))
    for rule, curve in means.items():
        first = int(np.argmax(curve >= goal)) + 1
        cells = " | ".join(f"{curve[n - 1]:.2f}" for n in steps)
        print(f"| {rule} | {cells} | {first} ({first / len(curve):.0%}) |")


if __name__ == "__main__":
    main()
