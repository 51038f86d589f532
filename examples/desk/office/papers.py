"""The documents of the desk, brought into its home folder; what a person has changed there stays as it is.

In the shipped text `@today@` stands for the day on which the papers were last brought in, and `@rehearsed@` for a day a week
before it. They are brought in anew when the shipped text changed, or when that day is sixty days ago: the demo's operators review
their papers more often than the manual demands.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import final

SHIPPED = Path(__file__).resolve().parent / "documents"
REVIEWED_FOR = timedelta(days=60)
_MEMORY = ".papers.json"


@final
class Papers:
    """The folder `documents` of one home folder."""

    def __init__(self, home: Path, today: date) -> None:
        self._home = home
        self._today = today

    @property
    def folder(self) -> Path:
        """Where the documents of this home lie."""
        return self._home / "documents"

    def bring(self) -> tuple[bool, Sequence[str]]:
        """Write what is missing or out of date; whether anything was written, and notes on what a person has edited."""
        memory = self._remembered()
        since = date.fromisoformat(memory.get("since", "0001-01-01"))
        day = since if since <= self._today < since + REVIEWED_FOR else self._today
        digests: dict[str, str] = {}
        notes: list[str] = []
        written = False
        for shipped in sorted(SHIPPED.rglob("*.md")):
            name = shipped.relative_to(SHIPPED).as_posix()
            text, path = _dated(shipped.read_text(encoding="utf-8"), day), self.folder / name
            digests[name] = _digest(text)
            before = memory.get(name, "")
            found = _digest(path.read_text(encoding="utf-8")) if path.is_file() else ""
            if found == digests[name]:
                continue
            if found and before and found != before:
                notes.append(f"{path} was edited and stays as it is")
                digests[name] = before
                continue
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            written = True
        kept = json.dumps({"since": day.isoformat(), **digests}, indent=1, sort_keys=True)
        if not self._memory.is_file() or self._memory.read_text(encoding="utf-8") != kept:
            self._memory.write_text(kept, encoding="utf-8")
        return written, notes

    @property
    def _memory(self) -> Path:
        return self._home / _MEMORY

    def _remembered(self) -> Mapping[str, str]:
        try:
            told = json.loads(self._memory.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return told if isinstance(told, dict) else {}


def _dated(text: str, day: date) -> str:
    return text.replace("@today@", day.isoformat()).replace("@rehearsed@", (day - timedelta(days=7)).isoformat())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
