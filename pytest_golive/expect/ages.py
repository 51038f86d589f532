"""The operator `age`: how long ago an instant was, bounded on both sides.

Old evidence says nothing about now, and evidence from the future says that a clock is wrong, so an instant more than five seconds
ahead is an error, unless `future:` allows more. An instant is ISO 8601 text with a zone, or a number of seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pytest_golive.expect.operators import Operator, Task, holds, joined, makes, measured
from pytest_golive.expect.values import Undecidable, described, kind, number, plain_text, shown
from pytest_golive.quantities import exact_seconds, spoken

FUTURE = Decimal(5)
"""Seconds that an instant may lie ahead of our clock, because clocks differ."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = 10**15
_MILLISECONDS = 10**11


def _duration_from(value: Any) -> Decimal:
    if not isinstance(value, str):
        raise ValueError(f"must be a duration with its unit, such as 30s or 12h, not {shown(value)}")  # noqa: TRY004
    return exact_seconds(value)


@makes("age")
def _age(task: Task) -> Operator:
    if not isinstance(task.argument, Mapping):
        raise ValueError("must be operators over durations, such as {lt: 60s}")  # noqa: TRY004
    parts = measured(task, _duration_from, spoken, beside=("future",))
    future = FUTURE
    if "future" in task.argument:
        try:
            future = _duration_from(task.argument["future"])
        except ValueError as error:
            task.faults.append(((*task.at, "future"), f"age future: {error}"))

    def measure(value: Any, now: datetime) -> Decimal:
        age = _since_epoch(now, "our clock") - _instant(value)
        if age < -future:
            hint = "; is it in milliseconds?" if kind(value) == "number" and value > _MILLISECONDS else ""
            raise Undecidable(f"{shown(value)}, {spoken(-age)} in the future: one of two clocks is wrong{hint}")
        return age

    return task.operator(
        f"age {joined(parts)}",
        lambda value, now: holds(parts, measure(value, now), now),
        lambda value, now, _met: f"age {spoken(measure(value, now))} ({shown(value)})",
        parts,
    )


def _since_epoch(moment: datetime, what: str) -> Decimal:
    if moment.tzinfo is None:
        raise Undecidable(f"{what} without a time zone")
    delta = moment - _EPOCH
    return Decimal(delta.days * 86400 + delta.seconds) + Decimal(delta.microseconds) / 1_000_000


def _instant(value: Any) -> Decimal:
    """Seconds since 1970; `Undecidable` if the value is no instant."""
    if kind(value) == "number":
        if not 0 <= number(value) <= _LAST:
            raise Undecidable(f"{shown(value)}, which is no number of seconds since 1970")
        return Decimal(value)
    text = plain_text(value)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Undecidable(f"{described(value)}, which is no ISO 8601 instant") from None
    return _since_epoch(moment, described(value))
