"""Every automated item of every list was seen red by a real fault of the desk, and green again after it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.desk.drill.bench import Bench
from examples.desk.drill.drill import Drill, missing
from examples.desk.drill.table import read, tables

EVERYTHING = os.environ.get("DESK_DRILL") == "all"
LISTS = sorted(tables())
LONG = ("amarktai", "helios_valr")
"""The lists whose faults take ten minutes more: tried with DESK_DRILL=all, or by python -m examples.desk.drill."""


def _tried(stem: str) -> object:
    """A list; one that takes long is skipped, with the numbers of what is left out."""
    count = len(read(tables()[stem]))
    slow = sum(fault.slow for other in LISTS if other not in LONG for fault in read(tables()[other]))
    reason = f"{count} faults, and {slow} slow ones of the other lists, are for DESK_DRILL=all"
    return pytest.param(stem, marks=pytest.mark.skipif(not EVERYTHING and stem in LONG, reason=reason))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with Bench(tmp_path_factory.mktemp("drill") / "home") as running:
        yield running


@pytest.mark.parametrize("stem", [_tried(stem) for stem in LISTS])
def test_each_fault_turns_its_item_red(tmp_path: Path, stem: str) -> None:
    """Each fault turns its item and those named with it red, and no other; mended, they are green again.

    Each list has a bench of its own, because what one drill breaks stands in the statistics that another one reads.
    """
    with Bench(tmp_path / "home") as own:
        seen = list(Drill(own, stem).run(slow=EVERYTHING))
    assert seen
    assert [f"{one.fault.item} <- {one.fault.told}: {one.wrong}" for one in seen if one.wrong] == []


@pytest.mark.parametrize("stem", LISTS)
def test_every_automated_item_has_a_fault(bench: Bench, stem: str) -> None:
    """No item that a machine answers is without a fault, and no fault is for an item that is not there."""
    assert missing(Drill(bench, stem).items, stem) == ([], [])


def test_every_list_has_its_table(bench: Bench) -> None:
    """A list that is bound to the desk and has no faults would never have been seen red."""
    assert {Path(one.path).stem for one in bench.checklists} == set(LISTS)
