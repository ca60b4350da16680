"""Waiting for another process: said once, and ended by an interruption."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from filelock import FileLock

from elad_exp.assets import lock
from elad_exp.assets.lock import locked


@pytest.fixture(autouse=True)
def _short_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "NAP_S", 0.01)


def test_a_free_lock_is_taken_without_a_word(tmp_path: Path) -> None:
    told: list[str] = []
    for _ in range(2):
        with locked(tmp_path / "x.lock", "works", notify=told.append):
            assert not told


def test_waiting_is_said_once_and_polled_until_the_other_is_done(tmp_path: Path) -> None:
    other, go_on, told = FileLock(tmp_path / "x.lock"), threading.Event(), []
    polls = 0

    def poll() -> None:
        nonlocal polls
        polls += 1
        if polls == 3:
            go_on.set()

    def hold() -> None:
        with other:
            held.set()
            go_on.wait(10)

    held = threading.Event()
    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    with locked(tmp_path / "x.lock", "works", notify=told.append, poll=poll):
        assert go_on.is_set()
    thread.join(10)
    assert told == ["another process works; waiting for it"]
    assert polls >= 3


def test_an_interruption_ends_the_wait(tmp_path: Path) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with (
        FileLock(tmp_path / "x.lock"),
        pytest.raises(KeyboardInterrupt),
        locked(tmp_path / "x.lock", "works", poll=stop),
    ):
        pytest.fail("the lock was not free")
    with locked(tmp_path / "x.lock", "works", poll=stop):
        pass
