"""The almanac as a task: knobs, splits, checking, and the vocabulary of its grammar."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from elad_exp.errors import ConfigError, DataError
from elad_exp.protocols import Splits
from elad_exp.tasks.almanac import grammar, phrases
from elad_exp.tasks.almanac.draw import Draw
from elad_exp.tasks.almanac.exercises import exercises
from elad_exp.tasks.almanac.grammar import Plan
from elad_exp.tasks.almanac.invent import invent_world
from elad_exp.tasks.almanac.parts import LABELS
from elad_exp.tasks.almanac.sampling import FAMILIES, MIX, Item, generate
from elad_exp.tasks.almanac.world import World
from elad_exp.tasks.reasoning import ReasoningTask
from elad_exp.tasks.yes_no import YES_NO
from elad_exp.types import Explanation, Gold, GoldBook, Sample

REVISION = "almanac-1"
# Whether the frequencies of entities are long-tailed: (pool, dev and test).
CONDITIONS = {"long_tailed": (True, True), "uniform": (False, False), "shifted": (True, False)}
_DISTRACTORS = 5


class AlmanacTask(ReasoningTask):
    """Questions about a fictional almanac; implements `protocols.CheckableTask`.

    Args:
        condition: `long_tailed` (pool, dev and test alike), `uniform` (all alike), or `shifted`
            (long-tailed pool, uniform dev and test).
        entities: Number of entities, shared evenly among cities, rivers, ships and people.
        families: Weight of each question family, see `sampling.FAMILIES`.
        tail: Zipf exponent: within a kind, the entity of rank r is drawn with weight r^-tail.
        years: First, last, and step of the years.
        amounts: First, last, and step of populations, lengths and crews.
        lifespan: Least and most years between birth and death.
        categories: Number of realms and of guilds.
        n_pool: Questions to choose from.
        n_dev: Questions for tuning.
        n_test: Questions for the final figures.
        world_seed: Seed of names, facts and frequency ranks.
        split_seed: Seed of the questions and of the split that each belongs to.
        name: Name in configuration, results and reports.
    """

    def __init__(
        self,
        *,
        condition: str = "long_tailed",
        entities: int = 120,
        families: Mapping[str, float] | None = None,
        tail: float = 1.0,
        years: Sequence[int] = (10, 98, 8),
        amounts: Sequence[int] = (10, 90, 10),
        lifespan: Sequence[int] = (16, 40),
        categories: int = 6,
        n_pool: int = 4000,
        n_dev: int = 300,
        n_test: int = 1000,
        world_seed: int = 0,
        split_seed: int = 0,
        name: str = "almanac",
    ) -> None:
        super().__init__(name=name, answers="yes_no")
        self.families = dict(MIX if families is None else families)
        self.sizes = {"pool": n_pool, "dev": n_dev, "test": n_test}
        if condition not in CONDITIONS:
            raise ConfigError(f"almanac: condition={condition!r}; use one of {list(CONDITIONS)}")
        if unknown := set(self.families) - set(FAMILIES):
            raise ConfigError(f"almanac: families {sorted(unknown)}; known: {list(FAMILIES)}")
        if min(self.families.values(), default=0) < 0 or not sum(self.families.values()) > 0:
            raise ConfigError("almanac: families need weights of 0 or more, and one above 0")
        if min(self.sizes.values()) < 1:
            raise ConfigError(f"almanac: every split needs a sample, got {self.sizes}")
        if tail < 0:
            raise ConfigError(f"almanac: tail={tail}; use 0 (uniform) or more")
        self.condition = condition
        self.tail = tail
        self.split_seed = split_seed
        self._shape: dict[str, Any] = {
            "entities": entities,
            "years": years,
            "amounts": amounts,
            "categories": categories,
            "lifespan": lifespan,
        }
        self.world: World = invent_world(**self._shape, seed=world_seed)

    def load(self) -> Splits:
        """Generate the splits. A question belongs to one split, whatever the condition."""
        splits = self._items
        everything = [item for items in splits.values() for item in items]
        gold = {
            i.sample.id: Gold(i.plan.answer, i.plan.texts, {"family": i.family}) for i in everything
        }
        content = [[i.sample.to_dict(), gold[i.sample.id].to_dict()] for i in everything]
        canonical = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        info = {
            "name": self.name,
            "source": "generated",
            "revision": REVISION,
            "sha256": hashlib.sha256(canonical.encode()).hexdigest(),
            "split_seed": self.split_seed,
            "condition": self.condition,
        }
        pool, dev, test = (
            tuple(i.sample for i in splits[name]) for name in ("pool", "dev", "test")
        )
        return Splits(pool, dev, test, GoldBook(gold), info)

    def check_step(self, sample: Sample, earlier: Sequence[str], step: str) -> bool:
        """Whether `step` parses, is true, is needed, and repeats nothing of `earlier`."""
        return grammar.is_right(self.plan(sample), earlier, step)

    def complete(self, sample: Sample, earlier: Sequence[str]) -> tuple[tuple[str, ...], str]:
        """The gold steps that `earlier` does not state, and the right answer."""
        plan = self.plan(sample)
        return grammar.missing(plan, earlier), plan.answer

    def plan(self, sample: Sample) -> Plan:
        """The gold steps and answer. Raises `DataError` for a question not generated here."""
        if sample.id not in self._plans:
            raise DataError(
                f"almanac: no generated question has id {sample.id}; only samples of load() can be "
                "checked"
            )
        return self._plans[sample.id]

    def teacher_context(self, sample: Sample) -> str:
        """The entries that the question needs and five others, mixed: one entry a line."""
        needed = {claim.args[0] for claim in self.plan(sample).facts}
        draw = Draw(self.split_seed, "almanac", "context", sample.id)
        others = [name for name in draw.shuffled(list(self.world.facts)) if name not in needed]
        chosen = draw.shuffled([*sorted(needed), *others[:_DISTRACTORS]])
        return "\n".join(self._entry(name) for name in chosen)

    def vocabulary(self) -> tuple[str, ...]:
        """Sentences of every form, every name, every number: nothing is read off questions."""
        world = self.world
        forms = (*grammar.FACTS.values(), *grammar.INFERENCES.values(), *phrases.wordings())
        numbers = {
            *world.years,
            *world.amounts,
            *(a + b for a in world.amounts for b in world.amounts),
        }
        words = (*world.facts, *map(str, sorted(numbers)))
        texts = (
            *(" ".join(form.format("", "", "").split()) for form in forms),
            *(f"of {word}" for word in words),
            *(f"Question: ({label}) Answer: {label}" for label in LABELS),
            *(f"Answer: {answer}" for answer in YES_NO),
        )
        return texts * 2  # tokenizers tend to ignore what occurs once

    def exercises(self, batches: int, size: int) -> Iterator[list[tuple[Sample, Explanation]]]:
        """Questions about worlds with these names and other facts, see `exercises`; no id of
        `load()` among them.
        """
        drawn = exercises(
            self.world,
            shape=self._shape,
            families=self.families,
            seed=self.split_seed,
            batches=batches,
            size=size,
            known=self._plans.keys(),
        )
        for items in drawn:
            yield [(i.sample, Explanation.of(i.plan.texts, i.plan.answer)) for i in items]

    def _entry(self, name: str) -> str:
        facts = self.world.facts[name]
        return " ".join(grammar.state(self.world.claim(name, key)).text for key in facts)

    @cached_property
    def _plans(self) -> dict[str, Plan]:
        return {i.sample.id: i.plan for items in self._items.values() for i in items}

    @cached_property
    def _items(self) -> dict[str, list[Item]]:
        pool_tail, test_tail = (self.tail * long for long in CONDITIONS[self.condition])
        return generate(
            self.world,
            sizes=self.sizes,
            tails={"pool": pool_tail, "dev": test_tail, "test": test_tail},
            families=self.families,
            seed=self.split_seed,
        )
