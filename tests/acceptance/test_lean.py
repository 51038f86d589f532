"""The short way through pytest's protocol: nobody can tell from the outside that it was taken."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Make = Callable[..., str]

ALONE = ["-p", "no:rerunfailures", "-p", "no:xdist", "-p", "no:time_machine", "-p", "no:hypothesispytest"]
"""Without the plugins of the test environment that take part in pytest's protocol."""

LISTENS = "def pytest_runtest_setup(item):\n    pass\n"


def result(project: Any, *arguments: str, env: dict[str, str]) -> tuple[Any, ...]:
    run = project.gate(*ALONE, "-v", "--junitxml=junit.xml", *arguments, env=env)
    cases = [
        (case.get("name"), case.get("classname"), sorted(child.tag for child in case))
        for case in ElementTree.parse(project.root / "junit.xml").iter("testcase")
    ]
    shown = [line.split(" [")[0].split(" (")[0].rstrip() for line in run.out.splitlines() if line.startswith("checklists/")]
    return run.status, run.word, [(one["id"], one["outcome"]) for one in run.summary["items"]], cases, shown


@pytest.mark.parametrize("ready", ["yes", "no"])
def test_both_ways_tell_the_same(project: Any, ready: str) -> None:
    """Exit status, decision, outcomes, JUnit and the lines of `-v` are those of pytest's own protocol."""
    short = result(project, env={"READY": ready})
    project.write("conftest.py", LISTENS)
    assert result(project, env={"READY": ready}) == short


@pytest.mark.parametrize("arguments", [["-x"], ["--maxfail=1"]])
def test_it_stops_where_pytest_would(project: Any, arguments: list[str]) -> None:
    """`-x` and `--maxfail` end the session after the first failure, whichever way it runs."""
    short = project.gate(*ALONE, *arguments, env={"READY": "no"})
    assert (short.word, short.outcome("two")) == ("INCOMPLETE", "not-run")
    project.write("conftest.py", LISTENS)
    full = project.gate(*ALONE, *arguments, env={"READY": "no"})
    assert (full.status, full.word) == (short.status, short.word)


def test_a_fixture_brings_the_whole_protocol_back(project: Any) -> None:
    """As soon as a fixture is asked for, it runs around every item."""
    project.write("conftest.py", "import pytest\n\n@pytest.fixture(autouse=True)\ndef each():\n    print('each-fixture')\n")
    assert project.gate(*ALONE, "-s").out.count("each-fixture") == 3


def test_a_selection_stays_a_selection(project: Any) -> None:
    """`-k` decides nothing, whichever way the items ran."""
    run = project.gate(*ALONE, "-k", "one")
    assert run.word == "INCOMPLETE"
    assert run.status == 1


def test_ctrl_c_ends_it(project: Any, make_item: Make, tmp_path: Path) -> None:
    """An interrupt ends the short way at once, with pytest's status."""
    flag = tmp_path / "started"
    slow = f"command: {{run: [sh, -c, 'touch {flag}; sleep 60']}}\n  timeout: 90s"
    project.checklist(make_item("one"), make_item("slow", probe=slow, expect="expect: {exit: 0}"))
    run = project.interrupted_gate(flag, *ALONE)
    assert run.status == 2
    assert "interrupted" in run.out
    assert not project.marker.exists()


@pytest.mark.parametrize(
    "change",
    [
        "item.add_marker(pytest.mark.skip(reason='later'))",
        "item.add_marker(pytest.mark.xfail(run=False))",
        "item.runtest = lambda: 1 / 0",
    ],
)
def test_a_touched_item_leaves_the_short_way(project: Any, change: str) -> None:
    """A skip, an xfail and a replaced test count as they do in pytest's own protocol: nothing was proven."""
    project.write(
        "conftest.py", f"import pytest\n\ndef pytest_collection_modifyitems(items):\n    for item in items:\n        {change}\n"
    )
    run = project.gate(*ALONE)
    assert (run.status, run.word) == (1, "NO-GO")
    assert not project.marker.exists()
