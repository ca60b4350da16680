"""Where the seconds of a round go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field


@dataclass(slots=True)
class PhaseClock:
    """Seconds by phase since the last snapshot."""

    seconds: dict[str, float] = field(default_factory=dict)
    on_phase: Callable[[str], AbstractContextManager[None]] = lambda name: nullcontext()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            with self.on_phase(name):
                yield
        finally:
            self.add(name, time.perf_counter() - start)

    def add(self, name: str, seconds: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def take(self, *names: str) -> dict[str, float]:
        return {name: round(self.seconds.pop(name, 0.0), 4) for name in names}
