"""Gives up what does not come back: a probe that hangs must not hold up the run, nor the end of the process."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar, final

Watched = TypeVar("Watched")


@final
class Watchdog(Generic[Watched]):
    """Calls `give_up` for everything that is not `done` when its time is over; its one thread is a daemon, made when needed."""

    def __init__(self, done: Callable[[Watched], bool], give_up: Callable[[Watched], None]) -> None:
        self._done = done
        self._give_up = give_up
        self._order = itertools.count()
        self._heap: list[tuple[float, int, Watched]] = []
        self._news = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def watch(self, watched: Watched, seconds: float) -> None:
        """It must be done within `seconds` from now."""
        with self._news:
            entry = (time.monotonic() + seconds, next(self._order), watched)
            heapq.heappush(self._heap, entry)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch_over, name="golive-watchdog", daemon=True)
                self._thread.start()
            elif self._heap[0] is entry:
                self._news.notify()

    def close(self) -> None:
        """Watch no longer."""
        with self._news:
            self._closed = True
            self._news.notify_all()

    def _watch_over(self) -> None:
        while True:
            with self._news:
                while self._heap and self._done(self._heap[0][2]):
                    heapq.heappop(self._heap)
                if self._closed:
                    return
                left = self._heap[0][0] - time.monotonic() if self._heap else 1.0
                if left > 0:
                    self._news.wait(min(left, 1.0))
                    continue
                _, _, late = heapq.heappop(self._heap)
            self._give_up(late)
