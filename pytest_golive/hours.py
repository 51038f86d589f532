"""Opening hours of the activation: on which days, between which times, in which zone a marker may be written.

Document 001 (line 569) wants scheduled activation windows, so that nobody goes live on a Friday night when nobody watches.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time
from typing import final
from zoneinfo import ZoneInfo

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TEXT = re.compile(r"([a-z]{3})(?:-([a-z]{3}))? (\d\d:\d\d)-(\d\d:\d\d) (\S+)")


@final
@dataclass(frozen=True, slots=True)
class Hours:
    """One window: the days of the week (0 is Monday), from `begin` until before `end`, by the clocks of `zone`."""

    text: str
    days: frozenset[int]
    begin: time
    end: time
    zone: ZoneInfo

    def hold(self, now: datetime) -> bool:
        """Whether the moment lies in the window."""
        local = now.astimezone(self.zone)
        return local.weekday() in self.days and self.begin <= local.time() < self.end


def parse(text: str) -> Hours:
    """The window of `mon-fri 08:00-18:00 Europe/Berlin`; ValueError for a text that is none, or one that never opens."""
    match = _TEXT.fullmatch(text)
    if match is None or match[1] not in _DAYS or (match[2] or "mon") not in _DAYS:
        raise ValueError(f"{text!r} is no window: write it as 'mon-fri 08:00-18:00 Europe/Berlin'")
    first, last = _DAYS.index(match[1]), _DAYS.index(match[2] or match[1])
    days = range(first, last + 1) if first <= last else [*range(first, 7), *range(last + 1)]
    begin, end = time.fromisoformat(match[3]), time.max if match[4] == "24:00" else time.fromisoformat(match[4])
    if begin >= end:
        raise ValueError(f"{text!r} never opens: write two windows for one that goes over midnight")
    try:
        zone = ZoneInfo(match[5])
    except (ValueError, OSError, KeyError):
        raise ValueError(f"{match[5]!r} is not a time zone, such as UTC or Europe/Berlin") from None
    return Hours(text=text, days=frozenset(days), begin=begin, end=end, zone=zone)


def shut(windows: tuple[Hours, ...], now: datetime) -> str:
    """Why nothing may be activated now; empty if no window is set, or one is open."""
    if not windows or any(window.hold(now) for window in windows):
        return ""
    return f"{now.isoformat(timespec='seconds')} lies outside of the activation windows: {'; '.join(w.text for w in windows)}"
