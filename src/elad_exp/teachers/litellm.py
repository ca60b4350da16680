"""One call to a language model through litellm: what came back, or what kind of failure it was.

Caching, retries, prices and budgets of litellm are not used: they are ours, because they decide
what is paid.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache, lru_cache
from time import time
from typing import TYPE_CHECKING, Any

from elad_exp.errors import ConfigError
from elad_exp.teachers.calling import MESSAGE_LENGTH, Billed, CallFailed
from elad_exp.teachers.endpoint import Endpoint, redact
from elad_exp.types import Record, Status

if TYPE_CHECKING:
    from pydantic import BaseModel

_TURNED_DOWN = (409, 425, 429, 503, 529)
_GIVEN_UP = 408
# What every other call would meet as well, and what to look at.
_FATAL = {
    401: "is the key in the environment right?",
    402: "is the account in credit?",
    403: "may this key use teacher.model?",
    404: "is teacher.model right? A run keeps its model: begin a new one with another",
}
# litellm says the kind of an error up to three times before what the provider said.
_LITELLMS = re.compile(r"^(?:litellm\.)?(?:\w+Error: )*(?:\w+Exception - )?")
_MOST_TOKENS = 10**9


@dataclass(frozen=True, slots=True)
class Reply(Record):
    """What a model answered. `prompt_tokens` is None where the provider reported no usage.

    `status` is `ok` for any complete text, `truncated` at the completion limit, `refused` where
    the model or a content filter did not answer.
    """

    text: str
    status: Status
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


async def call(
    messages: Sequence[Mapping[str, str]],
    *,
    model: str,
    max_completion_tokens: int,
    timeout_s: float,
    temperature: float | None = None,
    endpoint: Endpoint = Endpoint(),  # noqa: B008 (frozen)
    schema: type[BaseModel] | None = None,
) -> Reply:
    """Ask once.

    Args:
        messages: Role and content.
        model: As litellm names it: `provider/model`.
        max_completion_tokens: The most that is generated.
        timeout_s: Of the whole call, however slowly the answer drips.
        temperature: Null leaves it to the provider: some models refuse any.
        endpoint: Where the model is; by default at its provider, with the key of its variable.
        schema: A pydantic model that the reply has to fit, where the model supports that.

    Raises:
        CallFailed: There was no answer.
        ConfigError: litellm is not installed.
    """
    litellm = load()
    options: dict[str, Any] = {
        "temperature": temperature,
        "api_base": endpoint.base,
        "api_key": endpoint.key,
        "extra_headers": dict(endpoint.headers) or None,
        # Some servers know this older name of the limit only.
        "extra_body": {"max_tokens": max_completion_tokens} if endpoint.base else None,
    }
    if schema is not None:
        options["response_format"] = _response_format(model, schema)
    try:
        async with asyncio.timeout(timeout_s):
            response = await litellm.acompletion(
                model=model,
                messages=list(messages),
                max_completion_tokens=max_completion_tokens,
                timeout=timeout_s,
                num_retries=0,
                max_retries=0,
                drop_params=False,
                **{key: value for key, value in options.items() if value is not None},
            )
    except TimeoutError as error:
        raise CallFailed(
            f"no answer within {timeout_s:g} s", billed=Billed.UNKNOWN, retry=True
        ) from error
    except load_module("openai").OpenAIError as error:
        failed = failure(error)
        if isinstance(failed, Reply):
            return failed
        # Without its cause, whose text may repeat a key.
        raise failed from None
    return reply(response)


def reply(response: Any) -> Reply:
    """A `Reply` out of litellm's response.

    Raises:
        CallFailed: It holds no answer.
    """
    if not response.choices:
        raise CallFailed("no answer: it has no choices", billed=Billed.UNKNOWN, retry=True)
    choice = response.choices[0]
    fields = choice.message.provider_specific_fields or {}
    refusal = getattr(choice.message, "refusal", None) or fields.get("refusal")
    # Halves of surrogate pairs cannot be written to files.
    text = (choice.message.content or "").encode("utf-8", "replace").decode("utf-8")
    known = _counts(getattr(response, "usage", None), refusal or text)
    if refusal or choice.finish_reason == "content_filter":
        return Reply(refusal or text, Status.REFUSED, *known)
    status = Status.TRUNCATED if choice.finish_reason == "length" else Status.OK
    return Reply(text, status, *known)


def _counts(usage: Any, text: str) -> tuple[int, int] | tuple[None, None]:
    """Tokens of prompt and completion; Nones unless both were reported and can be true."""
    counts = [getattr(usage, f"{part}_tokens", None) for part in ("prompt", "completion")]
    prompt, completion = (n if type(n) is int and 0 <= n <= _MOST_TOKENS else None for n in counts)
    # litellm fills in zeros where a provider reports nothing.
    if not prompt or completion is None or (text and not completion):
        return None, None
    return prompt, completion


def failure(error: BaseException) -> CallFailed | Reply:
    """What an exception of litellm means; a turned down content is an answer: a refusal."""
    code = getattr(error, "status_code", None)
    message = _LITELLMS.sub("", redact(str(error)))
    causes = list(_chain(error))
    names = {type(cause).__name__ for cause in causes}
    if names & {"ContentPolicyViolationError"}:
        # What a filter cost is not said; some providers charge for it.
        return Reply(message[:MESSAGE_LENGTH], Status.REFUSED)
    if names & {"ConnectionRefusedError", "ClientConnectorError", "ClientConnectorDNSError"}:
        return CallFailed(
            f"the server cannot be reached: {redact(str(causes[-1]))}", billed=Billed.NO, retry=True
        )
    answered = names & {"HTTPStatusError"} or "APIStatusError" in names
    if not answered and code not in _FATAL:
        said = [str(x) for x in causes if str(x).strip() and not isinstance(x, StopIteration)]
        return CallFailed(f"no answer: {redact(said[-1])}", billed=Billed.UNKNOWN, retry=True)
    if code in _TURNED_DOWN:
        after = _retry_after(getattr(error, "litellm_response_headers", None) or {})
        return CallFailed(message, billed=Billed.NO, retry=True, after_s=after)
    if code is not None and (code >= 500 or code == _GIVEN_UP):
        return CallFailed(message, billed=Billed.UNKNOWN, retry=True)
    if code in _FATAL:
        message = f"{code} ({_FATAL[code]}): {message}"
    return CallFailed(message, billed=Billed.NO, retry=False, fatal=code in _FATAL)


@cache
def _response_format(model: str, schema: type[BaseModel]) -> dict[str, Any] | None:
    """The schema as OpenAI's protocol takes it, for a model that litellm knows to support it.

    Handed over as a class, litellm would work it out again for every call.
    """
    if not load().supports_response_schema(model):
        return None
    return {
        "type": "json_schema",
        "json_schema": {
            "name": schema.__name__,
            "strict": True,
            "schema": _closed(schema.model_json_schema()),
        },
    }


def _closed(schema: Any) -> Any:
    """A JSON schema whose objects have all their keys and no other, as strict mode asks."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _closed(part) for key, part in schema.items() if key != "default"}
    if found.get("type") == "object":
        found["additionalProperties"] = False
        found["required"] = list(found.get("properties", {}))
    return found


