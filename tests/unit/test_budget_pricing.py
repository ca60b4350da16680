import os
import sys
import types

import pytest

from elad_exp.budget.budget import Limits
from elad_exp.budget.pricing import (
    Price,
    highest_price,
    known_price,
    prompt_bound,
    require_price,
)
from elad_exp.errors import ConfigError
from elad_exp.types import Usage


def test_usage_is_priced_per_token():
    assert Price(2e-6, 8e-6).usage(1000, 100) == Usage(1000, 100, pytest.approx(0.0028))


def test_usages_add_up():
    assert Usage(1, 2, 0.5) + Usage(3, 4, 0.25) == Usage(4, 6, 0.75)


@pytest.mark.parametrize("value", [-1e-6, float("nan"), float("inf"), True, "abc"])
def test_a_price_is_finite_and_not_negative(value):
    with pytest.raises(ConfigError, match=rf"^teacher\.completion_usd={value}: .*at least 0"):
        Price(0.0, value)
    with pytest.raises(ConfigError, match=rf"^teacher\.prompt_usd={value}: .*at least 0"):
        Price(value, 0.0)


def test_the_prompt_bound_counts_bytes_and_messages():
    assert prompt_bound(["abc", "über"]) == 3 + 5 + 2 * 16


def test_the_dearest_price_of_our_prompts_counts_and_discounts_do_not():
    entry = {
        "input_cost_per_token": 1e-6,
        "input_cost_per_token_above_32k_tokens": 2e-6,
        "input_cost_per_token_above_100k_tokens": 7e-6,
        "input_cost_per_token_batches": 9e-6,
        "cache_read_input_token_cost": 1e-7,
        "output_cost_per_token": 4e-6,
        "output_cost_per_reasoning_token": 5e-6,
        "output_cost_per_token_above_200k_tokens": None,
    }
    assert highest_price(entry) == Price(2e-6, 5e-6)
    assert highest_price({"input_cost_per_token": 1e-6}) is None


def test_prices_come_from_litellm_without_its_network(monkeypatch):
    tokens = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
    table = {
        "m": tokens | {"litellm_provider": "provider"},
        "fee": tokens | {"input_cost_per_request": 0.01},
        "provider/m-search": tokens | {"search_context_cost_per_query": {"high": 0.01}},
    }
    fake = types.SimpleNamespace(model_cost=table)
    monkeypatch.setitem(sys.modules, "litellm", fake)
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "")
    monkeypatch.delenv("LITELLM_LOCAL_MODEL_COST_MAP")
    assert known_price("m") == known_price("provider/m") == Price(1e-6, 2e-6)
    assert known_price("other") is None
    assert known_price("another/m") is None  # a namesake may cost something else
    assert known_price("fee") is known_price("provider/m-search") is None
    assert os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] == "True"


def test_without_litellm_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "litellm", None)
    with pytest.raises(ConfigError, match="install it"):
        known_price("m")


def test_a_model_without_a_price_is_refused_under_a_dollar_limit():
    assert require_price("m", Price(1, 2), Limits(max_usd=1)) == Price(1, 2)
    assert require_price("m", None, Limits(max_tokens=1)) == Price(0, 0)
    with pytest.raises(ConfigError, match="no known price"):
        require_price("m", None, Limits(max_usd=0))
