"""`golive drill` and `--golive-drill`: a check that cannot fail does not stay unseen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., str]
HOLLOW = "expect: {value: {not_matches: '(?!)'}}"


def test_a_sound_list_drills_and_activates_nothing(project: Any) -> None:
    """A list whose every operator can fail ends with 0, says how much was drilled, and leaves the marker alone."""
    run = project.gate("--golive-drill")
    assert run.status == 0
    assert "3 items, 3 operators held against changed values: all of them noticed" in run.out
    assert run.summary["drill"]["holds"] is True
    assert not project.marker.exists()


def test_what_proves_nothing_is_named(project: Any, make_item: Make) -> None:
    """An operator that holds of everything ends with 1 although the decision is GO, and is named with its item."""
    project.checklist(make_item("one"), make_item("hollow", expect=HOLLOW))
    run = project.gate("--golive-drill")
    assert (run.status, run.word) == (1, "GO")
    assert "PROVES NOTHING  hollow: value: no match of /(?!)/: holds of everything" in run.out
    assert [fault["id"] for fault in run.summary["drill"]["faults"]] == ["hollow"]


def test_what_could_not_be_drilled_is_named(project: Any, make_item: Make) -> None:
    """An item that is red has no passing evidence to change, so nothing is proven of it."""
    project.checklist(make_item("one"), make_item("red", probe="env: {name: ABSENT}", severity="warning"))
    run = project.gate("--golive-drill")
    assert run.status == 1
    assert "NOT DRILLED     red: it is " in run.out


@pytest.mark.parametrize(("hollow", "status", "says"), [(False, 0, "All of them noticed."), (True, 1, "PROVES NOTHING  hollow")])
def test_the_command_says_the_same(project: Any, make_item: Make, hollow: bool, status: int, says: str) -> None:
    """`golive drill` looks, drills and tells, without a page of other words."""
    project.checklist(make_item("one"), *([make_item("hollow", expect=HOLLOW)] if hollow else []))
    run = project.golive("drill")
    assert (run.status, says in run.out) == (status, True)
    assert not project.marker.exists()


def test_items_of_another_phase_are_drilled_when_asked_for(project: Any, make_item: Make) -> None:
    """`--phase` drills what the gate itself would not look at."""
    project.checklist(make_item("one"), make_item("back", phase="rollback", expect=HOLLOW))
    assert project.golive("drill").status == 0
    run = project.golive("drill", "--phase", "rollback")
    assert run.status == 1
    assert "PROVES NOTHING  back" in run.out


def test_workers_drill_no_less(project: Any, make_item: Make) -> None:
    """Evidence that came from another process is drilled like any other."""
    project.checklist(make_item("one"), make_item("two"), make_item("hollow", expect=HOLLOW))
    run = project.gate("--golive-drill", "-n2")
    assert run.status == 1
    assert run.summary["drill"]["items"] == 3
