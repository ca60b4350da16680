"""Our teacher: messages, reservation, litellm, the reply's checks and the store, for each item.

With `--store` of an earlier run every answer is in the shared cache: the same clock then measures
the time of a cached answer, and the server must see no request. With `--pause-s` litellm is
replaced by a pause: what is left is our part.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import measure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import workload

from elad_exp.budget.budget import Limits
from elad_exp.budget.store import Store
from elad_exp.teachers import litellm
from elad_exp.teachers.llm import LanguageModelTeacher
from elad_exp.teachers.metered import MeteredTeacher
from elad_exp.types import Query, Status

USD = 1e-6  # a token: a model that litellm does not know has no price

parser = measure.parser()
parser.add_argument("--pause-s", type=float, help="wait so long in place of a call")
given = parser.parse_args()
work = measure.work(given)


async def pause(*args: Any, **options: Any) -> litellm.Reply:
    await asyncio.sleep(given.pause_s)
    return litellm.Reply(work["answer"], Status.OK, 1000, 100)


if given.pause_s is not None:
    litellm.call = pause
task, items = workload.items(len(work["prompts"]))
store = Store(given.store / "store.sqlite")
# A run of its own each time: nothing is settled in it, all that is there is in the shared cache.
run_id = f"run-{time.time_ns()}"
store.begin(run_id)
annotator = LanguageModelTeacher(
    task,
    model=f"openai/{work['model']}",
    mode="single",
    api_base=f"{given.url}/v1",
    max_completion_tokens=workload.MAX_COMPLETION_TOKENS,
    prompt_usd=USD,
    completion_usd=USD,
    concurrency=given.concurrency,
    timeout_s=measure.TIMEOUT_S,
)
limits = Limits(max_usd=1000.0)
annotator.check(limits)
start = time.monotonic()
teacher = MeteredTeacher(
    annotator,
    store=store,
    limits=limits,
    run_id=run_id,
    wall_clock=lambda: time.monotonic() - start,
)
done = 0


def ask(prompts: Sequence[measure.Messages]) -> list[str]:
    """Annotate the next items, as many as there are prompts: they are the same, in order."""
    global done
    query = Query(done, tuple(items[done : done + len(prompts)]))
    done += len(prompts)
    return [annotation.raw if annotation.checked else "" for annotation in teacher.annotate(query)]


measure.measure(ask, given, packages=["litellm", "openai", "httpx"])
