"""Where a model is reached, and what of that may be written down."""

from __future__ import annotations

import base64
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit, urlunsplit

from elad_exp.errors import ConfigError

BASE_VARIABLE = "ELAD_EXP_API_BASE"
KEY_VARIABLE = "ELAD_EXP_API_KEY"
NO_KEY = "none"
REACH_S = 5.0
_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS)$", re.IGNORECASE)
_SHORTEST_SECRET = 6


@dataclass(frozen=True)
class Endpoint:
    """The address of a server, without the credentials that came with it.

    `base` null is the provider's own. `identity` is what is written and hashed: scheme, host and
    port. `key` null is taken by litellm from the provider's variable.
    """

    base: str | None = None
    identity: str = ""
    key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def endpoint(api_base: str | None, environment: Mapping[str, str] = os.environ) -> Endpoint:
    """The endpoint of `teacher.api_base`, or else of ELAD_EXP_API_BASE, which may hold credentials.

    A provider's key goes to that provider only: a server named by its address gets what
    ELAD_EXP_API_KEY holds, or no key.

    Raises:
        ConfigError: `api_base` is no address of a server, holds credentials, or is another server
            than the environment's.
    """
    hidden = environment.get(BASE_VARIABLE) or None
    address = api_base or hidden
    if address is None:
        return Endpoint()
    name = "teacher.api_base" if api_base else BASE_VARIABLE
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            f"{name} is no address of a server; write it like http://127.0.0.1:8000/v1"
        )
    if api_base and (parts.username or parts.password or parts.query):
        raise ConfigError(
            f"teacher.api_base carries credentials or a query, which would be written to files; "
            f"set {BASE_VARIABLE} instead and leave teacher.api_base null"
        )
    if api_base and hidden and _identity(api_base) != _identity(hidden):
        raise ConfigError(
            f"teacher.api_base is {_identity(api_base)} and {BASE_VARIABLE} is "
            f"{_identity(hidden)}; unset one of them"
        )
    # The same server with credentials, where the environment has them.
    parts = urlsplit(hidden or address)
    headers = {}
    if parts.username or parts.password:
        pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
    place = parts.netloc.rpartition("@")[2]
    base = urlunsplit((parts.scheme, place, parts.path, parts.query, ""))
    return Endpoint(base, _identity(base), environment.get(KEY_VARIABLE) or NO_KEY, headers)


def _identity(address: str) -> str:
    parts = urlsplit(address)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def require_reachable(found: Endpoint) -> None:
    """Open a connection to the server and close it again; nothing is sent.

    Raises:
        ConfigError: Nobody listens there.
    """
    parts = urlsplit(found.base or "")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=REACH_S).close()
    except OSError as error:
        raise ConfigError(
            f"the teacher's server {found.identity} cannot be reached ({error}); start it, or set "
            f"teacher.api_base to where it is"
        ) from error


def redact(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """`text` without the values of variables named like a key, token or password, and without the
    user information of addresses: providers repeat them in what they say.
    """
    for name, value in environment.items():
        if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_SECRET and value in text:
            text = text.replace(value, "***")
    hidden = urlsplit(environment.get(BASE_VARIABLE, ""))
    for part in (hidden.username, hidden.password):
        if part and len(part) >= _SHORTEST_SECRET:
            text = text.replace(part, "***").replace(unquote(part), "***")
    return re.sub(r"(\w+://)[^/\s@]+@", r"\1***@", text)
