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

import gzip
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from omegaconf import OmegaConf

from elad_exp.building import build
from elad_exp.rng import generator
from elad_exp.selectors import components
from elad_exp.selectors.combine import ComponentSelector, RandomSelector
from elad_exp.tasks.almanac import AlmanacTask
from elad_exp.types import Candidate, Sample

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
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in text.decode().splitlines()]


def look(run: Path, found: Found) -> None:
    config = OmegaConf.load(run / "config.yaml")
    facts = Facts(build(config.dataset))
    annotations = read(run / "annotations.jsonl")
    by_round = defaultdict(list)
    for line in read(run / "scores.jsonl.gz"):
        by_round[line["round"]].append(line)
    for number, lines in by_round.items():
        labelled = [facts.pool[a["id"]] for a in annotations if a["round"] < number]
        stated = facts.new(labelled, set())
        samples = [facts.pool[line["id"]] for line in lines]
        rare = components.rare_words(samples, labelled)
        candidates = [
            Candidate(
                sample,
                line["scores"]
                | {"rare_words": r, "question_length": components.question_length(sample)},
                None,
                (),
            )
            for sample, line, r in zip(samples, lines, rare, strict=True)
        ]
        selectors = [RandomSelector(), build(config.selector)]
        selectors += [ComponentSelector(name) for name in sorted(candidates[0].scores)]
        n = config.schedule.query_size
        chosen = {
            selector.name: [
                item.sample
                for item in selector.select(candidates, n, generator(config.seed, "novelty"))
            ]
            for selector in selectors
        }
        chosen["bound"] = facts.bound(samples, n, stated)
        for name, picked in chosen.items():
            new = facts.new(picked, stated)
            covers = sum(facts.needed[fact] for fact in new) / sum(facts.needed.values())
            found[name].append((len(new) / n, covers))


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
