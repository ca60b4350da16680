"""When a purchase has to stop: a signal, too long a time, a teacher that fails."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from elad_exp.errors import Interrupted, RunStopped

log = logging.getLogger(__name__)

POLL_S = 0.1


class Stopped(Exception):
    """Ends an annotation, because the purchase is stopping; nothing is wrong with it."""


class Halt:
    """Asked before anything is sent, and while something is waited for.

    Args:
        interrupted: Raises `Interrupted` once a signal has come; null: nobody asks.
        after_s: Seconds after which a purchase stops; null: never.
        grace_s: For open calls to come back once there is a reason: they are paid for anyway.
        on_stop: Called once there is a reason.
        progress: How far the purchase is, in words.

    Attributes:
        why: The first reason, or None.
    """

    def __init__(
        self,
        interrupted: Callable[[], None] | None,
        after_s: float | None,
        *,
        grace_s: float,
        on_stop: Callable[[], None],
        progress: Callable[[], str],
    ) -> None:
        self.why: BaseException | None = None
        self._interrupted, self._after_s, self._grace_s = interrupted, after_s, grace_s
        self._on_stop, self._progress = on_stop, progress
        self._stopping = asyncio.Event()

    def stop(self, why: BaseException) -> None:
        """Send nothing more; the first reason counts."""
        self.why = self.why or why
        self._stopping.set()
        self._on_stop()

    def check(self) -> None:
        """Raises `Stopped` if nothing more may be sent."""
        if self.why is None and self._interrupted is not None:
            try:
                self._interrupted()
            except Interrupted as error:
                self.stop(error)
        if self.why is not None:
            raise Stopped

    async def pause(self, seconds: float) -> None:
        """Wait so long; raises `Stopped` as soon as there is a reason."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return
        raise Stopped

    async def watch(self, workers: Iterable[asyncio.Task[None]]) -> None:
        """Look for a reason until there is one; cancel workers that do not end soon after."""
        start = time.monotonic()
        while self.why is None:
            await asyncio.sleep(POLL_S)
            if self._after_s is not None and time.monotonic() - start > self._after_s:
                passed = f"teacher.phase_timeout_s={self._after_s:g} passed"
                self.stop(RunStopped("teacher_timeout", f"{passed} with {self._progress()}"))
            try:
                self.check()
            except Stopped:
                break
        await asyncio.sleep(POLL_S)
        log.warning(
            "stopping: open calls are paid for, so they get up to %g s to come back; a second "
            "signal ends them at once",
            self._grace_s,
        )
        await asyncio.sleep(self._grace_s)
        for worker in workers:
            worker.cancel()
