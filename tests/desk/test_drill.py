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
TRIED = LISTS if EVERYTHING else ["kraken_bot", "nija", "quantum_trader"]
"""The lists whose faults are tried in every run of the suite; the two long ones take ten minutes more."""

LEFT_OUT = sum(fault.slow or stem not in TRIED for stem, path in tables().items() for fault in read(path))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with Bench(tmp_path_factory.mktemp("drill") / "home") as running:
        yield running


@pytest.mark.parametrize("stem", TRIED)
def test_each_fault_turns_its_item_red(tmp_path: Path, stem: str) -> None:
    """Each fault turns its item and those named with it red, and no other; mended, they are green again.

    Each list has a bench of its own, because what one drill breaks stands in the statistics that another one reads.
    """
    with Bench(tmp_path / "home") as own:
        seen = list(Drill(own, stem).run(slow=EVERYTHING))
    assert seen
    assert [f"{one.fault.item} <- {one.fault.told}: {one.wrong}" for one in seen if one.wrong] == []


@pytest.mark.skipif(not EVERYTHING, reason=f"{LEFT_OUT} faults are for DESK_DRILL=all, or python -m examples.desk.drill")
def test_no_fault_is_left_out() -> None:
    """What is left out to save time is said, with its number; with DESK_DRILL=all, nothing is."""
    assert TRIED == LISTS


@pytest.mark.parametrize("stem", LISTS)
def test_every_automated_item_has_a_fault(bench: Bench, stem: str) -> None:
    """No item that a machine answers is without a fault, and no fault is for an item that is not there."""
    assert missing(Drill(bench, stem).items, stem) == ([], [])


def test_every_list_has_its_table(bench: Bench) -> None:
    """A list that is bound to the desk and has no faults would never have been seen red."""
    assert {Path(one.path).stem for one in bench.checklists} == set(LISTS)
