"""The orders that the service skipped, from its own log: how many, why, and when (document 001, lines 530 to 533).

The guard's line `[ORDER_SKIPPED] BUY BTCUSDT qty=0.001 - GO-LIVE not activated (reason)` is what is counted. A line whose time
cannot be read belongs to the line before it, and is counted as undated if there is none.
"""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import final

from pytest_golive.redaction import Redactor
from pytest_golive.serving.chain import identity_of
from pytest_golive.serving.kept import PATIENCE, Kept

WINDOW = timedelta(hours=24)
HOURS = 24
MAX_BYTES = 8_000_000
"""Bytes of the end of a log that are read."""
MAX_REASONS = 12
MAX_REASON = 240

_LINE = re.compile(r"\[ORDER_SKIPPED\](?P<order>.*?) GO-LIVE not activated(?: \((?P<reason>.*)\))?\s*$")
_ANY = "[ORDER_SKIPPED]"
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,]\d{1,9})?(?: ?(Z|[+-]\d\d:?\d\d)(?!\d))?")
_LOOKED_AT = 300


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Skips:
    """Every skip in the log, in its order: when (None if it is not told) and why; `cut` if older lines were not read."""

    found: tuple[tuple[datetime | None, str], ...]
    cut: bool
    trouble: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """The skips of the last 24 hours: `hours` counts them from the oldest hour to this one, `reasons` the most frequent first."""

    total: int
    undated: int
    newest: datetime | None
    reasons: tuple[tuple[str, int], ...]
    more: int
    hours: tuple[int, ...]
    cut: bool
    trouble: str


@final
class OrdersLog:
    """Reads the log again when it has grown."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._kept: Kept[tuple[Path, Skips]] = Kept()

    def read(self, path: Path, now: datetime, patience: float = PATIENCE) -> Skipped:
        """The last 24 hours of this log, as far as it has been read."""
        held, _ = self._kept.ask((path, identity_of(path)), lambda _: (path, scan(path, self._redactor)), patience)
        if held is None or held[0] != path:
            return within(Skips(found=(), cut=False, trouble="it is being read for the first time"), now)
        return within(held[1], now)


def scan(path: Path, redactor: Redactor) -> Skips:
    """Every skip in the last `MAX_BYTES` of the log, without secrets."""
    try:
        content, cut = _end(path)
    except OSError as error:
        return Skips(found=(), cut=False, trouble=f"{path.name} cannot be read: {error.strerror or error}")
    found: list[tuple[datetime | None, str]] = []
    at: datetime | None = None
    for line in content.split("\n"):
        at = _time(line) or at
        if _ANY not in line:
            continue
        match = _LINE.search(line)
        reason = match["reason"] if match and match["reason"] else "GO-LIVE not activated" if match else "the line says no reason"
        found.append((at, reason))
    clean = {reason: redactor.text(reason)[:MAX_REASON] for reason in {why for _, why in found}}
    return Skips(found=tuple((moment, clean[why]) for moment, why in found), cut=cut, trouble="")


def within(skips: Skips, now: datetime) -> Skipped:
    """What of it lies in the 24 hours before `now`; what is dated in the future is counted in this hour."""
    recent = [(at, why) for at, why in skips.found if at is not None and at > now - WINDOW]
    hours = [0] * HOURS
    for at, _ in recent:
        hours[HOURS - 1 - min(HOURS - 1, max(0, int((now - at).total_seconds() // 3600)))] += 1
    counted = Counter(why for _, why in recent).most_common()
    return Skipped(
        total=len(recent),
        undated=sum(at is None for at, _ in skips.found),
        newest=max((at for at, _ in recent), default=None),
        reasons=tuple(counted[:MAX_REASONS]),
        more=sum(number for _, number in counted[MAX_REASONS:]),
        hours=tuple(hours),
        # what was cut off matters only if it may lie within the time that is told
        cut=skips.cut and not any(at is not None and at <= now - WINDOW for at, _ in skips.found),
        trouble=skips.trouble,
    )


def _time(line: str) -> datetime | None:
    match = _ISO.search(line, 0, _LOOKED_AT)
    if match is None:
        return None
    try:
        at = datetime.fromisoformat(f"{match[1]}T{match[2]}{match[3] or '+00:00'}")
    except ValueError:
        return None
    return at.astimezone(UTC)


def _end(path: Path) -> tuple[str, bool]:
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(0, "it is not a regular file")
        size = os.fstat(fd).st_size
        if size <= MAX_BYTES:
            return file.read(MAX_BYTES).decode("utf-8", "replace"), False
        file.seek(size - MAX_BYTES)
        return file.read(MAX_BYTES).partition(b"\n")[2].decode("utf-8", "replace"), True
