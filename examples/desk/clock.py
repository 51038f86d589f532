"""The desk's clock: UTC only, written as ISO 8601."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

Clock = Callable[[], datetime]


def now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """The moment as ISO 8601 in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def age(moment: datetime, later: datetime) -> Decimal:
    """Seconds from `moment` to `later`, in thousandths."""
    return Decimal(round((later - moment).total_seconds() * 1000)) / 1000
