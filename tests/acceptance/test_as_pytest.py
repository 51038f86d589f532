"""The gate inside pytest: what a pytest user expects of nodes, options, fixtures and neighbours."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., str]


def test_collect_only_lists_ids(project: Any) -> None:
    """`--co -q` prints the node ids, one for each item, and looks at nothing."""
    out = project.gate("--co", "-q").out
    assert [line for line in out.splitlines() if "::" in line] == [
        f"checklists/main.yaml::{name}" for name in ("one", "two", "three")
    ]


def test_verbose_names_every_item(project: Any) -> None:
    """`-v` shows each item with its word, and the final block shows all of them."""
    out = project.gate("-v", env={"READY": "no"}).out
    assert "checklists/main.yaml::one FAILED" in out
    assert "checklists/main.yaml::three WARNING" in out


def test_quiet_says_the_verdict(project: Any) -> None:
    """`-q` keeps to the verdict, the paths and the next step."""
    out = project.gate("-q").out
    assert "go-live =" not in out
    assert "  GO  3 of 3 items pass." in out


def test_selection_by_title_and_severity(project: Any, make_item: Make) -> None:
    """`-k` finds words of the title, `-m` the severity."""
    project.checklist(make_item("one", title="The database answers"), make_item("two"), make_item("three", severity="warning"))
    assert "1 passed" in project.gate("-k", "database").out
    assert "2 passed" in project.gate("-m", "critical").out
    assert "1 passed" in project.gate("-m", "warning").out


def test_junit_carries_severity_and_reason(project: Any) -> None:
    """JUnit has one case for each item, with properties; a failing warning is an xfail, a failing critical item a failure."""
    project.gate("--junitxml=junit.xml", env={"READY": "no"})
    cases = {case.get("name"): case for case in ElementTree.parse(project.root / "junit.xml").iter("testcase")}
    assert set(cases) == {"one", "two", "three"}
    assert cases["one"].find("failure") is not None
    skipped = cases["three"].find("skipped")
    assert skipped is not None
    assert skipped.get("type") == "pytest.xfail"
    properties = {one.get("name"): one.get("value") for one in cases["three"].iter("property")}
    assert properties["golive.severity"] == "warning"


def test_xdist_decides_the_same(project: Any) -> None:
    """With two workers the controller decides from the same findings."""
    run = project.gate("-n2")
    assert (run.status, run.word) == (0, "GO")
    assert project.marker.exists()
    run = project.gate("-n2", env={"READY": "no"})
    assert (run.status, run.word, run.outcome("one")) == (1, "NO-GO", "failed")
    assert not project.marker.exists()


def test_xdist_keeps_acting_items_alone(project: Any, make_item: Make) -> None:
    """Over several workers an acting item still runs while nothing else is probed."""
    code = BUSY
    project.write("checklists/looks.py", code)
    project.settings((project.root / "golive.yaml").read_text().removeprefix("version: 1\n") + "target: {allow_acting: true}\n")
    acting = [
        make_item(
            f"act-{n}",
            probe=f"python: {{call: 'looks:look', args: {{name: act-{n}}}}}",
            expect="expect: {alone: true}",
            extra="acts: true",
        )
        for n in range(2)
    ]
    reads = [
        make_item(
            f"read-{n}",
            probe=f"python: {{call: 'looks:look', args: {{name: read-{n}}}}}",
            expect="expect: {alone: {in: [true, false]}}",
        )
        for n in range(3)
    ]
    project.checklist(*acting, *reads)
    assert project.gate("-n2").word == "GO"


FIXTURES = """\
import pytest

@pytest.fixture(autouse=True)
def each():
    print("each-fixture")
    yield

@pytest.fixture(autouse=True, scope="module")
def whole():
    open("module.txt", "a").write("set up\\n")
    yield
    open("module.txt", "a").write("torn down\\n")
"""


def test_fixtures_run_around_items(project: Any, make_item: Make) -> None:
    """Autouse fixtures run for items; a module-scoped one runs once for each checklist."""
    project.write("conftest.py", FIXTURES)
    project.checklist(make_item("four"), name="other")
    run = project.gate("-s")
    assert run.word == "GO"
    assert run.out.count("each-fixture") == 4
    assert (project.root / "module.txt").read_text() == "set up\ntorn down\n" * 2


def test_module_fixtures_see_the_checklist(project: Any) -> None:
    """A fixture can ask for the node and find the item's markers."""
    project.write(
        "conftest.py",
        LOOKS,
    )
    assert "marks ['critical']" in project.gate("-s").out


def test_without_golive_nothing_happens(project: Any) -> None:
    """A normal run of the project's tests collects no checklist, and writes nothing."""
    project.write("test_app.py", "def test_app():\n    pass\n")
    run = project.pytest()
    assert run.status == 0
    assert "1 passed" in run.out
    assert "golive:" not in run.out
    assert not (project.root / "reports").exists()


def test_golive_collects_no_other_tests(project: Any) -> None:
    """Under `--golive` the project's own tests are neither imported nor run."""
    project.write("test_app.py", "raise SystemExit('imported')\n")
    assert project.gate().word == "GO"


def test_markers_are_registered(project: Any) -> None:
    """`--markers` explains critical and warning, and strict markers accept them."""
    out = project.pytest("--markers").out
    assert "@pytest.mark.critical: " in out
    assert "@pytest.mark.warning: " in out
    assert project.gate("--strict-markers").word == "GO"


def test_a_failure_is_told_without_a_traceback(project: Any) -> None:
    """A check that simply failed shows lines for people."""
    out = project.gate(env={"READY": "no"}).out
    assert "Traceback" not in out
    assert "nodes.py" not in out
    assert "why:   it matters" in out
    assert "checklists/main.yaml:4" in out


def test_header_says_what_is_at_stake(project: Any) -> None:
    """The header names the number of items, the phases and the target."""
    assert "golive: 1 checklist, 3 items of 3 in pre-deploy, sign-off, target unnamed target, production" in project.gate().out


def test_pytest_html_beside(project: Any) -> None:
    """pytest-html's own page can be written beside, on every outcome."""
    run = project.gate("--html=plain.html", "--self-contained-html", env={"READY": "no"})
    assert run.word == "NO-GO"
    assert (project.root / "plain.html").exists()


@pytest.mark.parametrize("plugin", ["randomly", "timeout"])
def test_neighbours_do_not_change_the_decision(project: Any, plugin: str) -> None:
    """Other people's plugins may be there or not."""
    pytest.importorskip(f"pytest_{plugin}")
    assert project.gate().word == "GO"


def test_an_item_is_probed_once(project: Any, make_item: Make) -> None:
    """However many ways lead to an item, it is looked at once in a run."""
    counting = "command: {run: [sh, -c, 'echo x >> looked.txt']}"
    project.checklist(
        make_item("base", probe=counting, expect="expect: {exit: 0}"),
        make_item("left", extra="requires: [base]"),
        make_item("right", extra="requires: [base]"),
    )
    assert project.gate().word == "GO"
    assert (project.root / "looked.txt").read_text() == "x\n"


BUSY = """\
import os, pathlib, time

def look(name):
    here = pathlib.Path('busy')
    alone = not list(pathlib.Path('.').glob('busy-*'))
    mine = pathlib.Path(f'busy-{name}')
    mine.touch()
    time.sleep(0.3)
    alone = alone and len(list(pathlib.Path('.').glob('busy-*'))) == 1
    mine.unlink()
    return {'alone': alone}
"""

LOOKS = """\
import pytest

@pytest.fixture(autouse=True)
def look(request):
    print('marks', [m.name for m in request.node.iter_markers()])
"""
