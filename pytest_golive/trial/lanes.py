"""Threads for probes, in three lanes, so that those which wait for an answer and those which compute do not slow each other."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar, final

from pytest_golive.probes.base import Lane as Name

Work = TypeVar("Work")

DEFAULT_JOBS = 300
LOCAL_JOBS = 4
"""Threads for probes that only read this machine's files: they do not wait, so more threads would only get in each other's
way.
"""

PROCESS_JOBS = max(4, 4 * (os.cpu_count() or 1))
"""Threads for probes that start a process each: hundreds of them at once would be a load on the machine that is being checked."""


@final
class Lane(Generic[Work]):
    """A queue with at most `width` daemon threads, made as work comes in."""

    def __init__(self, name: str, width: int, work: Callable[[Work], None]) -> None:
        self._name = name
        self._width = width
        self._work = work
        self._queue: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._threads = 0

    def put(self, work: Work) -> None:
        """Queue something; the caller sees to it that nobody else does at the same time."""
        self._queue.put(work)
        if self._threads < self._width:
            self.widen()

    def widen(self) -> None:
        """One thread more: for new work, or in the place of one that hangs."""
        self._threads += 1
        threading.Thread(target=self._serve, name=f"golive-{self._name}-{self._threads}", daemon=True).start()

    def close(self) -> None:
        """Let the threads end when the queue is empty."""
        for _ in range(self._threads):
            self._queue.put(None)

    def _serve(self) -> None:
        while (work := self._queue.get()) is not None:
            self._work(work)


def lanes(jobs: int, work: Callable[[Work], None]) -> Mapping[Name, Lane[Work]]:
    """The three lanes, none of them wider than `jobs`."""
    widths: Mapping[Name, int] = {"remote": jobs, "process": PROCESS_JOBS, "local": LOCAL_JOBS}
    return {name: Lane(name, min(width, jobs), work) for name, width in widths.items()}
