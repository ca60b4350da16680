"""A checkable task small enough to work out by hand, for the tests of teachers."""

import asyncio

from elad_exp.budget.budget import Limits
from elad_exp.budget.store import Store
from elad_exp.tasks.reasoning import ReasoningTask
from elad_exp.teachers.calling import Calling
from elad_exp.teachers.metered import MeteredTeacher
from elad_exp.types import (
    Annotation,
    Answer,
    Explanation,
    Gold,
    GoldBook,
    Query,
    QueryItem,
    Request,
    Sample,
    Status,
    Usage,
    sample_id,
)


class Chain(ReasoningTask):
    """Is a + b + c even? The steps are the running sums, in order; nothing else is right."""

    def __init__(self, *, answers="yes_no"):
        super().__init__(name="chain", answers=answers)

    def sample(self, *numbers):
        question = f"Is {' + '.join(map(str, numbers))} even?"
        return Sample(sample_id(question), question)

    def check_step(self, sample, earlier, step):
        sums, _ = self._sums(sample)
        return len(earlier) < len(sums) and step == sums[len(earlier)]

    def complete(self, sample, earlier):
        sums, answer = self._sums(sample)
        return tuple(sums[len(earlier) :]), answer

    def teacher_context(self, sample):
        return "Even numbers end in 0, 2, 4, 6 or 8."

    def _sums(self, sample):
        first, *rest = (int(w) for w in sample.question.rstrip("?").split()[1::2] if w.isdigit())
        steps, total = [], first
        for number in rest:
            steps.append(f"{total} + {number} = {total + number}")
            total += number
        return steps, "no" if total % 2 else "yes"


TASK = Chain()
SAMPLE = TASK.sample(2, 3, 4)
USAGE, BOUND = Usage(5, 3, 0.001), Usage(5, 10, 0.01)
STEPS = ("2 + 3 = 5", "5 + 4 = 9")


def item(*steps, answer="no", sample=SAMPLE):
    return QueryItem(sample, Explanation.of(steps, answer))


def query(*numbers, round=0):
    return Query(round, tuple(QueryItem(TASK.sample(n, 1, 1)) for n in numbers))


def gold_of(task, *samples):
    return GoldBook(
        {s.id: Gold(answer, steps) for s in samples for steps, answer in [task.complete(s, ())]}
    )


class Scripted:
    """Answers with statuses in turn; counts how often it was asked."""

    name, model, mode = "scripted", "m", "explain"
    fresh_by, info, estimated = None, {}, True

    def __init__(self, *statuses, usage=USAGE, bound=BOUND, shares_cache=False, **calling):
        self.statuses, self.usage, self.most = list(statuses), usage, bound
        self.shares_cache, self.calling = shares_cache, Calling(**calling)
        self.asked = []

    def check(self, limits): ...

    async def close(self): ...

    def priced(self, usage):
        return usage

    def request(self, item):
        fields = {"prompt": item.sample.question, "prompt_version": "1"}
        return Request(fields, self.most, self.usage)

    async def annotate(self, item, ask):
        async def call():
            self.asked.append(item.sample.id)
            await asyncio.sleep(0)  # others go on meanwhile, as with a real call
            status = self.statuses.pop(0) if self.statuses else Status.OK
            if isinstance(status, BaseException):
                raise status
            return Answer("text", status, self.usage)

        answer = await ask(self.request(item), call)
        explanation = Explanation.of(["a"], "yes") if answer.status is Status.OK else None
        return Annotation(item.sample, explanation, answer.status, self.name)


def metered(store, annotator, *, run_id="run", **options):
    limits = Limits(**{k: options.pop(k) for k in list(options) if k.startswith("max_")})
    clock = options.pop("wall_clock", lambda: 1.0)
    if "share_cache" in options:
        annotator.shares_cache = options.pop("share_cache")
    return MeteredTeacher(
        annotator, store=store, limits=limits, run_id=run_id, wall_clock=clock, **options
    )


def open_store(folder):
    return Store(folder / "store" / "store.sqlite")
