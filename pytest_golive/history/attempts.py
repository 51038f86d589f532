"""Every attempt to activate: who made it, what became of it, how long it lasted and how it ended.

It is read, never kept: the journal stays the only record, and this is a view of it that can be written out for an audit
(document 001, lines 559 and 571).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, final

from pytest_golive import excerpt
from pytest_golive.events import ACTIVATED, BREAK_GLASS, DEACTIVATED, DENIED, FAILED
from pytest_golive.journal import Entry

OUTCOMES: Mapping[str, str] = {ACTIVATED: "activated", DENIED: "denied", FAILED: "failed"}
GLASS = "glass"
"""The outcome of an activation that two persons made without a passing run."""
STOOD = frozenset({OUTCOMES[ACTIVATED], GLASS})
"""The outcomes after which a marker stood."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt to activate. Times are ISO 8601 in UTC; `seconds` is None while it stands, `ended` says how it came to its end:
    deactivated, overtaken, expired, or empty.
    """

    seq: int
    at: str
    outcome: str
    operator: str
    environment: str
    profiles: str
    activation_id: str
    expires: str
    ended: str
    ended_at: str
    seconds: int | None
    reason: str


def attempts(entries: Iterable[Entry], now: datetime) -> list[Attempt]:
    """Every attempt in the order of the journal; what ended an activation is read from the records after it."""
    kept = [entry for entry in entries if entry.event in {*OUTCOMES, DEACTIVATED, BREAK_GLASS}]
    glass = {str(entry.detail.get("activation_id")): entry for entry in kept if entry.event == BREAK_GLASS}
    records = [entry for entry in kept if entry.event != BREAK_GLASS]
    # an activation whose marker could not be written is one attempt, although two records tell of it
    broken = {str(entry.detail.get("activation_id")): entry for entry in records if entry.event == FAILED}
    found = []
    for number, entry in enumerate(records):
        if entry.event in (DEACTIVATED, FAILED):
            continue
        failure = broken.get(str(entry.detail.get("activation_id"))) if entry.event == ACTIVATED else None
        by_glass = glass.get(str(entry.detail.get("activation_id"))) if entry.event == ACTIVATED else None
        last = failure or by_glass or entry
        ended, ended_at = ("", None)
        if entry.event == ACTIVATED and failure is None:
            ended, ended_at = _end(entry, records[number + 1 :], now)
        found.append(
            Attempt(
                seq=entry.seq,
                at=entry.at.astimezone(UTC).isoformat(),
                outcome=GLASS if last.event == BREAK_GLASS else OUTCOMES[last.event],
                operator=str(entry.detail.get("operator", "")),
                environment=str(entry.detail.get("environment", "")),
                profiles=" ".join(map(str, entry.detail.get("allowed_profiles", ()))),
                activation_id=str(entry.detail.get("activation_id", "")),
                expires=str(entry.detail.get("expires", "")),
                ended=ended,
                ended_at=ended_at.isoformat() if ended_at else "",
                seconds=max(0, int((ended_at - entry.at).total_seconds())) if ended_at else None,
                reason=str(last.detail.get("reason", "")),
            )
        )
    return found


def analysis(found: Iterable[Attempt]) -> dict[str, Any]:
    """How often, by whom, with which outcome and end, and for how long in all."""
    rows = list(found)
    return {
        "attempts": len(rows),
        "outcomes": _counted(row.outcome for row in rows),
        "operators": _counted(row.operator for row in rows),
        "ends": _counted(row.ended or "standing" for row in rows if row.outcome in STOOD),
        "seconds_active": sum(row.seconds or 0 for row in rows),
        "longest_seconds": max((row.seconds or 0 for row in rows), default=0),
    }


def as_csv(found: Iterable[Attempt]) -> str:
    """The attempts as comma-separated values with a line of names."""
    names = [field.name for field in fields(Attempt)]
    return excerpt.table(names, ({name: getattr(row, name) for name in names} for row in found))


def _end(entry: Entry, later: Iterable[Entry], now: datetime) -> tuple[str, datetime | None]:
    expires = datetime.fromisoformat(str(entry.detail["expires"])) if entry.detail.get("expires") else None
    for other in later:
        if expires is not None and other.at >= expires:
            break
        if other.event == DEACTIVATED:
            return "deactivated", other.at
        if other.event == ACTIVATED:
            return "overtaken", other.at
    return ("expired", expires) if expires is not None and now >= expires else ("", None)


def _counted(words: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return dict(sorted(counts.items()))
