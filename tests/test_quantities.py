"""Durations and sizes: what is read, and what is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_golive import quantities


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", "0.5"), ("10s", "10"), ("5m", "300"), ("12h", "43200"), ("30d", "2592000"), ("1.5h", "5400"), ("0s", "0")],
)
def test_a_duration_is_a_number_with_a_unit(text: str, seconds: str) -> None:
    """Each unit has its seconds, exactly as Decimal and as the nearest float."""
    assert quantities.exact_seconds(text) == Decimal(seconds)
    assert quantities.seconds(text) == float(seconds)
    assert isinstance(quantities.seconds(text), float)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30",
        "s",
        "10 s",
        " 10s",
        "10s ",
        "10s\n",
        "1m30s",
        "-5s",
        "+5s",
        "1month",
        "5min",
        "10S",
        "1e3s",
        ".5s",
        "5.s",
        "1,5h",
        "٣s",
        "inf",
        "1w",
    ],
)
def test_what_is_not_plainly_a_duration_is_refused(text: str) -> None:
    """A bare number, an unknown unit, a sign, white space or several units are refused with an example of what to write."""
    with pytest.raises(ValueError, match="is not a duration: write a number with ms, s, m, h or d, such as 500ms"):
        quantities.seconds(text)


def test_a_duration_of_more_than_a_century_is_refused() -> None:
    """A slip of the pen does not become a limit that never bites; exactly a century is still read."""
    assert quantities.exact_seconds("36525d") == quantities.LONGEST
    with pytest.raises(ValueError, match="longer than a century"):
        quantities.seconds("36526d")


def test_a_long_text_is_shown_short() -> None:
    """A message about a megabyte of text does not hold a megabyte."""
    with pytest.raises(ValueError) as caught:
        quantities.seconds("x" * 1_000_000)
    assert len(str(caught.value)) < 200
    with pytest.raises(ValueError, match="'" + "x" * 40 + "' is not"):
        quantities.seconds("x" * 40)


@given(st.decimals(min_value=0, max_value=10_000, places=3), st.sampled_from(sorted(quantities.UNITS)))
def test_reading_is_exact(number: Decimal, unit: str) -> None:
    """Any number of any unit is that number times the unit's seconds, without rounding."""
    assert quantities.exact_seconds(f"{number}{unit}") == number * quantities.UNITS[unit]


@pytest.mark.parametrize(
    ("text", "size"), [("512B", 512), ("10kB", 10_000), ("10MB", 10_000_000), ("1GiB", 2**30), ("3KiB", 3072)]
)
def test_a_size_is_a_whole_number_with_a_unit(text: str, size: int) -> None:
    """Decimal and binary units are told apart by their names."""
    assert quantities.size(text) == size


@pytest.mark.parametrize("text", ["", "10", "10mb", "1.5MB", "10 MB", "-1B", "10MBs", "10K"])
def test_what_is_not_plainly_a_size_is_refused(text: str) -> None:
    """A bare number, a fraction or a guess at a unit is refused with an example."""
    with pytest.raises(ValueError, match="is not a size: write a whole number with B, kB, MB"):
        quantities.size(text)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        ("0", "0 s"),
        ("0.5", "500 ms"),
        ("1", "1 s"),
        ("59.9", "59.9 s"),
        ("60", "1 m"),
        ("5400", "1.5 h"),
        ("86400", "1 d"),
        ("-90", "-1.5 m"),
    ],
)
def test_seconds_are_said_in_the_largest_fitting_unit(seconds: str, said: str) -> None:
    """What is said has at most one digit after the point, and keeps the sign."""
    assert quantities.spoken(Decimal(seconds)) == said
