"""Activation windows: days, times and zones; outside of them nothing is activated, and that is written down."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pytest_golive import hours

SATURDAY = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment", "open_"),
    [
        ("mon-fri 08:00-18:00 UTC", datetime(2026, 11, 20, 8, 0, tzinfo=UTC), True),
        ("mon-fri 08:00-18:00 UTC", datetime(2026, 11, 20, 18, 0, tzinfo=UTC), False),
        ("mon-fri 08:00-18:00 UTC", datetime(2026, 11, 20, 7, 59, 59, tzinfo=UTC), False),
        ("mon-fri 08:00-18:00 UTC", SATURDAY, False),
        ("sat 00:00-24:00 UTC", SATURDAY, True),
        ("fri-mon 09:00-11:00 UTC", SATURDAY, True),
        # ten in the morning in Berlin is nine in winter and eight in summer
        ("mon-sun 10:00-11:00 Europe/Berlin", datetime(2026, 1, 9, 9, 30, tzinfo=UTC), True),
        ("mon-sun 10:00-11:00 Europe/Berlin", datetime(2026, 7, 9, 9, 30, tzinfo=UTC), False),
        ("mon-sun 10:00-11:00 Europe/Berlin", datetime(2026, 7, 9, 8, 30, tzinfo=UTC), True),
    ],
)
def test_a_window_holds_by_the_clocks_of_its_zone(text: str, moment: datetime, open_: bool) -> None:
    """Begin counts, end does not, days may go round the week, and summer time is the zone's."""
    assert hours.parse(text).hold(moment) is open_


@pytest.mark.parametrize(
    "text", ["", "mon-fri", "mon-fri 08:00-18:00", "xyz 08:00-18:00 UTC", "mon 18:00-08:00 UTC", "mon 08:00-08:00 UTC",
             "mon 08:00-18:00 Mars/Olympus", "mon 8-18 UTC"],
)  # fmt: skip
def test_what_is_no_window_is_refused(text: str) -> None:
    """A window without a zone, without a length, or of a place that does not exist is an error."""
    with pytest.raises(ValueError, match=r"window|opens|zone"):
        hours.parse(text)


def test_no_window_is_always_open() -> None:
    """Who sets no windows has none; who sets some is refused outside of all of them."""
    assert hours.shut((), SATURDAY) == ""
    assert "mon-fri 08:00-18:00 UTC" in hours.shut((hours.parse("mon-fri 08:00-18:00 UTC"),), SATURDAY)
    both = (hours.parse("mon-fri 08:00-18:00 UTC"), hours.parse("sat 09:00-11:00 UTC"))
    assert hours.shut(both, SATURDAY) == ""
