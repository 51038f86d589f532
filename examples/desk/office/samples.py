"""Samples: every few seconds one line of what a person would watch, so that a gap can be told from a quiet hour.

A start and a stop of the desk are lines too: a stop that was meant is no gap, an end without its line is one.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, final

from examples.desk import clock
from examples.desk.clock import Clock

EVERY = timedelta(seconds=10)
KEPT_BYTES = 10_000_000
START, SAMPLE, STOP = "start", "sample", "stop"


@final
class Samples:
    """One file of JSON lines; beyond KEPT_BYTES the file becomes `.1` and a new one begins."""

    def __init__(self, path: Path, *, now: Clock) -> None:
        self.path = path
        self._now = now
        self._lock = threading.Lock()
        self._last: datetime | None = None

    def due(self) -> bool:
        """Whether it is time for the next sample."""
        return self._last is None or self._now() - self._last >= EVERY

    def write(self, event: str, seen: Mapping[str, Any]) -> None:
        """Add a line."""
        now = self._now()
        line = json.dumps({"at": clock.iso(now), "event": event, **seen}, default=str)
        with self._lock:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.path.exists() and self.path.stat().st_size > KEPT_BYTES:
                self.path.replace(self.path.with_suffix(".jsonl.1"))
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
            if event == SAMPLE:
                self._last = now
