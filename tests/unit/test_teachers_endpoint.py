"""Where a model is reached, and what of that may be written down."""

from __future__ import annotations

import base64

import pytest

from elad_exp.errors import ConfigError
from elad_exp.teachers.endpoint import NO_KEY, endpoint, redact

HIDDEN = "https://canary-user:canary%2Fpass@host:8443/v1"


def test_a_providers_key_goes_to_that_provider_only() -> None:
    keys = {"OPENAI_API_KEY": "canary-key"}
    assert endpoint(None, keys).key is None  # litellm takes the provider's
    assert endpoint("http://127.0.0.1:8000/v1", keys).key == NO_KEY
    assert endpoint("http://127.0.0.1:8000/v1", keys | {"ELAD_EXP_API_KEY": "own"}).key == "own"


def test_credentials_leave_the_address() -> None:
    found = endpoint(None, {"ELAD_EXP_API_BASE": HIDDEN})
    assert (found.base, found.identity) == ("https://host:8443/v1", "https://host:8443")
    sent = base64.b64decode(found.headers["Authorization"].removeprefix("Basic "))
    assert sent == b"canary-user:canary/pass"
    assert "canary" not in repr(found)
    same = endpoint("https://host:8443/v1", {"ELAD_EXP_API_BASE": HIDDEN})
    assert same == found


def test_the_path_is_that_of_the_configuration_if_it_names_one() -> None:
    hidden = {"ELAD_EXP_API_BASE": HIDDEN}
    assert endpoint("https://host:8443/v2", hidden).base == "https://host:8443/v2"
    assert endpoint("https://host:8443", hidden).base == "https://host:8443/v1"


@pytest.mark.parametrize(
    "address",
    [
        "host:8000",
        "ftp://host",
        "http://",
        "http://[canary",
        "http://user:canary/pass@host",
        "http://user:80/canary@host",
        "http://user:80#canary@host",
        "http://user:80?canary@host",
        "http://host:canary/v1",
        "http://host:99999",
    ],
)
def test_what_is_no_address_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(ConfigError, match="is no address of a server") as caught:
        endpoint(None, {"ELAD_EXP_API_BASE": address})
    assert "canary" not in str(caught.value)
    assert redact(f"said {address[:4]}", {"ELAD_EXP_API_BASE": address})  # never fails


@pytest.mark.parametrize(
    "address", ["http://me:canary@host/v1", "http://canary@host", "http://host/?key=canary"]
)
def test_credentials_in_the_configuration_are_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="set ELAD_EXP_API_BASE instead") as caught:
        endpoint(address, {})
    assert "canary" not in str(caught.value)


def test_two_servers_are_refused_without_the_credentials_of_either() -> None:
    with pytest.raises(ConfigError, match="unset one of them") as caught:
        endpoint("http://other/v1", {"ELAD_EXP_API_BASE": HIDDEN})
    assert "canary" not in str(caught.value)


def test_what_providers_repeat_is_redacted() -> None:
    pair = base64.b64encode(b"canary-user:canary/pass").decode()
    environment = {
        "ELAD_EXP_API_BASE": HIDDEN,
        "OPENAI_API_KEY": "canary-key",
        "SOME_TOKEN": "canary-key-longer",
        "SHORT_KEY": "no",
    }
    said = (
        f"key canary-key, canary-key-longer; {HIDDEN}; Basic {pair}; canary/pass canary-user; "
        "http://a@b:canary@other/v1 no secret; mail me@there"
    )
    shown = redact(said, environment)
    assert "canary" not in shown
    assert pair not in shown
    assert "no secret; mail me@there" in shown
    assert "@host:8443/v1" in shown