@lru_cache(maxsize=256)  # most of a prompt is the same in every prompt
def count_tokens(text: str) -> int:
    """Tokens of `text` by the vocabulary of gpt-4o: an estimate for other models."""
    return len(load().encode(model="gpt-4o", text=text))


def require_provider(model: str) -> None:
    """Raises `ConfigError` if litellm cannot tell whose model it is."""
    litellm = load()
    try:
        litellm.get_llm_provider(model)
    except litellm.exceptions.BadRequestError as error:
        raise ConfigError(
            f"teacher.model={model!r}: litellm knows no such provider; write PROVIDER/MODEL, for "
            "example openai/gpt-4o-mini, and for a local server openai/MODEL with teacher.api_base"
        ) from error


def require_key(model: str) -> None:
    """Raises `ConfigError` if the environment lacks what the model's provider needs."""
    missing = load().validate_environment(model)["missing_keys"]
    if any(name.endswith("_API_BASE") for name in missing):
        raise ConfigError(
            f"teacher.model={model!r} is served by yourself: set teacher.api_base to its address"
        )
    if missing:
        raise ConfigError(
            f"teacher.model={model!r} needs {' and '.join(missing)} in the environment; a local "
            "server needs teacher.api_base instead"
        )


def load() -> Any:
    """The module litellm, with its own network access at import turned off.

    Raises:
        ConfigError: It is not installed.
    """
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    litellm = load_module("litellm")
    litellm.suppress_debug_info = True
    return litellm


async def close() -> None:
    """Close the connections, if litellm was loaded at all."""
    if "litellm" not in sys.modules:
        return
    litellm = load()
    await litellm.close_litellm_async_clients()
    # It would hand the closed ones out again.
    litellm.in_memory_llm_clients_cache.flush_cache()


def load_module(name: str) -> Any:
    """Import `name`, or say what to install."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"teacher=litellm needs the package {error.name}, which is not installed; install "
            "elad-exp[litellm]"
        ) from error


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of `retry-after`, given as a number or as a date (RFC 9110)."""
    value = next((v for k, v in headers.items() if k.lower() == "retry-after"), None)
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except (TypeError, ValueError):
        return None
