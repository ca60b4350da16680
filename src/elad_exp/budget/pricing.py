"""What a model charges per token, and the most that a call to it can cost."""

from __future__ import annotations

import importlib
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from elad_exp.budget.budget import Limits
from elad_exp.errors import ConfigError
from elad_exp.types import Record, Usage

MESSAGE_OVERHEAD = 16
LONGEST_PROMPT = 100_000
"""Tokens. Above them some models cost more; no prompt of ours comes near, and none is sent."""
_TIER = r"(?:_above_(\d+)k_tokens)?"
_PROMPT = re.compile(rf"input_cost_per_token{_TIER}")
_COMPLETION = re.compile(rf"output_cost_per_(?:reasoning_)?token{_TIER}")


@dataclass(frozen=True, slots=True)
class Price(Record):
    """US dollars per token."""

    prompt_usd: float
    completion_usd: float

    def __post_init__(self) -> None:
        for name in ("prompt_usd", "completion_usd"):
            value = getattr(self, name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not math.isfinite(value) or value < 0:
                raise ConfigError(
                    f"teacher.{name}={value}: the price of a token in dollars must be a finite "
                    "number of at least 0"
                )

    def usage(self, prompt_tokens: int, completion_tokens: int) -> Usage:
        """Usage of a call with these tokens, at this price."""
        usd = prompt_tokens * self.prompt_usd + completion_tokens * self.completion_usd
        return Usage(prompt_tokens, completion_tokens, usd)


def prompt_bound(messages: Sequence[str]) -> int:
    """At most so many prompt tokens, for any tokenizer that works on bytes: UTF-8 bytes of the
    messages' texts, and 16 a message for its role and delimiters.
    """
    return sum(len(text.encode("utf-8")) + MESSAGE_OVERHEAD for text in messages)


def highest_price(entry: dict[str, Any]) -> Price | None:
    """The worst case of an entry in litellm's price table for prompts up to `LONGEST_PROMPT`: its
    dearest price, without any discount for cached prompts.
    """
    prompt, completion = _prices(entry, _PROMPT), _prices(entry, _COMPLETION)
    if not prompt or not completion:
        return None
    return Price(max(prompt), max(completion))


def _prices(entry: dict[str, Any], pattern: re.Pattern[str]) -> list[float]:
    found = []
    for key, value in entry.items():
        match = pattern.fullmatch(key)
        if match and value is not None and int(match[1] or 0) * 1000 < LONGEST_PROMPT:
            found.append(float(value))
    return found


def known_price(model: str) -> Price | None:
    """The price of `model` in the table that litellm ships; None if it has none, or takes a fee a
    request as well.

    Raises:
        ConfigError: litellm is not installed.
    """
    # Without this, importing litellm fetches the table from the network.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    try:
        table = importlib.import_module("litellm").model_cost
    except ModuleNotFoundError as error:
        raise ConfigError(
            "prices come from litellm, which is not installed; install it, or set "
            "teacher.prompt_usd and teacher.completion_usd"
        ) from error
    provider, _, name = model.partition("/")
    entry = table.get(model) or table.get(name) or {}
    if entry is not table.get(model) and entry.get("litellm_provider") != provider:
        return None  # another provider's model of that name
    return None if _fee_per_request(model, entry) else highest_price(entry)


def _fee_per_request(model: str, entry: dict[str, Any]) -> bool:
    """Whether a call costs something beside its tokens, which no bound here would cover."""
    searches = entry.get("litellm_provider") == "perplexity" or "-search" in model
    fee = entry.get("input_cost_per_request")
    return bool(fee or (searches and entry.get("search_context_cost_per_query")))


def is_unpriced(teacher: Mapping[str, Any]) -> bool:
    """Whether a teacher's `info`, or what `result.json` says of it, has a price that nobody knows.

    Teachers that are no language models have no price at all.
    """
    return "price" in teacher and teacher["price"] is None


def unpriced(model: str, info: Mapping[str, Any]) -> list[str]:
    """A warning where the teacher by `model`, of which `info` is known, has no known price."""
    if not is_unpriced(info):
        return []
    return [
        f"the model {model} has no known price: dollars are not counted, and $0.00 does not mean "
        "that it is free. Set teacher.prompt_usd and teacher.completion_usd (0 if it is)"
    ]


def require_price(model: str, price: Price | None, limits: Limits) -> Price:
    """`price`, or zero for a model without one, which is refused under a dollar limit.

    Raises:
        ConfigError: `budget.max_usd` is set and the model has no price.
    """
    if price is not None:
        return price
    if limits.max_usd is not None:
        raise ConfigError(
            f"budget.max_usd={limits.max_usd}: the model {model!r} has no known price, so dollars "
            "cannot be bounded; set teacher.prompt_usd and teacher.completion_usd, or limit "
            "max_tokens and leave max_usd null"
        )
    return Price(0.0, 0.0)
