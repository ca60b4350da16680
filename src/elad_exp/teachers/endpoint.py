"""Where a model is reached, and what of that may be written down."""

from __future__ import annotations

import base64
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from elad_exp.errors import ConfigError, Unreachable

BASE_VARIABLE = "ELAD_EXP_API_BASE"
KEY_VARIABLE = "ELAD_EXP_API_KEY"
NO_KEY = "none"
REACH_S = 5.0
SECRET_NAME = r"(key|token|secret|password|passwd|credentials)"
"""How the name of a variable or of a setting ends that holds a secret, in any case of letters."""
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
    for name, value in (("teacher.api_base", api_base), (BASE_VARIABLE, hidden)):
        if value and not _is_address(value, credentials=name == BASE_VARIABLE):
            raise ConfigError(
                f"{name} is no address of a server; write it like http://127.0.0.1:8000/v1, and "
                "signs of a user name or password in percent encoding"
            )
    parts = urlsplit(address)
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
    own, parts = parts, urlsplit(hidden or address)
    headers = {}
    if parts.username or parts.password:
        headers["Authorization"] = "Basic " + _basic(parts)
    place = parts.netloc.rpartition("@")[2]
    path = own.path if own.path.strip("/") else parts.path
    base = urlunsplit((parts.scheme, place, path, parts.query, ""))
    return Endpoint(base, _identity(base), environment.get(KEY_VARIABLE) or NO_KEY, headers)


def _is_address(text: str, *, credentials: bool) -> bool:
    try:
        parts = urlsplit(text)
        known = parts.port != 0 and bool(parts.hostname)
    except ValueError:  # whose message has a part of the address
        return False
    # An @ after the host is that of a password with a slash in it.
    cut = credentials and "@" in parts.path + parts.query + parts.fragment
    return parts.scheme in ("http", "https") and known and not cut


def _basic(parts: SplitResult) -> str:
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return base64.b64encode(pair.encode()).decode("ascii")


def _identity(address: str) -> str:
    parts = urlsplit(address)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def require_reachable(found: Endpoint) -> None:
    """Open a connection to the server and close it again; nothing is sent.

    Raises:
        Unreachable: Nobody listens there.
    """
    parts = urlsplit(found.base or "")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=REACH_S).close()
    except OSError as error:
        raise Unreachable(
            f"the teacher's server {found.identity} cannot be reached ({error}); start it, or set "
            f"teacher.api_base to where it is"
        ) from error


def redact(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """`text` without the values of variables named like a key, token or password, and without the
    user information of addresses: providers repeat them in what they say.
    """
    named = re.compile(SECRET_NAME + "$", re.IGNORECASE)
    secrets = [value for name, value in environment.items() if named.search(name)]
    hidden = environment.get(BASE_VARIABLE, "")
    if hidden and _is_address(hidden, credentials=True):
        parts = urlsplit(hidden)
        given = [part for part in (parts.username, parts.password, parts.query) if part]
        secrets += [*given, *map(unquote, given), _basic(parts)]
    # The longest first: one may be a part of another.
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return re.sub(r"(\w+://)[^/\s]+@", r"\1***@", text)
