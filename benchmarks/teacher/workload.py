"""The requests of the benchmark: the almanac's yes/no questions, each with an attempt to revise.

The attempt is the gold explanation. The one answer of the server fits all of them: it finds the
first step wrong and writes two others.
"""

from __future__ import annotations

import json
from typing import Any

from elad_exp.tasks.almanac import AlmanacTask
from elad_exp.teachers import litellm, messages, replies
from elad_exp.types import Explanation, QueryItem

MAX_COMPLETION_TOKENS = 1024
ANSWER = json.dumps(
    {
        "verdicts": [{"step": 1, "ok": False, "reason": "this does not follow from the facts"}],
        "first_error": 1,
        "steps": [
            "The facts that matter are the two years that are given above.",
            "The first of the two years is earlier than the second of them.",
        ],
        "answer": "yes",
    }
)


def items(n: int) -> tuple[AlmanacTask, list[QueryItem]]:
    """The task and its first `n` yes/no questions; the same on every machine."""
    task = AlmanacTask(entities=480, n_pool=4 * n, n_dev=50, n_test=50)
    splits = task.load()
    found = []
    for sample in splits.pool:
        if messages.kind(task, sample) == "yes_no":
            gold = splits.gold[sample.id]
            attempt = Explanation.of(gold.explanation, gold.answer)
            found.append(QueryItem(sample, attempt, 0.0, {}))
    if len(found) < n:
        raise ValueError(f"{len(found)} yes/no questions in the pool, {n} needed")
    return task, found[:n]


def work(n: int, model: str) -> dict[str, Any]:
    """What every peer is given: the same bodies that our teacher sends for that model.

    A model that litellm knows to take schemas gets ours; any other one gets none.
    """
    options: dict[str, Any] = {"max_completion_tokens": MAX_COMPLETION_TOKENS}
    if litellm.load().supports_response_schema(f"openai/{model}"):
        options["response_format"] = litellm.load_module(
            "litellm.llms.base_llm.base_utils"
        ).type_to_response_format_param(replies.Revision)
    return {"model": model, "options": options, "prompts": prompts(n), "answer": ANSWER}


def prompts(n: int) -> list[list[dict[str, str]]]:
    """The messages of each item, as our teacher sends them in mode `single`."""
    task, chosen = items(n)
    found = []
    for item in chosen:
        assert item.attempt is not None
        found.append(messages.single(task, item.sample, item.attempt)[0])
    return found
