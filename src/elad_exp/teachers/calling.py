"""How a teacher is called: how many at once, how often, how long, and when to give up."""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass
from enum import StrEnum

from elad_exp.budget.owner import LEASE_S
from elad_exp.errors import ConfigError
from elad_exp.types import Record

MESSAGE_LENGTH = 300
FIRST_PAUSE_S = 1.0


class Billed(StrEnum):
    """Whether a call that failed may be on the bill."""

    NO = "no"
    UNKNOWN = "unknown"


class CallFailed(Exception):
    """A call without an answer.

    Args:
        message: What the provider said, cut to 300 characters.
        billed: `no` if it was never sent or turned down; `unknown` if it may have been worked on.
        retry: Whether the same call may succeed later.
        fatal: Whether every other call would fail as well: a wrong key, no such model.
        after_s: Seconds that the provider asks to wait.
    """

    def __init__(
        self,
        message: str,
        *,
        billed: Billed,
        retry: bool,
        fatal: bool = False,
        after_s: float | None = None,
    ) -> None:
        super().__init__(" ".join(message.split())[:MESSAGE_LENGTH])
        self.billed, self.retry, self.fatal, self.after_s = billed, retry, fatal, after_s


@dataclass(frozen=True, slots=True)
class Calling(Record):
    """Operational settings: they never shape an answer, so no key depends on them.

    Args:
        concurrency: Annotations in progress at a time.
        requests_per_minute: At most so many calls are sent in any 60 seconds; null: no limit.
        tokens_per_minute: At most so many tokens, prompts and the longest completions together.
        timeout_s: Of one call, however slowly its answer drips; less than the lease of what is
            reserved for it, 900 s.
        phase_timeout_s: Of all calls of a query; then the run stops resumably. Null: no limit.
        attempts: Calls that are made for one answer at most.
        longest_pause_s: Before another attempt, also where a provider asks for a longer one.
        give_up_after: So many answers in a row that could not be had stop the run resumably.

    Raises:
        ConfigError: Names every value that is not allowed.
    """

    concurrency: int = 1
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    timeout_s: float = 120.0
    phase_timeout_s: float | None = None
    attempts: int = 5
    longest_pause_s: float = 60.0
    give_up_after: int = 5

    def __post_init__(self) -> None:
        problems = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None and "None" in str(field.type):
                continue
            whole = "int" in str(field.type)
            number = isinstance(value, int if whole else (int, float))
            if isinstance(value, bool) or not number or not 0 < value < float("inf"):
                kind = "a whole number of at least 1" if whole else "a number above 0"
                problems.append(f"teacher.{field.name}={value!r}: must be {kind}")
        if not problems and self.timeout_s >= LEASE_S:
            problems.append(f"teacher.timeout_s={self.timeout_s:g}: must be below {LEASE_S:g}")
        if problems:
            raise ConfigError("; ".join(problems))

    def pause(self, attempt: int, failure: CallFailed) -> float:
        """Seconds before the attempt after `attempt` (from 1): what the provider asks for and up to
        a second more, else drawn between 0 and a limit that doubles ("full jitter").
        """
        # Spreads the load of many clients; no result depends on it, so it takes no seed.
        if failure.after_s is not None:
            return min(failure.after_s, self.longest_pause_s) + random.uniform(0, FIRST_PAUSE_S)
        most = min(FIRST_PAUSE_S * 2 ** (attempt - 1), self.longest_pause_s)
        return random.uniform(0, most)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the purchase of a query is. `failed` counts calls that got no answer."""

    done: int
    total: int
    calls: int
    cached: int
    failed: int
    usd: float
    usd_left: float | None

    def __str__(self) -> str:
        left = "" if self.usd_left is None else f", ${self.usd_left:.2f} left"
        return (
            f"{self.calls} calls, {self.cached} cached, {self.failed} failed, "
            f"${self.usd:.2f} spent{left}"
        )
