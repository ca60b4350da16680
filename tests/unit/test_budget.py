import pytest
from hypothesis import given
from hypothesis import strategies as st

from elad_exp.budget.budget import Limits, raised_only
from elad_exp.budget.money import check_usage, dollars, pico_usd
from elad_exp.errors import ConfigError
from elad_exp.types import Usage


def test_limits_default_to_none_and_round_trip():
    assert Limits() == Limits(None, None, None, None, None)
    limits = Limits(max_annotations=0, max_tokens=10, max_usd=0.5)
    assert Limits.from_dict(limits.to_dict()) == limits


@pytest.mark.parametrize("name", ["max_annotations", "max_calls", "max_tokens"])
@pytest.mark.parametrize("value", [-1, True, 1.0, 2.5, "3", float("nan")])
def test_a_count_is_a_whole_number(name, value):
    with pytest.raises(ConfigError, match=rf"budget\.{name}={value!r}.*whole number.*or null"):
        Limits(**{name: value})


@pytest.mark.parametrize("name", ["max_usd", "max_wall_s"])
@pytest.mark.parametrize("value", [-0.01, False, "3", float("nan"), float("inf")])
def test_a_quantity_is_finite(name, value):
    with pytest.raises(ConfigError, match=rf"budget\.{name}={value!r}.*finite number.*or null"):
        Limits(**{name: value})


def test_all_problems_are_named_at_once():
    with pytest.raises(ConfigError, match=r"max_calls=-1.*max_usd=-2"):
        Limits(max_calls=-1, max_usd=-2)


@pytest.mark.parametrize(
    ("old", "new"),
    [(5, 5), (5, 6), (5, None), (None, None)],
)
def test_a_resumed_run_may_keep_or_raise(old, new):
    raised_only(Limits(max_calls=old, max_usd=old), Limits(max_calls=new, max_usd=new))


@pytest.mark.parametrize(("old", "new", "shown"), [(5, 4, "5"), (None, 1_000, "null")])
def test_a_resumed_run_may_not_lower(old, new, shown):
    with pytest.raises(ConfigError) as caught:
        raised_only(Limits(max_calls=old, max_usd=old), Limits(max_calls=new, max_usd=new))
    message = str(caught.value)
    assert f"budget.max_calls={new} is below the run's {shown}" in message
    assert "budget.max_usd" in message


def test_money_is_exact_where_floats_are_not():
    assert 0.1 + 0.2 != 0.3
    assert pico_usd(0.1) + pico_usd(0.2) == pico_usd(0.3)
    assert pico_usd(0.1 + 0.2) == pico_usd(0.3)


@given(st.integers(0, 10**15))
def test_dollars_inverts_pico_usd(pico):
    assert pico_usd(dollars(pico)) == pico


@pytest.mark.parametrize(
    "usage", [Usage(-1), Usage(0, -1), Usage(0, 0, -0.1), Usage(usd=float("nan")), Usage(True)]
)
def test_a_usage_that_is_none_is_refused(usage):
    with pytest.raises(ValueError, match="is no usage"):
        check_usage(usage)
