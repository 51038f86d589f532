"""Every automated item of every list was seen red by a real fault of the desk, and green again after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.desk.drill.bench import Bench
from examples.desk.drill.drill import Drill, missing
from examples.desk.drill.table import tables


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with Bench(tmp_path_factory.mktemp("drill") / "home") as running:
        yield running


@pytest.mark.parametrize("stem", sorted(tables()))
def test_every_automated_item_was_seen_red(bench: Bench, stem: str) -> None:
    """Each fault turns its item and those named with it red, and no other; mended, everything is green again."""
    drill = Drill(bench, stem)
    without, unknown = missing(drill.items, stem)
    assert (without, unknown) == ([], [])
    assert {identity: finding.reason for identity, finding in drill.before().items()} == {}
    wrong = [f"{seen.fault.item} <- {seen.fault.told}: {seen.wrong}" for seen in drill.run() if seen.wrong]
    assert wrong == []
    assert {identity: finding.reason for identity, finding in drill.before().items()} == {}


def test_every_list_has_its_table(bench: Bench) -> None:
    """A list that is bound to the desk and has no faults would never have been seen red."""
    assert {Path(one.path).stem for one in bench.checklists} == set(tables())
