"""What a run decides, what it exits with, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Make = Callable[..., str]


def test_everything_passes(project: Any) -> None:
    """GO: exit 0, a signed page that verifies, a marker, and a journal of both."""
    run = project.gate()
    assert (run.status, run.word) == (0, "GO")
    assert project.marker.exists()
    assert project.golive("verify", str(project.reports()[0])).status == 0
    assert [
        line.split('"event":"')[1].split('"')[0] for line in (project.root / "reports/journal.jsonl").read_text().splitlines()
    ] == [
        "run",
        "activated",
    ]
    assert "GO  3 of 3 items pass." in run.out


def test_a_warning_fails(project: Any, make_item: Make) -> None:
    """GO WITH WARNINGS: exit 0 and a marker, and the warning is named with its fix."""
    project.checklist(
        make_item("one"), make_item("three", severity="warning", probe="env: {name: ABSENT}", expect="expect: {set: true}")
    )
    run = project.gate()
    assert (run.status, run.word) == (0, "GO WITH WARNINGS")
    assert project.marker.exists()
    assert "WARN    Item three  [three]" in run.out
    assert "fix:   set READY=yes" in run.out


def test_a_critical_item_fails(project: Any) -> None:
    """NO-GO: exit 1, a page, no marker, and the item is named with what was found and its fix."""
    run = project.gate(env={"READY": "no"})
    assert (run.status, run.word) == (1, "NO-GO")
    assert not project.marker.exists()
    assert len(project.reports()) == 1
    assert "FAIL    Item one  [one]" in run.out
    assert "Next:   mend the blocking items above" in run.out


@pytest.mark.parametrize("outcome", ["missing", "timeout", "unreachable", "broken"])
def test_what_could_not_be_checked_blocks(project: Any, make_item: Make, tmp_path: Path, outcome: str) -> None:
    """A missing field, a hang, an unreachable target and a broken check are errors, and an error blocks."""
    probes = {
        "missing": ("env: {name: READY}", "expect: {no_such_fact: 1}"),
        "timeout": ("command: {run: [sleep, '30']}\n  timeout: 300ms", "expect: {exit: 0}"),
        "unreachable": ("http: {url: 'http://127.0.0.1:9/'}", "expect: {status: 200}"),
        "broken": ("python: {call: 'nowhere:nothing'}", "expect: {value: 1}"),
    }
    probe, expect = probes[outcome]
    project.checklist(make_item("one", probe=probe, expect=expect))
    run = project.gate()
    assert (run.status, run.word, run.outcome("one")) == (1, "NO-GO", "error")
    assert not project.marker.exists()
    assert "Traceback" not in run.text


def test_a_blocked_item_names_what_it_waits_for(project: Any, make_item: Make) -> None:
    """An item whose requirement did not pass is blocked and says by what, whatever it would have found itself."""
    project.checklist(
        make_item("base", probe="env: {name: ABSENT}", expect="expect: {set: true}"),
        make_item("above", extra="requires: [base]"),
    )
    run = project.gate()
    assert run.outcome("above") == "blocked"
    assert "needs base, which is failed" in run.out


def test_an_acting_item_needs_permission(project: Any, make_item: Make) -> None:
    """An item that acts is not run, and blocks, unless the target allows acting."""
    project.checklist(make_item("one"), make_item("acts", extra="acts: true"))
    run = project.gate()
    assert (run.word, run.outcome("acts")) == ("NO-GO", "not-run")
    assert "target.allow_acting is not true" in run.out
    project.settings((project.root / "golive.yaml").read_text().removeprefix("version: 1\n") + "target: {allow_acting: true}\n")
    assert project.gate().word == "GO"


def test_for_each_makes_an_item_of_each_element(project: Any, make_item: Make) -> None:
    """`for_each` gives one node for each element, and one bad element blocks."""
    loop = make_item("broker", probe="env: {name: '${broker}'}", extra='for_each: {broker: ["READY", "OTHER"]}')
    project.checklist(loop)
    run = project.gate("-v", env={"OTHER": "yes"})
    assert run.word == "GO"
    assert "checklists/main.yaml::broker[READY] PASSED" in run.out
    assert "checklists/main.yaml::broker[OTHER] PASSED" in run.out
    assert project.gate(env={"OTHER": "no"}).word == "NO-GO"


def test_eventually_waits_until_it_is_true(project: Any, make_item: Make) -> None:
    """An item may come true within its time; every look is in the evidence."""
    project.write(
        "turn.py",
        TURNS,
    )
    probe = "command: {run: [python3, turn.py], counts: {n: '(\\d+)'}}"
    project.checklist(
        make_item(
            "one",
            probe=probe,
            expect="expect: {counts.n: {ge: 3}}",
            extra="eventually: {within: 20s, every: 50ms, stable_for: 2}",
        )
    )
    run = project.gate()
    assert run.word == "GO"
    assert int((project.root / "n").read_text()) == 4


def test_activation_must_be_wanted(project: Any) -> None:
    """With activation_enabled false a GO writes a page and no marker, and says why."""
    project.settings((project.root / "golive.yaml").read_text().removeprefix("version: 1\n").replace("true", "false", 1))
    run = project.gate()
    assert (run.status, run.word) == (0, "GO")
    assert not project.marker.exists()
    assert "not written, because activation_enabled is false" in run.out


def test_a_denied_activation_is_not_green(project: Any) -> None:
    """A run that was to activate and was denied exits 1, although its decision is GO."""
    project.settings(
        (project.root / "golive.yaml")
        .read_text()
        .removeprefix("version: 1\n")
        .replace("require_ess_inactive: false", "require_ess_inactive: true")
    )
    run = project.gate()
    assert (run.status, run.word) == (1, "GO")
    assert not project.marker.exists()
    assert "no item answers it" in run.out


def test_a_no_go_withdraws_the_marker(project: Any) -> None:
    """A run that saw a critical item fail takes an existing marker back, whole or not; a selection that saw none leaves it."""
    for selection in ([], ["-k", "one"]):
        assert project.gate().status == 0
        assert project.gate("-k", "three", env={"READY": "no"}).word == "INCOMPLETE"
        assert project.marker.exists()
        assert "withdrawn" in project.gate(*selection, env={"READY": "no"}).out
        assert not project.marker.exists()


def test_no_marker_leaves_the_marker_alone(project: Any) -> None:
    """`--golive-no-marker` decides and signs, and touches no marker."""
    assert project.gate("--golive-no-marker").status == 0
    assert not project.marker.exists()


def test_another_phase_never_gates(project: Any, make_item: Make) -> None:
    """Items of other phases run on request, and such a run never writes a marker."""
    project.checklist(make_item("one"), make_item("back", phase="rollback"))
    run = project.gate("--golive-phase", "rollback", "-v")
    assert "checklists/main.yaml::back PASSED" in run.out
    assert "::one" not in run.out
    assert not project.marker.exists()


TURNS = """\
import pathlib
p = pathlib.Path('n')
p.write_text(str(int(p.read_text() or 0) + 1) if p.exists() else '1')
print(p.read_text())
"""


def test_a_failure_outside_the_lists_is_not_go(project: Any) -> None:
    """A session that something else made red decides nothing, although every item passed."""
    project.write("conftest.py", "def pytest_sessionfinish(session):\n    session.exitstatus = 1\n")
    run = project.gate()
    assert (run.status, run.word) == (1, "INCOMPLETE")
    assert not project.marker.exists()


def test_an_older_page_does_not_undo_a_later_no(project: Any) -> None:
    """The page of a GO cannot activate after a later NO-GO or a deactivation."""
    assert project.gate().status == 0
    page = str(project.reports()[0])
    assert project.golive("deactivate", "--reason", "incident").status == 0
    refused = project.golive("activate", "--yes", page)
    assert refused.status == 1
    assert "newest whole run" in refused.err
    assert project.gate(env={"READY": "no"}).word == "NO-GO"
    assert project.golive("activate", "--yes", page).status == 1
    assert not project.marker.exists()


def test_all_of_keeps_its_requirements(project: Any, make_item: Make) -> None:
    """A part that is also required must have passed."""
    bad = make_item("one", probe="env: {name: ABSENT}", expect="expect: {set: true}")
    both = make_item("both", probe="all_of: {items: [one, two]}", expect="expect: {passed: {ge: 1}}", extra="requires: [one]")
    project.checklist(bad, make_item("two"), both)
    assert project.gate().outcome("both") == "blocked"


def test_two_instances_of_one_id_are_refused(project: Any, make_item: Make) -> None:
    """Two ways to the same id would leave one of them unprobed."""
    project.checklist(make_item("one", extra="for_each: {a: ['x-y', x], b: [z, 'y-z']}"))
    run = project.pytest("--golive")
    assert run.status == 4
    assert "have the id 'one[x-y-z]'" in run.text
