"""One process makes what several need; the others wait for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

logger = logging.getLogger(__name__)

NAP_S = 0.5


@contextmanager
def locked(
    path: Path,
    doing: str,
    *,
    notify: Callable[[str], None] = logger.info,
    poll: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Holds a lock that the system releases when its owner dies.

    Args:
        path: The lock's file, in a folder that exists; it stays.
        doing: What the other process does: "another process {doing}; waiting for it".
        notify: Receives that, once, if the lock is taken.
        poll: Called every half second while waiting; may raise to give up.
    """
    lock = FileLock(path)
    told = False
    while True:
        try:
            lock.acquire(blocking=False)
            break
        except Timeout:
            if not told:
                notify(f"another process {doing}; waiting for it")
            told = True
            poll()
            time.sleep(NAP_S)
    try:
        yield
    finally:
        lock.release()
