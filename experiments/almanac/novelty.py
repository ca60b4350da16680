"""What would each selector have found, given the same student? From stored scores, no training.

    python experiments/almanac/novelty.py            # elad's runs of each condition: novelty.md
    python experiments/almanac/novelty.py RUN ...    # prints the table of these runs

In every round of a finished run all selectors choose from the same stored candidates. For each
choice: how many facts per annotation it states that no annotation had stated before, each counted
once, and by how much the share of dev's facts that have been stated grows. `bound` takes the
candidate with the most new facts each time, which needs the gold; no selector can know it.
The second table of a condition is about what each selector's own runs have really bought.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from configurations import TUNED
from omegaconf import OmegaConf

from elad_exp.building import build
from elad_exp.config import compose_config
from elad_exp.protocols import Selector
from elad_exp.reporting.ranking import rank, stored_round
from elad_exp.tasks.almanac import AlmanacTask
from elad_exp.types import Sample

HERE = Path(__file__).parent
Found = dict[str, list[tuple[float, float]]]


class Facts:
    """The facts of a run's questions, those stated before a round, and how often dev needs each."""

    def __init__(self, task: AlmanacTask) -> None:
        self.task = task
        self.splits = task.load()
        self.pool = {sample.id: sample for sample in self.splits.pool}
        self.needed = Counter(fact for sample in self.splits.dev for fact in self.of(sample))

    def of(self, sample: Sample) -> list[str]:
        return [str(claim) for claim in self.task.plan(sample).facts]

    def new(self, samples: Iterable[Sample], stated: set[str]) -> set[str]:
        return {fact for sample in samples for fact in self.of(sample)} - stated

    def bound(self, samples: Sequence[Sample], n: int, stated: set[str]) -> list[Sample]:
        left, chosen, known = list(samples), [], set(stated)
        for _ in range(n):
            best = max(left, key=lambda sample: len(self.new([sample], known)))
            left.remove(best)
            chosen.append(best)
            known.update(self.of(best))
        return chosen


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@cache
def selectors() -> dict[str, Selector]:
    """Of every configuration that differs in its selector alone, by name."""
    found = {}
    for name, overrides in TUNED.items():
        if all(_is_of_selector(override) for override in overrides):
            found[name] = build(compose_config(overrides).selector)
    return found


def _is_of_selector(override: str) -> bool:
    """Or asks for scores, which changes nothing of what is chosen."""
    return override.lstrip("+~").startswith(("selector", "selection.also_score"))


def look(run: Path, found: Found) -> None:
    config = OmegaConf.load(run / "config.yaml")
    facts = Facts(build(config.dataset))
    annotations = read(run / "annotations.jsonl")
    for number in range(1, config.schedule.rounds):
        stored = stored_round(run, number)
        labelled = [facts.pool[a["id"]] for a in annotations if a["round"] < number]
        told = facts.new(labelled, set())
        known = stored.stored()
        chosen = {
            name: [facts.pool[item.sample.id] for item in rank(stored, selector).chosen]
            for name, selector in selectors().items()
            if selector.needs <= known
        }
        candidates = [facts.pool[c.sample.id] for c in stored.candidates]
        chosen["bound"] = facts.bound(candidates, len(chosen["random"]), told)
        for name, picked in chosen.items():
            new = facts.new(picked, told)
            covers = sum(facts.needed[fact] for fact in new) / sum(facts.needed.values())
            found[name].append((len(new) / len(picked), covers))


def table(runs: Sequence[Path]) -> list[str]:
    """Lines of Markdown."""
    found: Found = defaultdict(list)
    for run in runs:
        look(run, found)
    lines = [
        f"{len(runs)} runs, {len(found['bound'])} rounds.",
        "",
        "| selector | new facts per annotation | more of dev's facts stated, a round |",
        "| --- | --- | --- |",
    ]
    for name in sorted(found, key=lambda name: -np.mean(found[name], axis=0)[1]):
        facts, covers = np.mean(found[name], axis=0)
        lines.append(f"| {name} | {facts:.2f} | {100 * covers:.1f} % |")
    return [*lines, ""]


def outcome(condition: Path) -> list[str]:
    """Lines of Markdown: at the end of each selector's runs, what test needs and has been told."""
    found: dict[str, list[tuple[float, float, float, float]]] = defaultdict(list)
    facts = None
    for run in sorted(condition.glob("*-*")):
        facts = facts or Facts(build(OmegaConf.load(run / "config.yaml").dataset))
        annotations = read(run / "annotations.jsonl")
        told = Counter(f for line in annotations for f in facts.of(facts.pool[line["id"]]))
        questions = [facts.of(sample) for sample in facts.splits.test]
        needed = [fact for question in questions for fact in question]
        result = json.loads((run / "result.json").read_text())
        found[run.name.rpartition("-")[0]].append(
            (
                float(np.mean([told[fact] > 0 for fact in needed])),
                float(np.mean([told[fact] == 1 for fact in needed])),
                float(np.mean([all(told[fact] for fact in question) for question in questions])),
                result["metrics"]["test/acc"]["value"],
            )
        )
    lines = [
        "At the end, means over seeds:",
        "",
        "| choice | test's facts stated | stated once only | questions with all facts stated "
        "| accuracy |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in sorted(found, key=lambda name: -np.mean(found[name], axis=0)[3]):
        shares = " | ".join(f"{value:.3f}" for value in np.mean(found[name], axis=0))
        lines.append(f"| {name} | {shares} |")
    return [*lines, ""]


def main() -> None:
    if runs := [Path(name) for name in sys.argv[1:]]:
        print("\n".join(table(runs)))
        return
    report = Path("runs/almanac-study/report")
    lines = []
    for condition in ("a", "b", "c"):
        runs = sorted((report / condition).glob("elad-*"))
        lines += [f"## Condition ({condition})", "", *table(runs), *outcome(report / condition)]
    text = "\n".join(lines)
    (HERE / "novelty.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
