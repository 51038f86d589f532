"""The operational log: a Markdown file with a heading for each day and a line for each thing that happened.

The desk opens each day and writes down what it did itself; people write between its lines. Nothing is ever taken out.
"""

from __future__ import annotations

import threading
from datetime import date, datetime
from pathlib import Path
from typing import final

TITLE = (
    "# Operational log\n\nUTC. One heading for each day, one line for each thing that happened. Lines are added, never changed.\n"
)


@final
class Diary:
    """One operational log file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def open_day(self, now: datetime, by: str) -> bool:
        """Begin the page of today if it is not begun; whether it was begun just now."""
        with self._lock:
            return self._opened(now, by)

    def enter(self, now: datetime, kind: str, text: str, by: str) -> None:
        """Add a line to the page of today."""
        with self._lock:
            self._opened(now, by)
            self._add(_line(now, kind, text, by))

    def days(self) -> list[date]:
        """The days that have a page, the first one first."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [date.fromisoformat(line[3:].strip()) for line in lines if line.startswith("## ")]

    def _opened(self, now: datetime, by: str) -> bool:
        days = self.days()
        if days and days[-1] >= now.date():
            return False
        if not self.path.exists():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._add(TITLE)
        self._add(f"\n## {now.date().isoformat()}\n\n")
        self._add(_line(now, "day", "the page of the day is begun", by))
        return True

    def _add(self, text: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(text)


def _line(now: datetime, kind: str, text: str, by: str) -> str:
    flat = " ".join(text.split())
    return f"- {now.strftime('%H:%M:%S')} UTC [{kind}] {flat} ({by})\n"
