"""The journal as the status page reads it: checked from end to end beside the requests, and never waited for."""

from __future__ import annotations

import os
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import final

from pytest_golive import excerpt
from pytest_golive.errors import JournalError
from pytest_golive.journal import Entry, Journal
from pytest_golive.redaction import Redactor
from pytest_golive.serving.kept import PATIENCE, Kept

AGAIN = 300.0
"""Seconds after which an unchanged journal is checked again: who can alter it can also set its times back."""
RETRY = 2.0
"""Seconds after which a journal that could not be read is tried again."""
LOCKED = 2.0
"""Seconds that the reading thread, and nobody else, waits for whoever writes."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The records, redacted, as they were when they were last read whole at `at`; `trouble` says why it was not since."""

    entries: Sequence[Entry]
    at: datetime | None
    trouble: str


UNREAD = Chain(entries=(), at=None, trouble="the journal is being read for the first time")


@final
class ChainReader:
    """Gives the chain of one journal file after the other, as the settings name them."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._kept: Kept[tuple[Path, Chain]] = Kept()
        self._troubled = False

    def read(self, path: Path, patience: float = PATIENCE) -> Chain:
        """The newest finished reading of this file."""
        found, _ = self._kept.ask(self._identity(path), lambda before: self._read(path, before), patience)
        if found is None or found[0] != path:
            return UNREAD
        self._troubled = bool(found[1].trouble)
        return found[1]

    def _identity(self, path: Path) -> Hashable:
        turn = int(time.monotonic() // (RETRY if self._troubled else AGAIN))
        return path, identity_of(path), self._troubled, turn

    def _read(self, path: Path, before: tuple[Path, Chain] | None) -> tuple[Path, Chain]:
        try:
            entries = excerpt.clean(Journal(path, patience=LOCKED).entries(), self._redactor)
        except JournalError as error:
            known = before[1] if before is not None and before[0] == path else UNREAD
            return path, Chain(entries=known.entries, at=known.at, trouble=self._redactor.text(error.message))
        return path, Chain(entries=tuple(entries), at=datetime.now(UTC), trouble="")


def identity_of(path: Path) -> tuple[int, ...]:
    """What changes when a file changes; empty if there is none, or it cannot be looked at."""
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
