"""How much could any selector gain? Facts stated, and what a student learns from a choice.

    python experiments/almanac/headroom.py SEED [RUN ...]

Without a student in the loop: `random` and an upper bound, which always takes the candidate with
the most facts that no annotation has stated yet, choose from the study's own initial query and
candidates. RUN directories of the study are compared with them. For each choice: the share of the
facts needed by dev that it states, and the accuracy of a student trained on it from scratch, on
questions that are in no split of the study.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import torch

from elad_exp.building import build
from elad_exp.config import compose_config
from elad_exp.data.collate import collate, encode
from elad_exp.data.datamodule import RoundBatches
from elad_exp.rng import generator
from elad_exp.selectors.query import draw_candidates, initial_query
from elad_exp.student.module import StudentModule, target_loss
from elad_exp.types import Explanation, Sample

OTHER_SPLIT = 7  # of the same world; its questions that the study does not have are the fresh ones


class Bench:
    """The study's configuration, its data, and fresh questions."""

    def __init__(self, seed: int, world: Sequence[str] = ()) -> None:
        self.seed = seed
        self.config = compose_config(["+experiment=almanac", f"seed={seed}", *world])
        self.task = build(self.config.dataset)
        self.splits = self.task.load()
        self.pool = {sample.id: sample for sample in self.splits.pool}
        self.other = build(self.config.dataset, split_seed=OTHER_SPLIT)
        found = self.other.load()
        known = set(self.splits.gold)
        self.fresh = [s for s in (*found.dev, *found.test) if s.id not in known]
        self._facts: dict[str, tuple[str, ...]] = {}

    def facts(self, sample: Sample) -> tuple[str, ...]:
        if sample.id not in self._facts:
            self._facts[sample.id] = tuple(map(str, self.task.plan(sample).facts))
        return self._facts[sample.id]

    def choose(self, rule: str) -> list[Sample]:
        """All purchases of a run, chosen by `random`, by `bound`, or by `needed`, which takes the
        candidate whose new facts the questions of dev need most often.
        """
        needed = Counter(fact for s in self.splits.dev for fact in self.facts(s))
        schedule = self.config.schedule
        query = initial_query(self.splits.pool, schedule.initial_size, self.seed)
        chosen = [item.sample for item in query.items]
        stated = Counter(fact for s in chosen for fact in self.facts(s))
        left = {k: s for k, s in self.pool.items() if s not in chosen}
        rng = generator(self.seed, "headroom")
        for number in range(1, schedule.rounds):
            size = self.config.selection.candidates
            subset = draw_candidates(list(left.values()), size=size, seed=self.seed, round=number)
            for _ in range(schedule.query_size):
                if rule == "random":
                    index = int(rng.integers(len(subset)))
                else:
                    worth = needed if rule == "needed" else defaultdict(lambda: 1)
                    new = [sum(worth[f] for f in self.facts(s) if not stated[f]) for s in subset]
                    index = new.index(max(new))
                sample = subset.pop(index)
                chosen.append(left.pop(sample.id))
                stated.update(self.facts(sample))
        return chosen

    def covered(self, chosen: Sequence[Sample]) -> float:
        stated = {fact for s in chosen for fact in self.facts(s)}
        needed = [fact for s in self.splits.dev for fact in self.facts(s)]
        return sum(fact in stated for fact in needed) / len(needed)

    def learn(self, chosen: Sequence[Sample]) -> tuple[float, float]:
        """Accuracy and share of right steps on the fresh questions, after training from scratch."""
        schedule, optim = self.config.schedule, self.config.optim
        student = build(self.config.student).build(self.task, self.splits, seed=self.seed)
        engine = student.engine(self.other)
        rows = []
        for sample in chosen:
            target = self.task.target(sample, Explanation.of(*self.task.complete(sample, ())))
            prompt = student.render(self.task.prompt(sample))
            rows.append(encode(student.tokenizer, prompt, target, max_length=student.max_length))
        steps = schedule.rounds * schedule.steps_per_round
        module = StudentModule(
            student.model,
            engine,
            learning_rate=optim.learning_rate,
            warmup_steps=optim.warmup_steps,
            decay_steps=steps,
        )
        parts = module.configure_optimizers()
        optimizer, rates = parts["optimizer"], parts["lr_scheduler"]["scheduler"]
        batches = RoundBatches(
            [len(row) for row in rows], batch_size=optim.batch_size, steps=steps, seed=0, round=0
        )
        torch.manual_seed(self.seed)
        module.train()
        for batch in batches:
            optimizer.zero_grad()
            target_loss(student.model, collate([rows[i] for i in batch], student.pad_id)).backward()
            torch.nn.utils.clip_grad_norm_(student.model.parameters(), optim.clip)
            optimizer.step()
            rates.step()
        right, checked = 0, []
        gold = self.other.load().gold
        for sample, [made] in zip(self.fresh, engine.explain(self.fresh), strict=True):
            right += self.other.grade(sample, made.answer, gold)
            texts = made.texts
            checked += [
                self.other.check_step(sample, texts[:i], text) for i, text in enumerate(texts)
            ]
        return right / len(self.fresh), sum(checked) / len(checked)


def main() -> None:
    bench = Bench(int(sys.argv[1]))
    choices = {rule: bench.choose(rule) for rule in ("random", "bound")}
    for run in map(Path, sys.argv[2:]):
        lines = map(json.loads, (run / "annotations.jsonl").read_text().splitlines())
        choices[run.name] = [bench.pool[line["id"]] for line in lines if line["trained_on"]]
    print(
        f"| choice | annotations | facts stated | accuracy, n = {len(bench.fresh)} | steps right |"
    )
    print("| --- | --- | --- | --- | --- |")
    for name, chosen in choices.items():
        accuracy, steps = bench.learn(chosen)
        cells = f"{len(chosen)} | {bench.covered(chosen):.3f} | {accuracy:.3f} | {steps:.3f}"
        print(f"| {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
