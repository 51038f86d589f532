"""A thread that does one thing again and again, shows that it lives, and survives its own failures."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import final

from examples.desk.clock import Clock

_log = logging.getLogger("desk.system")


@final
class Worker:
    """Calls `turn` every `every` seconds in a thread of its own until it is halted."""

    def __init__(self, name: str, turn: Callable[[], None], *, every: float, now: Clock) -> None:
        self.name = name
        self.last_beat: datetime | None = None
        self._turn = turn
        self._every = every
        self._now = now
        self._halted = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def alive(self) -> bool:
        """Whether the thread is running."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin, or begin again after a halt; nothing happens while it runs."""
        if not self.alive:
            self._halted.clear()
            self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
            self._thread.start()

    def ask_to_halt(self) -> None:
        """Let the thread end after its turn, without waiting."""
        self._halted.set()

    def halt(self) -> None:
        """End the thread and wait for it."""
        self._halted.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._halted.is_set():
            self.last_beat = self._now()
            try:
                self._turn()
            except Exception:  # noqa: BLE001 - a worker survives its own failures, and tells them
                _log.exception("%s: a turn failed", self.name)
            self._halted.wait(self._every)
