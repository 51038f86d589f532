"""The ladder: a larger profile is allowed by what was shown, by the time that passed, and by people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pytest_golive import events, ladder
from pytest_golive.journal import Entry
from pytest_golive.ladder import Past, Rung

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
RUNG = Rung(profile="small", capital="R5,000", needs=("week-*",), live_for=timedelta(days=7), calm_for=timedelta(days=3))
LONG = Past(live=timedelta(days=8), calm=None)


def entries(*told: tuple[str, float, Mapping[str, Any]]) -> Sequence[Entry]:
    """Records at so many hours after the beginning."""
    return [
        Entry(seq=seq, at=BEGAN + hours * HOUR, event=event, detail=detail, prev="", hash="")
        for seq, (event, hours, detail) in enumerate(told, 1)
    ]


def until(hours: float) -> Mapping[str, Any]:
    return {"expires": (BEGAN + hours * HOUR).isoformat()}


@pytest.mark.parametrize(
    ("told", "live", "calm"),
    [
        ((), 0, None),
        (((events.ACTIVATED, 0, until(12)),), 10, None),
        (((events.ACTIVATED, 0, until(4)),), 4, None),
        (((events.ACTIVATED, 0, until(12)), (events.ACTIVATED, 3, until(5))), 5, None),
        (((events.ACTIVATED, 0, until(12)), (events.DEACTIVATED, 2, {"stood": True})), 2, 8),
        (((events.ACTIVATED, 0, until(1)), (events.DEACTIVATED, 2, {"stood": False})), 1, None),
        (((events.ACTIVATED, 0, until(12)), (events.FAILED, 0, {})), 0, None),
        (((events.ACTIVATED, 0, until(12)), (events.STOPPED, 6, {}), (events.RESUMED, 7, {})), 6, 4),
    ],
)
def test_only_permitted_time_counts(told: Any, live: float, calm: float | None) -> None:
    """An activation counts until it is taken back, replaced, stopped or over; a marker that was never written not at all."""
    found = ladder.past(entries(*told), BEGAN + 10 * HOUR)
    assert found == Past(live=live * HOUR, calm=None if calm is None else calm * HOUR)


def seen(outcome: str = "passed", severity: str = "critical") -> Mapping[str, Any]:
    return {"outcome": outcome, "severity": severity}


@pytest.mark.parametrize(
    ("items", "before", "told"),
    [
        ({}, LONG, "no item of the evidence answers that"),
        ({"other": seen()}, LONG, "no item of the evidence answers that"),
        ({"week-1": seen(), "week-2": seen("failed")}, LONG, "stands on week-2, which did not pass"),
        ({"week-1": seen("not-applicable")}, LONG, "did not pass"),
        ({"week-1": seen(severity="warning")}, LONG, "as a critical item"),
        (
            {"week-1": seen()},
            Past(live=timedelta(days=6), calm=None),
            "needs 7.0 days of permitted trading, and there were 6.0 days",
        ),
        ({"week-1": seen()}, Past(live=timedelta(days=8), calm=timedelta(days=1)), "the last one was 1.0 days ago"),
        ({"week-1": seen()}, LONG, ""),
        ({"week-1": seen()}, Past(live=timedelta(days=7), calm=timedelta(days=3)), ""),
    ],
)
def test_a_rung_stands_on_everything_that_it_names(items: Any, before: Past, told: str) -> None:
    """Each criterion passed as a critical item, and the history is long enough; the first thing that is missing is named."""
    said = ladder.unmet(RUNG, items, before)
    assert told in said
    assert bool(said) == bool(told)
