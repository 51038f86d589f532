"""The two pictures of a run: whole numbers, bounded, the same without colours, and told in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from pytest_golive import report
from pytest_golive.report import pictures
from pytest_golive.report.reading import SECTIONS
from tests.report.conftest import make_item
from tests.report.gallery import statements

KEYS = tuple(SECTIONS)
BEGAN = datetime.fromisoformat("2026-11-21T10:00:00+00:00")


def look(number: int, start: int, took: int, **changes: Any) -> dict[str, Any]:
    """An item that was looked at from `start` on, for so many milliseconds."""
    evidence = {
        "began": (BEGAN + timedelta(milliseconds=start)).isoformat(),
        "seconds": f"{took / 1000:.3f}",
        "sha256": f"{number:064d}",
        "facts": {}, "attempts": 1, "cut": 0,
    }  # fmt: skip
    return make_item(f"i{number}", **{"evidence": evidence, **changes})


def run_of(items: list[dict[str, Any]], seconds: int = 10) -> dict[str, Any]:
    """The go-live part of a run of ten seconds."""
    return {"items": items, "run": {"began": BEGAN.isoformat(), "ended": (BEGAN + timedelta(seconds=seconds)).isoformat()}}


def course(items: list[dict[str, Any]], keys: list[str] | None = None) -> Any:
    """The course of these items."""
    return pictures.course(run_of(items), keys or ["passed"] * len(items), KEYS)


def test_a_look_of_half_the_run_is_half_of_the_course() -> None:
    """The area rises where a look began and falls where it ended."""
    assert course([look(1, 2_500, 5_000)]).area == "M0 40H40V0H120V40z"


def test_looks_that_follow_each_other_are_not_at_once() -> None:
    """Many short looks one after the other in one step count as one at a time, and those side by side add up."""
    row = [look(number, number, 1) for number in range(50)]
    assert course(row).most == 1
    assert course([look(number, 1_000, 500) for number in range(7)]).most == 7
    beside = course([look(1, 0, 10_000), look(2, 5_000, 5_000)])
    assert beside.area == "M0 40H0V20H80V0H160V40z"


def test_a_shared_look_counts_once() -> None:
    """Items that were judged by one look are one look."""
    assert course([look(1, 0, 1_000), look(1, 0, 1_000), look(2, 0, 1_000)]).looks == 2


def test_what_is_not_clear_is_marked_below_the_line() -> None:
    """A failing look has a mark where it ended, a passed one has none, and nothing leads out of the picture."""
    drawn = course([look(1, 0, 5_000), look(2, 0, 99_000), look(3, -60_000, 1_000)], ["blocking", "warnings", "passed"])
    assert dict(drawn.marks) == {"blocking": "M80 43h1v6h-1z", "warnings": "M159 43h1v6h-1z"}
    numbers = [int(number) for number in re.findall(r"[HV](\d+)", drawn.area)]
    assert max(numbers) <= pictures.BINS


def test_a_run_without_looks_has_a_course() -> None:
    """A run that saw nothing is an empty line, also if it took no time at all."""
    drawn = pictures.course(run_of([make_item("a", evidence=None)], seconds=0), ["unchecked"], KEYS)
    assert (drawn.area, drawn.looks, drawn.most) == ("M0 40z", 0, 0)


def test_a_strand_tells_time_by_height_and_trouble_below_the_line() -> None:
    """Slower is taller, and only what is not clear reaches below the line."""
    items = [look(1, 0, 10), look(2, 0, 60_000), look(3, 0, 300)]
    (strand,) = pictures.where(items, ["passed", "passed", "blocking"], KEYS, {}).strands
    assert dict(strand.paths) == {"passed": "M0 18v-3h.8v3zM1 18v-18h.8v18z", "blocking": "M2 18v-9h.8v9zM2 20h.8v5h-.8z"}
    assert strand.label == "3 items, 1 blocking, 60.3 s"


def test_a_shared_look_is_counted_where_it_stands_first() -> None:
    """The seconds of all strands add up to the time of all looks, and a column is as tall as its item took all the same."""
    items = [look(1, 0, 6_000, checklist=name) for name in ("a", "a", "b")]
    first, second = pictures.where(items, ["passed"] * 3, KEYS, {}).strands
    assert (first.seconds, second.seconds) == ("6.0", "0.0")
    assert dict(second.paths) == {"passed": "M0 18v-15h.8v15z"}


def test_each_list_and_phase_has_its_strand() -> None:
    """Items stand with their list and phase, and the numbers of the strands add up."""
    items = [look(n, 0, 10, checklist=f"c{n % 3}", phase=("pre-deploy", "sign-off")[n % 2]) for n in range(60)]
    drawn = pictures.where(items, ["passed"] * 60, KEYS, {"c1": "The second"})
    assert len(drawn.strands) == 6
    assert sum(strand.count for strand in drawn.strands) == 60
    assert {strand.title for strand in drawn.strands} == {"c0", "The second", "c2"}


@pytest.mark.parametrize("lists", [1, 5, 40, 1_000])
def test_five_thousand_items_are_a_few_kilobytes(lists: int) -> None:
    """However many items and lists there are, both pictures stay small, and no failing item is lost in them."""
    items = [look(n, n * 7 % 9_000, n * 37 % 3_000, checklist=f"c{n % lists}") for n in range(5_000)]
    order = [KEYS[n * 11 % 7] if n % 3 else "passed" for n in range(5_000)]
    drawn = pictures.where(items, order, KEYS, {})
    assert len(drawn.strands) <= pictures.MAX_STRANDS
    assert sum(strand.count for strand in drawn.strands) == 5_000
    assert sum(len(path) for strand in drawn.strands for _, path in strand.paths) < 9_000
    along = pictures.course(run_of(items), order, KEYS)
    assert len(along.area) + sum(len(path) for _, path in along.marks) < 12_000
    alone = ["passed"] * 4_999 + ["blocking"]
    assert any("blocking" in dict(strand.paths) for strand in pictures.where(items, alone, KEYS, {}).strands)


def test_pictures_are_told_in_words(sign: Callable[[dict[str, Any]], str]) -> None:
    """Each picture that says something has a label, and the others are hidden from those who cannot see them."""
    page = report.render(sign(statements()["no-go"])).decode("ascii")
    for tag in re.findall(r"<svg[^>]*>", page):
        assert ('role="img" aria-label="' in tag) != ('aria-hidden="true"' in tag)
    assert 'aria-label="57 looks from 2026-11-21 10:00:01 UTC to 2026-11-21 10:00:05 UTC, at most ' in page
    assert 'aria-label="16 items, 1 blocking, 2 not checked, 8.6 s"' in page
