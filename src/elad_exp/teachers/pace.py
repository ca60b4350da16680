"""Requests and tokens per minute, counted over any 60 seconds."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import cache
from time import monotonic

WINDOW_S = 60.0


@cache
def shared_pace(model: str, server: str, requests: int | None, tokens: int | None) -> Pace:
    """The pace of all runs of this process that call a model with these limits: jobs of a sweep
    follow one another within a minute.
    """
    return Pace(requests, tokens)


class Pace:
    """Lets calls through so that no 60 seconds hold more than the limits.

    A bucket that fills at a rate would let twice the limit through in its first minute.

    Args:
        requests: A minute; null: no limit.
        tokens: A minute; null: no limit. A call of more than that goes when nothing else does.
        clock: Seconds.
    """

    def __init__(
        self,
        requests: int | None,
        tokens: int | None,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.requests, self.tokens = requests, tokens
        self.unlimited = requests is None and tokens is None
        self._clock = clock
        self._sent: deque[tuple[float, int]] = deque()
        self._tokens = 0
        self._turn = asyncio.Lock()

    async def wait(
        self, tokens: int, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Return when a call of `tokens` may be sent; calls go in the order of their coming.

        Args:
            tokens: Of the prompt, and of the longest completion.
            sleep: Waits for so many seconds, or raises.
        """
        if self.unlimited:
            return
        async with self._turn:
            while (pause := self._pause(tokens)) > 0:
                await sleep(pause)
            self._sent.append((self._clock(), tokens))
            self._tokens += tokens

    def _pause(self, tokens: int) -> float:
        now = self._clock()
        # The same sum as below: what is due by one of them must be gone by the other.
        while self._sent and self._sent[0][0] + WINDOW_S <= now:
            self._tokens -= self._sent.popleft()[1]
        many = self.requests is not None and len(self._sent) >= self.requests
        much = self.tokens is not None and self._sent and self._tokens + tokens > self.tokens
        return self._sent[0][0] + WINDOW_S - now if many or much else 0.0
