"""The journal in numbers: rates with the thresholds of document 001, what blocked, how long it took to GO, what was stopped.

The thresholds are those of the table in document 001, "Metrics & Observability" (lines 511 to 520): a pre-flight pass rate under
90 %, an activation success rate under 95 % and any downtime of the activation raise an alert. The fourth of its rows, the rate of
skipped orders, is known to the service that skips them and not to the journal. A rate of nothing is neither good nor bad.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import final

from pytest_golive import events
from pytest_golive.history.attempts import GLASS, STOOD, Attempt, attempts
from pytest_golive.journal import Entry
from pytest_golive.model import Word

PASSED = frozenset(word.value for word in Word if word.permits)

ALSO = (
    events.STOPPED,
    events.ORDERS_CANCELLED,
    events.RESUMED,
    events.DEACTIVATED,
    events.ROLLED_BACK,
    events.BREAK_GLASS,
    events.REVIEWED,
    events.NOTIFICATION_FAILED,
    events.RECOVERED,
)
"""What is counted beside runs and attempts, because somebody should ask why it happened."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share with its target and its alert; `percent` is None if there was nothing to count, and `alert` is False then."""

    name: str
    good: int
    of: int
    unit: str
    target: str
    threshold: str
    percent: Decimal | None
    alert: bool


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A decision of the gate. Only whole gate runs decide (`decides`); `named` says whether its record names what blocked."""

    seq: int
    at: datetime
    word: str
    operator: str
    decides: bool
    blocking: tuple[str, ...]
    blockers: int
    named: bool

    @property
    def passed(self) -> bool:
        """Whether the decision permits an activation."""
        return self.word in PASSED


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """An item that blocked: in how many deciding runs, when last, and whether it still does in the newest of them."""

    id: str
    runs: int
    newest: datetime
    stands: bool


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Red:
    """A time without GO: from the first run that did not pass to the next that did; `ended` is None while it lasts."""

    began: datetime
    ended: datetime | None
    runs: int
    seconds: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Chronicle:
    """Everything that the history tells of one span of the journal, in the order in which it happened."""

    began: datetime | None
    until: datetime
    records: int
    head: str
    runs: tuple[Run, ...]
    partial: int
    attempts: tuple[Attempt, ...]
    rates: tuple[Rate, ...]
    blockers: tuple[Blocker, ...]
    unnamed: int
    reds: tuple[Red, ...]
    median_to_go: int | None
    also: Mapping[str, tuple[datetime, ...]]

    @property
    def alerts(self) -> tuple[Rate, ...]:
        """The rates that are worse than document 001 allows."""
        return tuple(rate for rate in self.rates if rate.alert)


def chronicle(entries: Sequence[Entry], now: datetime, since: datetime | None = None) -> Chronicle:
    """What the records tell of the time from `since` (or from the first of them) until `now`.

    An activation counts to the span in which it was asked for; what ended it is read from all records.
    """
    span = [entry for entry in entries if since is None or entry.at >= since]
    asked = [row for row in attempts(entries, now) if since is None or datetime.fromisoformat(row.at) >= since]
    runs = tuple(_run(entry) for entry in span if entry.event == events.RUN)
    deciding = [run for run in runs if run.decides]
    # who breaks the glass goes round the gate, which says nothing about how well the gate is passed
    by_gate = [row for row in asked if row.outcome != GLASS]
    reds = _reds(deciding, now)
    ended = [red.seconds for red in reds if red.ended is not None]
    return Chronicle(
        began=span[0].at if span else None,
        until=now,
        records=len(span),
        head=entries[-1].hash if entries else "",
        runs=runs,
        partial=len(runs) - len(deciding),
        attempts=tuple(asked),
        rates=(
            _rate("Pre-flight pass rate", sum(run.passed for run in deciding), len(deciding), "runs", 90),
            _rate("Activation success rate", sum(row.outcome == "activated" for row in by_gate), len(by_gate), "attempts", 95),
            _uptime(asked, now),
        ),
        blockers=_blockers(deciding),
        unnamed=sum(run.blockers - len(run.blocking) for run in deciding if run.named)
        + sum(not run.named and not run.passed for run in deciding),
        reds=reds,
        median_to_go=int(statistics.median(ended)) if ended else None,
        also={name: tuple(entry.at for entry in span if entry.event == name) for name in ALSO},
    )


def _run(entry: Entry) -> Run:
    detail = entry.detail
    names, counts = detail.get("blocking"), detail.get("counts")
    blocking = tuple(str(name) for name in names) if isinstance(names, list) else ()
    count = counts.get("blocking", 0) if isinstance(counts, Mapping) else 0
    return Run(
        seq=entry.seq,
        at=entry.at,
        word=str(detail.get("word", "")),
        operator=str(detail.get("operator", "")),
        decides=detail.get("decides") is True,
        blocking=blocking,
        blockers=max(len(blocking), count if type(count) is int else 0),
        named=isinstance(names, list),
    )


def _rate(name: str, good: int, of: int, unit: str, least: int) -> Rate:
    percent = _percent(good, of)
    return Rate(
        name=name,
        good=good,
        of=of,
        unit=unit,
        target="100 %",
        threshold=f"under {least} %",
        percent=percent,
        alert=percent is not None and good * 100 < least * of,
    )


def _uptime(asked: Iterable[Attempt], now: datetime) -> Rate:
    """The seconds in which an activation stood, of those since the first one."""
    stood = [
        (began, min(now, datetime.fromisoformat(row.ended_at)) if row.ended_at else now)
        for row in asked
        if row.outcome in STOOD and (began := datetime.fromisoformat(row.at)) <= now
    ]
    of = int((now - min(began for began, _ in stood)).total_seconds()) if stood else 0
    # one activation ends where the next begins, so that no second is counted twice
    covered = sum((max(timedelta(0), ended - began) for began, ended in stood), timedelta(0))
    good = min(of, int(covered.total_seconds()))
    return Rate(
        name="Activation uptime",
        good=good,
        of=of,
        unit="seconds",
        target="continuous",
        threshold="any downtime",
        percent=_percent(good, of),
        alert=good < of,
    )


def _percent(good: int, of: int) -> Decimal | None:
    """Rounded down, so that only what is whole reads 100."""
    return (Decimal(good) * 100 / of).quantize(Decimal("0.1"), ROUND_FLOOR) if of else None


def _blockers(deciding: Sequence[Run]) -> tuple[Blocker, ...]:
    seen: dict[str, list[datetime]] = {}
    for run in deciding:
        for name in dict.fromkeys(run.blocking):
            seen.setdefault(name, []).append(run.at)
    standing = set(deciding[-1].blocking) if deciding else set()
    found = (Blocker(id=name, runs=len(times), newest=times[-1], stands=name in standing) for name, times in seen.items())
    return tuple(sorted(found, key=lambda one: (-one.runs, not one.stands, one.id)))


def _reds(deciding: Iterable[Run], now: datetime) -> tuple[Red, ...]:
    found: list[Red] = []
    began, runs = None, 0
    for run in deciding:
        if not run.passed:
            began, runs = began or run.at, runs + 1
        elif began is not None:
            found.append(Red(began=began, ended=run.at, runs=runs, seconds=_seconds(began, run.at)))
            began, runs = None, 0
    if began is not None:
        found.append(Red(began=began, ended=None, runs=runs, seconds=_seconds(began, now)))
    return tuple(found)


def _seconds(began: datetime, ended: datetime) -> int:
    """A clock that was set back makes no negative times."""
    return max(0, int((ended - began).total_seconds()))
