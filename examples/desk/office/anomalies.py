"""Anomalies: what a person must look at before the next day begins, kept until somebody says that it was looked at.

They come from the desk's own log (every line of ERROR or worse) and from what the office sees in its samples. What a drill
broke on purpose counts as looked at once the drill has mended it.
"""

from __future__ import annotations

import logging
import threading
from typing import Any, final

from examples.desk import clock
from examples.desk.clock import Clock
from examples.desk.ledger import Ledger

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS anomalies(id INTEGER PRIMARY KEY, at TEXT NOT NULL, source TEXT NOT NULL, text TEXT NOT NULL,"
    " reviewed_at TEXT, reviewer TEXT)"
)
_OPEN = "SELECT * FROM anomalies WHERE reviewed_at IS NULL ORDER BY id"


@final
class Anomalies(logging.Handler):
    """The anomalies of one desk; as a handler of its log it hears of every error there."""

    def __init__(self, ledger: Ledger, *, now: Clock) -> None:
        super().__init__(level=logging.ERROR)
        self._ledger = ledger
        self._now = now
        self._inside = threading.local()
        ledger.write(_SCHEMA)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line; one that comes from keeping a line is left out."""
        if getattr(self._inside, "on", False):
            return
        self._inside.on = True
        try:
            self.note("system.log", record.getMessage())
        except Exception:  # noqa: BLE001 - a log line must never end what wrote it
            self.handleError(record)
        finally:
            self._inside.on = False

    def note(self, source: str, text: str) -> None:
        """Keep what was seen, once for as long as nobody has looked at it."""
        known = self._ledger.row(f"{_OPEN.replace(' ORDER BY id', '')} AND source = ? AND text = ?", source, text[:500])
        if known is None:
            self._ledger.write(
                "INSERT INTO anomalies(at, source, text) VALUES (?,?,?)", clock.iso(self._now()), source, text[:500]
            )

    def open(self) -> list[dict[str, Any]]:
        """Those that nobody has looked at."""
        return self._ledger.rows(_OPEN)

    def all(self, limit: int = 100) -> list[dict[str, Any]]:
        """The newest first."""
        return self._ledger.rows("SELECT * FROM anomalies ORDER BY id DESC LIMIT ?", limit)

    def review(self, number: int, reviewer: str) -> bool:
        """Say that it was looked at; whether there was such an open one."""
        known = self._ledger.row(f"{_OPEN.replace(' ORDER BY id', '')} AND id = ?", number)
        if known:
            self._ledger.write(
                "UPDATE anomalies SET reviewed_at = ?, reviewer = ? WHERE id = ?", clock.iso(self._now()), reviewer, number
            )
        return known is not None

    def review_since(self, since: str, reviewer: str) -> None:
        """Say that everything from this moment on was looked at: a drill did it."""
        self._ledger.write(
            "UPDATE anomalies SET reviewed_at = ?, reviewer = ? WHERE reviewed_at IS NULL AND at >= ?",
            clock.iso(self._now()), reviewer, since,
        )  # fmt: skip
